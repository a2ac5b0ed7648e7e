"""Einstein summation."""


def einsum(subscripts: str, *operands: array, stream: StreamOrDevice = None) -> array:
    """Sum of products over labelled axes: ``einsum("ij,jk->ik", a, b)`` is ``a @ b``.

    Every axis has a letter, and ``...`` stands for any further axes, which broadcast. The result has
    the axes after ``->``; without it, those of ``...`` and then the letters that occur once, in
    alphabetical order. All other letters are summed over. A letter that occurs twice in one operand
    takes its diagonal. Axes of size 1 broadcast.

    Raises:
        ValueError: the subscripts do not fit the operands, or sizes of one letter differ.
    """


@c()
@manual
def einsum_path(subscripts: str, *operands: array) -> tuple[list[tuple[int, ...]], str]:
    """The order in which ``einsum`` contracts its operands, and a text about its cost.

    Each tuple holds the positions of the operands that are taken out of the list; their product is
    appended to it. The order is greedy: the pair whose product shrinks memory the most comes first
    (Smith and Gray, opt_einsum, 2018).
    """

"""Functions as files, and pictures of graphs."""

MANUAL = True


def export_function(file_or_callback: str | Path | Callable, fun: Callable, *args, shapeless: bool = False, metadata: str | None = None, **kwargs) -> None:
    """Trace a function and write it to a file, from which it runs without its source.

    Args:
        file_or_callback: a path, or a function that is called with a dict for each part of the
            graph: ``type`` is ``inputs``, ``keyword_inputs``, ``outputs``, ``constants`` or
            ``primitive``.
        fun: takes and returns arrays: one, or a list, tuple or dict of them.
        *args, **kwargs: example inputs; their shapes and dtypes are the signature. One tuple or
            dict of arrays stands for all positional or keyword inputs.
        shapeless: the function is also to work for inputs of other sizes and the same ranks.
        metadata: a text to keep in the file.

    Arrays that the function captures are stored as they are now. The file is replaced in one step.

    Raises:
        ValueError: an op cannot be written (a ``custom_function``), or with shapeless, a size is
            part of the graph; the text says which.
    """


def exporter(file: str | Path, fun: Callable, *, shapeless: bool = False, metadata: str | None = None) -> FunctionExporter:
    """An exporter of several signatures of one function, to be used in a ``with`` statement.

    Example:
        >>> import olivine.core as mx
        >>> def f(x, y=None):
        ...     return x * 2 if y is None else x + y
        >>> with mx.exporter("/tmp/f.olvfn", f) as export:
        ...     export(mx.array(1.0))
        ...     export(mx.array(1.0), y=mx.array(2.0))
        >>> mx.import_function("/tmp/f.olvfn")(mx.array(3.0))[0].item()
        6.0
    """


def import_function(file: str | Path, return_metadata: bool = False) -> Callable | tuple[Callable, str]:
    """Read a function that was exported.

    The function takes arrays of a signature that the file has, and returns a tuple of arrays. It can
    be differentiated, vectorized and compiled like any other. The file is an input: every op of it is
    checked before anything runs.

    Raises:
        RuntimeError: the file cannot be read or is malformed.
        ValueError: in calls, if no signature fits; the text lists them.
    """


def export_to_dot(file: file | str | Path, *args, **kwargs) -> None:
    """Write the graph of arrays that are not yet computed, in Graphviz' language.

    Args:
        file: a path or a file object open for text.
        *args: the arrays whose graph it is, or trees of them.
        **kwargs: names for arrays in the graph: inputs, outputs or results in between.
    """


class FunctionExporter:
    """Traces a function for each call's signature; closing it writes the file."""

    def __call__(self, *args, **kwargs) -> None: ...
    def __enter__(self) -> FunctionExporter: ...
    def __exit__(self, exc_type: object | None = None, exc_value: object | None = None, traceback: object | None = None) -> None: ...
    def close(self) -> None: ...

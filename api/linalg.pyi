"""Linear algebra: factorizations, solvers, spectra, determinants and norms.

Matrices lie in the last two axes, all axes before them are batches; float32, float64, complex64 and
complex128. A matrix with NaN or infinities gives NaN. Every function has derivatives of every order
where it is differentiable; those of complex functions are adjoints, so that the gradient of a real
loss points uphill.
"""


@manual
def norm(
    a: array,
    /,
    ord: None | int | float | str = None,
    axis: None | int | list[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Vector or matrix norm.

    Args:
        a: any dtype; integers are taken as float32, and 16-bit floats are summed in float32.
        ord: ``None``: the square root of the sum of squares. Over one axis, a number: the p-norm, with
            ``inf``, ``-inf`` and ``0`` for the largest and smallest modulus and the count of nonzeros.
            Over two axes: ``1`` and ``-1`` (largest and smallest column sum), ``inf`` and ``-inf``
            (row sum), ``2`` and ``-2`` (singular value), ``"fro"`` or ``"f"``, and ``"nuc"`` (sum of
            singular values).
        axis: one axis or two; all of them without one.
        keepdims: leave the axes as size 1.

    Returns:
        a real array. The gradient at 0 is 0.

    Raises:
        ValueError: an order that the number of axes does not have.
    """


def cross(a: array, b: array, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """Cross product along an axis of 2 or 3 elements; a missing third component counts as 0.

    The result always has 3 elements there. The other axes broadcast.
    """


def qr(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """QR factorization by Householder reflections.

    Args:
        a: shape ``(..., M, N)``; ``K = min(M, N)``.

    Returns:
        ``Q``, shape ``(..., M, K)``, with orthonormal columns, and the upper triangle ``R``, shape
        ``(..., K, N)``, with ``a = Q @ R``. Derivatives (Walter and Lehmann, 2018) need the first
        ``K`` columns to be independent.
    """


def cholesky(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Cholesky factor of positive definite matrices.

    Args:
        a: shape ``(..., N, N)``, symmetric or Hermitian; only the lower triangle is read (the upper
            one with ``upper``). Gradients are symmetric or Hermitian too (Murray, 2016).
        upper: return ``U`` with ``a = U^H @ U`` instead of ``L`` with ``a = L @ L^H``.

    Raises:
        ValueError: a matrix that is not positive definite, when it is computed.
    """


def cholesky_inv(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array:
    """The inverse of ``L @ L^H`` (with ``upper``: ``U^H @ U``) from the Cholesky factor ``a``.

    Only that triangle is read. ValueError if its diagonal has a zero.
    """


@c(res="vector")
def lu(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array, array]:
    """LU factorization with row exchanges.

    Args:
        a: shape ``(..., M, N)``; ``K = min(M, N)``. It may be singular.

    Returns:
        ``p``, uint32 of shape ``(..., M)``, ``L``, shape ``(..., M, K)``, lower with a unit diagonal,
        and ``U``, shape ``(..., K, N)``, upper, with ``a = L[p, :] @ U`` for each matrix.
    """


def lu_factor(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """LU factorization in LAPACK's compact form.

    Args:
        a: shape ``(..., M, N)``; ``K = min(M, N)``.

    Returns:
        both triangles in one matrix, shape ``(..., M, N)``, and the pivots, uint32 of shape
        ``(..., K)``: row ``i`` was exchanged with row ``pivots[i]``, in order, counted from 0.
    """


def inv(a: array, *, stream: StreamOrDevice = None) -> array:
    """Inverse of square matrices; ``solve`` is quicker and more accurate where a product is wanted.

    ValueError if one is singular, when it is computed.
    """


def tri_inv(a: array, upper: bool = False, *, stream: StreamOrDevice = None) -> array:
    """Inverse of the lower (or upper) triangle of square matrices.

    ValueError if a diagonal has a zero, when it is computed.
    """


def pinv(a: array, *, stream: StreamOrDevice = None) -> array:
    """Moore-Penrose inverse, by singular values.

    Args:
        a: shape ``(..., M, N)``. Singular values below ``10 * max(M, N) * eps`` times the largest
            count as zero.

    Returns:
        shape ``(..., N, M)``. Its derivative is that at constant rank (Golub and Pereyra, 1973).
    """


def solve(a: array, b: array, *, stream: StreamOrDevice = None) -> array:
    """``x`` with ``a @ x = b``.

    Args:
        a: shape ``(..., N, N)``.
        b: shape ``(N,)`` or ``(..., N, K)``; batches broadcast, dtypes promote.

    Returns:
        shape ``(..., N)`` or ``(..., N, K)``. Gradients solve with the same factors.

    Raises:
        ValueError: a singular matrix, when it is computed.
    """


def solve_triangular(
    a: array, b: array, *, upper: bool = False, stream: StreamOrDevice = None
) -> array:
    """``x`` with ``t @ x = b`` for the lower (or upper) triangle ``t`` of ``a``.

    Shapes are those of ``solve``. ValueError if a diagonal has a zero, when it is computed.
    """


def det(a: array, *, stream: StreamOrDevice = None) -> array:
    """Determinant of square matrices, shape ``(..., N, N)`` to ``(...)``.

    Integers are taken as float32, 16-bit floats are computed in float32. The gradient is finite at
    singular matrices too; second derivatives there are not.
    """


def slogdet(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Sign (or phase) and logarithm of the modulus of the determinant.

    ``0`` and ``-inf`` for a singular matrix. Dtypes as in ``det``; the logarithm is real.
    """


@manual
def svd(
    a: array, compute_uv: bool = True, *, stream: StreamOrDevice = None
) -> tuple[array, array, array]:
    """Singular value decomposition ``a = U[:, :K] @ diag(S) @ Vt[:K]``, with ``K = min(M, N)``.

    Args:
        a: shape ``(..., M, N)``.
        compute_uv: without, ``S`` alone is returned, which is quicker.

    Returns:
        ``U``, shape ``(..., M, M)``, ``S``, shape ``(..., K)``, real and descending, and ``Vt``,
        shape ``(..., N, N)``, which for complex matrices is the adjoint of ``V``.

    Derivatives (Townsend, 2016; Wan and Zhang, 2019) are those of functions that do not depend on
    the vectors' signs or phases. Where singular values coincide to rounding, vectors do not rotate
    among themselves: right for functions of the values and of the space that the vectors span, but
    ``(U * f(S)) @ Vt`` lacks its derivative within that space.
    """


def eigh(a: array, UPLO: str = "L", *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices.

    Args:
        a: shape ``(..., N, N)``; only the triangle ``UPLO`` is read. Gradients are symmetric or
            Hermitian too.
        UPLO: ``"L"`` or ``"U"``.

    Returns:
        the eigenvalues, shape ``(..., N)``, real and ascending, and the orthonormal eigenvectors as
        columns, shape ``(..., N, N)``. Derivatives as in ``svd``, coinciding values included.
    """


def eigvalsh(a: array, UPLO: str = "L", *, stream: StreamOrDevice = None) -> array:
    """Eigenvalues of symmetric or Hermitian matrices, real and ascending; see ``eigh``."""


def eig(a: array, *, stream: StreamOrDevice = None) -> tuple[array, array]:
    """Eigenvalues and right eigenvectors of general square matrices.

    Args:
        a: shape ``(..., N, N)``.

    Returns:
        complex eigenvalues in no order, shape ``(..., N)``, and eigenvectors of length 1 as columns,
        shape ``(..., N, N)``. Derivatives as in ``svd``; none at defective matrices.
    """


def eigvals(a: array, *, stream: StreamOrDevice = None) -> array:
    """Complex eigenvalues of general square matrices, in no order; see ``eig``."""


@no_python
@cpp("norm")
@c("norm", axis="ints")
def norm_order(
    a: array,
    ord: float,
    axis: Sequence[int] | None = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Norm of the given order over one axis (vectors) or two (matrices)."""


@no_python
@cpp("norm")
@c(axis="ints")
def norm_matrix(
    a: array,
    ord: str,
    axis: Sequence[int] | None = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Norm of matrices by name: "fro" or "nuc"."""


@no_python
@cpp("norm")
@c(axis="ints")
def norm_l2(
    a: array,
    axis: Sequence[int] | None = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Root of the sum of squares over one or two axes, or over all elements."""


@no_python
def svd(a: array, compute_uv: bool = True, *, stream: StreamOrDevice = None) -> list[array]:
    """``U``, the singular values and ``V^T``, or the singular values alone."""


def lstsq(a: array, b: array, rcond: float | None = None, *, stream: StreamOrDevice = None) -> tuple[array, array, array, array]:
    """The shortest ``x`` that minimizes the length of ``a @ x - b``.

    Args:
        a: shape ``(..., M, N)``, of any rank.
        b: shape ``(M,)`` or ``(..., M, K)``; batches broadcast, dtypes promote.
        rcond: singular values up to this times the largest count as zero; by default
            ``max(M, N) * eps``, and ``eps`` for -1, as in NumPy.

    Returns:
        ``x``, shape ``(N,)`` or ``(..., N, K)``, whose derivative is that at constant rank; the sums
        of squares that are left, for each column of ``b``; the rank; and the singular values.

    Raises:
        ValueError: ``b`` has another number of rows.
    """


def matrix_power(a: array, n: int, *, stream: StreamOrDevice = None) -> array:
    """``a`` times itself ``n`` times; the inverse's power for negative ``n``.

    Args:
        a: shape ``(..., N, N)``.
    """


def matrix_rank(a: array, rtol: float | None = None, *, stream: StreamOrDevice = None) -> array:
    """How many singular values exceed ``rtol`` (by default ``max(M, N) * eps``) times the largest.

    Args:
        a: shape ``(..., M, N)``.
    """


def cond(a: array, *, stream: StreamOrDevice = None) -> array:
    """The condition of matrices: the largest singular value over the least.

    Args:
        a: shape ``(..., M, N)``. ValueError if a matrix has no elements.
    """


def expm(a: array, *, stream: StreamOrDevice = None) -> array:
    """The exponential of matrices, by Pade approximation with scaling and squaring (Higham, 2005).

    Args:
        a: shape ``(..., N, N)``. Computed in double precision for every dtype. Derivatives are blocks
            of the exponential of a matrix of twice the order.
    """


def logm(a: array, *, stream: StreamOrDevice = None) -> array:
    """The principal logarithm of matrices, by inverse scaling and squaring (Higham, 2008).

    Args:
        a: shape ``(..., N, N)``. NaN for a matrix with an eigenvalue at 0 or on the negative real axis;
            a real matrix with such eigenvalues off 0 has a complex logarithm, so cast it before.
            Computed in double precision for every dtype.
    """


def sqrtm(a: array, *, stream: StreamOrDevice = None) -> array:
    """The principal square root of matrices, by Denman and Beavers' iteration (Higham, 2008).

    Args:
        a: shape ``(..., N, N)``. NaN where ``logm`` is. Computed in double precision for every dtype.
    """

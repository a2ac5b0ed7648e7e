"""Special functions of real numbers.

float32 and float64 keep their dtype, 16-bit floats are computed in float32, integers become float32;
complex numbers are refused. Names, arguments and conventions are those of SciPy's `scipy.special`;
arguments outside of a function's domain give NaN. Derivatives of every order are special functions
again; by the parameters of ``gammainc``, ``gammaincc`` and ``betainc`` there is the first one. Methods:
NIST's DLMF (https://dlmf.nist.gov), whose sections the sources name.
"""


def gammaln(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm of the absolute value of the gamma function."""


def gamma(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Gamma function; NaN at negative integers."""


def gammasgn(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Sign of the gamma function: 1 or -1, NaN at negative integers."""


def digamma(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Derivative of the logarithm of the gamma function."""


def polygamma(n: int, x: array, /, *, stream: StreamOrDevice = None) -> array:
    """The ``n``-th derivative of ``digamma``. ValueError for negative ``n``."""


def zeta(x: scalar | array, q: scalar | array = 1, /, *, stream: StreamOrDevice = None) -> array:
    """Hurwitz's zeta function, the sum of ``(k + q) ** -x`` for ``k >= 0``; Riemann's for ``q = 1``.

    inf at ``x = 1``; below, Riemann's function continued, and NaN for another ``q``. Differentiable by ``q``.
    """


def multigammaln(a: array, d: int, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm of the multivariate gamma function of dimension ``d >= 1``."""


def gammainc(a: scalar | array, x: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Regularized lower incomplete gamma function, for ``a > 0`` and ``x >= 0``."""


def gammaincc(a: scalar | array, x: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Regularized upper incomplete gamma function, ``1 - gammainc`` without cancellation."""


def betaln(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm of the absolute value of the beta function."""


def beta(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Beta function, ``gamma(a) * gamma(b) / gamma(a + b)``."""


def betainc(a: scalar | array, b: scalar | array, x: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Regularized incomplete beta function, for positive ``a`` and ``b`` and ``x`` in [0, 1]."""


def factorial(n: array, /, *, stream: StreamOrDevice = None) -> array:
    """``gamma(n + 1)``; 0 for negative ``n``."""


def comb(n: scalar | array, k: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """How many ways there are to choose ``k`` of ``n`` things; 0 for ``k`` outside of [0, n].

    Of integers, the nearest integer as long as the result is small enough to tell.
    """


def erfc(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Complementary error function, ``1 - erf(x)`` without cancellation."""


def erfcx(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """``exp(x ** 2) * erfc(x)``."""


def ndtr(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Distribution function of the standard normal distribution."""


def log_ndtr(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm of ``ndtr``, accurate in both tails."""


def ndtri(p: array, /, *, stream: StreamOrDevice = None) -> array:
    """Quantile of the standard normal distribution, the inverse of ``ndtr``."""


def i0(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Modified Bessel function of the first kind, order 0."""


def i0e(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """``exp(-abs(x)) * i0(x)``."""


def i1(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Modified Bessel function of the first kind, order 1."""


def i1e(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """``exp(-abs(x)) * i1(x)``."""


def j0(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Bessel function of the first kind, order 0."""


def j1(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Bessel function of the first kind, order 1."""


def y0(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Bessel function of the second kind, order 0."""


def y1(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Bessel function of the second kind, order 1."""


def expi(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Exponential integral Ei, the principal value for positive ``x``."""


def exp1(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Exponential integral E1."""


def spence(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """Dilogarithm of ``1 - x``."""


def xlogy(x: scalar | array, y: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``x * log(y)``, and 0 where ``x`` is 0."""


def xlog1py(x: scalar | array, y: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``x * log1p(y)``, and 0 where ``x`` is 0."""


def logit(p: array, /, *, stream: StreamOrDevice = None) -> array:
    """``log(p / (1 - p))``, the inverse of ``expit``."""


def expit(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """``1 / (1 + exp(-x))``, which is ``olivine.core.sigmoid``."""


def entr(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """``-x * log(x)``; 0 at 0 and -inf below."""


def rel_entr(x: scalar | array, y: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``x * log(x / y)``; 0 where ``x`` is 0, inf where an argument is negative or only ``y`` 0."""


def kl_div(x: scalar | array, y: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``rel_entr(x, y) - x + y``."""


def sinc(x: array, /, *, stream: StreamOrDevice = None) -> array:
    """``sin(pi * x) / (pi * x)``, 1 at 0."""


def log_softmax(x: array, /, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """``x - logsumexp(x)`` along an axis."""

"""Rows of the special functions. References are sums, integrals and the C library's functions;
values to all digits come from mpmath (tests/fixtures/special.py)."""

import functools
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import FLOATING, OpTests, Row
from tests.support import to_mx, to_np

VALUES = Path(__file__).parent.parent / "fixtures" / "special.npz"
UNARY = (((5,), {}), ((), {}), ((0, 3), {}), ((3, 4, 5), {}))
UNARY = tuple(((shape,), kwargs) for shape, kwargs in UNARY)
BINARY = tuple(
    (shapes, {}) for shapes in (((7,), (7,)), ((), ()), ((3, 1, 5), (4, 1)), ((0, 3), (1, 3)))
)
TERNARY = tuple((shapes, {}) for shapes in (((5,), (5,), (5,)), ((), (), ()), ((3, 1), (1, 4), ())))
POINTS, WEIGHTS = (0.5 * v for v in np.polynomial.legendre.leggauss(200))
POINTS += 0.5
EULER = np.euler_gamma


def each(f):
    """A function of Python floats on arrays."""
    return lambda *args: np.vectorize(f, otypes=[float])(*args) if args[0].size else args[0]


def quadrature(f, power=1):
    """The integral of f over [0, 1], with t = u^power."""
    return f(POINTS**power) @ (WEIGHTS * power * POINTS ** (power - 1))


def circle(f):
    """The mean over half a turn of an even periodic function."""
    angles = (np.arange(400) + 0.5) * math.pi / 400
    return float(np.mean(f(angles)))


def digamma(x):
    nodes, weights = np.polynomial.laguerre.laggauss(80)
    t = nodes / x
    return math.log(x) + weights @ (1 / t + 1 / np.expm1(-t)) / x


def zeta(s, q):
    k = np.arange(4000.0)
    end = q + 4000
    return float(
        np.sum((k + q) ** -s) + end ** (1 - s) / (s - 1) + 0.5 * end**-s + s / 12 * end ** (-s - 1)
    )


def gammainc(a, x):
    return x**a / math.gamma(a) * quadrature(lambda t: t ** (a - 1) * np.exp(-x * t), 4)


def betaln(a, b):
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def betainc(a, b, x):
    inner = quadrature(lambda t: t ** (a - 1) * (1 - x * t) ** (b - 1), 4)
    return x**a * math.exp(-betaln(a, b)) * inner


def bessel_y(x, order):
    t = POINTS**7 * math.pi / 2
    by = WEIGHTS * 7 * POINTS**6 * math.pi / 2
    inner = EULER + np.log(2 * x * np.sin(t) ** 2)
    c = np.cos(t)
    whole = np.cos(x * c) * inner if order == 0 else c * np.sin(x * c) * inner - np.cos(x * c) / x
    return 4 / math.pi**2 * float(whole @ by)


def exponential_sum(x):
    return math.fsum(x**k / (k * math.factorial(k)) for k in range(1, 60))


def spence(x):
    return (x - 1) * quadrature(lambda t: -np.log1p(t * (x - 1)) / (t * (x - 1)))


def normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def row(name, ref, low, high, cases=UNARY, **kwargs):
    return Row(f"special.{name}", ref, cases, FLOATING, "float", low=low, high=high, **kwargs)


def between(*ranges):
    """Values of each argument in a range of its own."""
    return lambda rng, i, shape: rng.uniform(*ranges[i], shape)


SHAPES_AND_SHARE = between((1, 3), (1, 3), (0.1, 0.8))
ONE_ORDER = "values layouts dtypes jvp grad vmap compile errors"
ROWS = [
    row("gammaln", each(math.lgamma), 0.3, 6),
    row("gamma", each(math.gamma), 0.3, 5),
    row("digamma", each(digamma), 1, 5, tol=4),
    row("gammainc", each(gammainc), 1, 5, BINARY, rules=ONE_ORDER),
    row("gammaincc", each(lambda a, x: 1 - gammainc(a, x)), 1, 5, BINARY, tol=10, rules=ONE_ORDER),
    row("betaln", each(betaln), 0.5, 4, BINARY, tol=4),
    row("beta", each(lambda a, b: math.exp(betaln(a, b))), 0.5, 4, BINARY, tol=2),
    row("betainc", each(betainc), 1, 3, TERNARY, sample=SHAPES_AND_SHARE, rules=ONE_ORDER),
    row("erfc", each(math.erfc), -2, 3),
    row("erfcx", each(lambda x: math.exp(x * x) * math.erfc(x)), -2, 4),
    row("ndtr", each(normal), -3, 3),
    row("log_ndtr", each(lambda x: math.log(normal(x))), -5, 3, tol=2),
    row("ndtri", each(NormalDist().inv_cdf), 0.02, 0.98, tol=2),
    row("i0", each(lambda x: circle(lambda t: np.exp(x * np.cos(t)))), -3, 3),
    row("i0e", each(lambda x: circle(lambda t: np.exp(x * np.cos(t) - x))), 0.1, 4),
    row("i1", each(lambda x: circle(lambda t: np.exp(x * np.cos(t)) * np.cos(t))), -3, 3),
    row("i1e", each(lambda x: circle(lambda t: np.exp(x * np.cos(t) - x) * np.cos(t))), 0.1, 4),
    row("j0", each(lambda x: circle(lambda t: np.cos(x * np.sin(t)))), -4, 4, tol=2),
    row("j1", each(lambda x: circle(lambda t: np.cos(t - x * np.sin(t)))), -4, 4, tol=2),
    row("y0", each(lambda x: bessel_y(x, 0)), 1.2, 4, tol=4),
    row("y1", each(lambda x: bessel_y(x, 1)), 0.5, 1.8, tol=4),
    row("expi", each(lambda x: EULER + math.log(x) + exponential_sum(x)), 0.5, 4, tol=2),
    row("exp1", each(lambda x: -EULER - math.log(x) - exponential_sum(-x)), 0.2, 3, tol=4),
    row("spence", each(spence), 0.3, 3, tol=2),
    row("xlogy", lambda x, y: x * np.log(y), 0.5, 3, BINARY),
    row("xlog1py", lambda x, y: x * np.log1p(y), 0.5, 3, BINARY),
    row("logit", lambda p: np.log(p / (1 - p)), 0.05, 0.95, tol=4),
    row("expit", lambda x: 1 / (1 + np.exp(-x)), -3, 3),
    row("entr", lambda x: -x * np.log(x), 1.2, 3),
    row("rel_entr", lambda x, y: x * np.log(x / y), 0.5, 3, BINARY, tol=4, span=1),
    row("kl_div", lambda x, y: x * np.log(x / y) - x + y, 0.5, 3, BINARY, tol=8, span=3),
    row("sinc", np.sinc, -3, 3, tol=4),
    row("log_softmax", lambda x: x - np.log(np.sum(np.exp(x), -1, keepdims=True)), -3, 3,
        ((((5,),), {}), (((3, 4),), {})), rules="values dtypes jvp grad second vmap compile"),
]  # fmt: skip


class TestSpecial(OpTests):
    rows = ROWS


def float64(*values):
    return [mx.array(v, dtype=mx.float64) for v in values]


def gamma_density(a, x):
    return mx.grad(lambda x: mx.sum(mx.special.gammainc(a, x)))(x)


def beta_density(a, b, x):
    return mx.grad(lambda x: mx.sum(mx.special.betainc(a, b, x)))(x)


@pytest.mark.parametrize("name", sorted(np.load(VALUES).files))
def test_values_are_those_of_mpmath(name):
    """Within the units in the last place that the fixture states, in float64 and float32."""
    table = np.load(VALUES)[name]
    *args, want, ulps = table
    function, _, part = name.partition(":")
    f = beta_density if function == "beta_density" else getattr(mx.special, function)
    if function == "polygamma":
        f = functools.partial(f, int(part))
    got = to_np(f(*(to_mx(a) for a in args)))
    assert got.dtype == np.float64
    error = np.abs(got - want) / np.spacing(np.abs(want))
    worst = int(np.argmax(error / ulps))
    assert (error <= ulps).all(), f"{[a[worst] for a in args]}: {got[worst]!r}, not {want[worst]!r}"
    narrow = [a.astype(np.float32) for a in args]
    if all((n == a).all() for n, a in zip(narrow, args, strict=True)):
        single = to_np(f(*(to_mx(n) for n in narrow)))
        held = (np.abs(want) > 1e-37) & (np.abs(want) < 3e38)
        error = np.abs(single - want)[held] / np.spacing(np.abs(want[held]).astype(np.float32))
        # polygamma multiplies what has been rounded.
        assert (error <= (1.6 if function == "polygamma" else 0.51)).all()


def test_polygamma_is_the_derivative_of_digamma():
    x = np.array([0.7, 1.5, 4.0, -0.4])
    for n in (1, 2, 5):
        want = [(-1) ** (n + 1) * math.factorial(n) * zeta(n + 1, v) for v in x[:3]]
        np.testing.assert_allclose(to_np(mx.special.polygamma(n, to_mx(x)))[:3], want, rtol=1e-12)
    slope = mx.grad(lambda v: mx.sum(mx.special.digamma(v)))(to_mx(x))
    np.testing.assert_allclose(to_np(slope), to_np(mx.special.polygamma(1, to_mx(x))), rtol=1e-13)
    with pytest.raises(ValueError, match="order of at least 0; got -1"):
        mx.special.polygamma(-1, mx.array(1.0))


def test_zeta_sums_powers_and_differentiates_by_its_second_argument():
    s, q = float64([2.0, 3.5, 1.5], [1.0, 0.3, 7.0])
    want = [zeta(*v) for v in zip(to_np(s), to_np(q), strict=True)]
    np.testing.assert_allclose(to_np(mx.special.zeta(s, q)), want, rtol=1e-12)
    np.testing.assert_allclose(float(mx.special.zeta(float64(2.0)[0])), math.pi**2 / 6, rtol=1e-15)
    slope = mx.grad(lambda v: mx.sum(mx.special.zeta(s, v)))(q)
    np.testing.assert_allclose(to_np(slope), to_np(-s * mx.special.zeta(s + 1, q)), rtol=1e-14)
    with pytest.raises(ValueError, match=r"\[zeta\] expected to be differentiated"):
        mx.grad(lambda v: mx.sum(mx.special.zeta(v, q)))(s)


def test_riemanns_zeta_goes_on_below_one():
    """Its known values, and derivatives by q, whose limit at s = 0 is -1."""
    s, one = float64([0.0, -1, -2, -3, -4, -200])[0], float64(1.0)[0]
    got = to_np(mx.special.zeta(s))
    np.testing.assert_allclose(got[:4], [-0.5, -1 / 12, 0, 1 / 120], rtol=1e-15)
    assert got[4] == 0 and got[5] == 0
    assert math.isnan(mx.special.zeta(*float64(0.5, 2.0)).item())
    assert math.isnan(mx.special.zeta(*float64(-math.inf, 1.0)).item())
    slope = mx.vmap(mx.grad(lambda q, s: mx.special.zeta(s, q)), in_axes=(None, 0))
    got = to_np(slope(one, float64([0.0, -1, -2, 0.5])[0]))
    np.testing.assert_allclose(got, [-1, -0.5, -1 / 6, -0.5 * 2.6123753486854883], rtol=1e-14)
    second = mx.grad(mx.grad(lambda q: mx.special.zeta(mx.array(-1, mx.float64), q)))
    assert second(one).item() == -1


def test_polygamma_at_and_below_zero_follows_the_reflection():
    """psi_n(1 - x) + (-1)^(n+1) psi_n(x) = (-1)^n pi d^n/dx^n cot(pi x); poles are infinite."""
    x = np.array([-0.3, -1.7, -6.25, 0.4])
    sine = np.sin(math.pi * x)
    for n, cot in ((1, -math.pi / sine**2), (2, 2 * math.pi**2 * np.cos(math.pi * x) / sine**3)):
        value = to_np(mx.special.polygamma(n, to_mx(x)))
        mirrored = to_np(mx.special.polygamma(n, to_mx(1 - x)))
        want = (-1) ** n * math.pi * cot
        np.testing.assert_allclose(mirrored + (-1) ** (n + 1) * value, want, rtol=1e-11)
        slope = mx.grad(lambda v, n=n: mx.sum(mx.special.polygamma(n, v)))(to_mx(x))
        next_one = to_np(mx.special.polygamma(n + 1, to_mx(x)))
        np.testing.assert_allclose(to_np(slope), next_one, rtol=1e-13)
    poles = to_mx(np.array([0.0, -1, -2]))
    assert to_np(mx.special.polygamma(1, poles)).tolist() == [math.inf] * 3
    assert to_np(mx.special.polygamma(2, poles)).tolist() == [-math.inf] * 3


def test_incomplete_gamma_functions_of_huge_parameters():
    """Half and half at the median, a - 1/3; the normal distribution; densities as gradients."""
    for a in (1e3, 1e6, 1e9, 1e12, 1e15):
        p, q = (getattr(mx.special, n)(*float64(a, a)).item() for n in ("gammainc", "gammaincc"))
        # DLMF 8.11.12 at x = a.
        rest = (1 / 3 + 1 / (540 * a) - 25 / (6048 * a * a)) / math.sqrt(2 * math.pi * a)
        np.testing.assert_allclose([p, q], [0.5 + rest, 0.5 - rest], rtol=1e-13)
        x = a + 2.0 * math.sqrt(a)
        assert p + q == pytest.approx(1, abs=1e-15)
        by_x = mx.grad(lambda x, a=a: mx.special.gammainc(float64(a)[0], x))(float64(x)[0]).item()
        by_a = mx.grad(lambda a, x=x: mx.special.gammainc(a, float64(x)[0]))(float64(a)[0]).item()
        h = math.sqrt(a) * 1e-3
        ends = [
            [
                mx.special.gammainc(*float64(a + s * h * i, x + s * h * (1 - i))).item()
                for s in (1, -1)
            ]
            for i in (0, 1)
        ]
        for slope, (above, below) in zip((by_x, by_a), ends, strict=True):
            assert slope == pytest.approx((above - below) / (2 * h), rel=1e-5)
        far = (
            mx.special.gammaincc(*float64(a, 3 * a)).item(),
            mx.special.gammainc(*float64(a, a / 3)).item(),
        )
        assert max(far) < 1e-100 and min(far) >= 0


def test_densities_have_their_limits_at_the_ends():
    inf, nan = math.inf, math.nan
    for a, b, x, want in [
        (0.5, 3, 0, inf), (1, 3, 0, 3), (2, 3, 0, 0), (3, 0.5, 1, inf), (3, 1, 1, 3), (3, 2, 1, 0),
        (1, 1, 0.25, 1), (2, 3, 1e-300, 12e-300), (1.5, 1, 1e-260, 1.5e-130),
        (0.5, 1, 1e-300, 0.5e150), (1e200, 2, 0.5, 0), (2, 3, nan, nan), (nan, 3, 0.5, nan),
        (2, nan, 0.5, nan), (0, 1, 0.5, nan), (2, 3, -0.5, nan), (2, 3, 1.5, nan),
    ]:  # fmt: skip
        got = float(beta_density(*float64(a, b, x)))
        assert got == pytest.approx(want, rel=1e-12, nan_ok=True), (a, b, x)
    for a, x, want in [(0.5, 0, inf), (1, 0, 1), (2, 0, 0), (2, 1e-300, 1e-300), (1.5, nan, nan)]:
        got = float(gamma_density(*float64(a, x)))
        assert got == pytest.approx(want, rel=1e-12, nan_ok=True), (a, x)


def test_the_density_of_betainc_differentiates_by_every_argument():
    """The logarithmic derivatives of x^(a-1) (1-x)^(b-1) / B(a, b), at float64's digits."""
    a, b, x = float64(2.5, 4.5, 0.25)
    value = 0.25**1.5 * 0.75**3.5 * math.gamma(7) / (math.gamma(2.5) * math.gamma(4.5))
    rise, bend = 1.5 / 0.25 - 3.5 / 0.75, 1.5 / 0.25**2 + 3.5 / 0.75**2
    by_a = math.log(0.25) - digamma(2.5) + digamma(7)
    by_b = math.log(0.75) - digamma(4.5) + digamma(7)
    for i, score in enumerate((by_a, by_b, rise)):
        slope = float(mx.grad(beta_density, argnums=i)(a, b, x))
        assert slope == pytest.approx(value * score, rel=1e-12)
    curve = mx.grad(mx.grad(beta_density, argnums=2), argnums=2)(a, b, x)
    assert float(curve) == pytest.approx(value * (rise**2 - bend), rel=1e-12)


def test_combinations_and_factorials_of_integers_are_integers():
    n, k = np.meshgrid(np.arange(30.0), np.arange(-1.0, 31.0))
    want = [math.comb(int(a), int(b)) if b >= 0 else 0 for a, b in zip(n.flat, k.flat, strict=True)]
    got = mx.special.comb(to_mx(n), to_mx(k))
    assert to_np(got).ravel().tolist() == want
    assert to_np(mx.special.factorial(mx.array([0.0, 1, 5, -2]))).tolist() == [1, 1, 120, 0]
    slope = mx.grad(lambda v: mx.special.comb(v, 2.0))(float64(5.5)[0])
    np.testing.assert_allclose(float(slope), (2 * 5.5 - 1) / 2, rtol=1e-12)


def test_edges_follow_their_limits():
    sp = mx.special
    inf, nan = math.inf, math.nan
    for name, x, want in [
        ("gammaln", [0, -1, inf], [inf, inf, inf]),
        ("digamma", [0, -1, inf], [-inf, nan, inf]),
        ("ndtri", [0, 1, 0.5, -1], [-inf, inf, 0, nan]),
        ("erfcx", [inf, -inf, 0], [0, inf, 1]),
        ("log_ndtr", [-inf, inf, -1e4], [-inf, 0, -50000010.12927891]),
        ("expi", [0, -inf, inf], [-inf, 0, inf]),
        ("exp1", [0, inf, -1], [inf, 0, nan]),
        ("spence", [0, 1, -1], [math.pi**2 / 6, 0, nan]),
        ("entr", [0, -1, 1], [0, -inf, 0]),
        ("logit", [0, 1, 0.5], [-inf, inf, 0]),
        ("sinc", [0, 1, 2], [1, 0, 0]),
        ("i0", [0, 713, inf], [1, 2.6846949953e307 * 1, inf]),
    ]:
        got = to_np(getattr(sp, name)(*float64(x)))
        if name == "i0":
            got, want = got[::2], want[::2]
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15, err_msg=name)
    assert to_np(mx.special.gammasgn(mx.array([1, -0.5, -1.5]))).tolist() == [1, -1, 1]
    assert float(sp.xlogy(0.0, mx.array(0.0))) == 0 and math.isnan(
        sp.xlogy(0.0, mx.array(nan)).item()
    )
    assert (
        float(sp.rel_entr(0.0, mx.array(0.0))) == 0
        and float(sp.rel_entr(mx.array(1.0), 0.0)) == inf
    )


def test_slopes_at_removable_points_are_limits():
    def slope(name, x, order=1):
        f = getattr(mx.special, name)
        for _ in range(order):
            f = mx.grad(f)
        return float(f(float64(x)[0]))

    assert slope("j1", 0.0) == 0.5 and slope("i1", 0.0) == 0.5 and slope("i1e", 0.0) == 0.5
    assert slope("spence", 1.0) == -1 and slope("sinc", 0.0) == 0
    np.testing.assert_allclose(slope("sinc", 0.0, 2), -(math.pi**2) / 3, rtol=1e-12)
    np.testing.assert_allclose(slope("erfcx", 1e4), -1 / (math.sqrt(math.pi) * 1e8), rtol=1e-7)
    np.testing.assert_allclose(slope("log_ndtr", -30.0), 30.0332595, rtol=1e-7)


def test_derivatives_by_parameters_end_with_one_sentence():
    a, x = float64(2.5, 1.2)
    first = mx.grad(lambda v: mx.special.gammainc(v, x))
    step = 1e-6
    want = (gammainc(2.5 + step, 1.2) - gammainc(2.5 - step, 1.2)) / (2 * step)
    np.testing.assert_allclose(float(first(a)), want, rtol=1e-7)
    with pytest.raises(ValueError, match=r"\[gammainc\] expected to be differentiated"):
        mx.grad(first)(a)


def test_integers_become_float32_and_complex_numbers_are_refused():
    assert mx.special.gammaln(mx.array([3, 4])).dtype == mx.float32
    with pytest.raises(ValueError, match=r"\[digamma\] expected a real dtype; got complex64"):
        mx.special.digamma(mx.array(1j))
    with pytest.raises(ValueError, match="dimension of at least 1; got 0"):
        mx.special.multigammaln(mx.array(3.0), 0)
    want = 0.5 * math.log(math.pi) + math.lgamma(3.0) + math.lgamma(2.5)
    np.testing.assert_allclose(float(mx.special.multigammaln(float64(3.0)[0], 2)), want, rtol=1e-14)

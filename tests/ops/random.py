"""Random numbers: determinism by seed and key, distributions, dtypes, shapes, transforms."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import lookup
from tests.support import FLOATING, assert_same, dtype_name, run_python, to_np

FIXTURES = Path(__file__).parent.parent / "fixtures"
_spec = importlib.util.spec_from_file_location("random_cases", FIXTURES / "random_cases.py")
random_cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(random_cases)

N = 40000
normal_cdf = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)


def clipped_normal_cdf(x, low=-1.0, high=2.0):
    a, b = normal_cdf(low), normal_cdf(high)
    return (normal_cdf(x) - a) / (b - a)


# name, sampler of N values, cumulative distribution function
CONTINUOUS = [
    ("uniform", lambda: mx.random.uniform(shape=(N,)), lambda x: np.clip(x, 0, 1)),
    ("uniform", lambda: mx.random.uniform(-2, 3, (N,)), lambda x: np.clip((x + 2) / 5, 0, 1)),
    ("normal", lambda: mx.random.normal((N,)), normal_cdf),
    ("normal", lambda: mx.random.normal((N,), loc=2.0, scale=0.5), lambda x: normal_cdf((x - 2) / 0.5)),
    ("truncated_normal", lambda: mx.random.truncated_normal(-1.0, 2.0, (N,)), clipped_normal_cdf),
    ("gumbel", lambda: mx.random.gumbel((N,)), lambda x: np.exp(-np.exp(-x))),
    ("laplace", lambda: mx.random.laplace((N,)), lambda x: np.where(x < 0, np.exp(x) / 2, 1 - np.exp(-x) / 2)),
    ("laplace", lambda: mx.random.laplace((N,), loc=1.0, scale=2.0),
     lambda x: np.where(x < 1, np.exp((x - 1) / 2) / 2, 1 - np.exp(-(x - 1) / 2) / 2)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sample", "cdf"), CONTINUOUS, ids=[f"{c[0]}{i}" for i, c in enumerate(CONTINUOUS)]
)
def test_samples_follow_their_distribution(name, sample, cdf):
    """Kolmogorov and Smirnov's distance, and no correlation between neighbours."""
    mx.random.seed(11)
    x = to_np(sample()).astype(np.float64)
    assert np.isfinite(x).all()
    ordered = np.sort(x)
    ranks = np.arange(1, N + 1) / N
    distance = np.max(np.abs(cdf(ordered) - ranks))
    assert distance < 1.95 / math.sqrt(N), f"{name}: distance {distance}"
    c = x - x.mean()
    for lag in (1, 2, N // 2):
        assert abs(np.mean(c[lag:] * c[:-lag])) / c.var() < 5 / math.sqrt(N - lag), f"lag {lag}"


def test_uniform_stays_below_its_upper_bound():
    for name in FLOATING:
        x = to_np(mx.random.uniform(shape=(200000,), dtype=lookup(name))).astype(np.float64)
        assert x.min() >= 0 and x.max() < 1, name
        assert abs(x.mean() - 0.5) < 0.01, name


@pytest.mark.parametrize(
    "name", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_randint_is_uniform_between_its_bounds(name):
    low = 0 if name.startswith("u") else -3
    x = to_np(mx.random.randint(low, 9, (N,), dtype=lookup(name)))
    assert x.dtype.name == name
    values, counts = np.unique(x, return_counts=True)
    assert values.tolist() == list(range(low, 9))
    expected = N / len(values)
    assert (
        np.sum((counts - expected) ** 2 / expected) < 45
    )  # chi square, 8 to 11 degrees of freedom


def test_randint_covers_wide_ranges_and_takes_arrays():
    x = to_np(mx.random.randint(-(2**31), 2**31 - 1, (N,))).astype(np.float64)
    assert x.min() < -(2**30) and x.max() > 2**30 and abs(x.mean()) < 2**31 * 0.02
    low, high = mx.array([0, 10, 20]), mx.array([[1], [5]]) + mx.array([0, 10, 20])
    assert to_np(mx.random.randint(low, high, (2, 3)))[0].tolist() == [0, 10, 20]


def test_categorical_of_one_row_inverts_the_cumulative_sum():
    logits = np.log(np.random.default_rng(0).random(40)).astype(np.float32)
    logits[[0, 7, 39]] = -np.inf
    p = np.exp(logits.astype(np.float64))
    below = np.cumsum(p / p.sum())
    row = mx.array(logits)[None]
    for seed in range(20):
        key = mx.random.key(seed)
        for draws, kw in (((1,), {}), ((1, 6), {"num_samples": 6}), ((3, 1), {"shape": (3, 1)})):
            u = to_np(mx.random.uniform(shape=draws, key=key))
            got = mx.random.categorical(row, key=key, **kw)
            assert got.dtype == mx.uint32
            assert got.tolist() == np.searchsorted(below, u, side="right").tolist()
    many = to_np(mx.random.categorical(row, num_samples=20000))
    assert not np.isin(many, [0, 7, 39]).any()


def test_bernoulli_and_categorical_have_their_frequencies():
    assert abs(to_np(mx.random.bernoulli(0.3, (N,))).mean() - 0.3) < 0.012
    p = mx.array([0.0, 0.25, 1.0])
    x = to_np(mx.random.bernoulli(p, (N, 3))).mean(0)
    assert x[0] == 0 and x[2] == 1 and abs(x[1] - 0.25) < 0.012
    logits = mx.log(mx.array([0.5, 0.2, 0.3]))
    counts = np.bincount(to_np(mx.random.categorical(logits, num_samples=N)), minlength=3) / N
    assert np.max(np.abs(counts - [0.5, 0.2, 0.3])) < 0.013
    sure = mx.array([[0.0, float("-inf")], [float("-inf"), 0.0]])
    assert mx.random.categorical(sure).tolist() == [0, 1]
    assert tuple(mx.random.categorical(mx.zeros((2, 5)), axis=0, shape=(4, 5)).shape) == (4, 5)
    assert tuple(mx.random.categorical(mx.zeros((2, 5)), num_samples=7).shape) == (2, 7)


def test_multivariate_normal_has_its_mean_and_covariance():
    mean, cov = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
    x = to_np(mx.random.multivariate_normal(mx.array(mean), mx.array(cov), (N,)))
    assert x.shape == (N, 2)
    assert np.max(np.abs(x.mean(0) - mean)) < 0.04 and np.max(np.abs(np.cov(x.T) - cov)) < 0.08


def test_permutation_permutes():
    x = to_np(mx.random.permutation(1000))
    assert sorted(x.tolist()) == list(range(1000)) and x.tolist() != list(range(1000))
    a = mx.arange(12).reshape(4, 3)
    rows = to_np(mx.random.permutation(a))
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, to_np(a).tolist()))
    columns = to_np(mx.random.permutation(a, axis=1))
    assert sorted(columns[0].tolist()) == [0, 1, 2] and (columns[1] - columns[0] == 3).all()
    first = [to_np(mx.random.permutation(4))[0] for _ in range(400)]
    assert min(np.bincount(first, minlength=4)) > 60


KEYED = [
    lambda k: mx.random.uniform(shape=(5, 3), key=k),
    lambda k: mx.random.normal((5, 3), key=k),
    lambda k: mx.random.randint(0, 1000, (9,), key=k),
    lambda k: mx.random.bernoulli(0.5, (40,), key=k),
    lambda k: mx.random.truncated_normal(-1.0, 1.0, (9,), key=k),
    lambda k: mx.random.gumbel((9,), key=k),
    lambda k: mx.random.laplace((9,), key=k),
    lambda k: mx.random.categorical(mx.zeros((9, 50)), key=k),
    lambda k: mx.random.permutation(50, key=k),
]
IDS = ["uniform", "normal", "randint", "bernoulli", "truncated_normal", "gumbel", "laplace", "categorical",
       "permutation"]  # fmt: skip


@pytest.mark.parametrize("draw", KEYED, ids=IDS)
def test_a_key_decides_the_values(draw):
    key = mx.random.key(5)
    first = to_np(draw(key))
    mx.random.seed(99)
    assert_same(draw(key), first, "the same key again")
    assert_same(mx.compile(draw)(key), first, "compiled")
    assert np.any(to_np(draw(mx.random.key(6))) != first)
    assert np.any(to_np(draw(mx.random.split(key)[0])) != first)


@pytest.mark.parametrize("draw", KEYED[:4], ids=IDS[:4])
def test_vmap_over_keys_equals_the_loop(draw):
    keys = mx.random.split(mx.random.key(1), 4)
    want = np.stack([to_np(draw(keys[i])) for i in range(4)])
    assert_same(mx.vmap(draw)(keys), want, "vmap")


def test_the_seed_decides_the_sequence():
    def sequence():
        return [to_np(mx.random.normal((4,))).tolist() for _ in range(3)]

    mx.random.seed(3)
    first = sequence()
    assert first[0] != first[1] != first[2]
    mx.random.seed(3)
    assert sequence() == first
    mx.random.seed(4)
    assert sequence() != first
    assert (
        run_python(
            "import olivine.core as mx; mx.random.seed(3); print(mx.random.normal((4,)).tolist() == eval(input()))".replace(
                "input()", repr(repr(first[0]))
            )
        ).stdout.strip()
        == "True"
    )


def test_large_samples_do_not_depend_on_their_evaluation():
    key = mx.random.key(2)
    large = to_np(mx.random.uniform(shape=(300001,), key=key))
    lazy = mx.random.uniform(shape=(300001,), key=key) + 0
    assert_same(lazy, large, "the same key")
    assert len(np.unique(large)) > 290000


def test_keys_and_splits_are_distinct():
    keys = to_np(mx.random.split(mx.random.key(0), 1000))
    assert keys.shape == (1000, 2) and keys.dtype == np.uint32
    assert len(np.unique(keys, axis=0)) == 1000
    assert len({tuple(to_np(mx.random.key(i)).tolist()) for i in (0, 1, 2**32, 2**63)}) == 4


@pytest.mark.parametrize("name", FLOATING)
def test_floating_dtypes_are_honoured(name):
    dtype = lookup(name)
    for a in (
        mx.random.uniform(shape=(3,), dtype=dtype), mx.random.normal((3,), dtype), mx.random.gumbel((3,), dtype),
        mx.random.laplace((3,), dtype), mx.random.truncated_normal(0.0, 1.0, (3,), dtype),
    ):  # fmt: skip
        assert dtype_name(a.dtype) == name
    x = to_np(mx.random.normal((20000,), dtype)).astype(np.float64)
    assert np.isfinite(x).all() and abs(x.std() - 1) < 0.03 and abs(x.mean()) < 0.03


def test_reparameterised_samples_have_gradients():
    key = mx.random.key(0)

    def f(loc, scale):
        return mx.sum(mx.random.normal((50,), loc=loc, scale=scale, key=key))

    by_loc, by_scale = mx.grad(f, argnums=(0, 1))(mx.array(1.0), mx.array(2.0))
    assert np.isclose(by_loc.item(), 50)
    assert np.isclose(by_scale.item(), mx.sum(mx.random.normal((50,), key=key)).item(), atol=1e-4)


@pytest.mark.parametrize("call", [
    lambda: mx.random.uniform(shape=(-1,)),
    lambda: mx.random.normal((3,), mx.int32),
    lambda: mx.random.uniform(shape=(3,), dtype=mx.int8),
    lambda: mx.random.uniform(key=mx.array([1.0, 2.0]), shape=(3,)),
    lambda: mx.random.uniform(key=mx.array([1, 2, 3], dtype=mx.uint32), shape=(3,)),
    lambda: mx.random.categorical(mx.zeros((2, 3)), axis=5),
    lambda: mx.random.randint(0, 5, (3,), dtype=mx.float32),
    lambda: mx.random.bernoulli(mx.array([0.5, 0.5]), (3, 3)),
    lambda: mx.random.split(mx.random.key(0), -1),
    lambda: mx.random.normal((2,), loc=mx.zeros((3,))),
    lambda: mx.random.bernoulli(mx.array(1)),
    lambda: mx.random.categorical(mx.zeros((2, 3)), shape=(2,), num_samples=2),
    lambda: mx.random.categorical(mx.zeros((2, 3)), shape=(3,)),
    lambda: mx.random.permutation(mx.array(1.5)),
    lambda: mx.random.multivariate_normal(mx.zeros((2,)), mx.zeros((3, 3))),
    lambda: mx.random.multivariate_normal(mx.zeros((2,)), mx.zeros((2,))),
    lambda: mx.random.multivariate_normal(mx.zeros((3, 2)), mx.eye(2), (2,)),
], ids=range(17))  # fmt: skip
def test_impossible_draws_are_refused(call):
    with pytest.raises((ValueError, TypeError, IndexError)):
        mx.eval(call())


def test_empty_draws():
    for a in (
        mx.random.uniform(shape=(0,)),
        mx.random.normal((2, 0)),
        mx.random.split(mx.random.key(0), 0),
    ):
        mx.eval(a)
        assert a.size == 0


def test_every_distribution_draws_the_bits_that_mlx_draws():
    """The file was made by MLX 0.32.4 on its CPU; tests/fixtures/random_cases.py says how."""
    want = {}
    for name, array in np.load(FIXTURES / "random_mlx.npz").items():
        case, dtype = name.split("|")
        want[case] = dtype, array
    got = random_cases.draw(mx)
    assert got.keys() == want.keys()
    for case, (array, dtype) in got.items():
        assert (dtype, array.shape) == (want[case][0], want[case][1].shape), case
        assert array.tobytes() == want[case][1].tobytes(), f"{case}: other bits"


def test_bounds_of_float64_are_not_rounded_to_single_precision():
    assert mx.random.normal((), mx.float64, 0.1, 0.0).item() == 0.1
    assert mx.random.uniform(0.1, 0.1, (), mx.float64).item() == 0.1


def test_truncated_normal_is_differentiable_in_its_bounds():
    key, step = mx.random.key(3), 1e-2
    f = lambda a: mx.sum(mx.random.truncated_normal(a, 2.0, (200,), key=key))  # noqa: E731
    want = (f(mx.array(0.1 + step)) - f(mx.array(0.1 - step))).item() / (2 * step)
    assert abs(mx.grad(f)(mx.array(0.1)).item() - want) < 0.05 * abs(want)

"""Runs SciPy's and scikit-learn's array-API paths on arrays of Olivine, beside NumPy.

    SCIPY_ARRAY_API=1 python tests/array_api/programs.py

Prints one line for each function: "ok NAME", or "no NAME: the error". Needs SciPy and scikit-learn.
"""

import os
import sys
import warnings

os.environ["SCIPY_ARRAY_API"] = "1"
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402

import olivine.core as mx  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 5))
Y = RNG.standard_normal((40, 5)) + 0.3
P = RNG.uniform(0.1, 0.9, (40,))
LABELS = (X[:, 0] + 0.3 * Y[:, 1] > 0).astype(np.int64)


def flat(result):
    """The arrays in a result: of tuples and of objects with fields as SciPy's."""
    if isinstance(result, mx.array | np.ndarray | float | int | np.generic):
        return [np.asarray(result)]
    if isinstance(result, tuple | list):
        return [leaf for part in result for leaf in flat(part)]
    return [leaf for n in ("statistic", "pvalue", "x", "integral") if hasattr(result, n)
            for leaf in flat(getattr(result, n))]  # fmt: skip


def scipy_programs():
    from scipy import cluster, fft, integrate, signal, special, stats
    from scipy.optimize import elementwise

    for name in (
        "gammaln",
        "expit",
        "logit",
        "log_ndtr",
        "ndtr",
        "ndtri",
        "entr",
        "i0",
        "i0e",
        "i1",
    ):
        yield f"special.{name}", getattr(special, name), (P,)
    yield "special.gammainc", special.gammainc, (P, P + 1)
    yield "special.betainc", special.betainc, (P, P + 1, P)
    yield "special.logsumexp", lambda x: special.logsumexp(x, axis=1), (X,)
    yield "special.softmax", lambda x: special.softmax(x, axis=1), (X,)
    yield "special.rel_entr", special.rel_entr, (P, P + 1)
    yield "special.xlogy", special.xlogy, (P, P)
    for name in ("gmean", "hmean", "moment", "skew", "kurtosis", "variation", "zscore",
                 "gstd", "tmean", "tvar", "tstd", "sem", "circmean", "circvar", "circstd",
                 "entropy", "jarque_bera", "skewtest", "kurtosistest", "normaltest"):  # fmt: skip
        data = np.abs(X) if name in ("gmean", "hmean", "gstd", "entropy", "variation") else X
        yield f"stats.{name}", getattr(stats, name), (data,)
    yield "stats.pmean", lambda x: stats.pmean(x, 2), (np.abs(X),)
    yield "stats.ttest_1samp", lambda x: stats.ttest_1samp(x, 0.0), (X,)
    yield "stats.ttest_ind", stats.ttest_ind, (X, Y)
    yield "stats.ttest_rel", stats.ttest_rel, (X, Y)
    yield "stats.pearsonr", stats.pearsonr, (X[:, 0], Y[:, 0])
    yield "stats.linregress", lambda a, b: stats.linregress(a, b)[:2], (X[:, 0], Y[:, 0])
    yield "stats.f_oneway", stats.f_oneway, (X[:, 0], Y[:, 0])
    yield "stats.bartlett", stats.bartlett, (X[:, 0], Y[:, 0])
    yield "stats.chisquare", stats.chisquare, (np.abs(X[:, 0]) * 10,)
    yield "stats.differential_entropy", stats.differential_entropy, (X[:, 0],)
    yield "stats.rankdata", stats.rankdata, (X[:, 0],)
    yield "fft.fft", fft.fft, (X,)
    yield "fft.irfft", fft.irfft, (X,)
    yield "fft.fftshift", fft.fftshift, (X,)
    yield "cluster.vq.whiten", cluster.vq.whiten, (X,)
    yield "cluster.vq.vq", cluster.vq.vq, (X, X[:4])
    yield "cluster.hierarchy.linkage", lambda x: cluster.hierarchy.linkage(x, "ward"), (X[:12],)
    yield "integrate.trapezoid", integrate.trapezoid, (X,)
    yield "integrate.simpson", integrate.simpson, (X[:, :5],)
    yield "integrate.cumulative_trapezoid", integrate.cumulative_trapezoid, (X,)
    yield "signal.detrend", signal.detrend, (X,)
    yield "signal.fftconvolve", lambda a, b: signal.fftconvolve(a, b, axes=1), (X, Y)
    yield "signal.hilbert", signal.hilbert, (X,)
    yield "signal.windows.hann", lambda x: signal.windows.hann(8, xp=x.__array_namespace__()), (X,)
    yield "optimize.elementwise.find_root", _root(elementwise), (P,)
    yield "optimize.elementwise.find_minimum", _minimum(elementwise), (P,)


def _root(elementwise):
    def run(p):
        return elementwise.find_root(lambda x, c: x * x - c, (0 * p, 0 * p + 1), args=(p,)).x

    return run


def _minimum(elementwise):
    def run(p):
        start = (p - 2, p - 0.1, p + 3)
        return elementwise.find_minimum(lambda x, c: (x - c) ** 2, start, args=(p,)).x

    return run


def sklearn_programs():
    from sklearn import decomposition, discriminant_analysis, linear_model, metrics, preprocessing

    def fitted(model, method, *more):
        return lambda x, *y: getattr(model().fit(x, *y), method)(x, *more)

    yield "StandardScaler", fitted(preprocessing.StandardScaler, "transform"), (X,)
    yield "MinMaxScaler", fitted(preprocessing.MinMaxScaler, "transform"), (X,)
    yield "MaxAbsScaler", fitted(preprocessing.MaxAbsScaler, "transform"), (X,)
    yield "Normalizer", fitted(preprocessing.Normalizer, "transform"), (X,)
    yield "Binarizer", fitted(preprocessing.Binarizer, "transform"), (X,)
    yield "PCA", lambda x: abs(decomposition.PCA(2, svd_solver="full").fit(x).transform(x)), (X,)
    yield "Ridge", fitted(lambda: linear_model.Ridge(solver="svd"), "predict"), (X, Y[:, 0])
    lda = discriminant_analysis.LinearDiscriminantAnalysis
    yield "LinearDiscriminantAnalysis", fitted(lda, "predict"), (X, LABELS)
    yield "metrics.mean_squared_error", metrics.mean_squared_error, (X, Y)
    yield "metrics.mean_absolute_error", metrics.mean_absolute_error, (X, Y)
    yield "metrics.r2_score", metrics.r2_score, (X, Y)
    yield "metrics.accuracy_score", metrics.accuracy_score, (LABELS, LABELS[::-1].copy())
    yield "metrics.zero_one_loss", metrics.zero_one_loss, (LABELS, LABELS[::-1].copy())
    yield "metrics.f1_score", metrics.f1_score, (LABELS, LABELS[::-1].copy())
    yield "metrics.pairwise.cosine_similarity", metrics.pairwise.cosine_similarity, (X, Y)
    yield "metrics.pairwise.euclidean_distances", metrics.pairwise.euclidean_distances, (X, Y)
    yield "metrics.pairwise.rbf_kernel", metrics.pairwise.rbf_kernel, (X, Y)


def compare(name, function, args):
    try:
        want = flat(function(*args))
        result = function(*(mx.asarray(a) for a in args))
        got = flat(result)
        assert want and len(got) == len(want), f"{len(got)} results instead of {len(want)}"
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-5)
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()
        print(f"no {name}: {type(error).__name__}: {text[0][:150]}", flush=True)
    else:
        print(f"ok {name}", flush=True)


def main():
    for program in scipy_programs():
        compare(*program)
    import sklearn

    with sklearn.config_context(array_api_dispatch=True):
        for name, function, args in sklearn_programs():
            compare(f"sklearn.{name}", function, args)


if __name__ == "__main__":
    sys.exit(main())

"""Measures the special functions against 40 digits and writes docs/accuracy-special.md.

    PYTHONPATH=build/release/python python tools/accuracy_special.py [--print] [--count N]

Needs mpmath besides NumPy. Arguments are the same for both dtypes: exact in float32, drawn with a
fixed seed from the domains below.
"""

import argparse
import sys
from pathlib import Path

import mpmath as mp
import numpy as np

import olivine.core as mx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
import special as tables  # noqa: E402

PAGE = ROOT / "docs" / "accuracy-special.md"
LINE = tables.even(-30, 30)
MORE = {
    "j0": ([LINE], lambda x: mp.besselj(0, x)),
    "j1": ([LINE], lambda x: mp.besselj(1, x)),
    "y0": ([tables.spread(1e-3, 50)], lambda x: mp.bessely(0, x)),
    "y1": ([tables.spread(1e-3, 50)], lambda x: mp.bessely(1, x)),
    "ndtr": ([tables.even(-15, 8)], mp.ncdf),
    "log_ndtr": ([tables.even(-50, 8)], lambda x: mp.log(mp.ncdf(x))),
    "logit": ([tables.even(0.001, 0.999)], lambda p: mp.log(p / (1 - p))),
    "sinc": ([LINE], mp.sincpi),
    "beta": ([tables.spread(0.1, 50)] * 2, mp.beta),
}
# Where a function crosses zero, errors relative to the function's own size say more.
ABSOLUTE = {"j0", "j1", "y0", "y1", "sinc", "betaln"}

NOTES = """
(1) In units of the last place of 1 or of the result, whichever is larger: these functions cross
zero, where the last place of the result itself shrinks without bound.

`gammainc`, `gammaincc` and `betainc` are products with an exponential of large arguments: in
float64 their errors grow with the exponent of the result, to about its size.
"""


def function_of(name):
    """The function under test; a density is a derivative."""
    if name != "beta_density":
        return getattr(mx.special, name)
    return lambda a, b, x: mx.grad(lambda x: mx.sum(mx.special.betainc(a, b, x)))(x)


def shown(name):
    return "betainc, by x" if name == "beta_density" else name


def measure(name, domains, function, count):
    """The worst errors in units in the last place of float32 and float64."""
    rng, columns = np.random.default_rng(1), []
    for domain in domains:
        draws = [domain(rng) for _ in range(-(-count // tables.COUNT))]
        columns.append(np.concatenate(draws)[:count].astype(np.float32).astype(np.float64))
    lines = zip(*(c.tolist() for c in columns), strict=True)
    want = [mp.re(function(*map(mp.mpf, line))) for line in lines]
    worst = []
    for dtype, ours in ((np.float32, mx.float32), (np.float64, mx.float64)):
        args = [mx.array(c, dtype=ours) for c in columns]
        got = np.array(function_of(name)(*args))
        errors = []
        for g, w in zip(got.tolist(), want, strict=True):
            size = max(abs(float(w)), 1.0) if name in ABSOLUTE else abs(float(w))
            if np.finfo(np.float32).tiny < size < 3e38:
                errors.append(float(abs(mp.mpf(g) - w)) / float(np.spacing(dtype(size))))
        worst.append(max(errors))
    return worst


def page(count):
    whole = {name: table for name, table in tables.TABLES.items() if ":" not in name}
    rows = [(name, *table[:2]) for name, table in (whole | MORE).items()]
    text = f"""# Accuracy of special functions

Written by `tools/accuracy_special.py`: the largest error, over {count} arguments of all magnitudes,
in units of the last place of the exact result (40 digits by mpmath). Kernels compute in double, so
that float32 is nearly always the nearest number; 16-bit floats are computed in float32.

| function | float32 | float64 |
|---|---|---|
"""
    for name, domains, function in sorted(rows, key=lambda row: shown(row[0])):
        single, double = measure(name, domains, function, count)
        star = " (1)" if name in ABSOLUTE else ""
        text += f"| {shown(name)}{star} | {single:.2g} | {double:.2g} |\n"
    return f"{text}{NOTES}"


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--print", action="store_true", help="only print the page")
    options.add_argument("--count", type=int, default=300, help="arguments for each function")
    given = options.parse_args()
    text = page(given.count)
    print(text) if given.print else PAGE.write_text(text)


if __name__ == "__main__":
    main()

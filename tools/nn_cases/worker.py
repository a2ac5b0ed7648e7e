"""One process of tools/nn_equality.py: runs all cases in one library and writes what came out."""

import json
import sys

import numpy as np

from . import all_cases, surface
from .run import Library, Values, progress, rounded
from .run import run_case as run_array_case


def save(path, arrays, more):
    """Arrays under numbers, and their names with everything else in a JSON file beside."""
    np.savez(f"{path}.npz", **{str(i): x for i, x in enumerate(arrays.values())})
    with open(f"{path}.json", "w") as file:
        json.dump({"names": list(arrays), **more}, file)


def load(path):
    with open(f"{path}.json") as file:
        more = json.load(file)
    with np.load(f"{path}.npz") as file:
        arrays = {name: file[str(i)] for i, name in enumerate(more.pop("names"))}
    return arrays, more


def run_all(label, lib, cases, dtypes, run):
    arrays, texts, kinds = {}, {}, {}
    for i, case in enumerate(cases):
        progress(label, i + 1, len(cases))
        for dtype, as_dtype in dtypes.items():
            if dtype != "truth" and dtype not in case.dtypes:
                continue
            if dtype == "truth" and "bfloat16" not in case.dtypes:
                continue
            outcome = run(lib, case, as_dtype)
            key = f"{case.kind}|{case.name}|{dtype}"
            texts[key] = outcome.texts
            arrays |= {f"{key}|{name}": x for name, x in outcome.arrays.items()}
            kinds |= {f"{key}|{name}": x for name, x in outcome.dtypes.items()}
    return arrays, {"texts": texts, "dtypes": kinds}


def main(package, folder, only):
    """`package` is mlx (which makes the values), torch, or olivine."""
    cases = [case for case in all_cases() if only in case.name or only == case.family]
    values = {} if package == "mlx" else load(f"{folder}/values")[0]
    both = {"float32": "float32", "bfloat16": "bfloat16"}
    if package == "torch":
        from .torch_side import TorchLibrary, run_case

        cases = [case for case in cases if case.torch]
        lib = TorchLibrary(Values(values))
        arrays, more = run_all(package, lib, cases, both, run_case)
    else:
        lib = Library(package, Values(values))
        arrays, more = run_all(package, lib, cases, both, run_array_case)
        more["surface"] = surface(lib.nn, lib.optim)
    more["version"] = lib.version
    if package == "mlx":
        # What bfloat16 would give without rounding in between.
        lib.values, lib.truth = Values(rounded(lib, values)), True
        truth = run_all("mlx in float32", lib, cases, {"truth": "float32"}, run_array_case)
        arrays |= truth[0]
        more["texts"] |= truth[1]["texts"]
        save(f"{folder}/values", values, {})
    save(f"{folder}/{package}", arrays, more)


if __name__ == "__main__":
    main(*sys.argv[1:])

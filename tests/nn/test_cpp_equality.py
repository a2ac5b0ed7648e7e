"""C++'s layers, losses, initializers and optimizers give the bits of Python's.

The cases are those of tools/nn_cases. Python runs each and writes its values to a file; the program
tests/nn/equality.cpp reads the expressions, builds what they name and computes the same.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx

ROOT = Path(__file__).parents[2]
PROGRAM = Path(mx.__file__).parent / "lib" / "olivine_nn_equality"
sys.path.insert(0, str(ROOT / "tools"))

import nn_cases  # noqa: E402
from nn_cases.run import Library, Values, run_case  # noqa: E402

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="built without the C++ tests")

# Of Python alone: processes that share layers, functions written in Python.
PYTHONS_OWN = ("Sharded", "sharded", "fully_shard", "average_gradients", "lambda x", "custom_")
# Arithmetic around the call, which the program does not read.
NOT_READ = (
    *("mx.where(", "mx.concatenate", "mx.array(0.25", " + ", "mx.dequantize(layer"),
    *("mx.clip(", "(a > 0)", "mx.stack("),
)
KINDS = ("layer", "function", "optimizer", "schedule", "initializer", "new", "training")
# Sums of more than a few terms in another order: NumPy adds the weights of antialiasing pairwise.
TOLERANCE = {"antialias=True": 1e-6}


def is_cpp(case):
    text = case.make + case.call
    if any(word in text for word in PYTHONS_OWN + NOT_READ):
        return False
    return case.kind in KINDS and case.make != "nn.Module()"


CASES = [case for case in nn_cases.all_cases() if is_cpp(case)]
RUNS = [(case, dtype) for case in CASES for dtype in case.dtypes]


def write(file, lib, case, dtype, values):
    prefix = f"{case.kind}|{case.name}|"
    arrays = {k[len(prefix) :]: v for k, v in values.items() if k.startswith(prefix)}
    about = {
        "kind": case.kind, "family": case.family, "make": case.make, "call": case.call,
        "training": str(int(case.training)), "dtype": dtype,
        "floats": ",".join(n for n, spec in case.inputs.items() if spec.differentiable),
        "fixed": ",".join(n for n, spec in case.inputs.items() if not spec.differentiable),
    }  # fmt: skip
    mx.save_safetensors(str(file), {k: mx.array(v) for k, v in arrays.items()}, about)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What Python and C++ got: {index: (outcome, arrays, texts)}."""
    folder = tmp_path_factory.mktemp("equality")
    outcomes = []
    for i, (case, dtype) in enumerate(RUNS):
        lib = Library("olivine", Values({}))
        outcomes.append(run_case(lib, case, dtype))
        write(folder / f"{i:05}.in.safetensors", lib, case, dtype, lib.values.arrays)
    done = subprocess.run([PROGRAM, folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [
        (outcome, *mx.load(str(folder / f"{i:05}.out.safetensors"), return_metadata=True))
        for i, outcome in enumerate(outcomes)
    ]


def plain(x):
    return np.array(x.astype(mx.float32) if x.dtype == mx.bfloat16 else x)


@pytest.mark.parametrize("index", range(len(RUNS)), ids=[f"{c.kind}-{c.name}-{t}" for c, t in RUNS])
def test_cpp_gives_what_python_gives(results, index):
    case, _ = RUNS[index]
    outcome, found, texts = results[index]
    assert "unsupported" not in texts, texts["unsupported"]
    assert "error" not in texts or "error" in outcome.texts, texts["error"]
    if "error" in outcome.texts:
        assert "error" in texts, outcome.texts["error"]
        return
    expected = {
        name: x
        for name, x in outcome.arrays.items()
        if case.kind != "initializer" or name == "exact"
        if "of an int" not in name
    }
    assert sorted(found) == sorted(expected)
    tolerance = next((v for k, v in TOLERANCE.items() if k in case.make + case.call), 0)
    for name, x in expected.items():
        assert str(found[name].dtype).rsplit(".", 1)[-1] == outcome.dtypes[name], name
        np.testing.assert_allclose(plain(found[name]), x, rtol=tolerance, atol=0, err_msg=name)
    for name in ("repr", "parameters", "trainable"):
        if name in outcome.texts:
            text = outcome.texts[name]
            assert texts[name] == (text if name == "repr" else "\n".join(text))


def test_the_cases_leave_no_name_out():
    import olivine.nn as nn
    import olivine.optimizers as optim

    names = nn_cases.surface(nn, optim)
    text = "\n".join(f"{case.make} {case.call}" for case in CASES)
    missing = [n for own in names.values() for n in own if f"{n}(" not in text]
    allowed = ("Sharded", "fully_shard", "average_gradients", "clip_grad_norm_sharded")
    unexpected = [n for n in missing if not any(word in n for word in allowed)]
    # Tested by themselves in tests/nn/*_test.cpp, as they take functions.
    assert set(unexpected) <= {"quantize", "value_and_grad", "checkpoint"}

"""Every public function of olivine.core has a row or a test that names it, or a reason why not."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import olivine.core as mx
from tests.harness import PENDING, Row

HERE = Path(__file__).parent
SUBMODULES = ("fast", "random", "linalg", "fft", "special")

# Functions without rows of ops, by where their tests are.
ELSEWHERE = {
    "tests/transforms": """grad value_and_grad vjp jvp vmap compile disable_compile enable_compile checkpoint
        custom_function jacobian hessian export_function import_function exporter FunctionExporter
        scan fori_loop while_loop cond switch map debug_nonfinite set_debug_nonfinite
        memory_plan MemoryPlan MemoryPlanStep MemoryPlanValue""",
    "tests/utils": "export_to_dot",
    "tests/io": "save savez savez_compressed save_safetensors save_gguf load",
    "tests/runtime": """eval async_eval synchronize get_active_memory get_peak_memory reset_peak_memory
        get_cache_memory set_memory_limit get_memory_limit set_cache_limit clear_cache set_wired_limit
        get_array_buffer_size depends default_device set_default_device default_stream set_default_stream new_stream
        new_thread_local_stream new_thread_unsafe_stream stream clear_streams device_info device_count
        is_available""",
    "tests/core": """array Dtype DtypeCategory Device DeviceType Stream StreamContext ThreadLocalStream ArrayAt
        ArrayIterator ArrayLike PrintOptions set_printoptions get_printoptions printoptions
        issubdtype isdtype""",
}
FAMILIES_ELSEWHERE = ("distributed", "metal", "cuda")


def modules():
    for found in pkgutil.iter_modules([str(HERE)]):
        if found.name != "coverage":
            yield importlib.import_module(f"tests.ops.{found.name}")


def covered():
    """Names of rows and aliases, and every attribute of mx that a test file mentions."""
    names = set()
    for module in modules():
        for row in getattr(module, "ROWS", ()):
            assert isinstance(row, Row)
            names |= {row.name, *row.aliases}
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text.startswith("mx."):
                    names.add(text[3:])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return names


def public():
    for name in dir(mx):
        if not name.startswith("_") and callable(getattr(mx, name)):
            yield name
    for submodule in SUBMODULES:
        for name in dir(getattr(mx, submodule, None)):
            if not name.startswith("_") and callable(getattr(getattr(mx, submodule), name)):
                yield f"{submodule}.{name}"


def test_every_public_function_is_tested():
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    missing = sorted(set(public()) - covered() - elsewhere)
    assert not missing, f"{len(missing)} functions have no row: {' '.join(missing)}"


def test_pending_functions_are_not_there():
    arrived = [name for name in PENDING if name in set(public())]
    assert not arrived, f"their rows can run now: {' '.join(sorted(arrived))}"


@pytest.mark.parametrize("folder", ELSEWHERE)
def test_functions_tested_elsewhere_are_named_there(folder):
    text = "".join(path.read_text() for path in sorted((HERE.parent.parent / folder).glob("*.py")))
    missing = [name for name in ELSEWHERE[folder].split() if hasattr(mx, name) and name not in text]
    assert not missing, f"{folder} mentions nowhere: {' '.join(missing)}"

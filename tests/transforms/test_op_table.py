"""Every op record has every rule that it can have, and docs/ops.md says so."""

import importlib.util

import pytest

import olivine.core as mx
from tests.support import ROOT

spec = importlib.util.spec_from_file_location("op_table", ROOT / "tools" / "op_table.py")
op_table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(op_table)

RECORDS = {r["name"]: r for r in mx._op_records() if r["name"] not in op_table.MACHINERY}
# Without inputs there is nothing to differentiate or to batch.
NO_INPUTS = ("arange", "load")
# The rules of two are functions of the user's, which no file can hold; arrays that the other reads
# are stored themselves.
NOT_EXPORTED = ("custom_function", "primitive", "load", "identity")


def test_records_have_distinct_names():
    names = [r["name"] for r in mx._op_records()]
    assert len(names) == len(set(names)) > 100


@pytest.mark.parametrize("name", RECORDS)
def test_every_op_has_every_rule(name):
    r = RECORDS[name]
    assert r["infer"]
    assert r["vmap"] or name in NO_INPUTS
    assert (r["vjp"] and r["jvp"]) or name in NO_INPUTS
    assert r["export"] or name in NOT_EXPORTED, "set .check and .params in its record (core/op.h)"


# Sizes, bounds or lengths are parameters of these: another size makes another trace.
SIZES_ARE_PARAMETERS = """
arange as_strided broadcast_to conv_weight csr_csr_matmul csr_matmul_transposed csr_pattern
csr_pattern_count csr_transpose custom_function fft gather gather_mm load primitive random_bits
random_unit reshape scatter slice slice_update
""".split()
# Their bodies are inferred for the new sizes, if these hold for any.
HAVE_BODIES = ("scan", "while_loop", "branch")


def test_every_op_is_inferred_for_other_sizes_or_is_listed():
    fixed = {name for name, r in RECORDS.items() if not r["any_size"]}
    assert fixed == {*SIZES_ARE_PARAMETERS, *HAVE_BODIES}


def test_the_page_is_up_to_date():
    assert op_table.PAGE.read_text() == op_table.page(), "run python tools/op_table.py"

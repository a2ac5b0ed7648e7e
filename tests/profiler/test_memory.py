"""Live bytes agree with what the process holds, and belong to lines."""

import inspect

import pytest

import olivine.core as mx
from olivine.profiler import profile
from tests.support import run_python

PROGRAM = """
import olivine.core as mx
from olivine.profiler import profile

mx.eval(mx.ones((8,)) + 1)
mx.clear_cache()
with profile() as p:
    kept = []
    for i in range(8):
        kept.append(mx.ones((1 << 22,)) * 2)
        mx.eval(kept[-1])
live, resident = p.memory.live_growth, p.memory.resident_growth
assert live > 0.99 * (8 << 24)
assert abs(live - resident) < 0.02 * resident, (live, resident)
"""


def test_live_bytes_are_within_2_percent_of_the_process_growth():
    run_python(PROGRAM)


def line(offset=0):
    frame = inspect.currentframe().f_back
    return f"test_memory.py:{frame.f_lineno + offset} in {frame.f_code.co_name}"


def test_arrays_belong_to_the_line_that_made_them():
    with profile() as p:
        a = mx.exp(mx.zeros((1 << 20,)))
        mx.eval(a)
        made = line(-2)
    at_peak = p.memory.at_peak()
    assert at_peak[made] == pytest.approx(4 << 20, rel=0.01)


def test_the_peak_is_seen_after_arrays_are_gone():
    with profile() as p:
        a = mx.exp(mx.zeros((1 << 21,)))
        mx.eval(a)
        made = line(-2)
        del a
        mx.eval(mx.exp(mx.zeros((4,))))
    assert p.memory.peak >= 8 << 20
    assert p.memory.at_peak()[made] == pytest.approx(8 << 20, rel=0.01)
    times, by_line = p.memory.by_line()
    assert len(times) == len(by_line[made])
    assert by_line[made].max() == pytest.approx(8 << 20, rel=0.01)
    assert abs(by_line[made][-1]) < 1


def test_temporaries_belong_to_the_lines_that_fill_them():
    x = mx.ones((1024, 1024))
    mx.eval(x)
    with profile() as p:
        y = x @ x
        product = line(-1)
        z = mx.sum(y @ y, axis=1)
        mx.eval(z)
    lines = [name for name in p.memory.at_peak() if name == product]
    assert lines == [product] or any(n == product for n in p.memory.by_line()[1])

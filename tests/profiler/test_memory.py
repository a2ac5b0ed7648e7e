"""Live bytes agree with what the process holds, and belong to lines."""

import inspect

import pytest

import olivine.core as mx
from olivine.profiler import profile
from tests.support import run_python

# What is kept grows by 128 MiB; the process may grow by what the allocator keeps besides.
PROGRAM = """
import threading
import numpy as np
import olivine.core as mx
from olivine.profiler import profile

kept = []
big = mx.array(np.ones((1 << 22,), np.float32))
mx.eval(big)
{before}
mx.eval(mx.ones((8,)) + 1)
mx.clear_cache()
with profile() as p:
{body}
live, cached, resident = p.memory.live_growth, p.memory.cached_growth, p.memory.resident_growth
assert 0.99 * (8 << 24) < live < 1.01 * (8 << 24), live
assert abs(live + cached - resident) < 0.02 * resident, (live, cached, resident)
"""
GROWING = {
    "eager": ("", "for i in range(8): kept.append(mx.ones((1 << 22,)) * i); mx.eval(kept)"),
    "compiled": (
        "f = mx.compile(lambda x: mx.tanh(x) * 2 + mx.sum(x * x))",
        "for i in range(8): kept.append(f(big)); mx.eval(kept)",
    ),
    "loop": (
        "",
        "kept = mx.scan(lambda c, k: (c, big * k), mx.array(0), mx.arange(8))[1]; mx.eval(kept)",
    ),
    "gradient": (
        "",
        "for i in range(8):\n"
        "        kept.append(mx.grad(lambda x: mx.sum(mx.sin(x) * x))(big)); mx.eval(kept)",
    ),
    "small arrays": (
        "",
        "for i in range(4096): kept.append(mx.full((1 << 13,), float(i)) + 1); mx.eval(kept[-1])",
    ),
    "arrays of NumPy": (
        "source = np.ones((1 << 22,), np.float32)",
        "for i in range(8): kept.append(mx.array(source))",
    ),
    "views": (
        "",
        "for i in range(8): kept.append((mx.ones((1 << 22,)) * i)[:5]); mx.eval(kept)",
    ),
    "threads": (
        "def work(i): kept.append(mx.exp(big * i)); mx.eval(kept[-1])",
        "threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]\n"
        "    for t in threads: t.start()\n"
        "    for t in threads: t.join()\n"
        "    mx.eval(mx.array(1.0) + 1)",
    ),
    "temporaries that are gone": (
        "",
        "for i in range(8):\n"
        "        kept.append(mx.sort(big * i) @ mx.ones((1 << 22, 1)) + big); mx.eval(kept)",
    ),
}


@pytest.mark.parametrize("name", GROWING)
def test_live_bytes_are_within_2_percent_of_the_process_growth(name):
    before, body = GROWING[name]
    run_python(PROGRAM.format(before=before, body="    " + body))


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

"""fork after work, work in the child: the same bits, no hang, for os.fork and multiprocessing."""

import pytest

from tests.support import SANITIZED, run_python

WORK = """
import os, signal, sys, warnings
import numpy as np
import olivine.core as mx
warnings.simplefilter("ignore")

a = mx.array(np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32))
b = mx.array(np.random.default_rng(1).standard_normal((1 << 18,)).astype(np.float32))
lazy = mx.exp(b) + mx.sum(b)          # evaluated on both sides of the fork

def work():
    c = a @ a
    d = mx.softmax(c + 1) * mx.tanh(c)
    return b"".join(np.array(x).tobytes() for x in (c, d, mx.sum(b * 2 + 1), mx.sort(b)[:100]))
"""


def test_fifty_forks_after_work_give_equal_bits():
    code = (
        WORK
        + """
signal.alarm(100)
expected = work()
for round in range(50):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            ok = work() == expected
            os.write(w, b"y" if ok else b"n")
        finally:
            os._exit(0)
    os.close(w)
    if round % 2:
        assert work() == expected, "the parent, while the child works"
    assert os.read(r, 1) == b"y", f"round {round}: the child died, hung or differs"
    os.close(r)
    os.waitpid(pid, 0)
assert work() == expected
print("done")
"""
    )
    assert "done" in run_python(code, limit=120).stdout


def test_lazy_arrays_and_compiled_functions_cross_the_fork():
    code = (
        WORK
        + """
signal.alarm(60)
work()
c = mx.compile(lambda x: mx.exp(x) * 2 + mx.sum(x))
want = np.array(c(b)).tobytes()
pids = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        ok = np.array(c(b)).tobytes() == want and np.isfinite(np.array(lazy)).all()
        ok = ok and mx.grad(lambda x: mx.sum(x * x))(mx.array([3.0])).item() == 6
        os._exit(0 if ok else 1)
    pids.append(pid)
assert np.isfinite(np.array(lazy)).all()
assert all(os.waitpid(p, 0)[1] == 0 for p in pids)
print("done")
"""
    )
    assert "done" in run_python(code, limit=90).stdout


def test_fork_while_another_thread_evaluates():
    code = (
        WORK
        + """
import threading
signal.alarm(60)
expected = work()
stop = threading.Event()
def busy():
    while not stop.is_set():
        mx.eval(mx.exp(b) + 1, a @ a)
thread = threading.Thread(target=busy)
thread.start()
try:
    for round in range(15):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            os._exit(0 if work() == expected else 1)
        assert os.waitpid(pid, 0)[1] == 0, f"round {round}"
finally:
    stop.set()
    thread.join()
print("done")
"""
    )
    assert "done" in run_python(code, limit=90).stdout


def test_a_child_of_a_child():
    code = (
        WORK
        + """
signal.alarm(60)
expected = work()
for depth in range(4):
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        if depth == 0:
            assert status == 0
            print("done")
            sys.stdout.flush()
        os._exit(0 if status == 0 else 1)
    if work() != expected:
        os._exit(1)
os._exit(0)
"""
    )
    assert "done" in run_python(code, limit=90).stdout


def test_multiprocessing_with_the_fork_method():
    code = (
        WORK
        + """
import multiprocessing
signal.alarm(90)

def square(n):
    return float(mx.sum(mx.arange(n, dtype=mx.float32) ** 2).item()), work()

if __name__ == "__main__":
    expected = work()
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        with context.Pool(3) as pool:
            out = pool.map(square, [10, 20, 30, 40])
        assert [round(v) for v, _ in out] == [285, 2470, 8555, 20540]
        assert all(w == expected for _, w in out)
    print("done")
"""
    )
    assert "done" in run_python(code, limit=120).stdout


def test_fork_before_any_work():
    code = """
    import os, signal, olivine.core as mx
    signal.alarm(30)
    pid = os.fork()
    value = mx.sum(mx.exp(mx.zeros((200000,)))).item()
    assert value == 200000
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    """
    run_python(code)


FIRST_USE = """
import os, signal, sys, threading, time, warnings
import olivine.core as mx
warnings.simplefilter("ignore")

def work():
    x = mx.random.normal((64, 64))
    y = mx.compile(lambda a: mx.exp(a) + mx.tanh(a) * 2)(x @ x)
    z = mx.fft.fft(x)
    inverse = mx.linalg.inv(x @ x.T + 64 * mx.eye(64))
    mx.async_eval(y + 1)
    mx.eval(y, z, inverse)

def cold(delay):
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(delay)
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        work()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    thread.join()
    return status

for round in range(60):
    pid = os.fork()  # this process itself stays as it was when it had imported the package
    if pid == 0:
        os._exit(0 if cold(round * 4e-4) == 0 else 1)
    assert os.waitpid(pid, 0)[1] == 0, f"round {round}"
print("done")
"""


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own locks don't survive fork")
def test_fork_at_the_first_use_by_another_thread():
    assert "done" in run_python(FIRST_USE, limit=90).stdout

"""Any array on any thread: shared lazy arrays, arrays made elsewhere, transforms and streams per thread."""

import threading

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_same, run_python, to_np

COUNT = 8


def together(work, count=COUNT, limit=60):
    """Runs work(i) on `count` threads that start at one moment; raises what any of them raised."""
    errors, results, barrier = [], [None] * count, threading.Barrier(count)

    def body(i):
        try:
            barrier.wait(limit)
            results[i] = work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
    return results


def graph(seed, n=2000):
    x = mx.array(np.random.default_rng(seed).standard_normal((n,)).astype(np.float32))
    y = mx.exp(mx.sin(x) * 0.5) + mx.cumsum(x)
    return mx.sort(y) * mx.softmax(x) + mx.sum(y)


def test_one_lazy_array_evaluated_by_all_threads():
    for round in range(60):
        n = 100 if round % 2 else 200_000
        want = to_np(graph(round, n)) if round < 6 else None
        shared = graph(round, n)
        results = together(lambda i, a=shared: to_np(a))
        for r in results[1:]:
            assert_same(r, results[0], "all threads see one value")
        if want is not None:
            assert_same(results[0], want, "the value of a single thread")


def test_items_of_one_lazy_array():
    for _ in range(100):
        shared = mx.sum(mx.arange(1000)) * 2
        assert together(lambda i, a=shared: a.item()) == [999000] * COUNT


def test_each_thread_builds_and_evaluates_its_own():
    want = [to_np(graph(i)) for i in range(COUNT)]

    def work(i):
        for _ in range(20):
            assert_same(graph(i), want[i], "own graph")

    together(work)


def test_shared_parts_of_different_graphs():
    for round in range(30):
        base = mx.exp(mx.array(np.arange(5000, dtype=np.float32) / 5000))
        parts = [base * i + mx.sum(base) for i in range(COUNT)]
        got = together(lambda i, p=parts: to_np(p[i]))
        fresh = mx.exp(mx.array(np.arange(5000, dtype=np.float32) / 5000))
        for i, g in enumerate(got):
            assert_same(g, fresh * i + mx.sum(fresh), f"round {round}")


def test_an_array_made_lazily_on_one_thread_is_evaluated_on_another():
    made = together(lambda i: graph(i))
    for i, a in enumerate(made):
        assert_same(a, graph(i), "made elsewhere")
    here = [graph(i) for i in range(COUNT)]
    got = together(lambda i: to_np(here[i]))
    for i, g in enumerate(got):
        assert_same(g, graph(i), "evaluated elsewhere")


def test_the_maker_thread_may_end_first():
    box = []
    thread = threading.Thread(target=lambda: box.append(mx.ones((10,)) * 3))
    thread.start()
    thread.join()
    assert box[0].tolist() == [3] * 10
    box.append(box[0] + 1)
    thread = threading.Thread(target=lambda: box.append(box[1].tolist()))
    thread.start()
    thread.join()
    assert box[2] == [4] * 10


def test_transforms_on_many_threads():
    compiled = mx.compile(lambda x: mx.tanh(x) * 2 + mx.sum(x))
    gradient = mx.grad(lambda x: mx.sum(mx.sin(x) ** 2))
    mapped = mx.vmap(lambda x: mx.cumsum(x) * x)

    def work(i):
        for n in (3, 50, 3000):
            x = mx.full((n, 2), 0.1 * (i + 1))
            assert_same(compiled(x), mx.tanh(x) * 2 + mx.sum(x), "compiled")
            np.testing.assert_allclose(to_np(gradient(x)), np.sin(2 * to_np(x)), rtol=1e-5)
            assert tuple(mapped(x).shape) == (n, 2)
            mx.eval(mapped(x))

    for _ in range(5):
        together(work)


def test_tracing_on_one_thread_does_not_disturb_another():
    stop = threading.Event()

    def tracer():
        while not stop.is_set():
            mx.compile(lambda x: mx.exp(x) + 1)(mx.ones((3,)))
            mx.vmap(lambda x: x * 2)(mx.ones((3,)))

    thread = threading.Thread(target=tracer, daemon=True)
    thread.start()
    try:
        for i in range(300):
            assert (mx.array(float(i)) + 1).item() == i + 1
    finally:
        stop.set()
        thread.join(30)


def test_streams_and_devices_are_usable_everywhere():
    stream = mx.new_stream(mx.cpu)

    def work(i):
        with mx.stream(stream):
            a = mx.full((100,), float(i)) * 2
        b = mx.add(a, 1, stream=mx.default_stream(mx.cpu))
        mx.async_eval(b)
        mx.synchronize()
        return b[0].item()

    assert together(work) == [2.0 * i + 1 for i in range(COUNT)]


def test_default_device_and_context_managers():
    assert mx.default_device() == mx.Device(mx.cpu)
    mx.set_default_device(mx.cpu)
    before = mx.default_stream(mx.cpu)
    other = mx.new_stream(mx.cpu)
    mx.set_default_stream(other)
    try:
        assert mx.default_stream(mx.cpu) == other
        assert (mx.ones((2,)) + 1).tolist() == [2, 2]
    finally:
        mx.set_default_stream(before)
    with mx.stream(mx.cpu):
        assert (mx.ones((2,)) + 2).tolist() == [3, 3]
    unsafe = mx.new_thread_unsafe_stream(mx.cpu)
    assert mx.add(mx.ones((2,)), 3, stream=unsafe).tolist() == [4, 4]
    mx.clear_streams()
    local = mx.new_thread_local_stream(mx.cpu)
    assert mx.add(mx.ones((2,)), 1, stream=local).tolist() == [2, 2]
    assert mx.device_count(mx.cpu) >= 1 and mx.is_available(mx.cpu)
    assert isinstance(mx.device_info(), dict)


def test_random_numbers_from_many_threads_are_valid_and_distinct():
    draws = together(lambda i: [to_np(mx.random.normal((50,))) for _ in range(20)])
    values = np.concatenate([d for draw in draws for d in draw])
    assert np.isfinite(values).all()
    rows = {d.tobytes() for draw in draws for d in draw}
    assert len(rows) >= 20


def test_threads_at_interpreter_exit_do_not_crash():
    code = """
    import threading, olivine.core as mx
    def work():
        while True:
            mx.eval(mx.exp(mx.ones((100000,))) + 1)
    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    x = mx.ones((1000, 1000)) @ mx.ones((1000, 1000))
    mx.async_eval(x)
    """
    for _ in range(3):
        run_python(code)


@pytest.mark.slow
def test_hours_of_mixed_work_in_seconds():
    def work(i):
        rng = np.random.default_rng(i)
        for _ in range(400):
            n = int(rng.integers(1, 20000))
            a = mx.array(rng.standard_normal(n).astype(np.float32))
            assert np.isclose(
                mx.sum(a * a).item(), float(np.sum(to_np(a).astype(np.float64) ** 2)), rtol=1e-4
            )

    together(work, limit=300)

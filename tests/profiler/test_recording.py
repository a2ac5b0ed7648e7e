"""What a profile says about programs whose steps, operations, bytes and lines are known."""

import inspect
import threading
import time

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.profiler import Profile, profile, start, stop
from tests.support import run_python


def here():
    """The caller's line."""
    return inspect.currentframe().f_back.f_lineno


def row(p, name, by="op"):
    found = [r for r in p.rows(by) if r.name == name]
    assert found, f"{name} not in {[r.name for r in p.rows(by)]}"
    return found[0]


def ones(*shape, dtype=mx.float32):
    """With memory for every element, which mx.ones has not."""
    a = mx.array(np.ones(shape, np.float32)).astype(dtype)
    mx.eval(a)
    return a


def test_a_matmul_takes_2mnk_operations_and_its_operands_bytes():
    a, b = ones(64, 200), ones(200, 300)
    with profile() as p:
        for _ in range(5):
            mx.eval(a @ b)
    r = row(p, "matmul")
    assert r.count == 5
    assert r.flops == 5 * 2 * 64 * 300 * 200
    assert r.bytes == 5 * 4 * (64 * 200 + 200 * 300 + 64 * 300)
    assert 0 < r.seconds < p.wall


def test_a_batch_of_complex_products_counts_four_real_ones():
    a = ones(3, 8, 16, dtype=mx.complex64)
    with profile() as p:
        mx.eval(a @ mx.swapaxes(a, 1, 2))
    assert row(p, "matmul").flops == 4 * 2 * 3 * 8 * 8 * 16


def test_an_addend_of_addmm_counts_once():
    a, b, c = ones(32, 48), ones(48, 16), ones(32, 16)
    with profile() as p:
        mx.eval(mx.addmm(c, a, b))
    assert row(p, "addmm").flops == 2 * 32 * 48 * 16 + 32 * 16


def test_a_convolution_and_its_gradients_take_the_same_operations():
    x, w = ones(2, 10, 10, 4), ones(8, 3, 3, 4)
    gradient = mx.grad(lambda x, w: mx.conv2d(x, w).sum(), argnums=(0, 1))
    with profile() as p:
        mx.eval(mx.conv2d(x, w))
    with profile() as q:
        mx.eval(gradient(x, w))
    forward = 2 * (2 * 8 * 8 * 8) * (3 * 3 * 4)
    assert row(p, "conv").flops == forward
    assert row(q, "conv_weight").flops == forward


def test_an_elementwise_op_takes_one_operation_an_element():
    x = ones(1000, 1000)
    with profile() as p:
        mx.eval(mx.exp(x))
    r = row(p, "exp")
    assert (r.count, r.flops, r.bytes) == (1, 10**6, 8 * 10**6)


def test_a_broadcast_operand_counts_its_own_bytes():
    x, y = ones(1000, 1000), ones(1000)
    with profile() as p:
        mx.eval(x + y)
    assert row(p, "add").bytes == 4 * (2 * 10**6 + 1000)


def test_a_fused_region_names_its_ops():
    x = ones(400, 500)
    with profile() as p:
        mx.eval(mx.tanh(x * 2) + x)
    r = row(p, "fused multiply tanh add (3)")
    assert (r.count, r.flops) == (1, 3 * 200_000)
    assert r.bytes <= 4 * (2 * 200_000 + 2)


def test_casts_and_copies_are_no_operations():
    x = ones(300, 200)
    with profile() as p:
        mx.eval(x.astype(mx.float16))
        mx.eval(mx.contiguous(x.T))
    assert p.flops == 0
    assert p.bytes >= 300 * 200 * (4 + 2 + 4 + 4)


def test_attention_counts_both_products():
    q = ones(1, 2, 128, 32)
    with profile() as p:
        mx.eval(mx.fast.scaled_dot_product_attention(q, q, q, scale=0.1))
    flops = row(p, "attention").flops
    products = 2 * (2 * 128 * 128 * 2 * 32)
    assert products <= flops <= 1.2 * products


def test_a_quantized_product_counts_as_a_dense_one():
    x, w = ones(4, 256), mx.random.normal((128, 256))
    packed = mx.quantize(w)
    mx.eval(packed)
    with profile() as p:
        mx.eval(mx.quantized_matmul(x, *packed))
    assert row(p, "quantized_matmul").flops == 2 * 4 * 128 * 256


def test_ops_belong_to_the_users_line():
    x = ones(500, 500)
    with profile() as p:
        y = x @ x
        product = here() - 1
        mx.eval(mx.sort(y))
        sort = here() - 1
    me = "test_ops_belong_to_the_users_line"
    assert row(p, f"test_recording.py:{product} in {me}", "line").count == 1
    assert row(p, f"test_recording.py:{sort} in {me}", "line").count == 1


def test_a_regions_time_is_shared_by_the_lines_of_its_ops():
    x = ones(512, 512)
    with profile() as p:
        y = mx.exp(x)
        z = y * x
        mx.eval(z)
    by_line = p.rows("line")
    assert len(by_line) == 2
    assert by_line[0].seconds == pytest.approx(by_line[1].seconds)
    assert sum(r.count for r in by_line) == pytest.approx(1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 64)

    def __call__(self, x):
        return mx.tanh(self.linear(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = [Block(), Block()]

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return mx.sum(x)


@pytest.mark.parametrize("compiled", [False, True])
def test_ops_and_their_gradients_belong_to_layers(compiled):
    model = Model()
    mx.eval(model.parameters())
    x = ones(32, 64)
    with profile() as p:
        step = nn.value_and_grad(model, lambda x: model(x))
        step = mx.compile(step) if compiled else step
        mx.eval(step(x))
    layers = {r.name for r in p.rows("layer")}
    assert {"Model.blocks.0.linear", "Model.blocks.1.linear"} <= layers
    product = 2 * 32 * 64 * 64  # three of each layer: the result's, and two gradients'
    assert row(p, "Model.blocks.1.linear", "layer").flops >= 3 * product
    assert row(p, "Model.blocks.0.linear", "layer").flops >= 2 * product


def test_what_a_compiled_function_ran_is_known_though_it_was_planned_before():
    x = ones(200, 300)
    f = mx.compile(lambda x: mx.exp(x) * x + 1)
    mx.eval(f(x))
    with profile() as p:
        mx.eval(f(x))
    assert row(p, "fused exp multiply add (3)").count == 1


def test_steps_of_a_loops_body_are_counted():
    x = ones(64, 64)
    f = mx.compile(lambda x: mx.fori_loop(0, 7, lambda i, y: mx.tanh(y @ x), x))
    mx.eval(f(x))
    with profile() as p:
        mx.eval(f(x))
    assert row(p, "matmul").count == 7
    assert row(p, "matmul").flops == 7 * 2 * 64**3
    assert row(p, "tanh").count == 7


def test_a_scan_under_grad_and_vmap_is_profiled():
    def loss(x):
        carry, _ = mx.scan(lambda c, x: (mx.sin(c * x), c), x[0], x)
        return carry.sum()

    x = ones(5, 3, 4)
    with profile() as p:
        mx.eval(mx.grad(loss)(x))
        mx.eval(mx.vmap(loss)(mx.stack([x, x])))
    assert row(p, "scan").count >= 2
    assert p.phases["transforming"] > 0


def test_phases_add_up_to_the_wall_time():
    x = ones(300, 300)
    with profile() as p:
        for _ in range(20):
            mx.eval(mx.tanh(x @ x) + 1)
    assert sum(p.phases.values()) == pytest.approx(p.wall, rel=1e-3)
    assert p.phases["steps"] > 0
    assert p.phases["planning"] > 0
    assert p.phases["graph building"] > 0


def test_time_in_python_and_asleep_is_pythons():
    with profile() as p:
        time.sleep(0.2)
        mx.eval(mx.array([1.0]) + 1)
    assert p.phases["Python"] == pytest.approx(0.2, abs=0.05)


def test_graph_building_is_apart_from_python():
    x = mx.array(1.0)
    with profile() as p:
        begin = time.thread_time()
        for _ in range(3000):
            x = x + 1
        busy = time.thread_time() - begin  # not paused by other programs
    assert 0.05 * busy < p.phases["graph building"] <= p.wall


def test_copies_of_foreign_memory_are_graph_building():
    """Calls that make one op are timed now and then; what takes long is timed always."""
    foreign, x = np.ones(1 << 22, np.float32), mx.array(1.0)
    with profile() as p:
        for _ in range(4):
            mx.array(foreign)
            x + foreign
    assert p.phases["graph building"] > 0.9 * p.wall


def test_ops_that_are_not_timed_count_like_those_that_are():
    x = mx.array(1.0)
    for count in (1000, 10_000):
        with profile() as p:
            begin, y = time.thread_time(), x
            for _ in range(count):
                y = y + x
            busy = time.thread_time() - begin  # not paused by other programs
        assert 0.1 * busy < p.phases["graph building"] < p.wall
        assert sum(p.phases.values()) == pytest.approx(p.wall, rel=1e-6)


# The hook evaluates, which takes the lock that plans are made under: a call under it never ends.
UNDER_NO_LOCK = """
import olivine.core as mx
import olivine.nn as nn
from olivine.profiler import profile

class Layer(nn.Module):
    def __call__(self, x):
        return mx.linalg.pinv(x @ x, stream=mx.cpu)  # planned as the ops it stands for

def hook(*layers):
    mx.eval(mx.array(1.0) + 1)
    return "layer"

mx._set_layer_hook(hook, nn.Module)
model, x = Layer(), mx.eye(4) + mx.ones((4, 4))
def run():
    mx.memory_plan(lambda x: model(x), x)
    mx.compile(lambda x: model(x), memory_limit=1 << 20)(x)
    mx.eval(mx.compile(lambda x: model(x))(x), mx.vmap(lambda x: model(x))(x[None]))
with profile() as p:
    run()
assert any(r.name == "layer" for r in p.rows("layer")), p.rows("layer")
with mx.debug_nonfinite():
    run()
"""


def test_no_code_of_python_runs_under_a_lock():
    run_python(UNDER_NO_LOCK)


def test_threads_and_streams_are_told_apart():
    x = ones(400, 400)
    other = mx.new_stream(mx.default_device())

    def work():
        mx.eval(x @ x)

    with profile() as p:
        threads = [threading.Thread(target=work, name=f"worker {i}") for i in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        y = mx.matmul(x, x, stream=other)
        mx.async_eval(y)
        mx.synchronize(other)
    assert row(p, "matmul").count == 3
    assert row(p, f"stream {other.index}", "stream").count == 1
    assert len(p.threads) >= 4
    assert f"stream {other.index}" in {t.name for t in p.threads}


def test_an_exception_ends_the_profile():
    with pytest.raises(ValueError, match="mine"), profile() as p:
        mx.eval(mx.exp(ones(100)))
        raise ValueError("mine")
    assert row(p, "exp").count == 1


def test_a_step_that_fails_is_recorded():
    x = ones(10)
    with profile() as p, pytest.raises(FloatingPointError), mx.debug_nonfinite():
        mx.eval(mx.log(x - 1))
    assert p.wall > 0
    with profile() as q:
        mx.eval(x + 1)
    assert row(q, "add").count == 1


def test_ctrl_c_ends_the_profile(ctrl_c):
    import _thread

    x = ones(1500, 1500)
    timer = threading.Timer(0.2, _thread.interrupt_main)
    with pytest.raises(KeyboardInterrupt), profile() as p:
        timer.start()
        while True:
            mx.eval(x @ x)
    assert p.attributed > 0.9
    assert not mx._profile_is_running()


def test_one_profile_at_a_time():
    with profile() as p:
        with pytest.raises(RuntimeError, match="expected one profile at a time; got a second"):
            Profile().__enter__()
        mx.eval(ones(10) + 1)
    assert row(p, "add").count == 1


def test_start_and_stop():
    x = ones(50, 50)
    start()
    mx.eval(x @ x)
    p = stop()
    assert row(p, "matmul").count == 1
    with pytest.raises(RuntimeError, match=r"\[profiler\] expected a profile that start"):
        stop()


def test_a_profile_that_runs_cannot_be_read():
    with profile() as p, pytest.raises(RuntimeError, match="expected a recording that has ended"):
        p.rows()


def test_groups_are_known():
    with profile() as p:
        pass
    assert p.rows("op") == []
    with pytest.raises(ValueError, match="expected by to be one of"):
        p.rows("colour")


def test_events_beyond_the_limit_are_counted():
    x = ones(10)
    with profile(max_events=2048) as p:
        for _ in range(3000):
            mx.eval(x + 1)
    assert p.dropped > 0
    assert row(p, "add").count <= 2048
    assert sum(p.phases.values()) == pytest.approx(p.wall, rel=1e-3)


def test_a_child_of_fork_is_not_profiled():
    import os

    x = ones(100)
    with profile() as p:
        mx.eval(x + 1)
        child = os.fork()
        if child == 0:
            mx.eval(x * 2)
            os._exit(0 if not mx._profile_is_running() else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0
    assert row(p, "add").count == 1

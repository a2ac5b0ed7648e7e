"""Equal bits for any number of threads, and the number of threads that the machine grants."""

import os
from pathlib import Path

import pytest

from tests.support import run_python

TABLE = """
import hashlib
import numpy as np
import olivine.core as mx

rng = np.random.default_rng(0)
def normal(*shape):
    return mx.array(rng.standard_normal(shape).astype(np.float32))

v, m, n, big = normal(300_007), normal(517, 1031), normal(1031, 263), normal(64, 33, 257)
i = mx.array(rng.integers(0, 1000, 200_000).astype(np.int32))
q = normal(2, 4, 200, 64)
OPS = {
    "sum": lambda: mx.sum(v), "sum0": lambda: mx.sum(m, axis=0), "sum1": lambda: mx.sum(m, axis=1),
    "sum02": lambda: mx.sum(big, axis=(0, 2)), "mean": lambda: mx.mean(v), "var": lambda: mx.var(m, axis=0),
    "prod": lambda: mx.prod(v[:3000] * 0.01 + 1), "logsumexp": lambda: mx.logsumexp(m, axis=0),
    "logsumexp all": lambda: mx.logsumexp(v), "softmax": lambda: mx.softmax(m, axis=0), "softmax1": lambda: mx.softmax(v),
    "cumsum": lambda: mx.cumsum(v), "cumsum0": lambda: mx.cumsum(m, axis=0), "cumprod": lambda: mx.cumprod(v * 0.001 + 1),
    "exp": lambda: mx.exp(v), "chain": lambda: mx.tanh(v * 2) + mx.sin(v) / (mx.abs(v) + 1),
    "matmul": lambda: m @ n, "matmul t": lambda: mx.transpose(n) @ mx.transpose(m), "matvec": lambda: m @ n[:, 0],
    "bf16": lambda: (m.astype(mx.bfloat16) @ n.astype(mx.bfloat16)).astype(mx.float32),
    "f16": lambda: (m.astype(mx.float16) @ n.astype(mx.float16)).astype(mx.float32),
    "f64": lambda: m.astype(mx.float64) @ n.astype(mx.float64), "batched": lambda: big @ mx.swapaxes(big, 1, 2),
    "scatter": lambda: mx.zeros((1000,)).at[i].add(v[:200_000]), "gather": lambda: v[i],
    "sort": lambda: mx.sort(v), "argsort": lambda: mx.argsort(m, axis=0), "max": lambda: mx.max(m, axis=0),
    "argmax": lambda: mx.argmax(v), "norm": lambda: mx.fast.layer_norm(m, n[:, 0], n[:, 1], 1e-5),
    "rms": lambda: mx.fast.rms_norm(m, n[:, 0], 1e-5), "random": lambda: mx.random.normal((100_000,), key=mx.random.key(3)),
    "attention": lambda: mx.fast.scaled_dot_product_attention(q, q, q, scale=0.125, mask="causal"),
    "fused sum": lambda: mx.sum(mx.exp(m) * m, axis=0), "fused all": lambda: mx.sum(v * v + 1),
}
for name, op in OPS.items():
    print(name, hashlib.sha1(np.array(op()).tobytes()).hexdigest())
    if name not in ("argmax", "argsort"):
        g = mx.grad(lambda a: mx.sum(mx.sin(a[:100] * 2)))(v)
print("grad", hashlib.sha1(np.array(mx.grad(lambda a: mx.sum(mx.softmax(a @ n, axis=-1) ** 2))(m)).tobytes()).hexdigest())
"""

TRAINING = """
import hashlib
import numpy as np
import olivine.core as mx

rng = np.random.default_rng(1)
def normal(*shape):
    return mx.array((rng.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32))

p = {"w": [normal(128, 300), normal(300, 300), normal(300, 11)], "b": [mx.zeros((300,)), mx.zeros((300,)), mx.zeros((11,))],
     "e": normal(50, 128)}
x = mx.array(rng.integers(0, 50, (40, 37)).astype(np.int32))
y = mx.array(rng.integers(0, 11, (40,)).astype(np.int32))

def loss(p):
    h = mx.mean(p["e"][x], axis=1)
    for w, b in zip(p["w"], p["b"]):
        h = mx.fast.layer_norm(mx.tanh(h @ w + b), None, None, 1e-5)
    return mx.mean(mx.logsumexp(h, axis=-1) - mx.take_along_axis(h, y[:, None], axis=-1)[:, 0])

grad = mx.value_and_grad(loss)
def step(p, m):
    value, g = grad(p)
    m = {k: [0.9 * a + b for a, b in zip(m[k], g[k])] if isinstance(g[k], list) else 0.9 * m[k] + g[k] for k in g}
    new = {k: [a - 0.1 * b for a, b in zip(p[k], m[k])] if isinstance(p[k], list) else p[k] - 0.1 * m[k] for k in p}
    return value, new, m

for run in (step, mx.compile(step)):
    q, m, digest = p, {k: [a * 0 for a in v] if isinstance(v, list) else v * 0 for k, v in p.items()}, hashlib.sha1()
    for _ in range(20):
        value, q, m = run(q, m)
        mx.eval(value, q, m)
        digest.update(np.array(value).tobytes())
    for a in [*q["w"], *q["b"], q["e"]]:
        digest.update(np.array(a).tobytes())
    print(value.item(), digest.hexdigest())
"""


@pytest.mark.parametrize("code", [TABLE, TRAINING], ids=["ops", "training"])
def test_bits_do_not_depend_on_the_number_of_threads(code):
    outputs = {
        n: run_python(code, {"OLIVINE_NUM_THREADS": str(n)}, limit=120).stdout.splitlines()
        for n in (1, 2, 5)
    }
    assert len(outputs[1]) >= 2
    for n in (2, 5):
        differ = [a.split(" ")[0] for a, b in zip(outputs[1], outputs[n], strict=True) if a != b]
        assert not differ, f"differ between 1 and {n} threads: {differ}"


def test_a_compiled_training_equals_the_eager_one():
    eager, compiled = run_python(TRAINING, limit=120).stdout.split("\n")[:2]
    assert eager == compiled


def test_bits_do_not_depend_on_the_run():
    first, second = (run_python(TABLE, limit=120).stdout for _ in range(2))
    assert first == second


COUNT = """
import os
import olivine.core as mx
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
for _ in range(3):
    mx.eval(mx.sum(mx.exp(mx.ones((3_000_000,)))), mx.ones((1024, 1024)) @ mx.ones((1024, 1024)))
print(threads() - before)
"""


def started(env=None, prefix=""):
    return int(run_python(prefix + COUNT, env).stdout)


def test_the_number_of_threads_follows_the_variable():
    one = started({"OLIVINE_NUM_THREADS": "1"})
    assert one <= 1, "with one thread, at most a helper for asynchronous work"
    assert started({"OLIVINE_NUM_THREADS": "4"}) - one == 3
    for junk in ("0", "-3", "many", "", "99999999999999999999"):
        assert started({"OLIVINE_NUM_THREADS": junk}) < 1024, junk


def test_the_affinity_mask_is_respected():
    env = {k: "" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    one = started({"OLIVINE_NUM_THREADS": "1"})
    pinned = started(env, "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n")
    assert pinned == one


def quota_of_one_cpu():
    """A control group of our own, of version 2 or 1, with a quota of one CPU; None if we may not."""
    root, name = Path("/sys/fs/cgroup"), f"olivine-test-{os.getpid()}"
    unified = (root / "cgroup.controllers").exists()
    group = root / name if unified else root / "cpu" / name
    files = (
        {"cpu.max": "100000 100000"}
        if unified
        else {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}
    )
    if not unified and not (root / "cpu" / "cpu.cfs_quota_us").exists():
        return None
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        for file, text in files.items():
            (group / file).write_text(text)
    except OSError:
        group.rmdir()
        return None
    return group


def test_the_cpu_quota_of_the_cgroup_is_respected():
    group = quota_of_one_cpu()
    if group is None:
        pytest.skip("no control group here that a test may write")
    try:
        enter = f"import os; open('{group}/cgroup.procs', 'w').write(str(os.getpid()))\n"
        assert started(None, enter) == started({"OLIVINE_NUM_THREADS": "1"})
    finally:
        group.rmdir()

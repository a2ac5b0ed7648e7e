"""Checkpointer: bit-equal resume, what is kept, damaged files, full disks, errors of the thread."""

import os
import random
import resource
import threading
import warnings
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.data import DataLoader
from olivine.train import EMA, Checkpointer, CheckpointError, EarlyStopping
from olivine.utils import tree_flatten
from tests.support import run_python


class Model(nn.Module):
    """With a buffer, frozen parameters, dropout, and a list in which one place has no arrays."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(4, 8), nn.Dropout(0.3), nn.BatchNorm(8), nn.Linear(8, 2)]
        self._seen = mx.array(0)

    def __call__(self, x):
        self._seen = self._seen + 1
        for layer in self.layers:
            x = nn.relu(layer(x))
        return x


class Run:
    """A run whose every part has state: schedule, dropout, an average, a NumPy generator."""

    def __init__(self, compiled):
        mx.random.seed(7)
        self.model = Model()
        self.optimizer = optim.AdamW(optim.cosine_decay(1e-2, 100))
        self.ema = EMA(self.model)
        self.stopping = EarlyStopping(patience=50)
        self.numbers = np.random.default_rng(3)
        self.state = {
            "model": self.model,
            "optimizer": self.optimizer,
            "ema": self.ema,
            "stopping": self.stopping,
            "random": mx.random.state,
            "numbers": self.numbers,
            "history": [],
            "epoch": 0,
        }

        def mean_loss(x, y):
            return nn.losses.mse_loss(self.model(x), y)

        loss_and_grad = nn.value_and_grad(self.model, mean_loss)
        arrays = [self.model.state, self.optimizer.state, self.ema.state, mx.random.state]

        def step(x, y):
            loss, grads = loss_and_grad(x, y)
            self.optimizer.update(self.model, grads)
            self.ema.update(self.model)
            return loss

        self._step = partial(mx.compile, inputs=arrays, outputs=arrays)(step) if compiled else step

    def step(self):
        x = mx.array(self.numbers.normal(size=(6, 4)).astype(np.float32))
        loss = self._step(x, x[:, :2]).item()
        self.state["history"].append(loss)
        self.state["epoch"] += 1
        self.stopping.update(loss, self.state["epoch"])

    def bits(self):
        trees = [dict(self.model), self.optimizer.state, self.ema.state, list(mx.random.state)]
        arrays = [(k, v) for k, v in tree_flatten(trees) if isinstance(v, mx.array)]
        return (
            {name: (a.dtype, np.array(a).tobytes()) for name, a in arrays},
            self.stopping.state_dict(),
            self.state["history"],
            self.state["epoch"],
            self.numbers.bit_generator.state,
        )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_a_resumed_run_is_bit_equal(tmp_path, compiled, background):
    whole = Run(compiled)
    with Checkpointer(tmp_path, whole.state, background=background) as checkpointer:
        assert checkpointer.restore() is None
        for step in range(1, 13):
            whole.step()
            if step in (5, 8):
                checkpointer.save(step)

    mx.random.seed(99)
    resumed = Run(compiled)
    resumed.step()  # what it learned is forgotten again, also by the compiled function
    with Checkpointer(tmp_path, resumed.state) as checkpointer:
        assert checkpointer.restore() == 8
        assert resumed.state["epoch"] == 8 and len(resumed.state["history"]) == 8
        for _ in range(4):
            resumed.step()
        assert resumed.bits() == whole.bits()
        assert checkpointer.restore(5) == 5
        for _ in range(7):
            resumed.step()
    assert resumed.bits() == whole.bits()


def test_saving_does_not_change_what_is_trained(tmp_path):
    saved, plain = Run(True), None
    with Checkpointer(tmp_path, saved.state) as checkpointer:
        for step in range(6):
            saved.step()
            checkpointer.save(step)
    plain = Run(True)
    for _ in range(6):
        plain.step()
    assert plain.bits() == saved.bits()


def test_a_snapshot_is_of_the_moment_of_the_save(tmp_path, monkeypatch):
    import olivine.train.checkpoint as module

    may_write = threading.Event()
    write = module.write

    def late(*args):
        may_write.wait(30)
        write(*args)

    monkeypatch.setattr(module, "write", late)
    weights = mx.zeros((3,))
    state = {"w": weights, "tree": {"list": [1, 2]}}
    with Checkpointer(tmp_path, state) as checkpointer:
        checkpointer.save(1)
        weights[0] = 5
        state["tree"]["list"].append(3)
        may_write.set()
        checkpointer.restore(1)
    assert state["w"].tolist() == [0, 0, 0] and state["tree"]["list"] == [1, 2]


def test_trees_keep_their_form(tmp_path):
    tree = {
        "empty": {}, "none": None, "list": [], "text": "Zoë \n\"'", "flag": True,
        "tuple": (1, (2.5, [mx.array([1], dtype=mx.uint8)])),
        "half": mx.array([0.1], dtype=mx.bfloat16), "scalar": mx.array(3), "no": mx.zeros((0, 2)),
        "big": 2**100, "numpy": np.array([0.1, 1e300]), "np": np.float32(0.5),
        "a.b": mx.array(1), "a": {"b": mx.array(2)},
    }  # fmt: skip
    state = {"tree": dict(tree)}
    with Checkpointer(tmp_path, state) as checkpointer:
        checkpointer.save(0)
        state["tree"].clear()
        assert checkpointer.restore() == 0
    got = state["tree"]
    assert list(got) == list(tree)
    for name in ("empty", "none", "list", "text", "flag", "big"):
        assert got[name] == tree[name] and type(got[name]) is type(tree[name])
    assert got["tuple"][0] == 1 and got["tuple"][1][1][0].dtype == mx.uint8
    assert isinstance(got["tuple"], tuple) and isinstance(got["tuple"][1], tuple)
    assert got["half"].dtype == mx.bfloat16 and got["half"].item() == tree["half"].item()
    assert got["scalar"].shape == () and got["no"].shape == (0, 2)
    assert got["numpy"].dtype == np.float64 and got["numpy"].tolist() == [0.1, 1e300]
    assert got["np"] == 0.5 and got["a.b"].item() == 1 and got["a"]["b"].item() == 2


@pytest.mark.parametrize(
    "leaf, what", [(object(), "got object"), ({1: 2}, "string keys"), (nn.Linear(1, 1), "Linear")]
)
def test_what_cannot_be_saved_is_named(tmp_path, leaf, what):
    with Checkpointer(tmp_path, {"run": {"leaf": leaf}}) as checkpointer:
        with pytest.raises(TypeError, match=rf"run.leaf.*{what}|{what}"):
            checkpointer.save(1)
    assert os.listdir(tmp_path) == [".lock"]


def files(folder):
    return sorted(name for name in os.listdir(folder) if name != ".lock")


def test_the_newest_and_the_best_are_kept(tmp_path):
    state = {"n": 0}
    metrics = [5.0, 1.0, float("nan"), 3.0, None, 4.0, mx.array(1.0)]
    with Checkpointer(tmp_path, state, keep=2, keep_best="min") as checkpointer:
        for step, metric in enumerate(metrics):
            state["n"] = step
            checkpointer.save(step, metric)
        checkpointer.wait()
        assert checkpointer.steps == [1, 5, 6] and checkpointer.best_step == 1
        assert files(tmp_path) == [f"step-{n:08}.safetensors" for n in (1, 5, 6)]
    with Checkpointer(tmp_path, state, keep=1, keep_best="max") as checkpointer:
        assert checkpointer.restore("best") == 5 and state["n"] == 5
        assert checkpointer.restore() == 6 and state["n"] == 6
        checkpointer.save(7)
        checkpointer.wait()
        assert checkpointer.steps == [5, 7]
        with pytest.raises(CheckpointError, match="no checkpoint of step 6; got 5, 7"):
            checkpointer.restore(6)


def test_what_a_killed_process_did_not_remove_goes_before_the_next_write(tmp_path):
    with Checkpointer(tmp_path, {"n": 1}, keep=10) as checkpointer:
        for step in range(6):
            checkpointer.save(step)
    with Checkpointer(tmp_path, {"n": 1}, keep=2) as checkpointer:
        assert checkpointer.restore(0) == 0 and len(files(tmp_path)) == 6  # looking removes nothing
        with no_file_above(10), pytest.raises(OSError):
            checkpointer.save(6)
            checkpointer.wait()
        assert checkpointer.steps == [4, 5] and len(files(tmp_path)) == 2


def test_after_going_back_the_latest_is_the_one_saved_last(tmp_path):
    state = {"n": 0}
    with Checkpointer(tmp_path, state) as checkpointer:
        for step in (10, 20, 30):
            state["n"] = step
            checkpointer.save(step)
        checkpointer.restore(10)
        state["n"] = -15
        checkpointer.save(15)
    with Checkpointer(tmp_path, state) as checkpointer:
        assert checkpointer.steps == [20, 30, 15]
        assert checkpointer.restore() == 15 and state["n"] == -15
        state["n"] = 0
        checkpointer.save(15)
        assert checkpointer.restore(15) == 15 and state["n"] == 0


def damaged(content, how):
    if how == "flipped":  # one bit of the last array
        return content[:-1] + bytes([content[-1] ^ 1])
    if how == "metadata":  # a digit of the state, still JSON
        return content.replace(b'\\"number\\": 3', b'\\"number\\": 4')
    cuts = {"cut": len(content) // 2, "empty": 0, "short": len(content) - 1}
    return content[: cuts[how]]


@pytest.mark.parametrize("how", ["cut", "empty", "short", "flipped", "metadata"])
@pytest.mark.parametrize("when", ["before", "while"])
def test_a_damaged_newest_file_falls_back_with_a_warning(tmp_path, how, when):
    state = {"w": mx.arange(100.0), "number": 0}

    def damage():
        path = tmp_path / "step-00000003.safetensors"
        content = path.read_bytes()
        path.write_bytes(damaged(content, how))
        assert path.read_bytes() != content

    with Checkpointer(tmp_path, state) as checkpointer:
        for step in (1, 2, 3):
            state["number"] = step
            checkpointer.save(step)
        if when == "while":
            checkpointer.wait()
            damage()
    if when == "before":
        damage()
    with Checkpointer(tmp_path, state) as checkpointer:
        with pytest.warns(UserWarning, match="step-00000003.safetensors.*going back to step 2"):
            assert checkpointer.restore() == 2
        assert state["number"] == 2
        with pytest.raises(CheckpointError, match="step-00000003.safetensors is damaged"):
            checkpointer.restore(3)
        checkpointer.save(3)  # repairs it
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert checkpointer.restore() == 3


def test_an_old_damaged_file_is_no_matter(tmp_path):
    with Checkpointer(tmp_path, {"n": 1}) as checkpointer:
        checkpointer.save(1)
        checkpointer.save(2)
    (tmp_path / "step-00000001.safetensors").write_bytes(b"noise")
    with warnings.catch_warnings(), Checkpointer(tmp_path, {"n": 0}) as checkpointer:
        warnings.simplefilter("error")
        assert checkpointer.restore() == 2 and checkpointer.steps == [2]


def test_a_folder_of_damaged_files_is_no_new_run(tmp_path):
    (tmp_path / "step-00000007.safetensors").write_bytes(b"noise")
    with Checkpointer(tmp_path, {"n": 1}) as checkpointer:
        with pytest.raises(CheckpointError, match="no usable checkpoint.*step-00000007"):
            checkpointer.restore()


def test_files_of_others_are_left_alone(tmp_path):
    mx.save_safetensors(str(tmp_path / "weights.safetensors"), {"a": mx.zeros((1,))})
    (tmp_path / "step-1.txt").write_text("")
    with Checkpointer(tmp_path, {"n": 1}, keep=1) as checkpointer:
        for step in range(3):
            checkpointer.save(step)
    assert files(tmp_path) == ["step-00000002.safetensors", "step-1.txt", "weights.safetensors"]


def test_a_state_that_does_not_fit_changes_nothing(tmp_path):
    state = {"n": 1, "model": nn.Linear(2, 3)}
    with Checkpointer(tmp_path, state) as checkpointer:
        checkpointer.save(1)
    cases = [
        ({"n": 5, "model": nn.Linear(2, 4)}, r"shape \(4,\) for model.bias|shape \(4, 2\)"),
        ({"n": 5, "model": nn.Linear(2, 3, bias=False)}, "also bias"),
        ({"n": 5, "model": nn.Sequential(nn.Linear(2, 3))}, "no layers.0.bias"),
        ({"n": 5}, "holds model, n; expected n"),
        ({"n": 5, "model": nn.Linear(2, 3), "ema": {}}, "expected ema, model, n"),
    ]
    for other, what in cases:
        with Checkpointer(tmp_path, other) as checkpointer:
            with pytest.raises(CheckpointError, match=what):
                checkpointer.restore()
            assert other["n"] == 5
    with Checkpointer(tmp_path, {"n": 5, "new": 2}) as checkpointer:
        assert checkpointer.restore(strict=False) == 1
        assert checkpointer.state == {"n": 1, "new": 2}


@contextmanager
def no_file_above(size):
    """As good as a full disk: writes beyond it fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("background", [False, True])
def test_a_full_disk_is_an_error_that_keeps_the_older_ones(tmp_path, background):
    state = {"w": mx.ones((100,))}
    with Checkpointer(tmp_path, state, background=background) as checkpointer:
        checkpointer.save(1)
        checkpointer.wait()
        state["w"] = mx.zeros((100_000,))
        with no_file_above(10_000):
            with pytest.raises(OSError, match="step 2: .*earlier checkpoints are intact"):
                checkpointer.save(2)
                checkpointer.save(3)  # where the error of a save in background surfaces
        assert files(tmp_path) == ["step-00000001.safetensors"]
        checkpointer.save(4)  # there is room again, and the error was told
        checkpointer.wait()
        assert checkpointer.steps == [1, 4]
        assert checkpointer.restore(1) == 1 and state["w"].shape == (100,)


def test_an_error_at_the_end_is_raised_by_close_or_printed(tmp_path):
    checkpointer = Checkpointer(tmp_path / "a", {"w": mx.zeros((100_000,))})
    with no_file_above(10_000):
        checkpointer.save(1)
        with pytest.raises(OSError, match="cannot write the checkpoint of step 1"):
            checkpointer.close()
    checkpointer.close()
    with pytest.raises(ValueError, match="got a closed one"):
        checkpointer.save(2)
    Checkpointer(tmp_path / "a", {}).close()  # the lock is free all the same
    code = """
        import resource, sys
        import olivine.core as mx
        from olivine.train import Checkpointer
        c = Checkpointer(sys.argv[1], {"w": mx.zeros((100_000,))})
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        c.save(1)
    """
    process = run_python(code, args=[tmp_path / "b"])
    assert "cannot write the checkpoint of step 1" in process.stderr


def test_the_end_of_the_process_finishes_the_file(tmp_path):
    code = """
        import sys
        import olivine.core as mx
        from olivine.train import Checkpointer
        c = Checkpointer(sys.argv[1], {"w": mx.zeros((3_000_000,))})
        c.save(1)
    """
    run_python(code, args=[tmp_path])
    with Checkpointer(tmp_path, {"w": None}) as checkpointer:
        assert checkpointer.restore() == 1 and checkpointer.state["w"].shape == (3_000_000,)


def test_a_folder_has_one_process_and_dead_ones_leave_no_files(tmp_path):
    with Checkpointer(tmp_path, {}):
        with pytest.raises(CheckpointError, match="another process is using"):
            Checkpointer(tmp_path, {})
    litter = [".step-00000001.safetensors.olivine-99-0", ".loss.tmp.png"]
    for name in [*litter, "notes.tmp", ".hidden"]:
        (tmp_path / name).write_text("")
    with Checkpointer(tmp_path, {}):
        assert files(tmp_path) == [".hidden", "notes.tmp"]


def test_a_forked_child_does_not_hold_the_folder(tmp_path):
    code = """
        import os, sys, time
        from olivine.train import Checkpointer
        c = Checkpointer(sys.argv[1], {"n": 1})
        ready, done = os.pipe()
        if os.fork() == 0:
            os.write(done, b"x")
            time.sleep(60)
            os._exit(0)
        os.read(ready, 1)
        c.close()
        Checkpointer(sys.argv[1], {"n": 1}).close()
        os.kill(0, 0)
        print("free")
    """
    code = code.replace("if os.fork() == 0:", "child = os.fork()\n        if child == 0:")
    code = code.replace("os.kill(0, 0)", "os.kill(child, 9)")
    assert run_python(code, args=[tmp_path]).stdout == "free\n"


def test_wrong_arguments_are_named(tmp_path):
    for arguments, what in [({"keep": 0}, "keep"), ({"keep_best": "low"}, "keep_best")]:
        with pytest.raises(ValueError, match=what):
            Checkpointer(tmp_path, {}, **arguments)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write to"):
        Checkpointer(tmp_path / "file" / "run", {})
    with Checkpointer(tmp_path, {}) as checkpointer:
        for step in (-1, 1.5, True, None):
            with pytest.raises(ValueError, match="expected a step"):
                checkpointer.save(step)
        for which in ("newest", True, 1.5):
            with pytest.raises(ValueError, match="expected 'latest', 'best' or a step"):
                checkpointer.restore(which)
        with pytest.raises(CheckpointError, match="no best checkpoint"):
            checkpointer.restore("best")


def test_optimizers_of_several_kinds_come_back(tmp_path):
    def make():
        model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.1), nn.Linear(3, 1))
        parts = [optim.Adam(1e-2), optim.SGD(optim.step_decay(0.1, 0.5, 2), momentum=0.9)]
        optimizer = optim.MultiOptimizer(parts, [lambda path, g: path.endswith("weight")])
        return model, optimizer

    def train(model, optimizer, steps):
        x = mx.array(np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32))
        for _ in range(steps):
            _, grads = nn.value_and_grad(model, lambda x: (model(x) ** 2).sum())(x)
            optimizer.update(model, grads)
        return [np.array(p).tobytes() for _, p in tree_flatten(model.parameters())]

    model, optimizer = make()
    model.eval()
    train(model, optimizer, 3)
    state = {"model": model, "optimizer": optimizer}
    with Checkpointer(tmp_path, state) as checkpointer:
        checkpointer.save(3)
    want = train(model, optimizer, 4)
    model, optimizer = make()
    model.eval()
    with Checkpointer(tmp_path, {"model": model, "optimizer": optimizer}) as checkpointer:
        checkpointer.restore()
    assert train(model, optimizer, 4) == want


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_in_the_middle_of_an_epoch(tmp_path, workers):
    def make():
        numbers = np.arange(50, dtype=np.float32)
        jitter = {"augment": lambda x, rng: x + rng.random(dtype=np.float32), "workers": workers}
        return DataLoader(numbers, batch_size=8, shuffle=True, seed=3, **jitter)

    def batches(loader, epochs):
        while loader.epoch < epochs:
            yield from loader

    whole = [batch.tolist() for batch in batches(make(), 3)]
    assert len(whole) == 21
    for stop in (1, 6, 7, 10, 20):
        loader, seen = make(), []
        with Checkpointer(tmp_path / str(stop), {"loader": loader}) as checkpointer:
            for batch in batches(loader, 3):
                seen.append(batch.tolist())
                if len(seen) == stop:
                    checkpointer.save(stop)
                    break
        loader = make()
        with Checkpointer(tmp_path / str(stop), {"loader": loader}) as checkpointer:
            assert checkpointer.restore() == stop
        assert seen + [batch.tolist() for batch in batches(loader, 3)] == whole


def test_random_trees_come_back(tmp_path):
    draw = random.Random(5)

    def tree(depth):
        kind = draw.randrange(7 if depth else 4)
        if kind < 4:
            return [None, draw.random(), draw.randrange(-9, 9), str(draw.random())][kind]
        if kind == 4:
            return {str(draw.randrange(9)): tree(depth - 1) for _ in range(draw.randrange(4))}
        items = [tree(depth - 1) for _ in range(draw.randrange(4))]
        return items if kind == 5 else tuple(items)

    trees = [tree(4) for _ in range(50)]
    with Checkpointer(tmp_path, {"trees": trees}) as checkpointer:
        checkpointer.save(1)
        checkpointer.state["trees"] = [tree(3) for _ in range(40)]
        checkpointer.restore()
        assert checkpointer.state["trees"] == trees

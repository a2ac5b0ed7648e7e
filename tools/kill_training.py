#!/usr/bin/env python3
"""Kills a training process at random moments, or fills its disk, and checks that nothing is lost.

    tools/kill_training.py --kills 1000 --full-disks 100

Every process goes on from the newest checkpoint; half of them save in background. After each kill,
what the process reported as saved must be there, every checkpoint must be whole, and the next
process must leave no file behind that is none of its own. At the end the run must be bit-equal, in
weights, optimizer, random generators, position in the data and log, to one that was never stopped.

A full disk is a small tmpfs in a mount namespace of its own, or a limit on file sizes where the
system allows no such thing.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.train import EMA, Checkpointer, CSVLogger, checkpoint
from olivine.train.checkpoint_file import read
from olivine.train.files import LockedFolder

KEEP, SAVE_EVERY, WIDTH, EXAMPLES, BATCH = 3, 3, 96, 200, 16


class Batches:
    """Shuffled batches, a new order in every epoch; its state is the position."""

    def __init__(self):
        self.numbers = np.random.default_rng(11)
        self.x = self.numbers.normal(size=(EXAMPLES, 8)).astype(np.float32)
        self.order: list[int] = []

    def next(self) -> mx.array:
        if len(self.order) < BATCH:
            self.order = self.numbers.permutation(EXAMPLES).tolist()
        chosen, self.order = self.order[:BATCH], self.order[BATCH:]
        return mx.array(self.x[chosen])

    def state_dict(self) -> dict:
        return {"order": list(self.order), "numbers": self.numbers.bit_generator.state}

    def load_state_dict(self, state: dict) -> None:
        self.order, self.numbers.bit_generator.state = state["order"], state["numbers"]


class Training:
    """A small run in `folder` with dropout, a schedule, averaged weights and a log."""

    def __init__(self, folder: Path, background: bool):
        mx.random.seed(1)
        self.model = nn.Sequential(
            nn.Linear(8, WIDTH), nn.GELU(), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH),
            nn.Tanh(), nn.Linear(WIDTH, 1),
        )  # fmt: skip
        self.optimizer = optim.AdamW(optim.cosine_decay(1e-2, 50_000, 1e-4))
        self.optimizer.init(self.model.trainable_parameters())
        self.ema = EMA(self.model, 0.99)
        self.batches = Batches()
        self.log = CSVLogger(folder / "log.csv")
        self.state = {
            "model": self.model, "optimizer": self.optimizer, "ema": self.ema,
            "random": mx.random.state, "batches": self.batches, "log": self.log,
        }  # fmt: skip
        self.checkpointer = Checkpointer(folder, self.state, KEEP, "min", background)
        self.step = self.checkpointer.restore() or 0
        loss_and_grad = nn.value_and_grad(
            self.model, lambda x: nn.losses.mse_loss(self.model(x), mx.sin(x.sum(1, keepdims=True)))
        )
        arrays = [self.model.state, self.optimizer.state, self.ema.state, mx.random.state]

        @partial(mx.compile, inputs=arrays, outputs=arrays)
        def train_step(x):
            loss, grads = loss_and_grad(x)
            self.optimizer.update(self.model, grads)
            self.ema.update(self.model)
            return loss

        self._train_step = train_step

    def train(self) -> float:
        loss = self._train_step(self.batches.next()).item()
        self.step += 1
        self.log.log(self.step, loss=loss, rate=self.optimizer.learning_rate)
        return loss


def train(folder: Path, background: bool, until: int | None) -> None:
    """The process that is killed: prints when it writes, and the steps that are on the disk."""
    write = checkpoint.write

    def reported(*arguments) -> None:
        print("writing", flush=True)
        write(*arguments)
        print("written", flush=True)

    checkpoint.write = reported
    run = Training(folder, background)
    print("ready", flush=True)
    while until is None or run.step < until:
        loss = run.train()
        if run.step % SAVE_EVERY == 0 or run.step == until:
            run.checkpointer.wait()
            if run.checkpointer.steps:
                print("saved", run.checkpointer.steps[-1], flush=True)
            run.checkpointer.save(run.step, loss)
    run.checkpointer.close()


def checkpoints(folder: Path) -> dict[int, tuple]:
    """Serial number to contents of every checkpoint; raises when one is damaged."""
    contents = [read(path) for path in sorted(folder.glob("step-*.safetensors"))]
    return {about["serial"]: (arrays, about) for arrays, about in contents}


def start(*arguments) -> subprocess.Popen:
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def litter(folder: Path) -> list[str]:
    """Files that are neither the lock, the log nor checkpoints."""
    own = (".lock", "log.csv")
    return [n for n in os.listdir(folder) if n not in own and not n.startswith("step-")]


def kill_once(folder: Path, moments: random.Random, background: bool) -> dict:
    """Start a process, kill it, and look at what it left."""
    process = start("--train", folder, *(["--background"] if background else []))
    early = moments.random() < 0.1  # while it is still importing or restoring
    if not early:
        process.stdout.readline()
    time.sleep(moments.uniform(0, 0.4 if early else 0.1))
    process.send_signal(signal.SIGKILL)
    out, error = process.communicate()
    if process.returncode != -signal.SIGKILL:
        raise SystemExit(f"the process ended by itself: {error}")
    reported = max(
        (int(line.split()[1]) for line in out.splitlines() if "saved" in line), default=0
    )
    unfinished = len(litter(folder)) if folder.exists() else 0
    LockedFolder(folder).close()  # as the next process does
    found = checkpoints(folder)
    newest = found[max(found)][1]["step"] if found else 0
    return {
        "newest": newest,
        "lost": newest < reported,
        "amid_a_write": out.count("writing") > out.count("written"),
        "unfinished": unfinished,
        "litter": len(litter(folder)) + max(0, len(found) - KEEP - 2),
    }


def same_run(one: Path, other: Path) -> bool:
    """Whether the newest checkpoints and the logs of two runs are bit-equal."""
    (a, about_a), (b, about_b) = (max(checkpoints(f).items())[1] for f in (one, other))
    bits = [{n: (x.dtype, np.array(x).tobytes()) for n, x in tree.items()} for tree in (a, b)]
    logs = [(folder / "log.csv").read_bytes() for folder in (one, other)]
    return bits[0] == bits[1] and about_a["state"] == about_b["state"] and logs[0] == logs[1]


def kill(folder: Path, kills: int, seed: int) -> dict:
    """Kill `kills` processes of one run, end it, and compare it with one that nobody stopped."""
    moments = random.Random(seed)
    run, reference = folder / "killed", folder / "reference"
    total = {"kills": kills, "amid_a_write": 0, "lost": 0, "unfinished": 0, "litter": 0}
    step = 0
    for i in range(kills):
        result = kill_once(run, moments, background=i % 2 == 0)
        lost = result["lost"] or result["newest"] < step
        step = result["newest"]
        for name, value in {**result, "lost": lost}.items():
            if name in total:
                total[name] += int(value)
        if i % 50 == 49:
            print(f"{i + 1} kills, step {step}: {total}", flush=True)
    until = step + 5
    for target in (run, reference):
        process = start("--train", target, "--until", until)
        if process.communicate()[0] is None or process.returncode:
            raise SystemExit("the last process failed")
    return {**total, "steps": until, "bit_equal": same_run(run, reference)}


# Full disks


def room(folder: Path) -> int:
    """Bytes that can still be written to a file in the folder."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(folder: Path, left: int, limited: bool) -> None:
    """Leave room for `left` bytes."""
    if limited:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))
        return
    with open(folder / "filler", "wb") as file:
        while (size := room(folder) - left) > 0:
            file.write(bytes(min(size, 2**16)))
            file.flush()


def make_room(folder: Path, limited: bool) -> None:
    if limited:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    else:
        (folder / "filler").unlink()


def fill_disk(disk: Path, seed: int, limited: bool) -> None:
    """Train on a disk that runs full; prints `full` if a save failed for it. For one process."""
    draw, folder = random.Random(seed), disk / "run"
    run = Training(folder, background=seed % 2 == 0)
    for _ in range(draw.randrange(1, 5)):
        run.train()
        run.checkpointer.save(run.step)
    run.checkpointer.wait()
    before = {path: path.read_bytes() for path in folder.glob("step-*.safetensors")}
    size = max(map(len, before.values()))
    fill(disk, draw.randrange(0, int(1.3 * size)), limited)
    failed = False
    try:
        run.train()
        run.checkpointer.save(run.step)
        run.checkpointer.wait()
    except OSError as error:
        failed = True
        assert "No space left" in str(error) or limited, error
        assert {p: p.read_bytes() for p in folder.glob("step-*.safetensors")} == before
    assert not litter(folder), litter(folder)
    checkpoints(folder)
    make_room(disk, limited)
    run.step = run.checkpointer.restore()  # the step whose row or checkpoint had no room is redone
    for _ in range(3):
        run.train()
    run.checkpointer.save(run.step)
    run.checkpointer.close()
    reference = Training(disk / "reference", background=False)
    while reference.step < run.step:
        reference.train()
    reference.checkpointer.save(reference.step)
    assert same_run(folder, disk / "reference")
    print("full" if failed else "room enough")


def namespaces() -> bool:
    """Whether this user may mount a tmpfs in a namespace."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(command, capture_output=True).returncode
    )


def full_disks(folder: Path, count: int, seed: int) -> dict:
    """Run `fill_disk` in `count` processes."""
    mounted = namespaces()
    total = {
        "runs": count,
        "on": "tmpfs" if mounted else "limited file size",
        "full": 0,
        "failed": 0,
    }
    for i in range(count):
        disk = folder / f"disk{i}"
        disk.mkdir()
        command = [sys.executable, __file__, "--fill-disk", str(disk), "--seed", str(seed + i)]
        if mounted:
            script = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
            command = ["unshare", "-rm", "sh", "-c", script, str(disk), *command]
        else:
            command.append("--limited")
        process = subprocess.run(command, capture_output=True, text=True)
        total["full"] += process.stdout == "full\n"
        if process.returncode:
            total["failed"] += 1
            print(process.stderr, file=sys.stderr)
        shutil.rmtree(disk)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--full-disks", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--fill-disk", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limited", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.background, options.until)
        return 0
    if options.fill_disk:
        fill_disk(options.fill_disk, options.seed, options.limited)
        return 0
    good = True
    with tempfile.TemporaryDirectory() as folder:
        if options.kills:
            result = kill(Path(folder), options.kills, options.seed)
            good = result["bit_equal"] and not result["lost"] and not result["litter"]
            print(result)
        if options.full_disks:
            result = full_disks(Path(folder), options.full_disks, options.seed)
            good = good and not result["failed"]
            print(result)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

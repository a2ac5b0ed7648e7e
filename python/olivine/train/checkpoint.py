"""Checkpoints of everything a training run needs to go on: saved in background, kept, restored.

A file gets its name only when all of it is on the disk. Whatever stops the process, and whenever,
the checkpoints that are there are whole.
"""

from __future__ import annotations

import atexit
import math
import re
import sys
import threading
import warnings
import weakref
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine.train.checkpoint_file import Saved, open_lazily, read, write
from olivine.train.files import CheckpointError, LockedFolder, one_line
from olivine.train.state import check_state, pack, set_state, state_of, unpack

_NAME = re.compile(r"step-(\d{8,})\.safetensors")


class Checkpointer:
    """Saves and restores the state of a run in `folder`, which it locks for this process.

    `state` maps names to what is saved: modules (all arrays, frozen ones and buffers included),
    optimizers, `mx.random.state`, NumPy generators, objects with `state_dict()` and
    `load_state_dict()` (loaders, `EMA`, `LossScaler`, ...), and trees of arrays and JSON values.

    keep: how many of the last checkpoints stay. keep_best: "min" or "max" also keeps the one with
    the lowest or highest metric. background: `save` returns at once and a thread writes the file;
    arrays are immutable, so this copies nothing. A process that ends finishes the file first.

    A full disk needs room for one checkpoint more than are kept: the oldest is removed only when
    the new one is whole. If there is no room, `save` raises and the older ones stay as they are.

    Raises `CheckpointError` when another process holds the folder or it cannot be written to.

    >>> state = {"model": model, "optimizer": optimizer, "random": mx.random.state}
    >>> with Checkpointer("run", state, keep_best="min") as checkpointer:
    ...     for step in range(checkpointer.restore() or 0, 1000):
    ...         loss = train_step(*batch(step))
    ...         if (step + 1) % 100 == 0:
    ...             checkpointer.save(step + 1, metric=evaluate())
    """

    def __init__(
        self,
        folder: str | Path,
        state: MutableMapping[str, Any],
        keep: int = 3,
        keep_best: str | None = None,
        background: bool = True,
    ):
        if keep < 1:
            raise ValueError(f"[Checkpointer] expected keep of at least 1; got {keep}")
        if keep_best not in (None, "min", "max"):
            raise ValueError(f"[Checkpointer] expected keep_best 'min' or 'max'; got {keep_best!r}")
        self.state = state
        self.keep, self.keep_best, self.background = keep, keep_best, background
        self._folder = LockedFolder(folder)
        self.path = self._folder.path
        self._unreadable: dict[Path, str] = {}
        self._saved = self._scan()
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self._at_exit = _report_at_exit(weakref.ref(self))

    def _scan(self) -> list[Saved]:
        """The checkpoints in the folder in the order they were saved."""
        found = []
        for path in self.path.iterdir():
            if not (match := _NAME.fullmatch(path.name)):
                continue
            try:
                _, about = open_lazily(path)
                found.append(Saved(path, int(match[1]), about["serial"], about["metric"]))
            except CheckpointError as error:
                self._unreadable[path] = str(error)
        return sorted(found, key=lambda saved: saved.serial)

    @property
    def steps(self) -> list[int]:
        """The steps of the checkpoints in the folder, in the order they were saved."""
        return [saved.step for saved in self._saved]

    @property
    def best_step(self) -> int | None:
        """The step with the best metric so far; None without `keep_best` or before any."""
        best = self._best()
        return None if best is None else best.step

    def _best(self) -> Saved | None:
        rated = [s for s in self._saved if s.metric is not None and not math.isnan(s.metric)]
        if not rated or self.keep_best is None:
            return None
        # Of equals the first, so that a plateau does not replace it over and over.
        return (min if self.keep_best == "min" else max)(rated, key=lambda saved: saved.metric)

    # Saving

    def save(self, step: int, metric: float | mx.array | None = None) -> None:
        """Save the state as that after `step` steps; a checkpoint of this step is replaced.

        Waits for the save before it, if that still runs, and raises its error if it failed; nothing
        is saved then. Raises `OSError` when the disk is full or fails, `TypeError` for state that
        cannot be saved.
        """
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise ValueError(f"[Checkpointer.save] expected a step of at least 0; got {step!r}")
        self._check_open()
        self.wait()
        arrays: dict[str, mx.array] = {}
        packed = {}
        for name, thing in self.state.items():
            packed[name] = pack(state_of(thing), name, arrays)
        mx.eval(arrays)
        serial = 1 + (self._saved[-1].serial if self._saved else 0)
        metric = None if metric is None else float(metric)
        saved = Saved(self.path / f"step-{step:08}.safetensors", step, serial, metric)
        if not self.background:
            self._write(saved, arrays, packed)
            return self.wait()
        # Not a daemon: the interpreter waits for it before it ends.
        self._thread = threading.Thread(
            target=self._write, args=(saved, arrays, packed), name="checkpoint", daemon=False
        )
        self._thread.start()

    def _write(self, saved: Saved, arrays: dict[str, mx.array], state: dict) -> None:
        try:
            self._prune()  # what a process that was killed before it got there left
            write(saved, arrays, state)
            self._saved = [s for s in self._saved if s.path != saved.path] + [saved]
            self._unreadable.pop(saved.path, None)
            self._prune()
        except Exception as error:  # whatever it is, the next call must tell of it
            self._error = OSError(
                f"[Checkpointer.save] cannot write the checkpoint of step {saved.step}: "
                f"{one_line(error)}; earlier checkpoints are intact"
            )

    def _prune(self) -> None:
        kept = {*self._saved[-self.keep :], self._best()}
        for saved in self._saved:
            if saved not in kept:
                saved.path.unlink(missing_ok=True)
        self._saved = [saved for saved in self._saved if saved in kept]

    def wait(self) -> None:
        """Wait until the last save is on the disk; raises `OSError` if it failed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    # Restoring

    def restore(self, which: str | int = "latest", strict: bool = True) -> int | None:
        """Give everything in `state` what it had when a checkpoint was saved; returns its step.

        which: "latest" is the one saved last. If its file is damaged, a warning says so and the one
        saved before it is taken. In an empty folder, None is returned and nothing changes.
        "best" is the one with the best metric, a number the one of that step; a damaged or missing
        file is an error then, since another one would not be what was asked for.

        Values in `state` that cannot change in place, such as numbers, arrays and tuples, are
        replaced in the mapping. With `strict`, its names must be those of the checkpoint; without,
        only names in both are restored. Nothing is changed unless everything fits.

        Raises `CheckpointError` if there is no such checkpoint, it is damaged, or does not fit.
        """
        self._check_open()
        self.wait()
        if which == "latest":
            return self._restore_latest(strict)
        if which == "best":
            saved = self._best()
            if saved is None:
                raise CheckpointError(f"{self.path} has no best checkpoint: none has a metric")
        elif isinstance(which, int) and not isinstance(which, bool):
            saved = next((s for s in self._saved if s.step == which), None)
            path = self.path / f"step-{which:08}.safetensors"
            if saved is None and path in self._unreadable:
                raise CheckpointError(self._unreadable[path])
            if saved is None:
                have = ", ".join(map(str, sorted(self.steps))) or "none"
                raise CheckpointError(f"{self.path} has no checkpoint of step {which}; got {have}")
        else:
            raise ValueError(
                f"[Checkpointer.restore] expected 'latest', 'best' or a step; got {which!r}"
            )
        self._apply(saved.path, *read(saved.path), strict)
        return saved.step

    def _restore_latest(self, strict: bool) -> int | None:
        damage = []
        for saved in reversed(self._saved):
            try:
                content = read(saved.path)
            except CheckpointError as error:
                damage.append(str(error))
                continue
            # Of files that do not tell when they were saved, those of later steps are newer.
            newer = [what for path, what in self._unreadable.items() if path > saved.path]
            for what in newer + damage:
                warnings.warn(f"{what}; going back to step {saved.step}", stacklevel=3)
            self._apply(saved.path, *content, strict)
            return saved.step
        damage += self._unreadable.values()
        if damage:
            raise CheckpointError(f"{self.path} has no usable checkpoint: {'; '.join(damage)}")
        return None

    def _apply(self, path: Path, arrays: dict[str, mx.array], about: dict, strict: bool) -> None:
        trees = {name: unpack(packed, arrays) for name, packed in about["state"].items()}
        if strict and trees.keys() != self.state.keys():
            raise CheckpointError(
                f"{path} holds {', '.join(sorted(trees))}; expected {', '.join(sorted(self.state))}"
            )
        names = [name for name in self.state if name in trees]
        try:
            for name in names:
                check_state(self.state[name], trees[name], name)
        except ValueError as error:
            raise CheckpointError(f"{path} does not fit: {error}") from None
        for name in names:
            if not set_state(self.state[name], trees[name]):
                self.state[name] = trees[name]

    # The end

    def _check_open(self) -> None:
        if self._folder is None:
            raise ValueError("[Checkpointer] expected an open checkpointer; got a closed one")

    def close(self) -> None:
        """Wait for the last save and let go of the folder; raises `OSError` if the save failed."""
        if self._folder is None:
            return
        atexit.unregister(self._at_exit)
        try:
            self.wait()
        finally:
            self._folder.close()
            self._folder = None

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, *exception) -> None:
        self.close()


def _report_at_exit(reference):
    def report() -> None:
        checkpointer = reference()
        if checkpointer is not None and checkpointer._error is not None:
            print(checkpointer._error, file=sys.stderr)

    atexit.register(report)
    return report

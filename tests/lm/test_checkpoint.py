"""Checkpoints: whole contents, atomic replacement, clear errors, one run per folder."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.lm import checkpoint
from olivine.lm.checkpoint import CheckpointError, RunFolder


def test_arrays_and_settings_come_back(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    arrays = {
        "model": {"layers": [{"weight": mx.arange(6.0).reshape(2, 3)}, {"w": mx.array([1, 2])}]},
        "step": mx.array(7, dtype=mx.uint64),
        "half": mx.array([0.5], dtype=mx.bfloat16),
        "empty": mx.array([], dtype=mx.float32),
    }
    settings = {"name": "Zoë \n\"'", "numbers": [1, 2.5, None], "deep": {"a": True}}
    checkpoint.save(path, arrays, settings)
    loaded, read = checkpoint.load(path)
    assert read == settings
    assert np.array_equal(np.array(loaded["model"]["layers"][0]["weight"]), [[0, 1, 2], [3, 4, 5]])
    assert loaded["step"].dtype == mx.uint64 and loaded["step"].item() == 7
    assert loaded["half"].dtype == mx.bfloat16 and loaded["empty"].shape == (0,)
    assert os.listdir(tmp_path) == [path.name]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"a": mx.array([1.0])}, {"n": 1})
    before = path.read_bytes()

    def fail_midway(file):
        Path(file).write_bytes(before[:10])
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoint.write_atomically(path, fail_midway)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_full_disk_is_an_error_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"a": mx.array([1.0])}, {"n": 1})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # as good as a full disk
    try:
        with pytest.raises(OSError):
            checkpoint.save(path, {"a": mx.zeros((1000, 1000))}, {"n": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_files_that_are_no_checkpoints_are_named_in_one_line(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"a": mx.zeros((100,))}, {"n": 1})
    whole = path.read_bytes()
    mx.save_safetensors(str(tmp_path / "other.safetensors"), {"a": mx.array([1.0])})
    cases = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "noise": bytes(random.Random(0).randbytes(200)),
        "version": whole.replace(b'"version":"1"', b'"version":"9"'),
        "other": (tmp_path / "other.safetensors").read_bytes(),
    }
    for name, content in cases.items():
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(content)
        with pytest.raises(CheckpointError) as raised:
            checkpoint.load(file)
        assert file.name in str(raised.value) and "\n" not in str(raised.value), name
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "missing.safetensors")


def test_a_folder_has_one_run_at_a_time(tmp_path):
    with RunFolder(tmp_path / "run"):
        with pytest.raises(CheckpointError, match="another run is using"):
            RunFolder(tmp_path / "run")
    with RunFolder(tmp_path / "run"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write to"):
        RunFolder(tmp_path / "file" / "run")


def test_temporary_files_of_dead_runs_are_cleared_away(tmp_path):
    kept = ["checkpoint.safetensors", "loss.png", "notes.tmp"]
    for name in [*kept, ".checkpoint.tmp.safetensors", ".loss.tmp.png"]:
        (tmp_path / name).write_text("")
    with RunFolder(tmp_path):
        assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".lock"])


def test_a_finished_checkpoint_is_set_aside(tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.checkpoint.write_text("old")
        assert folder.set_aside().read_text() == "old" and not folder.checkpoint.exists()


SAVER = """
import sys
import olivine.core as mx
from olivine.lm import checkpoint
from olivine.lm.checkpoint import RunFolder

with RunFolder(sys.argv[1]) as folder:
    number = int(sys.argv[2])
    while True:
        number += 1
        arrays = {"model": {f"w{i}": mx.full((200, 200), number) for i in range(8)}}
        checkpoint.save(folder.checkpoint, arrays, {"number": number})
        print(number, flush=True)
"""


@pytest.mark.slow
def test_kill_at_any_moment_keeps_a_whole_checkpoint(tmp_path, environment):
    moments = random.Random(0)
    number, litter = 0, 0
    for _ in range(50):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, tmp_path, str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        reported = [int(line) for line in process.communicate()[0].split()]

        arrays, settings = checkpoint.load(tmp_path / checkpoint.CHECKPOINT)
        # The one reported last, or one that was renamed just before it could be reported.
        assert settings["number"] - max(reported, default=number + 1) in (0, 1)
        number = settings["number"]
        for value in arrays["model"].values():
            assert np.array_equal(np.array(value), np.full((200, 200), number))
        litter += len(os.listdir(tmp_path)) > 2
    assert litter, "no kill hit a save; the test proves nothing"
    with RunFolder(tmp_path):
        assert sorted(os.listdir(tmp_path)) == [".lock", checkpoint.CHECKPOINT]

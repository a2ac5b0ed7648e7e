"""CSVLogger: rows, new columns, resumed and killed runs, full disks."""

import csv
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

import olivine.core as mx
from olivine.train import Checkpointer, CSVLogger


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_rows_are_written_at_once_and_columns_are_added(tmp_path):
    path = tmp_path / "deep" / "log.csv"
    with CSVLogger(path) as log:
        log.log(1, loss=mx.array(0.5), rate=1e-3)
        assert rows(path) == [["step", "loss", "rate"], ["1", "0.5", "0.001"]]
        log.log(2, {"loss/validation": 2}, loss=0.1 + 0.2)
        log.log(2, {"note": 'a "b", c'}, loss=math.nan)
    assert rows(path) == [
        ["step", "loss", "rate", "loss/validation", "note"],
        ["1", "0.5", "0.001", "", ""],
        ["2", "0.30000000000000004", "", "2", ""],
        ["2", "nan", "", "", 'a "b", c'],
    ]
    assert os.listdir(path.parent) == ["log.csv"]


def test_a_log_is_continued(tmp_path):
    path = tmp_path / "log.csv"
    with CSVLogger(path) as log:
        log.log(1, a=1)
    with CSVLogger(path) as log:
        assert log.step == 1 and log.columns == ["step", "a"]
        log.log(2, b=2)
        log.log(3, a=3)
    assert rows(path) == [["step", "a", "b"], ["1", "1", ""], ["2", "", "2"], ["3", "3", ""]]


def test_a_run_that_does_steps_again_replaces_their_rows(tmp_path):
    path = tmp_path / "log.csv"
    with CSVLogger(path) as log:
        for step in range(1, 9):
            log.log(step, a=step)
    with CSVLogger(path) as log:
        log.log(6, a=60)
        log.log(6, a=61)
    assert [row[0] for row in rows(path)] == ["step", "1", "2", "3", "4", "5", "6", "6"]
    with CSVLogger(path) as log:  # begun anew
        log.log(1, a=0)
    assert rows(path) == [["step", "a"], ["1", "0"]]


def test_a_step_back_is_an_error_until_one_rewinds(tmp_path):
    with CSVLogger(tmp_path / "log.csv") as log:
        log.log(1, a=1)
        log.log(5, a=5)
        with pytest.raises(ValueError, match="a step of at least 5; got 4; rewind"):
            log.log(4, a=4)
        log.rewind(1)
        assert log.step == 1
        log.log(4, a=4)
    assert rows(log.path) == [["step", "a"], ["1", "1"], ["4", "4"]]


def test_an_incomplete_line_is_dropped(tmp_path):
    path = tmp_path / "log.csv"
    for content in (b"", b"st", b"step,a\n", b"step,a\n1", b"step,a\n1,1\n2,", b"step,a\n1,1\n"):
        path.write_bytes(content)
        with CSVLogger(path) as log:
            log.log(2, a=2)
        kept = [["1", "1"]] if b"1,1" in content else []
        assert rows(path) == [["step", "a"], *kept, ["2", "2"]], content


def test_unfinished_files_of_killed_runs_are_cleared(tmp_path):
    (tmp_path / ".log.tmp.csv").write_text("half")
    CSVLogger(tmp_path / "log.csv").close()
    assert os.listdir(tmp_path) == ["log.csv"]


def test_a_checkpoint_cuts_the_log_back(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")
    with Checkpointer(tmp_path / "run", {"log": log}) as checkpointer:
        checkpointer.save(0)
        for step in range(1, 6):
            log.log(step, a=step)
            if step == 3:
                checkpointer.save(3)
        assert checkpointer.restore() == 3
        assert rows(log.path)[-1] == ["3", "3"]
        log.log(4, a=40)
        assert rows(log.path)[-2:] == [["3", "3"], ["4", "40"]]
        checkpointer.restore(0)
        assert rows(log.path) == [["step", "a"]]


def test_a_full_disk_is_an_error_and_leaves_whole_rows(tmp_path):
    path = tmp_path / "log.csv"
    with CSVLogger(path) as log:
        log.log(1, text="x" * 80)
        size = path.stat().st_size
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
        try:
            with pytest.raises(OSError):
                log.log(2, text="y" * 80)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.stat().st_size == size
        log.log(2, text="z")
    assert rows(path)[-1] == ["2", "z"]


def test_wrong_files_and_values_are_named(tmp_path):
    for content in ("epoch,loss\n1,2\n", "step,a\nx,1\n", "\n"):
        (tmp_path / "other.csv").write_text(content)
        with pytest.raises(ValueError, match="first column is step in .*other.csv"):
            CSVLogger(tmp_path / "other.csv")
        assert (tmp_path / "other.csv").read_text() == content
    with CSVLogger(tmp_path / "log.csv") as log:
        with pytest.raises(ValueError, match="other than 'step'"):
            log.log(1, {"step": 2})
        with pytest.raises(ValueError, match="texts of one line"):
            log.log(1, text="two\nlines")
        with pytest.raises(TypeError):
            log.log(1.5, a=1)
        assert rows(log.path) == []


WRITER = """
import sys
from olivine.train import CSVLogger
log = CSVLogger(sys.argv[1])
step = max(0, (log.step or 0) - 7)
while True:
    step += 1
    log.log(step, {"loss": step / 8, f"extra{step // 500}": 1})
    if step % 50 == 1:
        print(step, flush=True)
"""


def test_kills_leave_every_row_once(tmp_path):
    moments = random.Random(1)
    path = tmp_path / "log.csv"
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with CSVLogger(path) as log:
        last = log.step
    content = rows(path)
    assert [int(row[0]) for row in content[1:]] == list(range(1, last + 1))
    assert all(float(row[1]) == int(row[0]) / 8 for row in content[1:])
    assert os.listdir(tmp_path) == ["log.csv"]

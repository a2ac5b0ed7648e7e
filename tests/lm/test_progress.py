"""How progress is shown: durations, plain lines, the live bar, the loss curve."""

import math
import os
import pty
import subprocess
import sys

import numpy as np
import pytest

from olivine.cli.progress import PlainProgress, duration, progress
from olivine.lm.plot import loss_curve
from olivine.lm.train import History
from olivine.train.plots import smooth


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3600, "1:00:00"), (7384, "2:03:04")],
)
def test_duration_reads_like_a_clock(seconds, text):
    assert duration(seconds) == text


def test_plain_lines_appear_now_and_then(capsys):
    reporter = progress()
    assert isinstance(reporter, PlainProgress)
    with reporter:
        reporter.step(1, 2000, 4.0, math.nan, 1024)
        reporter._next = 0
        reporter.step(2, 2000, 4.0, math.nan, 1024)
        assert capsys.readouterr().out == ""
        reporter.step(1000, 2000, 3.0, 0.1, 1024)
        reporter.step(1001, 2000, 3.0, 0.1, 1024)
        reporter.evaluation(1001, 1.5, 1.75)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("step 1,000/2,000: loss 3.9")
    assert "10,240 tokens/s, ETA 1:40, peak memory" in first
    assert second == "step 1001: training loss 1.500, validation loss 1.750"


SCRIPT = """
from olivine.cli.progress import LiveProgress, progress
with progress() as reporter:
    assert isinstance(reporter, LiveProgress)
    reporter.message("a [bold] message")
    reporter.step(1, 2000, 4.0, float("nan"), 1024)
    reporter.step(1000, 2000, 3.0, 0.1, 1024)
    reporter.evaluation(1000, 1.5, 1.75)
"""


def test_a_terminal_shows_a_live_bar(environment):
    pytest.importorskip("rich")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**environment, "TERM": "xterm", "COLUMNS": "120"},
        text=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.communicate()[1] == "" and process.returncode == 0
    text = shown.decode()
    for part in (
        "a [bold] message",
        "1,000/2,000",
        "10,240 tokens/s",
        "1:40",
        "validation loss 1.750",
    ):
        assert part in text
    assert "\x1b[" in text


def test_smoothing_is_a_mean_of_neighbours():
    assert np.allclose(smooth(np.array([3.0])), [3.0])
    values = np.random.default_rng(0).normal(size=400)  # five steps to either side
    means = smooth(values)
    assert np.isclose(means[200], values[195:206].mean())
    assert np.isclose(means[0], values[:6].mean()) and np.isclose(means[-1], values[-6:].mean())


def test_loss_curve_is_a_picture_of_any_history(tmp_path):
    pytest.importorskip("matplotlib")
    for history in (History([4.0]), History([4.0, 3.0, 2.0], [2, 3], [3.5, math.nan])):
        loss_curve(history, tmp_path / "loss.png", "A run")
        assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
        assert os.listdir(tmp_path) == ["loss.png"]

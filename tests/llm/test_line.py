"""The line of progress: on a terminal only, not for what is quick, gone at the end."""

import io

import pytest

from olivine.cli import line
from olivine.cli.line import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(line.time, "monotonic", lambda: now[0])
    return now


def test_a_bar_with_the_time_left(clock, monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    with ProgressLine("packing") as progress:
        progress(0, 4, "a")
        assert not terminal.getvalue()  # too early
        clock[0] = 60.0
        progress(2, 4, "layers.2")
        shown = terminal.getvalue()
        assert shown == "\r\033[Kpacking " + "█" * 12 + "░" * 12 + " 2/4  1:00 left  layers.2"
        progress(3, 4, "b")
        assert terminal.getvalue() == shown  # too soon after
        clock[0] = 61.0
        progress.begin("writing")
        progress(1, 2)
        clock[0] = 62.0
        progress(1, 0, "nothing known")
    assert terminal.getvalue().endswith("nothing known\r\033[K")


def test_a_line_is_no_longer_than_the_terminal(clock, monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    progress = ProgressLine("packing")
    clock[0] = 1.0
    progress(1, 2, "x" * 100)
    assert len(terminal.getvalue().removeprefix("\r\033[K")) == 39


def test_nothing_off_a_terminal(clock, monkeypatch):
    monkeypatch.setattr("sys.stderr", stream := io.StringIO())
    with ProgressLine() as progress:
        clock[0] = 9.0
        progress(1, 2)
    assert not stream.getvalue()

"""Progress: plain lines, the live bar on a terminal, and without rich."""

import builtins
import os
import pty
import subprocess
import sys
import time

import pytest

import olivine.core as mx
from olivine.train.progress import PlainProgress, progress


def test_plain_lines_appear_now_and_then(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress(2000) as bar:
        assert isinstance(bar, PlainProgress)
        for step in range(1, 31):
            now[0] += 0.5
            bar.update(step, loss=mx.array(1 / 3), note="warm")
        bar.message("done [bold]")
    lines = capsys.readouterr().out.splitlines()
    # The first after two seconds, then every ten.
    assert lines[0] == "step 4/2,000, loss 0.3333, note warm, 2 steps/s, ETA 16:38"
    assert [line.split(",")[0] for line in lines] == ["step 4/2", "step 24/2", "done [bold]"]


def test_without_a_total_there_is_no_time_left(capsys):
    bar = progress(plain=True)
    bar.update(1)
    bar._next = 0
    bar.update(2)
    assert capsys.readouterr().out.startswith("step 2, ")


SCRIPT = """
from olivine.train.progress import LiveProgress, progress
with progress(2000) as bar:
    assert isinstance(bar, LiveProgress)
    bar.message("a [bold] message")
    bar.update(1000, loss=0.25, note="[red]")
    bar.update(1001, loss=0.25, note="[red]")
"""


def test_a_terminal_shows_a_live_bar():
    pytest.importorskip("rich")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
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
    for part in ("a [bold] message", "1,001/2,000", "loss 0.25", "note [red]", "\x1b["):
        assert part in shown.decode()


def test_without_rich_a_terminal_gets_lines(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    real = builtins.__import__

    def fail(name, *rest):
        if name.startswith("rich"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fail)
    assert isinstance(progress(10), PlainProgress)

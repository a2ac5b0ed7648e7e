"""Targets are there whole or not at all; what dead processes leave is cleared away."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from olivine.llm import atomic
from olivine.llm.atomic import whole_file, whole_folder, write_json

TOOL = Path(__file__).parents[2] / "tools" / "kill_convert.py"


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def fill(target, text, overwrite=False):
    with whole_folder(target, overwrite) as draft:
        (draft / "a").write_text(text)


def test_a_folder_appears_at_the_end(tmp_path):
    with whole_folder(tmp_path / "deep" / "m") as draft:
        (draft / "a").write_text("1")
        assert not (tmp_path / "deep" / "m").exists() and draft.parent == tmp_path / "deep"
    assert names(tmp_path / "deep") == ["m"] and names(tmp_path / "deep" / "m") == ["a"]
    with pytest.raises(FileExistsError, match="has content"):
        fill(tmp_path / "deep" / "m", "2")
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty", "3")
    assert (tmp_path / "empty" / "a").read_text() == "3"


@pytest.mark.parametrize("exchanges", [True, False])
def test_what_was_there_is_replaced(tmp_path, exchanges, monkeypatch):
    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    fill(tmp_path / "m", "old")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "m", True) as draft:
        (draft / "a").write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "m" / "a").read_text() == "old"
    fill(tmp_path / "m", "new", overwrite=True)
    assert (tmp_path / "m" / "a").read_text() == "new" and names(tmp_path) == ["m"]


def test_drafts_of_dead_processes_go_and_others_stay(tmp_path):
    dead, alive, other = (tmp_path / f".m.draft-{n}" for n in ("dead", "alive", "other"))
    for draft in (dead, alive):
        draft.mkdir()
        (draft / "a").write_text("half")
    other = other.rename(tmp_path / ".n.draft-x") if other.exists() else tmp_path / ".n.draft-x"
    other.mkdir()
    lock = os.open(alive, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        fill(tmp_path / "m", "whole")
        assert names(tmp_path) == [".m.draft-alive", ".n.draft-x", "m"]
    finally:
        os.close(lock)


def test_what_was_moved_aside_by_a_killed_process_comes_back(tmp_path):
    """Where names cannot be exchanged, a process may die between two renames."""
    old = tmp_path / ".m.draft-x" / "replaced"
    old.mkdir(parents=True)
    (old / "a").write_text("old")
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "m"):
        pass
    # It is back before anything else is decided.
    assert (tmp_path / "m" / "a").read_text() == "old" and names(tmp_path) == ["m"]


def test_a_file_is_whole_or_as_it_was(tmp_path):
    with whole_file(tmp_path / "m.gguf") as draft:
        draft.write_text("1")
    with pytest.raises(FileExistsError), whole_file(tmp_path / "m.gguf"):
        pass
    with (
        pytest.raises(OSError, match="m.gguf") as caught,
        whole_file(tmp_path / "m.gguf", True) as d,
    ):
        d.write_text("2")
        raise OSError(28, "No space left on device", str(d))
    assert caught.value.filename == str(tmp_path / "m.gguf")
    assert (tmp_path / "m.gguf").read_text() == "1" and names(tmp_path) == ["m.gguf"]
    (tmp_path / "f").mkdir()
    with pytest.raises(FileExistsError, match="it is a folder"), whole_file(tmp_path / "f", True):
        pass


def test_links_are_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "m").symlink_to(tmp_path / "disk" / "m")
    for text in ("old", "new"):
        fill(tmp_path / "m", text, overwrite=True)
        assert (tmp_path / "disk" / "m" / "a").read_text() == text
    assert (tmp_path / "m").is_symlink() and names(tmp_path / "disk") == ["m"]


def test_json_is_written_whole(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "é": 1\n}\n'
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"x": object()})
    assert "é" in (tmp_path / "a.json").read_text("utf-8")


@pytest.mark.slow
def test_killed_conversions_leave_nothing_half_written():
    pytest.importorskip("tokenizers", reason="the extra 'llm' is not installed")
    command = [sys.executable, str(TOOL), "--kills", "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

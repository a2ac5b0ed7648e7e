"""Files and folders that appear whole under their name, or not at all.

A draft is written beside the target and takes its place by one rename; what was there is exchanged
with it in one step, so that a process killed at any moment leaves the old or the new. Drafts of
processes that have died are cleared away by the next one that writes the same target.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of renameat2(2)
_OLD = "replaced"  # in a folder of its own, where a file system can not exchange two names


def check_free(target: str | Path, overwrite: bool = False) -> Path:
    """The target's path; FileExistsError if there is something in the way of it."""
    target = Path(target)
    empty = target.is_dir() and not any(target.iterdir())
    if os.path.lexists(target) and not overwrite and not empty:
        raise FileExistsError(17, "expected a new or empty target; it has content", str(target))
    return target


@contextmanager
def whole_folder(target: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A draft folder to write into; at the end of the block it becomes `target`."""
    target = _cleared(target)
    check_free(target, overwrite)
    with _drafting(target) as draft:
        yield draft
        os.chmod(draft, 0o755)
        for path in [*draft.rglob("*"), draft]:
            _sync(path)
        _take_place(draft, target)


@contextmanager
def whole_file(target: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """The path of a draft file to write; at the end of the block it becomes `target`."""
    target = _cleared(target)
    check_free(target, overwrite)
    if target.is_dir():
        raise FileExistsError(17, "expected a file to write; it is a folder", str(target))
    with _drafting(target) as draft:
        yield draft / target.name
        os.chmod(draft / target.name, 0o644)
        _sync(draft / target.name)
        os.replace(draft / target.name, target)
        _sync(target.parent)


@contextmanager
def _drafting(target: Path) -> Iterator[Path]:
    """A draft folder beside the target, removed at the end; errors name the target."""
    draft, lock = _draft(target)
    try:
        yield draft
    except OSError as error:
        _name(error, draft, target)
        raise
    finally:
        _remove(draft)
        os.close(lock)


def _name(error: OSError, draft: Path, target: Path) -> None:
    """Have an error name the target, since nobody knows the draft."""
    if error.filename is None or str(error.filename).startswith(str(draft)):
        error.filename = str(target)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a file of JSON; it is there whole or as it was."""
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _draft(target: Path) -> tuple[Path, int]:
    """A folder of its own beside the target, and a lock that lives as long as the process."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.draft-", dir=target.parent))
    lock = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a file system without locks: drafts are never taken for left behind there
        pass
    return draft, lock


def _cleared(target: str | Path) -> Path:
    """The path, links followed, once drafts whose process has died are gone.

    What one of them had moved aside is put back.
    """
    target = Path(os.path.realpath(target))
    for draft in target.parent.glob(f".{_escaped(target.name)}.draft-*"):
        try:
            lock = os.open(draft, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            old = draft / _OLD
            if os.path.lexists(old) and not os.path.lexists(target):
                os.rename(old, target)
            _remove(draft)
        except OSError:  # somebody is writing it
            pass
        finally:
            os.close(lock)
    return target


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _take_place(draft: Path, target: Path) -> None:
    """Rename the draft to the target, whose content gets the draft's name."""
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        os.rename(draft, target)  # replaces an empty folder
    elif not _exchange(draft, target):
        # Killed between the two renames, the target is missing until somebody writes it again.
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.draft-", dir=target.parent))
        os.rename(target, aside / _OLD)
        try:
            os.rename(draft, target)
        except OSError:
            os.rename(aside / _OLD, target)
            aside.rmdir()
            raise
        _remove(aside)
    _sync(target.parent)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system can not."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    return call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

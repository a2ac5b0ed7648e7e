"""Files that are replaced in one step, and folders that one process at a time may write to."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import weakref
from collections.abc import Callable
from pathlib import Path

# Unfinished files: those of `write_atomically`, and those of the array library's own savers.
_TEMPORARY = re.compile(r"\..+(\.tmp.*|\.olivine-\d+-\d+)")


class CheckpointError(ValueError):
    """A folder or checkpoint cannot be used; the message is for the person who named it."""


def temporary_of(path: Path) -> Path:
    """Where `write_atomically` puts the unfinished form of `path`."""
    return path.with_name(f".{path.stem}.tmp{path.suffix}")


def write_atomically(path: Path, write: Callable[[str], None]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`, all of it on the disk.

    Whatever stops the process, `path` is the old file or the whole new one. One process at a time
    may write to the same path. Raises what `write` raises, with the temporary file removed.
    """
    temporary = temporary_of(path)
    try:
        write(str(temporary))
        _flush(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)  # the rename itself


def append(file: io.FileIO, data: bytes) -> None:
    """Write all of `data` at the end of an unbuffered file, or nothing and raise `OSError`."""
    size = os.fstat(file.fileno()).st_size
    try:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {file.name}")
    except OSError:
        file.truncate(size)
        raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


class LockedFolder:
    """A folder held by at most one process at a time; it is made if it does not exist.

    The lock ends with the process, however it ends. So whoever holds it knows that temporary files
    in the folder come from processes that died, and clears them away. Raises `CheckpointError`
    when another process holds the folder or it cannot be written to.
    """

    busy = "another process is using {path}"
    _held: weakref.WeakSet[LockedFolder] = weakref.WeakSet()

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / ".lock", "w")  # noqa: SIM115  held until close()
        except OSError as error:
            raise CheckpointError(f"cannot write to {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            if not isinstance(error, BlockingIOError):
                raise CheckpointError(f"cannot lock {path}: {error.strerror}") from None
            raise CheckpointError(self.busy.format(path=path)) from None
        self._held.add(self)
        self._clear_temporaries()

    def _clear_temporaries(self) -> None:
        for entry in self.path.iterdir():
            if _TEMPORARY.fullmatch(entry.name):
                entry.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the folder; more calls do nothing."""
        self._held.discard(self)
        self._lock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        self.close()


def _let_go_in_child() -> None:
    # A forked worker that outlives a killed trainer must not keep its folder locked.
    for folder in list(LockedFolder._held):
        folder.close()


os.register_at_fork(after_in_child=_let_go_in_child)

"""A CSV log of numbers by step that survives kills and goes on without duplicate rows."""

from __future__ import annotations

import csv
import io
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine.train.files import append, temporary_of, write_atomically


def plain_values(values: Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one `log` call, arrays of one element as Python numbers."""
    merged = {**(values or {}), **named}
    return {k: v.item() if isinstance(v, mx.array) else v for k, v in merged.items()}


class CSVLogger:
    """Writes rows of a step and named values to the file `path`, each at once.

    Columns are added as new names appear; cells without a value are empty. An existing file is
    continued. A last line that a kill left incomplete is dropped. When the first row after that
    has a step that the file already reached, that run was resumed from before it, or begun anew:
    its rows from that step on are replaced, so that no step is there twice. Later steps never
    decrease; use `rewind` to go back. Several rows may have the same step.

    In the state of a `Checkpointer`, it is synced to the disk when the checkpoint is made, and cut
    back to that step when it is restored.

    >>> log = CSVLogger("run/log.csv")
    >>> log.log(10, loss=0.5, learning_rate=optimizer.learning_rate)

    Raises `OSError` when the disk is full or fails, `ValueError` for a file that is no such log.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.columns: list[str] = ["step"]
        self.step: int | None = None
        self._opened_anew = True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary_of(self.path).unlink(missing_ok=True)
        self._file = self._open()

    def _open(self) -> io.FileIO:
        """Open the file behind its last complete line, and read its columns and last step."""
        file = open(self.path, "a+b", buffering=0)  # noqa: SIM115  held until close()
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            file.truncate(len(whole))
        try:
            rows = list(csv.reader(io.StringIO(whole.decode(), newline="")))
            if rows:
                self.columns = rows[0]
                if self.columns[0] != "step":
                    raise ValueError(f"first column {self.columns[0]!r}")
            self.step = int(rows[-1][0]) if len(rows) > 1 else None
        except (ValueError, IndexError) as error:
            file.close()
            raise ValueError(
                f"[CSVLogger] expected a CSV file whose first column is step in {self.path}; "
                f"got {error}"
            ) from None
        return file

    def log(self, step: int, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Write one row. Values are numbers, arrays of one element, or texts of one line."""
        step, cells = operator.index(step), plain_values(values, named)
        _line(list(cells.values()))  # refuses a bad text before anything is changed
        if "step" in cells:
            raise ValueError("[CSVLogger.log] expected names other than 'step'; got it as a value")
        if self.step is not None and step < self.step + self._opened_anew:
            if not self._opened_anew:
                raise ValueError(
                    f"[CSVLogger.log] expected a step of at least {self.step}; got {step}; "
                    "rewind() goes back"
                )
            self.rewind(step - 1)
        fresh = [name for name in cells if name not in self.columns]
        if fresh or self._is_empty():
            self._rewrite(self._rows(), [*self.columns, *fresh])
        append(self._file, _line([step, *(cells.get(name, "") for name in self.columns[1:])]))
        self.step, self._opened_anew = step, False

    def _is_empty(self) -> bool:
        return os.fstat(self._file.fileno()).st_size == 0

    def _rows(self) -> list[list[str]]:
        with open(self.path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))[1:]

    def _rewrite(self, rows: list[list[str]], columns: list[str]) -> None:
        padded = [row + [""] * (len(columns) - len(row)) for row in rows]
        content = b"".join(_line(row) for row in [columns, *padded])
        write_atomically(self.path, lambda file: Path(file).write_bytes(content))
        self._file.close()
        self._file = self._open()

    def rewind(self, step: int | None) -> None:
        """Remove all rows of later steps; all rows for None."""
        rows = self._rows()
        kept = [row for row in rows if step is not None and int(row[0]) <= step]
        if len(kept) < len(rows):
            self._rewrite(kept, self.columns)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> CSVLogger:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def state_dict(self) -> dict[str, int | None]:
        os.fsync(self._file.fileno())
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int | None]) -> None:
        self.rewind(state["step"])


def _line(cells: list) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    line = text.getvalue()
    if line.count("\n") != 1 or "\r" in line:
        raise ValueError(f"[CSVLogger.log] expected texts of one line; got {cells}")
    return line.encode()

"""Tables as datasets of rows: CSV with the standard library, Parquet with pyarrow."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from olivine.data.dataset import Arrays
from olivine.data.errors import DataError, optional


def read_csv(
    path: str | Path,
    columns: Sequence[str] | None = None,
    *,
    header: bool | Sequence[str] = True,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Arrays:
    """A dataset of a CSV file's rows, each a dict by column; `.arrays` holds whole columns.

    A column is of int64 or float64 if all its values are such numbers, an empty one being NaN, and
    else of strings. `header` says whether the first line names the columns, or gives their names;
    without names they are called "0", "1", and so on. Files that end in .gz are decompressed.
    """
    opened = gzip.open if str(path).endswith(".gz") else open
    try:
        with opened(path, "rt", encoding=encoding, newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, csv.Error) as error:
        raise DataError(f"[read_csv] a CSV file was expected; got {path} ({error})") from None
    if not rows:
        raise DataError(f"[read_csv] a CSV file with rows was expected; {path} is empty")
    if header is True:
        names = rows.pop(0)
    else:
        names = list(header) if header else [str(i) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise DataError(
                f"[read_csv] rows of {len(names)} values were expected; "
                f"row {number} of {path} has {len(row)}"
            )
    if len(set(names)) < len(names):
        raise DataError(f"[read_csv] columns of different names were expected; got {names}")
    chosen = _chosen("read_csv", names, columns)
    places = [names.index(name) for name in chosen]
    return Arrays(
        {n: _values([row[i] for row in rows]) for n, i in zip(chosen, places, strict=True)}
    )


def _chosen(function: str, names: list[str], columns: Sequence[str] | None) -> list[str]:
    unknown = [name for name in columns or () if name not in names]
    if unknown:
        raise DataError(f"[{function}] columns of {names} were expected; got {unknown}")
    return names if columns is None else list(columns)


def _values(texts: list[str]) -> np.ndarray:
    for dtype in (np.int64, np.float64):
        try:
            return np.array([t or "nan" for t in texts]).astype(dtype)
        except (ValueError, OverflowError):
            continue
    return np.array(texts, dtype=object)


def read_parquet(path: str | Path, columns: Sequence[str] | None = None) -> Arrays:
    """A dataset of a Parquet file's rows, each a dict by column; `.arrays` holds whole columns.

    Numbers without missing values keep their type, others are objects. Lists of numbers are arrays,
    which a loader pads on demand.
    """
    parquet = optional("pyarrow.parquet", "parquet", "reading Parquet files")
    import pyarrow

    try:
        file = parquet.ParquetFile(path, memory_map=True)
        chosen = _chosen("read_parquet", file.schema_arrow.names, columns)
        table = file.read(columns=chosen)
    except pyarrow.ArrowInvalid as error:
        raise DataError(
            f"[read_parquet] a Parquet file was expected; got {path} ({error})"
        ) from None
    return Arrays({name: table.column(name).to_numpy() for name in chosen})

"""CSV and Parquet files as datasets of rows."""

import gzip

import numpy as np
import pytest

import olivine.core as mx
from olivine import data

CSV = 'name,size,n,gap\n"Ann, B.",1.5,3,\nBob,2,4,7\n\n'


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_columns_have_the_type_of_their_values(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(gzip.compress(CSV.encode()) if suffix.endswith("gz") else CSV.encode())
    table = data.read_csv(path)
    assert len(table) == 2 and table[0]["name"] == "Ann, B."
    assert [table.arrays[k].dtype.kind for k in ("name", "size", "n", "gap")] == list("Ofif")
    batch = next(iter(data.DataLoader(table, 2)))
    assert batch["name"] == ["Ann, B.", "Bob"] and batch["n"].tolist() == [3, 4]
    assert batch["size"].dtype == mx.float32 and batch["size"].tolist() == [1.5, 2]
    assert np.isnan(np.array(batch["gap"])[0])


def test_headers_delimiters_and_columns(tmp_path):
    path = tmp_path / "t"
    path.write_text("1;2\n3;4\n")
    assert data.read_csv(path, header=False, delimiter=";")[1] == {"0": 3, "1": 4}
    assert data.read_csv(path, ["b"], header=["a", "b"], delimiter=";")[0] == {"b": 2}
    assert len(data.read_csv(path, delimiter=";")) == 1


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("", {}, "is empty"),
        ("a,b\n1\n", {}, "rows of 2 values were expected; row 0 of .* has 1"),
        ("a,a\n1,2\n", {}, "different names"),
        ("a,b\n1,2\n", {"columns": ["c"]}, r"columns of \['a', 'b'\] were expected; got \['c'\]"),
        ("\xff", {"encoding": "ascii"}, "a CSV file was expected"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, text, options, message):
    (tmp_path / "t").write_text(text, encoding="latin-1")
    with pytest.raises(data.DataError, match=message):
        data.read_csv(tmp_path / "t", **options)


def test_parquet_keeps_types_and_lists(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "x": pyarrow.array([1.5, 2.5, 3.5], pyarrow.float32()),
        "n": pyarrow.array([1, 2, 3], pyarrow.int16()),
        "s": ["a", "b", "c"],
        "ids": pyarrow.array([[1, 2], [3], []], pyarrow.list_(pyarrow.int32())),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = data.read_parquet(tmp_path / "t.parquet")
    assert table.arrays["x"].dtype == np.float32 and table.arrays["n"].dtype == np.int16
    assert table[1]["s"] == "b" and table[0]["ids"].tolist() == [1, 2]
    batch = next(iter(data.DataLoader(table, 3, pad={"ids": 0})))
    assert batch["ids"].values.tolist() == [[1, 2], [3, 0], [0, 0]]
    assert batch["ids"].values.dtype == mx.int32
    assert list(data.read_parquet(tmp_path / "t.parquet", ["n"])[0]) == ["n"]
    with pytest.raises(data.DataError, match=r"got \['z'\]"):
        data.read_parquet(tmp_path / "t.parquet", ["z"])
    (tmp_path / "bad").write_bytes(b"no parquet")
    with pytest.raises(data.DataError, match="a Parquet file was expected"):
        data.read_parquet(tmp_path / "bad")

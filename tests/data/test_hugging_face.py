"""Datasets that behave like those of the Hugging Face library, and the library's own if present."""

import pytest

from olivine import data


class Table:
    """Behaves like `datasets.Dataset`: rows by number, columns of rows by a list of numbers."""

    def __init__(self, **columns):
        self.features, self.columns, self.fetched = dict.fromkeys(columns), columns, []

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        self.fetched.append(key)
        if isinstance(key, list):
            return {name: [column[i] for i in key] for name, column in self.columns.items()}
        return {name: column[key] for name, column in self.columns.items()}


def make(kind):
    columns = {"ids": [[1], [2, 3], [4, 5, 6]], "label": [0, 1, 0], "text": ["a", "b", "c"]}
    if kind == "fake":
        return Table(**columns)
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_rows_are_dicts_and_batches_come_in_one_call(kind):
    table = make(kind)
    dataset = data.HuggingFace(table)
    assert len(dataset) == 3 and dataset[1] == {"ids": [2, 3], "label": 1, "text": "b"}
    batch = next(iter(data.DataLoader(dataset, 3, pad={"ids": 0}, workers=0)))
    assert batch["ids"].values.tolist() == [[1, 0, 0], [2, 3, 0], [4, 5, 6]]
    assert batch["label"].tolist() == [0, 1, 0] and batch["text"] == ["a", "b", "c"]
    if kind == "fake":
        assert table.fetched == [1, [0, 1, 2]]


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_columns_are_chosen_and_batched_without_rows(kind):
    dataset = data.HuggingFace(make(kind), ["label"])
    assert dataset[2] == {"label": 0}
    assert data.gather(dataset, [1, 0])["label"].tolist() == [1, 0]
    with pytest.raises(ValueError, match="were expected; got .'z'"):
        data.HuggingFace(make(kind), ["z"])


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_the_library_s_datasets_are_datasets_themselves(kind):
    batch = next(iter(data.DataLoader(data.map(make(kind), lambda row: row["label"]), 2)))
    assert batch.tolist() == [0, 1]


def test_what_is_no_dataset_is_named():
    with pytest.raises(TypeError, match="column names was expected; got list"):
        data.HuggingFace([1, 2])

    class Splits(dict):
        column_names = {"train": ["x"]}

    with pytest.raises(
        TypeError, match=r"one dataset was expected; got a dict of them: \['train'\]"
    ):
        data.HuggingFace(Splits())

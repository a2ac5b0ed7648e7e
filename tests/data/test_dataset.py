"""Datasets and their transforms: items, batches, order, laziness, bounds."""

import numpy as np
import pytest

import olivine.core as mx
from olivine import data


class Calls:
    """Squares, and which of them were asked for."""

    def __init__(self, count):
        self.count, self.asked = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.asked.append(index)
        return index**2


def listed(dataset):
    return [dataset[i] for i in range(len(dataset))]


def test_arrays_give_rows_tuples_or_dicts_without_a_copy():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    assert data.arrays(x)[1].tolist() == [2, 3]
    assert np.shares_memory(data.arrays(x)[1], x)
    assert [v.tolist() for v in data.arrays(x, y)[2]] == [[4, 5], 2]
    assert data.arrays(a=x, b=y)[0]["b"] == 0
    a = mx.array([1, 2, 3])
    assert data.arrays(a).arrays.ctypes.data == np.asarray(a).ctypes.data


def test_arrays_give_batches_in_one_step():
    dataset = data.arrays(
        a=np.arange(8, dtype=np.float64).reshape(4, 2), s=np.array(list("abcd"), object)
    )
    batch = data.gather(dataset, [3, 0])
    assert batch["a"].dtype == mx.float32 and batch["a"].tolist() == [[6, 7], [0, 1]]
    assert batch["s"] == ["d", "a"]
    assert data.gather(dataset)["a"].shape == (4, 2)


def test_arrays_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="one length were expected; got {0: 3, 1: 2}"):
        data.arrays(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="by position or by name"):
        data.arrays()
    with pytest.raises(ValueError, match="one length"):
        data.arrays(np.float32(1))


def test_map_reads_when_asked():
    calls = Calls(5)
    mapped = data.map(calls, lambda x: x + 1)
    assert not calls.asked and len(mapped) == 5
    assert mapped[3] == 10 and calls.asked == [3]


def test_filter_subset_concat_compose():
    even = data.filter(Calls(6), lambda x: x % 2 == 0)
    assert listed(even) == [0, 4, 16]
    some = data.subset(Calls(6), [5, 0, -1])
    assert listed(some) == [25, 0, 25]
    assert listed(data.subset(Calls(6), slice(1, None, 2))) == [1, 9, 25]
    both = data.concat(even, [], some)
    assert listed(both) == [0, 4, 16, 25, 0, 25] and both[-1] == 25 and both[-6] == 0
    assert listed(data.map(both, float)) == [0.0, 4.0, 16.0, 25.0, 0.0, 25.0]
    assert data.gather(both, [3, 1]).tolist() == [25, 4]


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_is_an_error(index):
    for dataset in (
        data.concat([1], [2, 3]),
        data.batch([1, 2, 3], 1),
        data.subset([1, 2, 3], [0, 1, 2]),
        data.arrays(np.arange(3)),
    ):
        with pytest.raises(IndexError):
            dataset[index]


def test_subset_checks_its_indices():
    with pytest.raises(IndexError, match="into 3 items were expected; got 3"):
        data.subset([1, 2, 3], [0, 3])
    with pytest.raises(TypeError, match="a list of integers"):
        data.subset([1, 2, 3], [0.5])
    with pytest.raises(ValueError, match="at least one dataset"):
        data.concat()


def test_batch_is_a_dataset_of_batches():
    batched = data.batch(Calls(5), 2)
    assert [b.tolist() for b in listed(batched)] == [[0, 1], [4, 9], [16]]
    assert [b.tolist() for b in listed(data.batch(Calls(5), 2, drop_last=True))] == [[0, 1], [4, 9]]
    assert listed(data.batch(Calls(3), 2, collate=sum)) == [1, 4]
    assert batched[-1].tolist() == [16]
    with pytest.raises(ValueError, match="size of at least 1"):
        data.batch(Calls(5), 0)


def test_split_shares_no_item_and_repeats():
    parts = data.split(Calls(10), [0.5, 0.25, 0.25], seed=3)
    assert [len(p) for p in parts] == [5, 3, 2] or [len(p) for p in parts] == [5, 2, 3]
    assert sorted(x for p in parts for x in listed(p)) == [i**2 for i in range(10)]
    assert listed(parts[0]) == listed(data.split(Calls(10), [5, 5], seed=3)[0])
    assert listed(data.split(Calls(4), [1, 3])[1]) == [1, 4, 9]
    assert listed(parts[0]) == listed(data.split(Calls(10), [5, 5], seed=mx.random.key(3))[0])


@pytest.mark.parametrize("sizes", [[], [1, 2], [0.5, 0.4], [0.5, 1], [-1, 6], [1.5, -0.5], ["a"]])
def test_split_checks_its_sizes(sizes):
    with pytest.raises(ValueError, match=r"\[split\]"):
        data.split(Calls(5), sizes)


def test_items_are_fetched_in_one_call_where_the_dataset_offers_it():
    class Fetching(list):
        def __getitems__(self, indices):
            return [f"all {indices}"] * len(indices)

    dataset = data.subset(data.map(Fetching("abc"), str.upper), [2, 0])
    assert data.gather(dataset, [1, 0]) == ["ALL [0, 2]"] * 2


def test_lists_and_arrays_are_datasets():
    assert isinstance([1, 2], data.Dataset) and isinstance(np.zeros(2), data.Dataset)
    assert not isinstance(iter([]), data.Dataset)
    assert data.gather(mx.array([5, 6, 7]), [2, 1]).tolist() == [7, 6]

"""DataLoader: the batches of an epoch, order by seed and epoch, resuming, errors, waiting time."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import olivine.core as mx
from olivine import data


def values(loader):
    return [batch.tolist() for batch in loader]


def flat(batches):
    return [x for batch in batches for x in batch]


class Slow:
    """Numbers, of which those divisible by three take longer to read."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        time.sleep(0.002 if index % 3 == 0 else 0)
        return index


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_hold_every_item_once_in_order(workers):
    loader = data.DataLoader(list(range(10)), 4, workers=workers)
    assert len(loader) == 3
    assert values(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] == values(loader)
    dropping = data.DataLoader(list(range(10)), 4, drop_last=True, workers=workers)
    assert len(dropping) == 2 and values(dropping) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert values(data.DataLoader([], 4, workers=workers)) == []
    assert values(data.DataLoader([1], 4, drop_last=True, workers=workers)) == []


def test_the_order_depends_on_seed_and_epoch_alone():
    first = data.DataLoader(list(range(100)), 10, shuffle=True, seed=1)
    epochs = [flat(values(first)) for _ in range(3)]
    assert all(sorted(e) == list(range(100)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 3 and list(range(100)) not in epochs
    again = data.DataLoader(list(range(100)), 7, shuffle=True, seed=1, workers=4)
    assert [flat(values(again)) for _ in range(3)] == epochs
    other = data.DataLoader(list(range(100)), 10, shuffle=True, seed=2)
    assert flat(values(other)) != epochs[0]
    key = data.DataLoader(list(range(100)), 10, shuffle=True, seed=mx.random.key(1))
    assert flat(values(key)) == epochs[0]


def noisy(item, rng):
    return item + rng.random()


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("prefetch", [None, 1, 7])
def test_the_number_of_threads_changes_nothing(workers, prefetch):
    def run(**options):
        loader = data.DataLoader(
            Slow(), 3, shuffle=True, augment=noisy, bucket_by_length=np.arange(40) % 4, **options
        )
        return [values(loader) for _ in range(2)]

    assert run(workers=workers, prefetch=prefetch) == run(workers=0)


@given(
    count=st.integers(0, 50),
    size=st.integers(1, 9),
    shuffle=st.booleans(),
    drop=st.booleans(),
    bucketed=st.booleans(),
    workers=st.integers(0, 2),
    at=st.integers(0, 200),
)
def test_a_resumed_loader_continues_bit_equal(count, size, shuffle, drop, bucketed, workers, at):
    def make(seed):
        return data.DataLoader(
            np.arange(count),
            size,
            shuffle=shuffle,
            drop_last=drop,
            seed=seed,
            augment=noisy,
            bucket_by_length=np.arange(count) % 5 if bucketed else None,
            workers=workers,
        )

    seen, states = [], []
    loader = make(11)
    for epoch in range(3):
        states.append((loader.state_dict(), len(seen)))
        for batch in loader:
            seen.append((epoch, batch.tolist()))
            states.append((loader.state_dict(), len(seen)))
    state, done = states[at % len(states)]
    resumed = make(0)
    resumed.load_state_dict(json.loads(json.dumps(state)))
    rest = []
    while resumed.epoch < 3:
        epoch = resumed.epoch
        rest += [(epoch, batch.tolist()) for batch in resumed]
    assert rest == seen[done:]


def test_batches_read_ahead_do_not_count_as_handed_out():
    loader = data.DataLoader(list(range(100)), 5, workers=3, prefetch=10)
    iterator = iter(loader)
    next(iterator), next(iterator)
    time.sleep(0.05)
    assert loader.state_dict()["batch"] == 2


def test_a_loop_left_early_has_used_its_epoch():
    loader = data.DataLoader(list(range(30)), 3, shuffle=True)
    for _ in loader:
        break
    assert loader.epoch == 0
    other = data.DataLoader(list(range(30)), 3, shuffle=True)
    values(other)
    assert values(loader) == values(other) and loader.epoch == 2


def test_an_iterator_not_used_uses_no_epoch():
    loader = data.DataLoader(list(range(30)), 3, shuffle=True)
    iter(loader)
    assert values(loader) == values(data.DataLoader(list(range(30)), 3, shuffle=True))


def test_loops_may_nest():
    loader = data.DataLoader(list(range(4)), 2)
    pairs = [(a.tolist(), b.tolist()) for a in loader for b in loader]
    assert pairs == [(a, b) for a in ([0, 1], [2, 3]) for b in ([0, 1], [2, 3])]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"items": 31}, "a state with items 30 was expected; got 31"),
        ({"batch_size": 4}, "batch_size 3 was expected; got 4"),
        ({"shuffle": False}, "shuffle True"),
        ({"drop_last": True}, "drop_last False"),
        ({"bucketed": True}, "bucketed False"),
        ({"epoch": -1}, "got epoch -1, batch 0"),
        ({"batch": 11}, "one of its 10 batches were expected; got epoch 0, batch 11"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change, message):
    loader = data.DataLoader(list(range(30)), 3, shuffle=True)
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict({**loader.state_dict(), **change})
    with pytest.raises(ValueError, match="it lacks"):
        loader.load_state_dict({"epoch": 0})


def test_buckets_hold_like_lengths_and_waste_little():
    lengths = np.random.default_rng(0).integers(1, 100, 5000)
    sequences = [np.ones(n, np.int32) for n in lengths]

    def padding(**options):
        loader = data.DataLoader(sequences, 16, shuffle=True, pad=0, **options)
        batches = list(loader)
        assert sorted(flat(b.lengths.tolist() for b in batches)) == sorted(lengths.tolist())
        return sum(b.mask.size - b.mask.sum().item() for b in batches)

    plain = padding()
    for by in (True, len, lengths):
        assert padding(bucket_by_length=by) < plain / 10


def test_buckets_drop_no_particular_length():
    lengths = np.arange(10)
    loader = data.DataLoader(
        lengths, 4, shuffle=True, drop_last=True, bucket_by_length=lengths, seed=0
    )
    dropped = [set(range(10)) - set(flat(values(loader))) for _ in range(20)]
    assert all(len(d) == 2 for d in dropped) and set.union(*dropped) == set(range(10))


def test_padding_reaches_the_batches():
    loader = data.DataLoader([[1], [2, 3], [4, 5, 6]], 2, pad=0, pad_multiple=4)
    first, second = loader
    assert first.values.tolist() == [[1, 0, 0, 0], [2, 3, 0, 0]]
    assert second.lengths.tolist() == [3]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_names_the_item(workers):
    def read(x):
        if x == 13:
            raise OSError("disk on fire")
        return x

    loader = data.DataLoader(data.map(list(range(20)), read), 4, workers=workers)
    iterator = iter(loader)
    seen = [next(iterator).tolist() for _ in range(3)]
    with pytest.raises(data.ItemError, match="item 13 of the dataset failed: OSError: disk") as e:
        next(iterator)
    assert e.value.index == 13 and isinstance(e.value.__cause__, OSError)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert next(iterator).tolist() == [16, 17, 18, 19], "who catches it goes on with the next batch"


def test_errors_of_plain_datasets_augmentation_and_collation_are_named():
    class Broken(list):
        def __getitem__(self, index):
            raise KeyError("x")

    class Ends(list):
        def __getitem__(self, index):
            if index == 2:
                raise StopIteration

    def fails(*_):
        raise RuntimeError("no")

    with pytest.raises(data.ItemError, match="item 0 .*KeyError"):
        list(data.DataLoader(Broken([1, 2, 3]), 2))
    with pytest.raises(data.ItemError, match="item 2 .*StopIteration"):
        list(data.DataLoader(Ends([1, 2, 3]), 3))
    with pytest.raises(data.ItemError, match="item 0 .*RuntimeError: no"):
        list(data.DataLoader([1, 2], 2, augment=fails))
    with pytest.raises(data.ItemError, match="one of the items 0, 1 .*RuntimeError: no"):
        list(data.DataLoader([1, 2], 2, collate=fails))


def test_the_share_of_time_waited_is_measured():
    class Late(list):
        def __getitem__(self, index):
            time.sleep(0.02)
            return super().__getitem__(index)

    hungry = data.DataLoader(Late(range(10)), 1)
    assert hungry.waited == 0 and hungry.waited_share == 0
    list(hungry)
    assert hungry.waited > 0.15 and hungry.waited_share > 0.9
    fed = data.DataLoader(list(range(10)), 1)
    for _ in fed:
        time.sleep(0.02)
    assert fed.waited_share < 0.7 * hungry.waited_share  # a tenth of it on a quiet machine


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"batch_size": 0}, ValueError, "batch_size of at least 1 was expected; got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size: an integer was expected; got 2.5"),
        ({"workers": -1}, ValueError, "workers of at least 0"),
        ({"prefetch": 0}, ValueError, "prefetch of at least 1"),
        ({"pad": 0, "collate": list}, ValueError, "collate or pad was expected; got both"),
        ({"bucket_by_length": [1, 2]}, ValueError, "True, a function or 3 lengths"),
        ({"bucket_by_length": True}, ValueError, "an item with a length was expected; got int"),
        ({"seed": "x"}, TypeError, "an integer or a random key"),
        (
            {"dataset": iter([])},
            TypeError,
            "__len__ and __getitem__ was expected; got list_iterator",
        ),
    ],
)
def test_bad_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        data.DataLoader(**{"dataset": [1, 2, 3], **options})


def test_batches_share_memory_with_what_was_filled():
    batch = next(iter(data.DataLoader(data.arrays(np.arange(12).reshape(6, 2)), 3)))
    assert isinstance(batch, mx.array) and batch.dtype == mx.int64
    lazy = data.map(list(range(4)), lambda x: mx.array([x]) * 2)
    assert next(iter(data.DataLoader(lazy, 4))).tolist() == [[0], [2], [4], [6]]

"""`DataLoader`: batches of a dataset, shuffled by key, read ahead in threads, resumable."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence

import olivine.core as mx
from olivine.data.collate import collate as collate_items
from olivine.data.dataset import Dataset, gather, items
from olivine.data.errors import ItemError
from olivine.data.plan import Plan, item_lengths
from olivine.data.prefetch import Prefetcher, Stopped
from olivine.data.shuffle import Generators, seed_of, stream


class DataLoader:
    """Batches of a dataset. Each `for` over it runs through one epoch.

    The order depends on `seed` (an integer or a random key) and the epoch alone, and the batches on
    nothing else: not on the number of threads, the machine, or whether the run was resumed.

    Args:
        dataset: Anything with a length and items by number.
        batch_size: Items per batch; the last one may be smaller unless `drop_last`.
        collate: Makes a batch of a list of items; `olivine.data.collate` by default.
        pad, pad_multiple: How `olivine.data.collate` fills up fields of unequal lengths.
        bucket_by_length: Puts items of like length into a batch. Lengths are given, or computed by
            a function of the item, or, with True, read off its first field; both read all items.
        augment: `augment(item, rng)` returns the item changed at random. The NumPy generator `rng`
            depends on the seed, the epoch and the item's index alone.
        prefetch: Batches that may wait to be taken, two per worker by default.
        workers: Threads that read; 0 reads in the consumer's own thread.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        *,
        shuffle: bool = False,
        seed=0,
        drop_last: bool = False,
        collate: Callable | None = None,
        pad=None,
        pad_multiple: int = 1,
        bucket_by_length: bool | Callable | Sequence[int] | None = None,
        augment: Callable | None = None,
        prefetch: int | None = None,
        workers: int = 1,
    ):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                "[DataLoader] a dataset with __len__ and __getitem__ was expected; "
                f"got {type(dataset).__name__}"
            )
        if collate is not None and (pad is not None or pad_multiple != 1):
            raise ValueError("[DataLoader] collate or pad was expected; got both")
        self._workers = _at_least(0, "workers", workers)
        self._ahead = _at_least(
            1, "prefetch", 2 * max(workers, 1) if prefetch is None else prefetch
        )
        self._dataset, self._collate, self._augment = dataset, collate, augment
        self._pad, self._pad_multiple = pad, _at_least(1, "pad_multiple", pad_multiple)
        self.seed = seed_of(seed)
        lengths = None
        if bucket_by_length is not None and bucket_by_length is not False:
            lengths = item_lengths(dataset, bucket_by_length)
        batch_size = _at_least(1, "batch_size", batch_size)
        self._plan = Plan(len(dataset), batch_size, bool(shuffle), bool(drop_last), lengths)
        self._bucketed = lengths is not None
        self._place = _Place(0, 0)
        self.waited = 0.0
        self._iterated = 0.0

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return len(self._plan)

    @property
    def epoch(self) -> int:
        """The number of the epoch that runs, or that the next `for` begins after one has ended."""
        return self._place.epoch

    @property
    def waited_share(self) -> float:
        """The share of the time of all loops over this loader that they waited for it: `waited`
        seconds, of those between asking for a loop's first batch and receiving its latest.
        """
        return self.waited / self._iterated if self._iterated else 0.0

    def __iter__(self) -> LoaderIterator:
        """Begin an epoch, or continue the one that `load_state_dict` has set.

        A loop that was left early has used its epoch: the next one begins another.
        """
        place = self._place
        if place.begun and place.batch:
            place = _Place(place.epoch + 1, 0)
        self._place = _Place(place.epoch, place.batch, begun=True)
        return LoaderIterator(self, self._place)

    def state_dict(self) -> dict:
        """Where the loop is, as values for JSON. Batches that were only read ahead don't count."""
        return {**self._kind(), "epoch": self._place.epoch, "batch": self._place.batch}

    def load_state_dict(self, state: dict) -> None:
        """Continue where `state_dict` was called: the next `for` runs through the epoch's rest.

        The seed comes from the state. A loader of another kind or size can't continue: ValueError.
        """
        ours = self._kind()
        missing = [key for key in (*ours, "epoch", "batch") if key not in state]
        if missing:
            raise ValueError(f"[DataLoader] the state of a loader was expected; it lacks {missing}")
        for name, value in ours.items():
            if name != "seed" and state[name] != value:
                raise ValueError(
                    f"[DataLoader] a state with {name} {value} was expected; got {state[name]}"
                )
        epoch, batch = operator.index(state["epoch"]), operator.index(state["batch"])
        if epoch < 0 or not 0 <= batch <= len(self):
            raise ValueError(
                f"[DataLoader] an epoch and one of its {len(self)} batches were expected; "
                f"got epoch {epoch}, batch {batch}"
            )
        self.seed = seed_of(state["seed"])
        self._place = _Place(epoch, batch)

    def _kind(self) -> dict:
        """All that the order of batches depends on besides the epoch."""
        return {
            "seed": self.seed,
            "items": self._plan.count,
            "batch_size": self._plan.batch_size,
            "shuffle": self._plan.shuffle,
            "drop_last": self._plan.drop_last,
            "bucketed": self._bucketed,
        }

    def _load(self, indices, seed: int, epoch: int, check: Callable[[], None]):
        """The batch of these items; `check` raises when nobody waits for it any more."""
        plain = self._collate is None and self._augment is None and self._pad is None
        try:
            if plain and hasattr(self._dataset, "get_batch"):
                batch = gather(self._dataset, indices)
            else:
                batch = self._assemble(self._items(indices, check), indices, seed, epoch, check)
        except (ItemError, Stopped):
            raise
        except Exception as error:
            raise self._named(indices, error) from error
        mx.eval(batch)  # here, so that the consumer's thread need not
        return batch

    def _items(self, indices, check) -> list:
        if hasattr(self._dataset, "__getitems__"):
            return items(self._dataset, indices)
        read = []
        for index in indices:
            check()
            try:
                read.append(self._dataset[int(index)])
            except Exception as error:
                raise ItemError(int(index), error) from error
        return read

    def _assemble(self, read: list, indices, seed: int, epoch: int, check):
        if self._augment is not None:
            generators = Generators(stream(seed, epoch, 2))
            for place, index in enumerate(indices):
                check()
                try:
                    read[place] = self._augment(read[place], generators.at(int(index)))
                except Exception as error:
                    raise ItemError(int(index), error) from error
        if self._collate is not None:
            return self._collate(read)
        return collate_items(read, self._pad, self._pad_multiple)

    def _named(self, indices, error: Exception) -> ItemError:
        """The error of a whole batch with the item at fault, found by reading them one by one."""
        for index in indices:
            try:
                self._dataset[int(index)]
            except Exception:
                return ItemError(int(index), error)
        return ItemError([int(i) for i in indices], error)


class _Place:
    """An epoch and the number of its batches that were handed out."""

    def __init__(self, epoch: int, batch: int, begun: bool = False):
        self.epoch, self.batch, self.begun = epoch, batch, begun


class LoaderIterator:
    """The batches of one epoch from a place on. Its threads end with it."""

    def __init__(self, loader: DataLoader, place: _Place):
        self._loader, self._place = loader, place
        self._seed, self._epoch = loader.seed, place.epoch
        self._batches = loader._plan.batches(self._seed, self._epoch)
        self._work = _work_of(loader, self._batches, self._seed, self._epoch)
        self._prefetcher: Prefetcher | None = None
        self._last: float | None = None  # when the latest batch was handed out
        self._finished = False

    def __iter__(self) -> LoaderIterator:
        return self

    def __next__(self):
        if self._finished:
            raise StopIteration
        asked = time.perf_counter()
        try:
            if self._place.batch < len(self._batches):
                return self._next()
        finally:
            now = time.perf_counter()
            self._loader.waited += now - asked
            self._loader._iterated += now - (asked if self._last is None else self._last)
            self._last = now
        self._finished = True
        if self._prefetcher is not None:
            self._prefetcher.finish()
        self.close()
        self._place.epoch, self._place.batch = self._epoch + 1, 0
        raise StopIteration

    def close(self) -> None:
        """Stop reading ahead. Asking for another batch would begin it anew."""
        if self._prefetcher is not None:
            self._prefetcher.stop()
            self._prefetcher = None

    def _next(self):
        try:
            batch = self._read()
        except BaseException as error:  # whose traceback may keep this iterator alive for long
            self.close()
            if isinstance(error, ItemError):  # who catches it may ask for the next batch
                self._place.batch += 1
            raise
        self._place.batch += 1
        return batch

    def _read(self):
        loader = self._loader
        if not loader._workers:
            return self._work(self._place.batch, _never_stopped)
        if self._prefetcher is None or not self._prefetcher.is_ours:
            self._prefetcher = Prefetcher(
                self._work,
                range(self._place.batch, len(self._batches)),
                loader._workers,
                loader._ahead,
            )
        try:
            return self._prefetcher.get()
        except Stopped:  # by another thread
            raise StopIteration from None


def _work_of(loader: DataLoader, batches, seed: int, epoch: int) -> Callable:
    """What the threads do for each batch. It knows no iterator, as that would never be dropped."""

    def work(number: int, check: Callable[[], None]):
        return loader._load(batches[number], seed, epoch, check)

    return work


def _never_stopped() -> None:
    pass


def _at_least(least: int, name: str, value) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"[DataLoader] {name}: an integer was expected; got {value!r}") from None
    if number < least:
        raise ValueError(f"[DataLoader] {name} of at least {least} was expected; got {number}")
    return number

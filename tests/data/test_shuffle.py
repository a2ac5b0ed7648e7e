"""Keyed orders: known hashes, permutations, and independence of neighbouring seeds and epochs."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.data.shuffle import GOLDEN, Generators, mix, permutation, seed_of, stream


def test_the_hash_is_splitmix64():
    # The first outputs for seed 1234567, as Rosetta Code's "Pseudo-random numbers/Splitmix64" has.
    states = np.array([1234567], np.uint64) + np.arange(1, 4, dtype=np.uint64) * GOLDEN
    assert mix(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_an_order_holds_every_number_once(count):
    assert sorted(permutation(count, 7).tolist()) == list(range(count))


def test_orders_of_different_seeds_and_epochs_are_unrelated():
    orders = [permutation(2000, stream(seed, epoch)) for seed in range(3) for epoch in range(3)]
    for i, a in enumerate(orders):
        for b in orders[:i]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.1  # 4.5 standard deviations


def test_first_places_are_uniform():
    firsts = [permutation(10, stream(seed))[0] for seed in range(5000)]
    counts = np.bincount(firsts, minlength=10)
    assert ((counts - 500) ** 2 / 500).sum() < 27.9  # chi-squared, 9 degrees, p = 0.001


def test_a_random_key_is_a_seed():
    assert seed_of(mx.random.key(5)) == 5
    assert seed_of(-1) == 2**64 - 1
    with pytest.raises(TypeError, match="an integer or a random key; got 'a'"):
        seed_of("a")


def test_the_generator_of_an_item_is_the_one_numpy_makes_for_its_key():
    generators = Generators(7)
    generators.at(1).random(3)
    generators.at(2).integers(0, 9, 5, dtype=np.uint32)  # leaves half a word behind
    for item in (1, 3, 2**63, 1):
        fresh = np.random.Generator(np.random.Philox(key=np.array([7, item], np.uint64)))
        want = fresh.integers(0, 100, 3, dtype=np.uint32), fresh.random(), fresh.normal()
        rng = generators.at(item)
        got = rng.integers(0, 100, 3, dtype=np.uint32), rng.random(), rng.normal()
        assert (want[0] == got[0]).all() and want[1:] == got[1:]

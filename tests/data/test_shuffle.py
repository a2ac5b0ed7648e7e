"""Keyed orders: known hashes, permutations, and independence of neighbouring seeds and epochs."""

import numpy as np
import olivine.core as mx
import pytest
from olivine.data.shuffle import GOLDEN, generator, mix, permutation, seed_of, stream


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


def test_generators_repeat_by_their_parts():
    a, b, c = (generator(1, *parts).random(4) for parts in ((2, 3), (2, 3), (3, 2)))
    assert (a == b).all() and not (a == c).any()

"""Handwritten digits and English text, as NumPy arrays."""

from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]


def digits(seed=0):
    """(train images, train labels, test images, test labels); images are (N, 8, 8, 1) in [0, 1]."""
    table = np.loadtxt(ROOT / "python/olivine/data/digits.csv.gz", delimiter=",", dtype=np.float32)
    table = table[np.random.default_rng(seed).permutation(len(table))]
    images, labels = table[:, :-1].reshape(-1, 8, 8, 1) / 16, table[:, -1].astype(np.int32)
    return images[:1500], labels[:1500], images[1500:], labels[1500:]


def text(count):
    """The first `count` characters as small integers, and how many different ones there are."""
    raw = (ROOT / "python/olivine/data/shakespeare.txt").read_text()[:count]
    alphabet = sorted(set(raw))
    return np.array([alphabet.index(c) for c in raw], dtype=np.int32), len(alphabet)

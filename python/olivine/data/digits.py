"""Handwritten digits that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from olivine.data.dataset import Arrays, arrays

FILE = Path(__file__).with_name("digits.csv.gz")


def digits() -> Arrays:
    """1,797 handwritten digits: `(image, label)`, float32 of shape (8, 8, 1) in [0, 1], and int32.

    The test part of UCI's Optical Recognition of Handwritten Digits, by E. Alpaydin and C. Kaynak;
    LICENSE, beside the file, has the terms.
    """
    table = np.loadtxt(FILE, delimiter=",", dtype=np.uint8)
    images = table[:, :-1].reshape(-1, 8, 8, 1).astype(np.float32) / 16
    return arrays(images, table[:, -1].astype(np.int32))

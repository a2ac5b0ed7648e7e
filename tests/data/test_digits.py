"""The bundled digits: their shape, and counts that the UCI repository's description gives."""

import numpy as np

from olivine import data


def test_digits_are_those_of_uci():
    images, labels = data.digits().arrays
    assert images.shape == (1797, 8, 8, 1) and images.dtype == np.float32
    assert labels.dtype == np.int32 and images.min() == 0 and images.max() == 1
    # Instances per class of the test part, from optdigits.names.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]

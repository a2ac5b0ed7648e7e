"""How a window's tokens divide into segments, and where the next window begins."""

import pytest

from olivine.audio.segments import divide

T = 1000  # the token of 0.00 s


@pytest.mark.parametrize(
    "tokens,parts,seconds",
    [
        # Two whole segments and nothing behind: the window is done.
        ([T, 1, T + 50, T + 50, 2, T + 100], [(0, 1, 1), (1, 2, 2)], 30),
        # What is behind the last pair was cut: the next window begins there.
        ([T, 1, T + 50, T + 60, 2], [(0, 1, 1)], 1.0),
        # The model ended with a pair: nothing is cut, the next one begins at its end.
        ([T, 1, T + 50, T + 50], [(0, 1, 1)], 1.0),
        # A single timestamp, at the end.
        ([T + 10, 1, T + 50], [(0.2, 1, 1)], 30),
        # No end at all: it lasts as long as the window.
        ([T, 1], [(0, 30, 1)], 30),
        ([1, 2], [(0, 30, 1)], 30),
        ([], [(0, 30, None)], 30),
        # Times behind the sound's end are its end.
        ([T, 1, T + 1500], [(0, 30, 1)], 30),
    ],
)
def test_parts(tokens, parts, seconds):
    found, advance = divide(tokens, T, 30.0)
    assert advance == pytest.approx(seconds)
    assert [p.start for p in found] == pytest.approx([p[0] for p in parts])
    assert [p.end for p in found] == pytest.approx([p[1] for p in parts])
    for part, (_, _, word) in zip(found, parts, strict=True):
        assert word is None or word in part.tokens


def test_nothing_ends_behind_a_short_sound():
    found, advance = divide([T, 1, T + 300, T + 300, 2, T + 400], T, 5.0)
    assert [p.end for p in found] == [5.0, 5.0] and advance == 5.0


def test_times_that_run_backwards_make_empty_parts():
    found, _ = divide([T + 100, 1, T + 50, T + 50, 2, T + 20], T, 30.0)
    assert all(part.start <= part.end for part in found)

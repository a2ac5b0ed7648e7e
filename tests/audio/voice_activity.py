"""Where somebody speaks: made voices in noise at known times."""

import numpy as np
import pytest

from olivine.audio.voice_activity import HOP, Kept, VoiceActivity, frame_levels, pieces
from tests.audio.sounds import RATE, noise, spoken, voice


@pytest.mark.parametrize("floor", [0.0, 0.0003, 0.005, 0.02])
def test_voices_are_found_where_they_are(floor):
    parts = [(2.0, 4.0), (8.0, 9.0), (15.0, 18.0)]
    found = VoiceActivity(around=0.0).regions(spoken(20, parts, floor))
    assert len(found) == 3
    np.testing.assert_allclose(found, parts, atol=0.1)


@pytest.mark.parametrize("level", [0.0, 0.001, 0.1, 0.5])
def test_noise_is_no_speech(level):
    assert VoiceActivity().regions(noise(40, level)) == []


def test_noise_that_grows_louder_is_no_speech():
    samples = np.concatenate([noise(60, 0.001), noise(60, 0.05)])
    assert VoiceActivity().regions(samples) == []


def test_a_hum_is_no_speech():
    t = np.arange(40 * RATE) / RATE
    hum = 0.1 * np.sin(2 * np.pi * 100 * t) + 0.05 * np.sin(2 * np.pi * 200 * t)
    assert VoiceActivity().regions(hum.astype(np.float32)) == []


def test_pauses_join_and_edges_widen():
    samples = spoken(20, [(2, 3), (3.5, 5), (10, 10.06)])
    whole = VoiceActivity(pause=1.0, around=0.3).regions(samples)
    np.testing.assert_allclose(whole[0], (1.7, 5.3), atol=0.1)
    assert len(whole) == 1  # the last is too short
    assert len(VoiceActivity(pause=0.2, around=0.0).regions(samples)) == 2


def test_it_ends_with_the_sound():
    found = VoiceActivity().regions(np.concatenate([noise(5), voice(1.003)]))
    assert len(found) == 1 and found[0][1] <= 6.003


@pytest.mark.parametrize("count", [0, 1, HOP, HOP + 1, 511, 10 * HOP])
def test_frames_of_short_sounds(count):
    levels, flatness = frame_levels(np.zeros(count, np.float32))
    assert len(levels) == len(flatness) == -(-count // HOP)
    assert np.isfinite(levels).all() and np.isfinite(flatness).all()


def test_levels_of_a_full_scale_sine():
    t = np.arange(RATE) / RATE
    levels, _ = frame_levels(np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    assert np.median(levels) == pytest.approx(-3.0, abs=0.2)  # its power is a half


def test_times_of_what_is_kept():
    samples = np.arange(100 * RATE, dtype=np.float32)
    kept = Kept(samples, [(10.0, 12.0), (50.0, 55.0)])
    assert len(kept.samples) == 7 * RATE and kept.samples[2 * RATE] == 50 * RATE
    assert [kept.time(t) for t in (0, 1.5, 2.0, 3.0)] == [10, 11.5, 50, 51]
    assert kept.time(2.0, True) == 12 and kept.time(7.0, True) == 55 and kept.time(7.5) == 55.5


def test_pieces_end_where_it_is_quiet():
    quiet = [22.0, 47.0, 69.0]
    samples = noise(90, 0.1)
    for time in quiet:
        samples[round(time * RATE) : round((time + 0.5) * RATE)] *= 0.01
    parts = pieces(samples)
    assert parts[0][0] == 0 and parts[-1][1] == 90.0
    assert all(a[1] == b[0] for a, b in zip(parts, parts[1:], strict=False))
    assert all(end - start <= 30 for start, end in parts)
    for (_, end), time in zip(parts, quiet, strict=False):
        assert time <= end <= time + 0.5


def test_pieces_of_regions_join_what_fits():
    samples = noise(100)
    assert pieces(samples, [(0, 5), (7, 20), (40, 50)]) == [(0, 20), (40, 50)]

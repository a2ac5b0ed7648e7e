"""Listening: utterances of a sound that comes in blocks, and recorders of the microphone."""

import sys

import numpy as np
import pytest

from olivine.audio import live, transcription
from olivine.audio.errors import AudioError
from olivine.audio.live import listen, microphone, utterances
from olivine.audio.voice_activity import VoiceActivity
from tests.audio.fake import FakeModel, FakeTokenizer, hear
from tests.audio.sounds import RATE, noise, spoken, voice

PARTS = [(2.0, 6.0), (9.0, 13.5), (20.0, 24.0)]


def blocks(samples, size=1600):
    return (samples[i : i + size] for i in range(0, len(samples), size))


def cut(samples, size=1600, pause=0.8, longest=30.0):
    found = list(utterances(blocks(samples, size), VoiceActivity(), pause, longest))
    return [(start, start + len(part) / RATE) for start, part in found]


@pytest.mark.parametrize("size", [100, 1600, 16000, 10**6])
def test_an_utterance_for_each_stretch_of_speech(size):
    found = cut(spoken(30, PARTS), size)
    assert len(found) == 3
    np.testing.assert_allclose(found, np.array(PARTS) + (-0.3, 0.3), atol=0.15)


def test_an_utterance_is_there_soon_after_its_end():
    samples = spoken(30, PARTS)
    read = 0

    def counted():
        nonlocal read
        for block in blocks(samples):
            read += len(block)
            yield block

    next(utterances(counted(), VoiceActivity(), 0.8, 30.0))
    assert 6.0 < read / RATE < 7.3


def test_speech_up_to_the_end_and_without_pauses():
    assert len(cut(np.concatenate([noise(3), voice(4)]))) == 1
    long = cut(spoken(100, [(5, 95)]))
    assert len(long) >= 3 and all(end - start <= 30.0 for start, end in long)
    assert long[0][0] == pytest.approx(4.7, abs=0.2) and long[-1][1] == pytest.approx(95.3, abs=0.2)
    for (_, end), (start, _) in zip(long, long[1:], strict=False):
        assert start - end < 0.1


def test_hours_of_silence_are_not_held():
    cutter = live._Cutter(VoiceActivity(), 0.8, 30.0)
    for i in range(40):
        assert not list(cutter.add(noise(10, seed=i)))
        assert len(cutter._held) <= 3 * RATE and len(cutter._history) <= 1500


def test_nothing_at_all():
    assert cut(np.zeros(0, np.float32)) == [] and cut(noise(5)) == []


def test_segments_of_a_sound_that_goes_on(monkeypatch):
    monkeypatch.setattr(transcription, "decode", hear)
    model = FakeModel()
    found = list(listen(model, FakeTokenizer(), blocks(spoken(30, PARTS, floor=0.0003))))
    assert len(model.seen) == 3  # one window each
    assert model.seen[1].prompt  # it is told what was said
    assert [s.id for s in found] == list(range(len(found)))
    for start, end in PARTS:
        assert any(start - 0.3 <= s.start and s.end <= end + 0.4 for s in found)
    assert all(a.start <= b.start for a, b in zip(found, found[1:], strict=False))


RECORDER = """#!{python}
import sys
assert "16000" in sys.argv
if {fails}:
    sys.exit("no such device")
sys.stdout.buffer.write(bytes(6400))
"""


@pytest.mark.parametrize("name", ["arecord", "pw-record", "parec"])
def test_the_microphone(tmp_path, monkeypatch, name):
    program = tmp_path / name
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match="expected one of the programs arecord"):
        next(microphone())
    program.write_text(RECORDER.format(python=sys.executable, fails=False))
    program.chmod(0o755)
    assert sum(map(len, microphone())) == 3200
    program.write_text(RECORDER.format(python=sys.executable, fails=True))
    with pytest.raises(AudioError, match=f"{name} gave none: no such device"):
        next(microphone())

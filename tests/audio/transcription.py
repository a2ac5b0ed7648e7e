"""Long sound: windows, fallback, context, clips, batches, words, on a listener of bursts."""

import numpy as np
import pytest

from olivine.audio import transcription
from olivine.audio.errors import AudioError
from olivine.audio.transcription import TranscribeOptions, Transcriber, transcribe
from tests.audio.fake import FakeModel, FakeTokenizer, bursts, hear, result
from tests.audio.sounds import RATE, noise, spoken

TOKENIZER = FakeTokenizer()
T = TOKENIZER.timestamp_begin


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(transcription, "decode", hear)
    monkeypatch.setattr(transcription, "detect_language", lambda *_: [("en", {})])
    return FakeModel()


@pytest.fixture
def scripted(monkeypatch):
    """A model whose windows are decoded to given results, one after the other."""

    def scripted(*results):
        model = FakeModel()
        left = list(results)

        def decode(model, tokenizer, features, options):
            model.seen.append(options)
            return [left.pop(0) for _ in range(features.shape[0])]

        monkeypatch.setattr(transcription, "decode", decode)
        return model

    return scripted


def places(segments):
    return [segment.start for segment in segments]


@pytest.mark.parametrize("more", [{}, {"batch_size": 3}, {"voice_activity": True}])
def test_every_burst_once_at_its_time(model, more):
    times = np.arange(1.3, 148, 3.7)
    if "voice_activity" in more:
        samples = spoken(150, [(t, t + 0.5) for t in times], floor=0.0003)
    else:
        samples = bursts(150, times)
    found = transcribe(model, TOKENIZER, samples, **more)
    assert len(found.segments) == len(times)
    np.testing.assert_allclose(places(found.segments), times, atol=0.06)
    assert [s.id for s in found.segments] == list(range(len(times)))
    assert found.text == " x" * len(times) and found.language == "en"
    assert found.duration == 150.0


def test_no_drift_over_half_an_hour(model):
    times = np.arange(0.7, 1799, 7.31)
    found = transcribe(model, TOKENIZER, bursts(1800, times))
    np.testing.assert_allclose(places(found.segments), times, atol=0.06)
    told = max(len(options.prompt or []) for options in model.seen)
    assert told <= 223  # what a window is told does not grow


def test_a_burst_that_a_window_cuts_is_whole_in_the_next(model):
    found = transcribe(model, TOKENIZER, bursts(40, [10.0, 29.8]))
    assert places(found.segments) == pytest.approx([10.0, 29.8], abs=0.06)
    assert found.segments[1].end == pytest.approx(30.3, abs=0.06)


def test_progress_and_segments_are_told_as_they_come(model):
    told, segments = [], []
    found = transcribe(
        model,
        TOKENIZER,
        bursts(95, [1, 50]),
        on_progress=told.append,
        on_segment=segments.append,
    )
    assert segments == found.segments
    assert told == sorted(told) and told[-1] == 95.0 and len(told) >= 4


def test_clips(model):
    times = np.arange(1.0, 100, 5.0)
    found = transcribe(model, TOKENIZER, bursts(100, times), clips=[(10, 20), (58, None)])
    expected = [t for t in times if 10 <= t < 20 or t >= 58]
    assert places(found.segments) == pytest.approx(expected, abs=0.06)
    assert not transcribe(model, TOKENIZER, bursts(10, [1]), clips=[(20, 30)]).segments


@pytest.mark.parametrize("clips", [[(5, 5)], [(-1, 3)], [(5, 10), (8, 20)], [(0, None), (3, 4)]])
def test_clips_out_of_order(clips):
    with pytest.raises(ValueError, match=r"\[transcribe\] expected clips"):
        TranscribeOptions(clips=clips)


@pytest.mark.parametrize(
    "bad", [{"temperatures": ()}, {"batch_size": 0}, {"task": "sing"}, {"temperatures": (-1,)},
            {"language": "Klingon"}, {"beam_size": 0}]
)  # fmt: skip
def test_options_that_there_are_not(bad):
    with pytest.raises(ValueError, match="expected"):
        TranscribeOptions(**bad)


@pytest.mark.parametrize("samples", [np.zeros((2, 100), np.float32), np.zeros(100, np.int16)])
def test_samples_that_are_none(model, samples):
    with pytest.raises(AudioError, match="expected floats of one channel"):
        transcribe(model, TOKENIZER, samples)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_sounds_too_short_to_hold_a_word(model, count):
    assert transcribe(model, TOKENIZER, np.zeros(count, np.float32)).segments == []


def one(**values):
    return result([T, *b" word", T + 100], **values)


SOUND = noise(10)


def test_a_text_that_fails_is_decoded_at_higher_temperatures(scripted):
    model = scripted(one(avg_logprob=-2), one(compression_ratio=9), one())
    transcribe(model, TOKENIZER, SOUND, beam_size=3, best_of=4)
    asked = [(o.temperature, o.beam_size, o.best_of) for o in model.seen]
    assert asked == [(0.0, 3, None), (0.2, None, 4), (0.4, None, 4)]


def test_the_last_temperature_is_taken_as_it_is(scripted):
    model = scripted(one(avg_logprob=-2), one(avg_logprob=-3, temperature=0.5))
    found = transcribe(model, TOKENIZER, SOUND, temperatures=(0, 0.5))
    assert found.segments[0].avg_logprob == -3


def test_thresholds_of_none_let_everything_pass(scripted):
    model = scripted(one(avg_logprob=-9, compression_ratio=9))
    thresholds = {"logprob_threshold": None, "compression_ratio_threshold": None}
    assert transcribe(model, TOKENIZER, SOUND, **thresholds).segments
    assert len(model.seen) == 1


def test_silence_is_left_out_and_not_decoded_again(scripted):
    model = scripted(one(no_speech_prob=0.9, avg_logprob=-2))
    assert not transcribe(model, TOKENIZER, SOUND).segments
    assert len(model.seen) == 1
    sure = scripted(one(no_speech_prob=0.9, avg_logprob=-0.3))  # words that are likely stay
    assert transcribe(sure, TOKENIZER, SOUND).segments
    never = scripted(one(no_speech_prob=0.9, avg_logprob=-0.9))
    assert transcribe(never, TOKENIZER, SOUND, no_speech_threshold=None).segments


def test_a_window_is_told_what_was_said(scripted):
    model = scripted(one(), one(), one())
    transcribe(model, TOKENIZER, noise(90), initial_prompt=" Names ")
    prompts = [o.prompt for o in model.seen]
    said = one().tokens
    assert prompts[0] == list(b" Names")
    assert prompts[1] == prompts[0] + said and prompts[2] == prompts[1] + said


def test_nothing_is_told_after_a_risky_window_or_if_not_wanted(scripted):
    risky = scripted(one(temperature=0.8), one())
    transcribe(risky, TOKENIZER, noise(60), temperatures=(0.8,))
    assert risky.seen[1].prompt is None
    alone = scripted(one(), one())
    transcribe(alone, TOKENIZER, noise(60), condition_on_previous_text=False)
    assert alone.seen[1].prompt is None


def test_the_first_language_found_is_kept(scripted):
    model = scripted(one(language="de"), one(language="de"))
    assert transcribe(model, TOKENIZER, noise(60)).language == "de"
    assert [o.language for o in model.seen] == [None, "de"]


def test_silence_tells_no_language(scripted):
    model = scripted(one(language="de", no_speech_prob=0.9, avg_logprob=-2), one())
    assert transcribe(model, TOKENIZER, noise(60)).language == "en"


def test_an_english_model_refuses_other_languages():
    with pytest.raises(ValueError, match="expected English"):
        Transcriber(FakeModel(), FakeTokenizer(multilingual=False), language="de")


def test_timestamps_that_lead_nowhere_do_not_hold_it_up(scripted):
    model = scripted(*[result([T, T, 120])] * 3)
    assert not transcribe(model, TOKENIZER, noise(90)).segments
    assert len(model.seen) == 3


def test_a_batch_decodes_again_what_fails_alone(scripted, monkeypatch):
    monkeypatch.setattr(transcription, "detect_language", lambda *_: [("de", {})])
    better = one(avg_logprob=-0.5, temperature=0.2)
    model = scripted(one(), one(avg_logprob=-2), one(), better, one(), one())
    clips = [(0, 25), (30, 55), (60, 85), (90, 110)]
    found = transcribe(model, TOKENIZER, noise(110), batch_size=3, initial_prompt="a", clips=clips)
    assert [s.avg_logprob for s in found.segments] == [-0.2, -0.5, -0.2, -0.2]
    assert [s.start for s in found.segments] == [0, 30, 60, 90]
    assert found.language == "de" and {o.language for o in model.seen} == {"de"}
    assert all(o.prompt == list(b" a") for o in model.seen)


def test_words_of_a_window_are_those_of_its_segments(scripted):
    tokens = [T, *b" ab cd", T + 100, T + 100, *b" ef", T + 300]
    model = scripted(result(tokens))
    found = transcribe(model, TOKENIZER, SOUND, word_timestamps=True)
    words = [[w.word for w in s.words] for s in found.segments]
    assert words == [[" ab", " cd"], [" ef"]]
    starts = [w.start for s in found.segments for w in s.words]
    # The fake model looks at one second and a twentieth for each token.
    assert starts[1:] == pytest.approx([1.15, 1.3], abs=0.06)
    assert found.segments[1].start == starts[2]
    assert all(w.probability > 0.9 for s in found.segments for w in s.words)


def test_segments_after_a_gap_that_is_left_out_have_the_sounds_own_times(model):
    samples = spoken(70, [(5, 6), (50, 51)], floor=0.0003)
    found = transcribe(model, TOKENIZER, samples, voice_activity=True)
    starts = places(found.segments)
    assert starts[0] == pytest.approx(5, abs=0.1) and starts[-1] == pytest.approx(50, abs=0.6)
    assert len(model.seen) == 1  # both fit into one window
    assert found.duration == len(samples) / RATE


def test_nobody_speaks(model):
    assert not transcribe(model, TOKENIZER, noise(60, 0.05), voice_activity=True).segments
    assert not model.seen

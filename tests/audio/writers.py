"""Files of transcriptions, letter for letter."""

import json

import pytest

from olivine.audio.segments import Segment, Transcription
from olivine.audio.timing import Word
from olivine.audio.writers import clock


def segment(start, end, text, words=None):
    return Segment(0, 0, start, end, text, [1, 2], 0.0, -0.5, 1.2, 0.1, words)


WORDS = [Word(" One", 0.0, 0.5, 0.91234567), Word(" & two", 0.5, 1.25, 0.8)]
SAID = Transcription(
    " One & two --> three\nfour",
    [segment(0.0, 1.25, " One & two", WORDS), segment(3661.0004, 3662.9999, "--> three\nfour")],
    "en",
    4000.0,
)

EXPECTED = {
    "txt": "One & two\n--> three four\n",
    "srt": "1\n00:00:00,000 --> 00:00:01,250\nOne & two\n\n"
    "2\n01:01:01,000 --> 01:01:03,000\n-> three four\n\n",
    "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nOne<00:00:00.500> &amp; two\n\n"
    "01:01:01.000 --> 01:01:03.000\n--&gt; three four\n\n",
    "tsv": "start\tend\ttext\n0\t1250\tOne & two\n3661000\t3663000\t--> three four\n",
}


@pytest.mark.parametrize("format", EXPECTED)
def test_formats(tmp_path, format):
    assert SAID.render(format) == EXPECTED[format]
    SAID.write(tmp_path / f"a.{format}")
    assert (tmp_path / f"a.{format}").read_text() == EXPECTED[format]


def test_json():
    values = json.loads(SAID.render("json"))
    assert values["text"] == SAID.text and values["language"] == "en"
    assert values["duration"] == 4000.0
    first, second = values["segments"]
    assert first["words"][0] == {"word": " One", "start": 0.0, "end": 0.5, "probability": 0.9123}
    assert "words" not in second and second["start"] == 3661.0 and second["tokens"] == [1, 2]


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new" / "a.srt"
    SAID.write(path)
    with pytest.raises(FileExistsError):
        SAID.write(path)
    SAID.write(path, "txt", overwrite=True)
    assert path.read_text() == EXPECTED["txt"]
    assert [p.name for p in path.parent.iterdir()] == ["a.srt"]


def test_formats_that_there_are_not(tmp_path):
    with pytest.raises(ValueError, match=r"\[transcribe\] expected a format among txt, srt"):
        SAID.write(tmp_path / "a.doc")
    assert not list(tmp_path.iterdir())


def test_clock():
    assert clock(0.0006, ".") == "00:00:00.001" and clock(-1, ",") == "00:00:00,000"
    assert clock(360000.5, ".") == "100:00:00.500"

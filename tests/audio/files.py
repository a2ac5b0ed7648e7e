"""Reading sound: every kind of WAV, other formats, pipes, and files that are none."""

import io
import os
import struct
import sys
import threading

import numpy as np
import pytest

from olivine.audio import files
from olivine.audio.errors import AudioError
from olivine.audio.files import audio_blocks, load_audio
from olivine.audio.wav import Raw
from tests.audio.sounds import pcm16, wav

TONE = (0.5 * np.sin(np.arange(1600) / 20)).astype(np.float32)


@pytest.fixture
def no_others(monkeypatch):
    """Neither soundfile nor ffmpeg."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def save(tmp_path):
    def save(content, name="a.wav"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return save


def encoded(kind, bits):
    whole = np.round(TONE.astype(np.float64) * (2 ** (bits - 1) - 1)).astype(np.int64)
    if kind == 3:
        return TONE.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    if bits == 24:
        return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return whole.astype(f"<i{bits // 8}").tobytes()


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("kind,bits", [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_every_kind_of_wav(save, no_others, kind, bits, extensible):
    path = save(wav(encoded(kind, bits), kind=kind, bits=bits, extensible=extensible))
    samples = load_audio(path)
    assert samples.dtype == np.float32 and samples.shape == (1600,)
    np.testing.assert_allclose(samples, TONE, atol=0.01 if bits == 8 else 1e-4)


def test_channels_are_averaged_and_rates_changed(save, no_others):
    stereo = np.stack([TONE, -TONE / 2], axis=1).ravel()
    path = save(wav(pcm16(stereo), rate=8000, channels=2))
    samples = load_audio(path)
    assert len(samples) == 3200
    np.testing.assert_allclose(samples[200:-200:2], TONE[100:-100] / 4, atol=1e-3)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_recorder_that_did_not_know_the_length(save, no_others, size):
    content = wav(pcm16(TONE), size=size)
    assert len(load_audio(save(content))) == 1600
    assert len(load_audio(io.BytesIO(content))) == 1600


def test_rf64(save, no_others):
    content = wav(pcm16(TONE), size=0xFFFFFFFF)
    long = b"ds64" + struct.pack("<IQQQI", 28, 0, 3200, 1600, 0)
    path = save(b"RF64" + content[4:12] + long + content[12:] + b"behind it")
    assert len(load_audio(path)) == 1600


def test_chunks_behind_the_samples_are_no_samples(save, no_others):
    content = wav(pcm16(TONE)) + b"LIST" + struct.pack("<I", 4) + b"abcd"
    assert len(load_audio(save(content))) == 1600
    assert len(load_audio(io.BytesIO(content))) == 1600


@pytest.mark.parametrize(
    "content,message",
    [
        (b"", "is empty"),
        (b"hello, I am no sound", "expected a WAV file, since others need the package soundfile"),
        (wav(pcm16(TONE))[:-100], r"expected 3,200 bytes of samples in .*; it ends after 3,100"),
        (wav(pcm16(TONE))[:30], "ends in its header"),
        (wav(b""), "has no samples"),
        (wav(pcm16(TONE), rate=7), "expected 1,000 to 1,000,000 samples a second; got 7"),
        (wav(pcm16(TONE), channels=0), "expected 1 to 256 channels; got 0"),
        (wav(np.float32([0, np.nan]).tobytes(), kind=3, bits=32), "NaN or infinity"),
        (wav(pcm16(TONE), kind=2), "expected a WAV file, since others need"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "say how its samples are stored"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\xff", "ends in its header"),
    ],
)
def test_bad_files_get_one_clear_error(save, no_others, content, message):
    with pytest.raises(AudioError, match=message) as error:
        load_audio(save(content))
    assert "\n" not in str(error.value) and "a.wav" in str(error.value)


def test_every_cut_of_a_header_is_an_error(save, no_others):
    content = wav(pcm16(TONE[:10]))
    for size in range(len(content)):
        with pytest.raises(AudioError):
            load_audio(io.BytesIO(content[:size]))


def test_sounds_of_days_are_refused_before_memory_ends(save, no_others, monkeypatch):
    monkeypatch.setattr(files, "LONGEST", 3600)
    endless = io.BufferedReader(_Endless())
    with pytest.raises(AudioError, match="expected at most 1 hours of sound"):
        for _ in audio_blocks(endless, raw=Raw(1000, "u8")):
            pass


class _Endless(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, buffer):
        return len(buffer)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(IsADirectoryError):
        load_audio(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_audio(tmp_path / "none.wav")


def test_a_pipe_gives_samples_as_they_come(no_others):
    read, write = os.pipe()
    content = wav(pcm16(np.zeros(16000)), size=0xFFFFFFFF)
    with open(read, "rb") as source:
        blocks = audio_blocks(source)
        os.write(write, content[:16000])
        assert len(next(blocks)) > 1000  # though the pipe is open still
        threading.Timer(0.05, lambda: (os.write(write, content[16000:]), os.close(write))).start()
        assert sum(len(block) for block in blocks) > 8000


def test_raw_samples():
    stereo = np.stack([TONE, TONE], axis=1).astype("<f4").tobytes()
    samples = load_audio(io.BytesIO(stereo + b"xyz"), raw=Raw.parse("16000:f32:2"))
    np.testing.assert_array_equal(samples, TONE)
    np.testing.assert_allclose(load_audio(io.BytesIO(pcm16(TONE)), raw=Raw(16000)), TONE, atol=1e-4)


@pytest.mark.parametrize("text", ["", "x", "16000:s17", "16000:s16:0", "16000:s16:1:1", "5", "-1"])
def test_raw_formats_that_there_are_not(text):
    with pytest.raises(AudioError, match=r"\[audio\] expected"):
        Raw.parse(text)


@pytest.mark.parametrize("format", ["flac", "ogg", "mp3", "aiff"])
def test_other_formats_by_soundfile(tmp_path, format):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"a.{format}"
    sound = np.tile(TONE, 20)
    soundfile.write(path, sound, 16000)
    for source in (path, open(path, "rb")):
        samples = load_audio(source)
        assert abs(len(samples) - len(sound)) <= 2400
        assert abs(np.abs(samples).max() - 0.5) < 0.1


def test_a_flac_file_that_is_cut(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 30000), 16000)
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioError, match="breaks off|ends after"):
        load_audio(path)


FFMPEG = """#!{python}
import sys
import numpy as np
name = sys.argv[sys.argv.index("-i") + 1]
assert name.startswith("file:/"), name
data = open(name[5:], "rb").read()
if b"mute" in data:
    print("Stream map '' matches no streams.", file=sys.stderr)
if data.startswith(b"bad"):
    print("first line", name + ": Invalid data found", sep="\\n", file=sys.stderr)
    sys.exit(1)
rate = int(sys.argv[sys.argv.index("-ar") + 1])
sys.stdout.buffer.write(np.full(rate // 2, 0.25, "<f4").tobytes())
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A program of that name, which finds half a second in anything that isn't bad."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FFMPEG.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setitem(sys.modules, "soundfile", None)


def test_any_format_by_ffmpeg(save, ffmpeg, monkeypatch):
    path = save(b"some video", "-v.mp4")
    np.testing.assert_array_equal(load_audio(path), np.full(8000, 0.25, np.float32))
    monkeypatch.chdir(path.parent)
    assert len(load_audio("-v.mp4")) == 8000
    assert len(load_audio(open(path, "rb"))) == 8000


def test_what_ffmpeg_says_of_a_bad_file(save, ffmpeg):
    with pytest.raises(AudioError, match="ffmpeg says of .*x.mp4: .*x.mp4: Invalid data found$"):
        load_audio(save(b"bad", "x.mp4"))


def test_a_video_without_sound(save, ffmpeg):
    with pytest.raises(AudioError, match="ffmpeg says of .*x.mp4: there is no sound in it$"):
        load_audio(save(b"bad: mute", "x.mp4"))


def test_a_reader_that_stops_early_stops_ffmpeg(save, ffmpeg):
    blocks = audio_blocks(save(b"some video", "a.mp4"))
    next(blocks)
    blocks.close()

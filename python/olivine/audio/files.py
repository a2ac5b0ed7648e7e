"""Sound files and pipes as samples: one channel, at the rate that is asked for.

WAV is read here. Any other format is read by soundfile (the extra `audio`), and what that does not
know by the program `ffmpeg`, if it is installed.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from olivine.audio.errors import AudioError
from olivine.audio.resampling import Resampler
from olivine.audio.wav import OtherCoding, Raw, read_wav

SAMPLE_RATE = 16_000
LONGEST = 24 * 3600  # seconds of sound; 5.5 GB of samples
_FRAMES = 1 << 16  # read at once


def load_audio(
    source: str | os.PathLike | BinaryIO, rate: int = SAMPLE_RATE, raw: Raw | None = None
) -> np.ndarray:
    """The samples of a sound as float32 from -1 to 1, its channels averaged.

    `source` is a path or a binary file object, such as `sys.stdin.buffer`. `raw` says how samples
    are stored that come without a header. Raises AudioError if it is no sound, ends early, has no
    samples or more than 24 hours of them; OSError if it can not be opened.
    """
    return np.concatenate(list(audio_blocks(source, rate, raw)))


def audio_blocks(
    source: str | os.PathLike | BinaryIO, rate: int = SAMPLE_RATE, raw: Raw | None = None
) -> Iterator[np.ndarray]:
    """The samples of `load_audio` as they are read: those of a pipe when they come."""
    if hasattr(source, "read"):
        name = str(getattr(source, "name", "the stream"))
        name = "standard input" if name == "<stdin>" else name
        yield from _checked(_stream(source, name, rate, raw), rate, name)
    else:
        path = Path(source)
        if path.is_dir():
            raise IsADirectoryError(21, "expected a sound file; it is a folder", str(path))
        yield from _checked(_file(path, str(path), rate, raw), rate, str(path))


def _checked(blocks: Iterable[np.ndarray], rate: int, name: str) -> Iterator[np.ndarray]:
    """The blocks; AudioError if they are none, too many, or no numbers."""
    count = 0
    for block in blocks:
        count += len(block)
        if count > LONGEST * rate:
            raise AudioError(
                f"[audio] expected at most {LONGEST // 3600} hours of sound; {name} has more"
            )
        if not np.isfinite(block).all():
            raise AudioError(
                f"[audio] expected finite samples; {name} has NaN or infinity within second "
                f"{count / rate:.0f}"
            )
        if len(block):
            yield block
    if count == 0:
        raise AudioError(f"[audio] expected a sound; {name} has no samples")


def _resampled(blocks: Iterable[np.ndarray], old: int, new: int) -> Iterator[np.ndarray]:
    resampler = Resampler(old, new)
    for block in blocks:
        yield resampler(block)
    yield resampler.finish()


def _stream(file: BinaryIO, name: str, rate: int, raw: Raw | None) -> Iterator[np.ndarray]:
    """Raw samples and WAV as they come; any other format once all of it is there."""
    if raw is not None:
        yield from _resampled(raw.blocks(file, None, name), raw.rate, rate)
        return
    head = b""
    while len(head) < 12:
        more = file.read(12 - len(head))
        if not more:
            break
        head += more
    if not head:
        raise AudioError(f"[audio] expected a sound; {name} is empty")
    whole = _Joined(head, file)
    if _is_wav(head):
        try:
            format, blocks = read_wav(whole, name)
        except OtherCoding as error:
            raise AudioError(
                f"[audio] expected integers or floats in the WAV of {name}; got {error}"
            ) from None
        yield from _resampled(blocks, format.rate, rate)
        return
    with tempfile.NamedTemporaryFile(prefix="olivine-sound-") as copy:
        shutil.copyfileobj(whole, copy)
        copy.flush()
        yield from _file(Path(copy.name), name, rate, None)


def _file(path: Path, name: str, rate: int, raw: Raw | None) -> Iterator[np.ndarray]:
    with open(path, "rb") as file:
        head = file.read(12)
        if not head:
            raise AudioError(f"[audio] expected a sound; {name} is empty")
        file.seek(0)
        if raw is not None:
            yield from _resampled(raw.blocks(file, None, name), raw.rate, rate)
            return
        if _is_wav(head):
            try:
                format, blocks = read_wav(file, name)
            except OtherCoding:
                pass
            else:
                yield from _resampled(blocks, format.rate, rate)
                return
    yield from _other(path, name, rate)


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def _other(path: Path, name: str, rate: int) -> Iterator[np.ndarray]:
    """By soundfile, or by ffmpeg if that is not there or does not know the format."""
    try:
        soundfile = importlib.import_module("soundfile")
    except (ImportError, OSError):  # OSError: it is there without its library
        soundfile = None
    ffmpeg = shutil.which("ffmpeg")
    reason = ""
    if soundfile is not None:
        try:
            file = soundfile.SoundFile(str(path))
        except soundfile.LibsndfileError as error:
            reason = str(getattr(error, "error_string", error))
        else:
            with file:
                yield from _by_soundfile(soundfile, file, name, rate)
            return
    if ffmpeg:
        yield from _by_ffmpeg(ffmpeg, path, name, rate)
    elif soundfile is not None:
        raise AudioError(
            f"[audio] expected a sound file; got {name} ({reason.strip(' .')}); more formats can "
            "be read where the program ffmpeg is installed"
        )
    else:
        raise AudioError(
            f"[audio] expected a WAV file, since others need the package soundfile (pip install "
            f"'olivine[audio]') or the program ffmpeg; got {name}"
        )


def _by_soundfile(soundfile, file, name: str, rate: int) -> Iterator[np.ndarray]:
    def blocks() -> Iterator[np.ndarray]:
        count = 0
        while True:
            try:
                block = file.read(_FRAMES, "float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"[audio] expected a whole sound file; {name} breaks off after "
                    f"{count / file.samplerate:.1f} s ({error})"
                ) from None
            if not len(block):
                break
            count += len(block)
            yield block.mean(axis=1)
        # Lengths that are not known are as large as the type allows.
        if count < file.frames < 1 << 62:
            raise AudioError(
                f"[audio] expected {file.frames / file.samplerate:.1f} s of sound in {name}; it "
                f"ends after {count / file.samplerate:.1f} s"
            )

    yield from _resampled(blocks(), file.samplerate, rate)


def _by_ffmpeg(program: str, path: Path, name: str, rate: int) -> Iterator[np.ndarray]:
    """The first sound track of any file that ffmpeg reads; it opens no other file or address."""
    command = [
        program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe",
        "-i", f"file:{path.absolute()}", "-map", "0:a:0", "-ac", "1", "-ar", str(rate),
        "-f", "f32le", "pipe:1",
    ]  # fmt: skip
    with tempfile.TemporaryFile() as messages:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages
        ) as process:
            try:
                yield from Raw(rate, "f32").blocks(process.stdout, None, name)
                status = process.wait()
            finally:
                process.kill()
        messages.seek(0)
        said = messages.read(10_000).decode(errors="replace").strip().splitlines()
        if status:
            reason = said[-1].replace(f"file:{path.absolute()}", name) if said else "no reason"
            if any("matches no streams" in line for line in said):  # a video, or a text, without
                reason = "there is no sound in it"
            raise AudioError(f"[audio] expected a sound file; ffmpeg says of {name}: {reason}")


class _Joined(io.RawIOBase):
    """What was read of a stream already, and the rest of it."""

    def __init__(self, head: bytes, file: BinaryIO):
        self._head, self._file = head, file

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            head, self._head = self._head, b""
            return head + self._file.read()
        head, self._head = self._head[:size], self._head[size:]
        return head or self._file.read(size)

    def read1(self, size: int) -> bytes:
        if self._head:
            return self.read(size)
        return getattr(self._file, "read1", self._file.read)(size)

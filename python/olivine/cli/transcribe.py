"""`olivine transcribe`: what is said in files, a pipe or the microphone, as text or subtitles."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from olivine.cli.errors import RunError, UsageError, real, whole
from olivine.cli.line import ProgressLine

DESCRIPTION = """\
Write down what is said, with Whisper. FILE is a sound file of any format that soundfile (the extra
`audio`) or the program ffmpeg reads; WAV needs neither. `-` is standard input.

The text goes to standard output as it is found, or with --output-dir to a file per sound and
format, which appears whole or not at all. Speed and memory go to standard error.

--live writes down a pipe or, with --microphone, what the microphone hears, sentence after sentence,
until it ends or Ctrl-C is pressed.
"""

EXAMPLES = """\
examples:
  olivine transcribe talk.wav
  olivine transcribe talk.mp3 --format srt > talk.srt         subtitles
  olivine transcribe *.mp3 --output-dir texts --format all    texts/NAME.txt, .srt, .vtt, ...
  olivine transcribe interview.m4a --language de --task translate
  olivine transcribe talk.wav --word-timestamps --format json
  olivine transcribe talk.wav --prompt "Olivine, MLX, safetensors"    how names are written
  olivine transcribe long.mp3 --batch-size 8 --skip-silence   faster: several windows at once
  olivine transcribe --microphone
  arecord -q -f S16_LE -r 16000 | olivine transcribe - --live
"""

# As many as writers.FORMATS, which is not imported until it is needed.
FORMATS = ("txt", "srt", "vtt", "tsv", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("files", nargs="*", metavar="FILE", help="sound files; - for stdin")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="folder, .pt file, installed package or Hugging Face id (whisper-base, if installed)",
    )
    parser.add_argument("--language", metavar="NAME", help="de or German; (found by listening)")
    parser.add_argument(
        "--task",
        choices=("transcribe", "translate"),
        default="transcribe",
        help="translate: into English (transcribe)",
    )
    parser.add_argument("--prompt", metavar="TEXT", help="what could have been said before")
    parser.add_argument(
        "--clip",
        type=_clip,
        action="append",
        metavar="FROM-TO",
        help="only these seconds, as in 60-90 or 60-; may be given several times",
    )
    _add_output(parser.add_argument_group("output"))
    _add_live(parser.add_argument_group("live"))
    _add_decoding(parser.add_argument_group("how text is found"))
    _add_machine(parser.add_argument_group("speed and memory"))


def _add_output(group) -> None:
    group.add_argument(
        "--format",
        type=_formats,
        default=["txt"],
        metavar="F",
        help=f"{', '.join(FORMATS)}, several with commas, or all (txt)",
    )
    group.add_argument("--output-dir", metavar="DIR", help="write DIR/NAME.F for each sound")
    group.add_argument("--overwrite", action="store_true", help="replace files that are there")
    group.add_argument(
        "--word-timestamps", action="store_true", help="when each word was said (json, vtt)"
    )
    group.add_argument("--quiet", action="store_true", help="no progress, no report")


def _add_live(group) -> None:
    group.add_argument("--live", action="store_true", help="write stdin down while it comes")
    group.add_argument("--microphone", action="store_true", help="listen; implies --live")
    group.add_argument(
        "--pause", type=real(0.1, 10), default=0.8, metavar="S", help="ends an utterance (0.8)"
    )
    group.add_argument(
        "--raw",
        metavar="RATE[:F[:CH]]",
        help="stdin has no header: samples a second, format (s16), channels (1); 48000:f32:2",
    )


def _add_decoding(group) -> None:
    group.add_argument(
        "--beam-size", type=whole(1, 100), metavar="N", help="follow N texts (the likeliest token)"
    )
    group.add_argument(
        "--temperature",
        type=real(0, 1),
        default=0.0,
        metavar="X",
        help="0 takes the likeliest; is raised where the text fails (0)",
    )
    group.add_argument(
        "--no-fallback", action="store_true", help="never decode again at a higher temperature"
    )
    group.add_argument("--best-of", type=whole(1, 100), default=5, metavar="N", help="draws (5)")
    group.add_argument(
        "--no-context", action="store_true", help="windows are not told what was said before"
    )
    group.add_argument("--skip-silence", action="store_true", help="leave out where nobody speaks")
    group.add_argument(
        "--no-speech-threshold", type=real(0, 1), default=0.6, metavar="P", help="(0.6)"
    )
    group.add_argument(
        "--logprob-threshold", type=real(-100), default=-1.0, metavar="X", help="(-1)"
    )
    group.add_argument(
        "--compression-ratio-threshold", type=real(0), default=2.4, metavar="X", help="(2.4)"
    )
    group.add_argument("--seed", type=whole(0), metavar="N", help="the same seed, the same draws")


def _add_machine(group) -> None:
    group.add_argument(
        "--batch-size",
        type=whole(1, 256),
        default=1,
        metavar="N",
        help="decode N windows at once, without context (1)",
    )
    group.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), help="of the weights (the files')"
    )
    group.add_argument("--bits", type=int, choices=(4, 8), help="pack the weights")
    group.add_argument("--threads", type=whole(1, 1024), metavar="N", help="(all processors)")


def _clip(text: str) -> tuple[float, float | None]:
    start, dash, end = text.partition("-")
    try:
        clip = float(start or 0), float(end) if end else None
        if not dash or not 0 <= clip[0] < (clip[1] if end else float("inf")):
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected seconds as in 60-90, 60- or -90; got {text!r}"
        ) from None
    return clip


def _formats(text: str) -> list[str]:
    names = list(FORMATS) if text == "all" else text.split(",")
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"expected {', '.join(FORMATS)} or all; got {name!r}")
    return list(dict.fromkeys(names))


def run(options: argparse.Namespace) -> int:
    """Transcribe; returns the exit status."""
    _check(options)
    if options.threads:
        os.environ["OLIVINE_NUM_THREADS"] = str(options.threads)
    try:
        settings = _settings(options)
        model, tokenizer = _load(options)
        if options.live:
            return _listen(options, model, tokenizer, settings)
        return _each(options, model, tokenizer, settings)
    except ValueError as error:
        raise UsageError(error) from None


def _check(options: argparse.Namespace) -> None:
    """Fills in what follows from other options; UsageError for those that do not go together."""
    if options.microphone:
        if options.files:
            raise UsageError("argument --microphone: it goes without FILE")
        options.live, options.files = True, ["-"]
    if not options.files:
        raise UsageError("expected a FILE, - for standard input, or --microphone")
    if options.live and options.files != ["-"]:
        raise UsageError("argument --live: it goes with - for standard input")
    if options.raw and options.files != ["-"]:
        raise UsageError("argument --raw: it goes with - for standard input")
    if options.live and (options.clip or options.batch_size > 1):
        raise UsageError("argument --live: not together with --clip or --batch-size")
    if options.files.count("-") > 1:
        raise UsageError("expected - for standard input once")
    if options.output_dir is None:
        if len(options.format) > 1:
            raise UsageError("argument --format: several formats need --output-dir")
        if len(options.files) > 1 and options.format != ["txt"]:
            raise UsageError(
                f"argument --format {options.format[0]}: several files need --output-dir"
            )
    names = [name for file in options.files for name in _outputs(options, file)]
    if len(set(names)) < len(names):
        raise UsageError("expected files of different names, as that of the text is made of them")
    if not options.overwrite:
        for name in names:
            if os.path.lexists(name):
                raise UsageError(f"{name} is there already; add --overwrite to replace it")


def _settings(options: argparse.Namespace):
    from olivine.audio.transcription import TranscribeOptions

    first = options.temperature
    higher = [round(first + 0.2 * i, 3) for i in range(1, 6) if first + 0.2 * i < 1.001]
    return TranscribeOptions(
        language=options.language,
        task=options.task,
        temperatures=[first] if options.no_fallback else [first, *higher],
        beam_size=options.beam_size,
        best_of=options.best_of,
        compression_ratio_threshold=options.compression_ratio_threshold,
        logprob_threshold=options.logprob_threshold,
        no_speech_threshold=options.no_speech_threshold,
        condition_on_previous_text=not options.no_context,
        initial_prompt=options.prompt,
        clips=sorted(options.clip, key=lambda clip: clip[0]) if options.clip else [(0.0, None)],
        word_timestamps=options.word_timestamps,
        voice_activity=options.skip_silence,
        batch_size=options.batch_size,
    )


def _load(options: argparse.Namespace):
    """The model and its tokenizer, once the files are there to be read."""
    for file in options.files:
        if file != "-" and not os.path.exists(file):
            raise UsageError(f"{file}: No such file or directory")
    import olivine.core as mx
    from olivine.audio.loading import load

    mx.random.seed(options.seed or 0)
    return load(options.model, dtype=options.dtype, quantize=options.bits)


def _each(options: argparse.Namespace, model, tokenizer, settings) -> int:
    """All files; one that can not be read does not keep the others from it."""
    from olivine.audio.errors import AudioError

    failed = 0
    for file in options.files:
        try:
            _one(options, model, tokenizer, settings, file)
        except (AudioError, OSError) as error:
            if isinstance(error, BrokenPipeError) or len(options.files) == 1:
                raise
            text = str(error).removeprefix("[audio] ") if isinstance(error, AudioError) else (
                f"{error.filename or file}: {error.strerror or error}"
            )  # fmt: skip
            print(f"olivine: error: {text}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _one(options: argparse.Namespace, model, tokenizer, settings, file: str) -> None:
    from olivine.audio.files import load_audio
    from olivine.audio.transcription import Transcriber

    start = time.monotonic()
    samples = load_audio(sys.stdin.buffer if file == "-" else file, raw=_raw(options))
    seconds = len(samples) / 16_000
    if len(options.files) > 1 and not options.output_dir:
        print(f"== {file}", flush=True)
    with _Progress(options, file, seconds) as progress:
        transcriber = Transcriber(model, tokenizer, settings, on_progress=progress)
        _show(options, file, transcriber, transcriber.segments(samples), progress)
    _report(options, file, seconds, time.monotonic() - start, transcriber.language)


class _Progress(ProgressLine):
    """A bar of seconds of sound."""

    def __init__(self, options: argparse.Namespace, file: str, seconds: float):
        super().__init__("" if file == "-" else Path(file).name[:30])
        self._shown = self._shown and not options.quiet
        self._seconds = seconds
        self._done = 0.0

    def __call__(self, done: float) -> None:
        self._done = done
        super().__call__(round(done), round(self._seconds), "s of sound")

    def print(self, text: str) -> None:
        """Text on standard output; the bar makes way for it and comes back below."""
        shown = self._used
        self.close()
        sys.stdout.write(text)
        sys.stdout.flush()
        if shown:
            self._last = 0.0
            self(self._done)


def _show(options, file: str, transcriber, segments: Iterator, progress) -> None:
    """Segments as they come, and files once all are there."""
    from olivine.audio.writers import FORMATS as WRITERS
    from olivine.audio.writers import clock, write

    found = []
    if options.output_dir is None:
        writer = WRITERS[options.format[0]]()
        progress.print(writer.begin())
        for segment in segments:
            found.append(segment)
            progress.print(writer.segment(segment))
        progress.print(writer.end(transcriber.transcription(found)))
        return
    for segment in segments:
        found.append(segment)
        if not options.quiet:
            span = f"{clock(segment.start, '.')} → {clock(segment.end, '.')}"
            progress.print(f"[{span}] {' '.join(segment.text.split())}\n")
    whole = transcriber.transcription(found)
    for format, name in zip(options.format, _outputs(options, file), strict=True):
        write(whole, name, format, options.overwrite)


def _outputs(options: argparse.Namespace, file: str) -> list[Path]:
    """The files that are written for a sound."""
    if options.output_dir is None:
        return []
    name = "stdin" if file == "-" else Path(file).stem
    return [Path(options.output_dir) / f"{name}.{format}" for format in options.format]


def _report(options, file: str, seconds: float, took: float, language: str | None) -> None:
    if options.quiet:
        return
    import olivine.core as mx

    print(
        f"{'standard input' if file == '-' else file}: {seconds:,.1f} s of sound in {took:,.1f} s "
        f"({seconds / took:,.1f} times as fast as it is spoken); "
        f"language {language or 'unknown'}; peak memory {mx.get_peak_memory() / 1e6:,.0f} MB",
        file=sys.stderr,
    )


def _raw(options: argparse.Namespace):
    from olivine.audio.wav import Raw

    return Raw.parse(options.raw) if options.raw else None


def _listen(options: argparse.Namespace, model, tokenizer, settings) -> int:
    """Utterances as they end, until the sound does or Ctrl-C is pressed."""
    from olivine.audio.files import audio_blocks
    from olivine.audio.live import listen, microphone
    from olivine.audio.transcription import Transcriber

    if options.microphone:
        blocks = microphone()
    else:
        if sys.stdin.isatty():
            raise RunError("expected sound on standard input; it is a terminal")
        blocks = audio_blocks(sys.stdin.buffer, raw=_raw(options))
    transcriber = Transcriber(model, tokenizer, settings)
    if options.microphone and not options.quiet:
        print("listening; Ctrl-C ends", file=sys.stderr)

    def segments() -> Iterator:
        try:
            yield from listen(model, tokenizer, blocks, pause=options.pause, by=transcriber)
        except KeyboardInterrupt:  # what was said is kept
            print(file=sys.stderr)

    with _Progress(options, "-", 0.0) as progress:
        _show(options, "-", transcriber, segments(), progress)
    return 0

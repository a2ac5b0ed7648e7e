"""Loads damaged language models and reports what is neither a model nor one clear error.

    .venv/bin/python tools/fuzz_llm_files.py --inputs 2000 --seed 1
    .venv/bin/python tools/fuzz_llm_files.py --replay 1:417      one file again, with its traceback

Tiny folders and GGUF files, packed ones among them, are cut, overwritten, spliced and, where they
are JSON, given hostile values; `olivine.llm.load` reads them and the model sees two tokens. A
finding is

    a signal     the process died
    a hang       one input took over 20 s
    memory       it asked for more than 1 GiB
    an error     that is no ModelError of one line; after loading, no ValueError with [op] in front

Inputs are drawn from (seed, index) alone. Exit status 1 if there is a finding.
"""

import argparse
import contextlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
HANG, MEMORY = 20.0, 1 << 30
NUMBERS = [0, 1, 2, 127, 255, 65535, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1]
VALUES = [
    None,
    True,
    0,
    -1,
    3,
    2.5,
    -0.5,
    2**31,
    2**63,
    2**70,
    1e308,
    1e400,
    "",
    "x",
    "é" * 50,
    "0",
]
VALUES += ["0", [], {}, [[]], [None], ["x"], [1, "x"], {"x": 1}, [0] * 1000, "llama", "float8"]
KINDS = ("llama", "qwen3", "gemma3", "qwen2moe", "gpt2")
PACKED = {2: 18, 8: 34, 10: 84, 12: 144, 14: 210}  # bytes of a block by the type's number


def make_corpus(folder):
    """Whole models: two folders, files of several architectures, and files of packed tensors."""
    import numpy as np

    from tests.io import test_gguf as raw
    from tests.llm import tiny_gguf, tiny_vocabularies
    from tests.llm.tiny_folder import write_model
    from tests.llm.tokenizer import STORED

    write_model(folder / "folder")
    write_model(folder / "wide", hidden_size=64, intermediate_size=96, num_hidden_layers=1)
    vocabulary = tiny_vocabularies.metadata("gpt2 gpt-2", STORED)
    vocabulary.pop("general.architecture")
    tokens = len(vocabulary["tokenizer.ggml.tokens"])

    def tall(kind):
        return {
            name: np.resize(value, (tokens, *value.shape[1:]))
            for name, value in tiny_gguf.contents(kind)[0].items()
            if name in ("token_embd.weight", "output.weight")
        }

    for kind in KINDS:
        tiny_gguf.write(folder / f"{kind}.gguf", kind, tall(kind), vocabulary)
    arrays, metadata = tiny_gguf.contents("llama")
    # K-quants need rows of 256.
    sizes = {64: 256, 96: 256, 32: 128}
    arrays = {k: np.resize(v, [sizes.get(n, n) for n in v.shape]) for k, v in arrays.items()}
    metadata |= {"llama.embedding_length": 256, "llama.feed_forward_length": 256}
    for name in ("attention.key_length", "attention.value_length", "rope.dimension_count"):
        metadata[f"llama.{name}"] = 64
    kinds = {int: "u32", float: "f32", str: "str"}
    values = [(k, kinds[type(v)], v) for k, v in metadata.items() if not k.startswith("tokenizer.")]
    values += [
        ("tokenizer.ggml.model", "str", "gpt2"),
        ("tokenizer.ggml.tokens", "list", ("str", [chr(33 + i) for i in range(48)])),
        ("tokenizer.ggml.token_type", "list", ("i32", [1] * 48)),
        ("tokenizer.ggml.merges", "list", ("str", [])),
    ]
    rng = np.random.default_rng(0)
    for number, size in PACKED.items():
        tensors = []
        for name, value in arrays.items():
            per_block = 256 if size > 34 else 32
            if value.ndim == 1 or value.shape[-1] % per_block:
                tensors.append((name, value.shape, 0, value.tobytes()))
                continue
            blocks = rng.integers(0, 64, (value.size // per_block, size), dtype=np.uint8)
            tensors.append((name, value.shape, number, blocks.tobytes()))
        (folder / f"packed{number}.gguf").write_bytes(raw.encode(tensors, values))


def damage_bytes(data, rng):
    """A few bytes changed, cut out, doubled or put in, most near the beginning; or the end cut."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        reach = len(data) if rng.random() < 0.3 else min(len(data), 4096)
        at = rng.randrange(max(1, reach))
        size = rng.choice([1, 2, 4, 8])
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            number = rng.choice(NUMBERS) & (1 << 8 * size) - 1
            data[at : at + size] = number.to_bytes(size, "little")
        elif kind == 2:
            del data[at : at + rng.randint(1, 64)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 64)]
        elif kind == 4:
            del data[at:]
        else:
            data[at : at + size] = rng.randbytes(size)
    return bytes(data)


def places(value, path=()):
    """The paths of everything within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))


def damage_json(data, rng):
    """A value replaced, removed, moved to another name or nested deeply."""
    value = json.loads(data)
    paths = list(places(value))
    for _ in range(rng.randint(1, 2)):
        *parents, key = rng.choice(paths)
        owner = value
        with contextlib.suppress(LookupError, TypeError):  # an earlier change removed the place
            for parent in parents:
                owner = owner[parent]
            kind = rng.randrange(8)
            if kind == 0:
                del owner[key]
            elif kind == 1 and isinstance(owner, dict):
                owner[rng.choice(["x", "model_type", "quantization", key[::-1]])] = owner.pop(key)
            else:
                owner[key] = rng.choice(VALUES)
    text = json.dumps(value)
    if rng.random() < 0.02:
        text = "[" * 100_000 + text
    return text.encode()


def damage(model, rng):
    """Change one file of a model in place."""
    if model.is_file():
        model.write_bytes(damage_bytes(model.read_bytes(), rng))
        return
    files = sorted(p for p in model.iterdir() if p.is_file())
    file = rng.choice(files)
    if file.suffix == ".json" and rng.random() < 0.8:
        file.write_bytes(damage_json(file.read_bytes(), rng))
    elif rng.random() < 0.05:
        file.unlink()
    else:
        file.write_bytes(damage_bytes(file.read_bytes(), rng))


def verdict(path):
    """What loading and running gave: "model", "refused", or the text of a finding."""
    import olivine.core as mx
    from olivine.llm import ModelError, load

    try:
        model, tokenizer = load(path)
    except ModelError as error:
        text = str(error)
        clear = text.startswith("[llm] ") and "\n" not in text and len(text) < 2000
        return "refused" if clear else f"unclear: {text[:500]!r}"
    try:
        mx.eval(model(mx.array([[1, 2]])))
        tokenizer.decode(tokenizer.encode("Hello world"))
    except ValueError as error:
        if not str(error).startswith("["):
            raise
    return "model"


def work(corpus, folder, seed, start, stop, traceback=False):
    """Examine inputs; prints the index before and the verdict after each."""
    import numpy  # noqa: F401  what is loaded before the limit is not counted

    import olivine.llm

    models = sorted(corpus.iterdir())
    olivine.llm.load(models[0] if models[0].is_dir() else corpus / "folder")
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    for index in range(start, stop):
        rng = random.Random(f"{seed}:{index}")
        chosen = rng.choice(models)
        model = folder / chosen.name
        shutil.rmtree(model, ignore_errors=True)
        model.unlink(missing_ok=True)
        (shutil.copytree if chosen.is_dir() else shutil.copyfile)(chosen, model)
        damage(model, rng)
        print(f"{index} {chosen.name}", end=" ", flush=True)
        try:
            print(verdict(model), flush=True)
        except BaseException as error:
            if traceback:
                raise
            print(f"{type(error).__name__}: {str(error)[:500]!r}", flush=True)


def watch(options, corpus, folder):
    """Run workers over all inputs; returns the counts of verdicts and the findings."""
    counts, findings, index = {}, [], 0
    while index < options.inputs:
        command = [sys.executable, __file__, "--work", str(corpus), str(folder)]
        command += ["--inputs", str(options.inputs), "--seed", str(options.seed)]
        command += ["--start", str(index)]
        said = folder.parent / "verdicts"
        with open(said, "w") as to:
            worker = subprocess.Popen(command, stdout=to, cwd=ROOT)
        size, begun = 0, time.monotonic()
        while worker.poll() is None and time.monotonic() - begun < HANG:
            if said.stat().st_size > size:
                size, begun = said.stat().st_size, time.monotonic()
            time.sleep(0.02)
        hung = worker.poll() is None
        worker.kill()
        worker.wait()
        text = said.read_text()
        lines = text.split("\n")
        if lines[-1]:
            lines[-1] += f"hang of {HANG:.0f} s" if hung else f"exit status {worker.returncode}"
        for line in filter(None, lines):
            number, name, outcome = line.split(" ", 2)
            index = int(number) + 1
            kind = outcome if outcome in ("model", "refused") else "finding"
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "finding":
                findings.append(f"{options.seed}:{number} {name}: {outcome}")
        if not any(lines):
            raise SystemExit(f"a worker ended with status {worker.returncode} before any input")
    return counts, findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", metavar="SEED:INDEX")
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*options.work, options.seed, options.start, options.inputs)
    with tempfile.TemporaryDirectory() as temporary:
        corpus, folder = Path(temporary) / "corpus", Path(temporary) / "work"
        corpus.mkdir()
        folder.mkdir()
        make_corpus(corpus)
        if options.replay:
            seed, index = map(int, options.replay.split(":"))
            return work(corpus, folder, seed, index, index + 1, traceback=True)
        counts, findings = watch(options, corpus, folder)
    print(*findings, sep="\n")
    print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

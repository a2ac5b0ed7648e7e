"""Writes tests/io/corpus: small files of every format, from which the fuzzers start.

    python tools/fuzz_corpus.py

Needs olivine (as in `make build`) and NumPy.
"""

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
OUT = ROOT / "tests" / "io" / "corpus"


def npy(a, version=None):
    f = io.BytesIO()
    np.lib.format.write_array(f, a, version=version)
    return f.getvalue()


def npz(method, **arrays):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", method) as z:
        for name, a in arrays.items():
            z.writestr(zipfile.ZipInfo(name + ".npy"), npy(a), method)
    return f.getvalue()


def npy_files():
    x = np.arange(12).reshape(3, 4)
    yield "f4", npy(x.astype("<f4"))
    yield "big-endian", npy(x.astype(">f8"))
    yield "columns", npy(np.asfortranarray(x.astype("<i2")))
    yield "bools", npy(x % 2 == 0)
    yield "complex", npy(x.astype("<c16"))
    yield "scalar", npy(np.array(5, "<u8"))
    yield "empty", npy(np.zeros((0, 3), "<f2"))
    yield "version2", npy(x.astype("|u1"), (2, 0))
    yield "version3", npy(x.astype("<u4"), (3, 0))


def npz_files():
    a, b = np.arange(6, dtype=np.float32), np.ones((2, 2), bool)
    yield "stored", npz(zipfile.ZIP_STORED, a=a, b=b)
    yield "deflated", npz(zipfile.ZIP_DEFLATED, a=a, b=np.zeros(100))
    yield "empty", npz(zipfile.ZIP_STORED)
    yield "bzip2", npz(zipfile.ZIP_BZIP2, a=a)


def safetensors_files():
    from tools.safetensors_verdicts import A, encode, raw

    two = {"a": A, "b": {"dtype": "I64", "shape": [2, 1], "data_offsets": [8, 24]}}
    yield "two", encode(two, b"\1" * 24)
    yield "metadata", encode({"__metadata__": {"k": "v", "format": "pt"}, **two}, b"\2" * 24)
    yield "bools", encode({"m": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\0\1\2")
    yield (
        "f8",
        encode({"m": {"dtype": "F8_E4M3", "shape": [2, 2], "data_offsets": [0, 4]}}, b"\0\1\2\3"),
    )
    yield "empty", encode({"e": {"dtype": "F16", "shape": [0, 3], "data_offsets": [0, 0]}})
    yield "scalar", encode({"s": {"dtype": "C64", "shape": [], "data_offsets": [0, 8]}}, b"\0" * 8)
    yield "escapes", raw(json.dumps({"ü\U0001f600\n": {**A, "x": [{"y": [1e5, None, True]}]}}))
    yield "list", raw('{"a": ["F32", [2], [0, 8]], "__metadata__": null}')


def gguf_files():
    from tests.io.test_gguf import FIXTURE, TYPES, VALUES, encode

    x = np.arange(6, dtype=np.float32)
    numbers = [(f"n.{k}", k, 1) for k in VALUES] + [(f"l.{k}", "list", (k, [1, 0])) for k in VALUES]
    yield (
        "metadata",
        encode(metadata=[*numbers, ("s", "str", "text"), ("t", "list", ("str", ["a", "", "bc"]))]),
    )
    yield (
        "floats",
        encode(
            [("a", (6,), 0, x.tobytes()), ("b", (2, 3), 1, x.astype("f2").tobytes())],
            [("k", "str", "v")],
        ),
    )
    integers = [(k, (6,), TYPES[k], x.astype(t).tobytes()) for k, t in
                {"I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8", "F64": "f8"}.items()]  # fmt: skip
    yield "integers", encode(integers)
    yield (
        "aligned",
        encode([("a", (2, 3), 0, x.tobytes())], [("general.alignment", "u32", 64)], alignment=64),
    )
    blocks = [k[:-6] for k in FIXTURE.files if k.endswith(".bytes")]
    for small in (True, False):
        names = [k for k in blocks if (FIXTURE[f"{k}.values"].shape[1] == 64) == small]
        tensors = [
            (
                f"{k}.weight",
                (FIXTURE[f"{k}.values"].shape[1],),
                TYPES[k],
                FIXTURE[f"{k}.bytes"][0].tobytes(),
            )
            for k in names
        ]
        for i in range(0, len(tensors), 4):
            yield f"blocks{'-small' if small else ''}-{i // 4}", encode(tensors[i : i + 4])


def function_files():
    from tools.fuzz_functions import files

    return files()


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for kind, files in {
        "npy": npy_files,
        "npz": npz_files,
        "safetensors": safetensors_files,
        "gguf": gguf_files,
        "functions": function_files,
    }.items():
        (OUT / kind).mkdir(parents=True)
        for name, data in files():
            (OUT / kind / f"{name}.bin").write_bytes(data)
    print(sum(p.stat().st_size for p in OUT.rglob("*.bin")), "bytes")


if __name__ == "__main__":
    main()

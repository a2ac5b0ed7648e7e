"""Writes tests/io/safetensors_corpus.json: hostile safetensors files and what the reference says.

    pip install safetensors numpy && python tools/safetensors_verdicts.py [--compare]

The reference is the format's own library (PyPI `safetensors`), needed only here. A case is a file,
as base64, and whether the library accepts it; where olivine refuses all the same, `exception` says
why. With --compare, nothing is written: a larger set with
random mutations is given to olivine as well (run it where both can be imported), and every file on
which the two disagree is printed.
"""

import argparse
import base64
import json
import random
import struct
from pathlib import Path

OUT = Path(__file__).parent.parent / "tests" / "io" / "safetensors_corpus.json"
A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DTYPES = "BOOL U8 I8 U16 I16 U32 I32 U64 I64 F16 BF16 F32 F64 C64 F8_E4M3 F8_E5M2 F8_E8M0".split()
SIZES = {"U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4}
SIZES |= {"U64": 8, "I64": 8, "F64": 8, "C64": 8}


def encode(header, body=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size & (1 << 64) - 1) + text + body


def raw(text, body=b"\0" * 8, **kwargs):
    return encode(text if isinstance(text, bytes) else text.encode(), body, **kwargs)


def one(body=8, **changes):
    entry = {k: v for k, v in {**A, **changes}.items() if v is not None}
    return encode({"a": entry}, b"\0" * body)


def sizes():
    good = json.dumps({"a": A})
    yield "good", encode({"a": A}, b"\0" * 8)
    yield "no bytes", b""
    for n in (1, 7, 8):
        yield f"{n} zero bytes", b"\0" * n
    for name, size in {"0": 0, "1": 1, "one less": len(good) - 1, "one more": len(good) + 1, "past the end": 10_000,
                       "limit": 100_000_000, "above the limit": 100_000_001, "2^63": 1 << 63, "2^64-1": -1}.items():  # fmt: skip
        yield f"header size {name}", encode({"a": A}, b"\0" * 8, size=size)
    yield "empty object", raw("{}", b"")
    yield "empty object and a byte", raw("{}", b"\0")
    yield "metadata alone", encode({"__metadata__": {"k": "v"}})
    yield "empty metadata", encode({"__metadata__": {}, "a": A}, b"\0" * 8)


def texts():
    good = json.dumps({"a": A})
    for name, text in {
        "padding after": good + "     ",
        "newlines after": good + "\n\n",
        "tab after": good + "\t",
        "zero bytes after": good + "\0\0",
        "padding before": "   " + good,
        "newline before": "\n" + good,
        "byte order mark": "\ufeff" + good,
        "text after": good + "x",
        "two objects": good + "{}",
        "a list": "[]",
        "a string": '"a"',
        "null": "null",
        "no json": "hello",
        "open object": good[:-1],
        "trailing comma": good[:-1] + ",}",
        "comment": good[:-1] + "/* */}",
        "single quotes": good.replace('"', "'"),
        "upper-case key": good.replace("shape", "Shape"),
        "key twice": good[:-1] + ", " + good[1:],
        "metadata twice": '{"__metadata__":{"a":"b"},"__metadata__":{"a":"c"},' + good[1:],
        "metadata key twice": '{"__metadata__":{"a":"b","a":"c"},' + good[1:],
        "dtype twice": good.replace('"shape"', '"dtype": "F32", "shape"'),
        "shape twice": good.replace('"data_offsets"', '"shape": [2], "data_offsets"'),
        "escaped name": good.replace('"a"', '"\\u0061"'),
        "lone surrogate": good.replace('"a"', '"\\ud800"'),
        "surrogate pair": good.replace('"a"', '"\\ud83d\\ude00"'),
        "control character": good.replace('"a"', '"a\x01"'),
        "escaped zero": good.replace('"a"', '"\\u0000"'),
        "bad escape": good.replace('"a"', '"\\x41"'),
        "empty name": good.replace('"a"', '""'),
        "escaped dtype": good.replace("F32", "\\u004632"),
        "entry a list": '{"a": ["F32", [2], [0, 8]]}',
        "entry a list, short": '{"a": ["F32", [2]]}',
        "entry a number": '{"a": 5}',
        "entry null": '{"a": null}',
        "deep list": '{"a": ' + "[" * 1000 + "]" * 1000 + "}",
        "deep object": '{"a":' * 1000 + "1" + "}" * 1000,
        "deep list in metadata": '{"__metadata__": {"k": ' + "[" * 200 + "]" * 200 + "}}",
        "deep extra field": good[:-2] + ', "x": ' + "[" * 200 + "]" * 200 + "}}",
        "deeper extra field": good[:-2] + ', "x": ' + "[" * 125 + "]" * 125 + "}}",
        "NaN": good.replace("8]", "NaN]"),
        "leading zero": good.replace("8]", "08]"),
        "plus sign": good.replace("8]", "+8]"),
        "exponent": good.replace("8]", "8e0]"),
        "fraction": good.replace("8]", "8.0]"),
        "minus zero": good.replace("[0,", "[-0,"),
        "too many digits": good.replace("8]", "8" * 40 + "]"),
    }.items():
        yield name, raw(text)
    yield "invalid utf-8 in a name", raw(good.encode().replace(b'"a"', b'"\xff\xfe"'))
    yield "overlong utf-8 in a name", raw(good.encode().replace(b'"a"', b'"\xc0\xaf"'))
    yield "surrogate in utf-8", raw(good.encode().replace(b'"a"', b'"\xed\xa0\x80"'))


def entries():
    for dtype in DTYPES:
        n = 2 * SIZES.get(dtype, 1)
        yield f"dtype {dtype}", one(n, dtype=dtype, data_offsets=[0, n])
        yield f"dtype {dtype}, a byte less", one(n - 1, dtype=dtype, data_offsets=[0, n - 1])
    for dtype in ("F4", "F6_E2M3", "F6_E3M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"):
        for n, size in ((1, 1), (2, 1), (4, 2), (4, 3), (8, 6)):
            yield (
                f"dtype {dtype} [{n}] {size}",
                one(size, dtype=dtype, shape=[n], data_offsets=[0, size]),
            )
    for bad in ("Q17", "f32", "C128", "", 5, None, ["F32"], {"F32": None}, {"F32": 1}):
        yield f"dtype {json.dumps(bad)}", one(dtype=bad) if bad is not None else one(dtype=None)
    for shape in ([], [2, 1], [1, 1, 2], [-2], [2.5], [2.0], "2", None, {}, [None], ["2"], [True], [[2]], [1 << 32, 1 << 32],
                  [1 << 63], [(1 << 64) - 1], [1 << 64], [(1 << 64) - 1, 0], [1 << 62, 4], [0], [3], [1] * 100,
                  [1] * 300):  # fmt: skip
        yield f"shape {json.dumps(shape)[:40]} ({len(json.dumps(shape))})", one(shape=shape)
    for shape in ([0], [0, 1 << 62], [1 << 62, 0], [0, 1 << 62, 1 << 62], [1 << 62, 1 << 62, 0], [(1 << 64) - 1, 0],
                  [1 << 61, 0], [1 << 60, 4, 0], [0, 1 << 64]):  # fmt: skip
        yield f"no elements {json.dumps(shape)}", one(0, shape=shape, data_offsets=[0, 0])
    for offsets in ([8, 0], [-8, 0], [8], [0, 8, 8], [], "08", None, {}, [0, (1 << 64) - 1], [0, 1 << 64], [0.0, 8.0],
                    ["0", "8"], [None, 8], [True, 8], [4, 12], [0, 7], [0, 9]):  # fmt: skip
        yield f"offsets {json.dumps(offsets)}", one(data_offsets=offsets)
    yield "offsets in an object", one(data_offsets={"0": 0, "1": 8})
    yield "extra field", one(extra=5)
    yield "extra null", encode({"a": {**A, "x": None}}, b"\0" * 8)
    yield "data missing", one(0)
    yield "data short", one(4)
    yield "data left over", one(80)
    yield "data a byte over", one(9)
    for key in A:
        yield f"{key} missing", one(**{key: None})


def layouts():
    b = {**A, "data_offsets": [8, 16]}
    yield "two", encode({"a": A, "b": b}, b"\0" * 16)
    yield "two, other order", encode({"b": b, "a": A}, b"\0" * 16)
    yield "offsets in the other order", encode({"a": b, "b": A}, b"\0" * 16)
    yield "same bytes twice", encode({"a": A, "b": A}, b"\0" * 8)
    yield "overlap", encode({"a": A, "b": {**A, "data_offsets": [4, 12]}}, b"\0" * 12)
    yield "hole", encode({"a": A, "b": {**A, "data_offsets": [16, 24]}}, b"\0" * 24)
    yield "hole at the start", encode({"a": b}, b"\0" * 16)
    empty = {**A, "shape": [0]}
    for at in (0, 4, 8, 9):
        other = {**empty, "data_offsets": [at, at]}
        yield f"empty tensor at {at}", encode({"a": A, "e": other}, b"\0" * 8)
        yield f"empty tensor at {at}, first", encode({"e": other, "a": A}, b"\0" * 8)
    yield "empty tensor alone", encode({"e": {**empty, "data_offsets": [0, 0]}})
    yield "empty tensors", encode({k: {**empty, "data_offsets": [0, 0]} for k in "abc"})
    odd = {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}
    yield "misaligned", encode({"o": odd, "a": {**A, "data_offsets": [3, 11]}}, b"\0" * 11)
    for meta in (
        5,
        None,
        [],
        "text",
        {"k": 5},
        {"k": None},
        {"k": ["v"]},
        {"k": {}},
        {"k": True},
        {"": ""},
        {"k": "ü"},
    ):
        yield f"metadata {json.dumps(meta)}", encode({"__metadata__": meta, "a": A}, b"\0" * 8)
    yield "metadata as a tensor", encode({"__metadata__": A}, b"\0" * 8)
    yield (
        "fifty tensors",
        encode(
            {f"t{i}": {**A, "data_offsets": [8 * i, 8 * i + 8]} for i in range(50)}, b"\0" * 400
        ),
    )


def cases():
    for source in (sizes, texts, entries, layouts):
        yield from source()


def reference(data):
    """What the format's library reads, as names, dtypes, shapes; None if it refuses."""
    import safetensors

    try:
        return {k: (v["dtype"], v["shape"]) for k, v in safetensors.deserialize(data)}
    except (safetensors.SafetensorError, OverflowError, ValueError):
        return None


def ours(data, mx, path):
    path.write_bytes(data)
    try:
        loaded = mx.load(str(path))
        mx.eval(loaded)
        return {k: tuple(a.shape) for k, a in loaded.items()}
    except RuntimeError:
        return None


def exception(data, verdict):
    """Why olivine refuses a file that the library accepts; None if it should not."""
    if verdict is None:
        return None
    names = []
    size = struct.unpack("<Q", data[:8])[0]
    json.loads(
        data[8 : 8 + size], object_pairs_hook=lambda pairs: names.append([k for k, _ in pairs])
    )
    if len(set(names[-1])) < len(names[-1]):
        return "the format forbids repeated names"
    if any(dtype == "F4" or dtype.startswith("F6_") for dtype, _ in verdict.values()):
        return "no dtype of less than a byte"
    if any(d >= 1 << 63 for _, shape in verdict.values() for d in shape):
        return "sizes are below 2^63"
    return None


def mutations(count, seed=7):
    rng = random.Random(seed)
    seeds = [data for name, data in cases() if len(data) < 600]
    pieces = [
        b"0",
        b"-1",
        b"[]",
        b"{}",
        b"null",
        b'"a"',
        b",",
        b":",
        b"18446744073709551615",
        b'"F32"',
        b"\\u0041",
        b" ",
    ]
    for i in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(8, len(data) + 1) if len(data) >= 8 else 0
            kind = rng.randrange(4)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at:at] = rng.choice(pieces)
            elif kind == 2:
                del data[at : at + rng.randint(1, 4)]
            else:
                other = rng.choice(seeds)
                data[at : at + rng.randint(0, 4)] = other[8 : 8 + rng.randint(1, 30)]
        if rng.random() < 0.8 and len(data) > 8:  # most with a header size that fits again
            end = data.rfind(b"}") + 1
            data[:8] = struct.pack("<Q", max(0, end - 8))
        yield f"mutation {i}", bytes(data)


def compare(count):
    import tempfile

    import olivine.core as mx

    path = Path(tempfile.mkdtemp()) / "a.safetensors"
    different = total = 0
    for name, data in [*cases(), *mutations(count)]:
        want, got = reference(data), ours(data, mx, path)
        total += 1
        shapes = None if want is None else {k: tuple(s) for k, (_, s) in want.items()}
        if exception(data, want):
            shapes = None
        if shapes != got:
            different += 1
            if different <= 60:
                print(f"{name}: reference {want}, ours {got}\n    {data[:300]!r}")
    print(f"{total} files, {different} verdicts differ")
    path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compare", nargs="?", type=int, const=20_000, metavar="MUTATIONS")
    args = parser.parse_args()
    if args.compare is not None:
        return compare(args.compare)
    corpus = {}
    for name, data in cases():
        assert name not in corpus, name
        verdict = reference(data)
        corpus[name] = {"accepted": verdict is not None, "file": base64.b64encode(data).decode()}
        if exception(data, verdict):
            corpus[name]["exception"] = exception(data, verdict)
    OUT.write_text(json.dumps(corpus, indent=0) + "\n")
    print(f"{len(corpus)} cases, {sum(c['accepted'] for c in corpus.values())} accepted")


if __name__ == "__main__":
    main()

"""Saving and loading: safetensors, npy, npz and GGUF, checked against the formats' own definitions."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.support import DTYPES, assert_same, to_mx, to_np

# The names that the safetensors format gives to the dtypes it knows.
NAMES = {"bool_": "BOOL", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "int8": "I8", "int16": "I16",
         "int32": "I32", "int64": "I64", "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64",
         "complex64": "C64"}  # fmt: skip


def sample(name, shape=(3, 4)):
    return to_mx(np.arange(int(np.prod(shape, dtype=int))).reshape(shape) % 2, name)


def tensors(data):
    """Header and bytes per tensor of a safetensors file, read by its definition."""
    (size,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    meta = header.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], body[slice(*v["data_offsets"])]) for k, v in header.items()}, meta


def encode(header, body=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def test_safetensors_files_follow_the_format(tmp_path):
    path = tmp_path / "a.safetensors"
    arrays = {name: sample(name) for name in NAMES}
    arrays |= {"scalar": mx.array(2.5), "empty": mx.zeros((0, 3)), "view": mx.transpose(mx.arange(6).reshape(2, 3))}
    mx.save_safetensors(str(path), arrays, {"format": "mx", "note": "ü"})
    found, meta = tensors(path.read_bytes())
    assert meta == {"format": "mx", "note": "ü"}
    assert set(found) == set(arrays)
    for name, code in NAMES.items():
        dtype, shape, data = found[name]
        assert dtype == code and shape == [3, 4] and data == to_np(arrays[name]).tobytes()
    assert found["view"][2] == np.arange(6, dtype=np.int32).reshape(2, 3).T.tobytes()
    assert found["scalar"][1] == [] and found["empty"][1:] == ([0, 3], b"")
    back, meta = mx.load(str(path), return_metadata=True)
    assert meta["note"] == "ü"
    for key, value in arrays.items():
        assert_same(back[key], value, key)


def test_safetensors_of_another_writer_load(tmp_path):
    """A hand-made file: keys in another order, padding in the header, offsets not in key order."""
    a, b = np.arange(3, dtype=np.float32), np.arange(4, dtype=np.int64)
    header = {"b": {"dtype": "I64", "shape": [2, 2], "data_offsets": [12, 44]},
              "a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = tmp_path / "b.safetensors"
    path.write_bytes(encode(text, a.tobytes() + b.tobytes()))
    back = mx.load(str(path))
    assert_same(back["a"], a)
    assert_same(back["b"], b.reshape(2, 2))


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "empty file": b"",
    "short size": b"\x01\x02",
    "size past the end": encode({"a": GOOD}, b"\0" * 8, size=10_000),
    "size of 2^63": encode({"a": GOOD}, b"\0" * 8, size=1 << 63),
    "size of 2^64-1": encode({"a": GOOD}, b"\0" * 8, size=(1 << 64) - 1),
    "no json": encode(b"not json at all", b""),
    "a list": encode(b"[1, 2]", b""),
    "unfinished json": encode(b'{"a": {"dtype": "F32"', b""),
    "invalid utf-8": encode(b'{"\xff\xfe": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', b"\0" * 8),
    "deep json": encode(b'{"a":' * 5000 + b"1" + b"}" * 5000, b""),
    "no dtype": encode({"a": {"shape": [2], "data_offsets": [0, 8]}}, b"\0" * 8),
    "unknown dtype": encode({"a": {**GOOD, "dtype": "Q17"}}, b"\0" * 8),
    "dtype a number": encode({"a": {**GOOD, "dtype": 5}}, b"\0" * 8),
    "negative dimension": encode({"a": {**GOOD, "shape": [-2]}}, b"\0" * 8),
    "fractional dimension": encode({"a": {**GOOD, "shape": [2.5]}}, b"\0" * 8),
    "shape a string": encode({"a": {**GOOD, "shape": "2"}}, b"\0" * 8),
    "overflowing shape": encode({"a": {**GOOD, "shape": [1 << 33, 1 << 33]}}, b"\0" * 8),
    "shape and size differ": encode({"a": {**GOOD, "shape": [3]}}, b"\0" * 8),
    "offsets past the end": encode({"a": {**GOOD, "data_offsets": [0, 8]}}, b"\0" * 4),
    "offsets reversed": encode({"a": {**GOOD, "data_offsets": [8, 0]}}, b"\0" * 8),
    "offsets negative": encode({"a": {**GOOD, "data_offsets": [-8, 0]}}, b"\0" * 8),
    "one offset": encode({"a": {**GOOD, "data_offsets": [8]}}, b"\0" * 8),
    "huge offsets": encode({"a": {**GOOD, "data_offsets": [0, (1 << 64) - 1]}}, b"\0" * 8),
    "overlap": encode({"a": GOOD, "b": {**GOOD, "data_offsets": [4, 12]}}, b"\0" * 12),
    "hole": encode({"a": GOOD, "b": {**GOOD, "data_offsets": [16, 24]}}, b"\0" * 24),
    "bytes left over": encode({"a": GOOD}, b"\0" * 80),
    "metadata not strings": encode({"__metadata__": {"k": 5}, "a": GOOD}, b"\0" * 8),
    "key twice": encode(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
                        b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0" * 8),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_malformed_safetensors_are_refused_with_one_clear_error(case, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(HOSTILE[case])
    with pytest.raises((ValueError, RuntimeError)) as info:
        mx.eval(mx.load(str(path)))
    assert "[load" in str(info.value) or "[safetensors" in str(info.value), str(info.value)
    assert len(str(info.value)) < 600


@pytest.mark.parametrize("name", [n for n in DTYPES if n != "bfloat16"])
def test_npy_files_are_numpys(name, tmp_path):
    for i, shape in enumerate([(), (5,), (2, 3, 4), (0, 2)]):
        a = sample(name, shape)
        mx.save(str(tmp_path / f"{i}.npy"), a)
        assert_same(np.load(tmp_path / f"{i}.npy"), to_np(a), "ours read by NumPy")
        np.save(tmp_path / f"n{i}.npy", to_np(a))
        assert_same(mx.load(str(tmp_path / f"n{i}.npy")), to_np(a), "NumPy's read by us")


def test_npy_of_other_orders_and_versions(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "f.npy", np.asfortranarray(x))
    assert_same(mx.load(str(tmp_path / "f.npy")), x)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, x, version=(2, 0))
    (tmp_path / "v2.npy").write_bytes(buffer.getvalue())
    assert_same(mx.load(str(tmp_path / "v2.npy")), x)
    mx.save(str(tmp_path / "suffix"), mx.array(x))
    assert (tmp_path / "suffix.npy").exists()
    mx.save(str(tmp_path / "view.npy"), mx.transpose(mx.array(x))[::-1])
    assert_same(np.load(tmp_path / "view.npy"), x.T[::-1])


def test_npz_files_are_numpys(tmp_path):
    arrays = {"a": mx.arange(5), "b": mx.ones((2, 3), dtype=mx.float16)}
    for save in (mx.savez, mx.savez_compressed):
        path = tmp_path / f"{save.__name__}.npz"
        save(str(path), mx.zeros((2,)), **arrays)
        with np.load(path) as z:
            assert set(z.files) == {"a", "b", "arr_0"}
            assert_same(z["b"], to_np(arrays["b"]))
        back = mx.load(str(path))
        assert_same(back["a"], arrays["a"])
        assert_same(back["arr_0"], np.zeros(2, np.float32))
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "n.npz", x=np.arange(7), y=np.float32(2.5))
        back = mx.load(str(tmp_path / "n.npz"))
        assert_same(back["x"], np.arange(7))
        assert back["y"].item() == 2.5


def npy_header(text, magic=b"\x93NUMPY\x01\x00"):
    return magic + struct.pack("<H", len(text)) + text


BAD_NPY = {
    "empty": b"",
    "magic": b"\x93NUMPX\x01\x00",
    "version": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"\x93NUMPY\x09\x00"),
    "header past the end": b"\x93NUMPY\x01\x00\xff\xff{'descr'",
    "no dictionary": npy_header(b"hello") + b"\0" * 8,
    "objects": npy_header(b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }") + b"\0" * 16,
    "structure": npy_header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }") + b"\0" * 8,
    "unknown dtype": npy_header(b"{'descr': '<f16', 'fortran_order': False, 'shape': (2,), }") + b"\0" * 32,
    "negative shape": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }") + b"\0" * 8,
    "overflow": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4), }"),
    "huge number": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }"),
    "short": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (200,), }") + b"\0" * 8,
    "huge and short": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }") + b"\0" * 8,
}


@pytest.mark.parametrize("case", BAD_NPY)
def test_malformed_npy_is_refused(case, tmp_path):
    path = tmp_path / "bad.npy"
    path.write_bytes(BAD_NPY[case])
    with pytest.raises((ValueError, RuntimeError), match=r"\[(load|npy)"):
        mx.eval(mx.load(str(path)))


def test_malformed_npz_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    good = io.BytesIO()
    np.savez(good, a=np.arange(1000))
    data = good.getvalue()
    bad = [b"", b"PK", data[: len(data) // 2], data[:-30], data[:40] + b"\xff" * 40 + data[80:]]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises((ValueError, RuntimeError, OSError)):
            mx.eval(mx.load(str(path))["a"])


def test_missing_and_unknown_files_are_named(tmp_path):
    for name in ("none.safetensors", "none.npy", "none.npz"):
        with pytest.raises((OSError, ValueError, RuntimeError), match="none"):
            mx.eval(mx.load(str(tmp_path / name)))
    (tmp_path / "a.xyz").write_bytes(b"hello")
    with pytest.raises((ValueError, RuntimeError)):
        mx.load(str(tmp_path / "a.xyz"))
    with pytest.raises((OSError, ValueError, RuntimeError)):
        mx.save_safetensors(str(tmp_path / "no folder" / "a.safetensors"), {"a": mx.ones((2,))})
    with pytest.raises((TypeError, ValueError)):
        mx.save_safetensors(str(tmp_path / "a.safetensors"), {"a": 5})
    with pytest.raises((TypeError, ValueError)):
        mx.save_safetensors(str(tmp_path / "a.safetensors"), {"a": mx.ones((2,))}, {"k": 5})


def test_paths_and_file_objects(tmp_path):
    a = {"a": mx.arange(4)}
    mx.save_safetensors(tmp_path / "p.safetensors", a)
    assert_same(mx.load(tmp_path / "p.safetensors")["a"], a["a"])
    with open(tmp_path / "o.npy", "wb") as f:
        mx.save(f, a["a"])
    with open(tmp_path / "o.npy", "rb") as f:
        assert_same(mx.load(f, format="npy"), a["a"])
    with open(tmp_path / "o.safetensors", "wb") as f:
        mx.save_safetensors(f, a)
    with open(tmp_path / "o.safetensors", "rb") as f:
        assert_same(mx.load(f, format="safetensors")["a"], a["a"])


def test_a_loaded_file_may_be_overwritten_or_removed(tmp_path):
    path = tmp_path / "w.safetensors"
    mx.save_safetensors(str(path), {"w": mx.arange(100_000, dtype=mx.float32)})
    for step in range(3):
        w = mx.load(str(path))["w"]
        mx.save_safetensors(str(path), {"w": w + 1})
        assert w[5].item() == 5 + step, "what was loaded keeps its values"
    w = mx.load(str(path))["w"]
    path.unlink()
    assert w[99_999].item() == 99_999 + 3
    path.write_bytes(b"")
    assert w[0].item() == 3


@pytest.mark.skipif(not hasattr(mx, "save_gguf"), reason="GGUF is not provided")
def test_gguf_round_trip(tmp_path):
    path = tmp_path / "a.gguf"
    arrays = {"w": sample("float32", (4, 8)), "h": sample("float16", (3,)), "i": sample("int32", (2, 2))}
    meta = {"general.name": "tiny", "list": ["a", "b"], "numbers": mx.array([1, 2, 3], dtype=mx.uint32)}
    mx.save_gguf(str(path), arrays, meta)
    assert path.read_bytes()[:4] == b"GGUF"
    back, found = mx.load(str(path), return_metadata=True)
    for key, value in arrays.items():
        assert_same(back[key], value, key)
    assert found["general.name"] == "tiny" and found["list"] == ["a", "b"]
    assert found["numbers"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_never_crash(seed, tmp_path):
    """Flipped, cut and repeated bytes: a value or an exception, nothing else."""
    rng = np.random.default_rng(seed)
    arrays = {"w": sample("float32", (4, 8)), "v": sample("int32", (3,))}
    makers = {"safetensors": mx.save_safetensors, "npz": lambda p, a: mx.savez(p, **a), "npy": lambda p, a: mx.save(p, a["w"])}
    if hasattr(mx, "save_gguf"):
        makers["gguf"] = lambda p, a: mx.save_gguf(p, a, {"k": "v", "n": mx.array([1, 2])})
    for kind, save in makers.items():
        path = tmp_path / f"m.{kind}"
        save(str(path), arrays)
        good = path.read_bytes()
        for _ in range(150):
            path.write_bytes(mutate(good, rng))
            try:
                mx.eval(mx.load(str(path)))
            except (ValueError, RuntimeError, OSError, MemoryError):
                pass


def mutate(data, rng):
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, min(len(data), 400)))
        kind = rng.integers(0, 5)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            data[at] = int(rng.choice([0, 255, 127, 128, 45, 57]))
        elif kind == 2:
            data[at : at + 8] = [0, 2**63, 2**64 - 1, 2**32, 5][int(rng.integers(5))].to_bytes(8, "little")
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 20))]
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 20))]
        if not data:
            return b""
    return bytes(data)


def test_real_files_load():
    folder = Path(__file__).parent.parent / "data"
    for path in sorted(folder.glob("*.safetensors")):
        assert mx.load(str(path))

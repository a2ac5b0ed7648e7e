"""Saving and loading: safetensors, npy, npz and GGUF, checked against the formats' own definitions."""

import base64
import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.support import DTYPES, assert_same, run_python, to_mx, to_np

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
    return {
        k: (v["dtype"], v["shape"], body[slice(*v["data_offsets"])]) for k, v in header.items()
    }, meta


def encode(header, body=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def test_safetensors_files_follow_the_format(tmp_path):
    path = tmp_path / "a.safetensors"
    arrays = {name: sample(name) for name in NAMES}
    arrays |= {
        "scalar": mx.array(2.5),
        "empty": mx.zeros((0, 3)),
        "view": mx.transpose(mx.arange(6).reshape(2, 3)),
    }
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


VERDICTS = json.loads((Path(__file__).parent / "safetensors_corpus.json").read_text())


def test_safetensors_are_accepted_and_refused_as_by_the_reference_library(tmp_path):
    """Its verdicts on hostile files, recorded by tools/safetensors_verdicts.py."""
    assert len(VERDICTS) > 200
    path = tmp_path / "case.safetensors"
    for name, case in VERDICTS.items():
        path.write_bytes(base64.b64decode(case["file"]))
        if case["accepted"] and "exception" not in case:
            mx.eval(mx.load(str(path)))
            continue
        with pytest.raises(
            RuntimeError, match=r"^\[load_safetensors\] .*case\.safetensors: "
        ) as info:
            mx.load(str(path))
            pytest.fail(f"accepted: {name}")
        assert len(str(info.value)) < 600, name


def test_safetensors_of_8_bit_floats_are_their_bits(tmp_path):
    path = tmp_path / "f8.safetensors"
    for code in ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"):
        path.write_bytes(
            encode({"a": {"dtype": code, "shape": [3], "data_offsets": [0, 3]}}, b"\1\2\xff")
        )
        assert_same(mx.load(str(path))["a"], np.array([1, 2, 255], np.uint8))


def test_bools_other_than_0_and_1_are_true(tmp_path):
    path = tmp_path / "b.safetensors"
    path.write_bytes(
        encode({"a": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\0\2\xff")
    )
    assert_same(mx.load(str(path))["a"], np.array([False, True, True]))


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


@pytest.mark.parametrize("name", [n for n in DTYPES if n != "bfloat16"])
def test_npy_of_both_byte_orders(name, tmp_path):
    x = to_np(sample(name, (3, 5))) * (1 if name == "bool_" else 77)
    for order in "<>":
        for flags in (np.ascontiguousarray, np.asfortranarray):
            np.save(tmp_path / "a.npy", flags(x.astype(x.dtype.newbyteorder(order))))
            assert_same(mx.load(tmp_path / "a.npy"), x)


def test_npy_of_bfloat16_round_trips(tmp_path):
    a = sample("bfloat16")
    mx.save(tmp_path / "a.npy", a)
    assert_same(mx.load(tmp_path / "a.npy"), a)


def test_npy_headers_that_numpy_reads(tmp_path):
    x = np.arange(3, dtype=np.float32)
    for text in (b"{'shape': (3,), 'fortran_order': False, 'descr': '<f4'}", b'{"descr":"<f4","fortran_order":True,"shape":(3,)}',
                 b"{'descr': '=f4', 'fortran_order': False, 'shape': ( 3L , ), }   \n"):  # fmt: skip
        (tmp_path / "a.npy").write_bytes(npy_header(text) + x.tobytes() + b"more")
        assert_same(mx.load(tmp_path / "a.npy"), x)


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
    "version": npy_header(
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"\x93NUMPY\x09\x00"
    ),
    "header past the end": b"\x93NUMPY\x01\x00\xff\xff{'descr'",
    "no dictionary": npy_header(b"hello") + b"\0" * 8,
    "objects": npy_header(b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }") + b"\0" * 16,
    "structure": npy_header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }")
    + b"\0" * 8,
    "unknown dtype": npy_header(b"{'descr': '<f16', 'fortran_order': False, 'shape': (2,), }")
    + b"\0" * 32,
    "object twice": npy_header(b"{'descr': 'O', 'fortran_order': False, 'shape': (2,), }")
    + b"\0" * 16,
    "order missing": npy_header(b"{'descr': 'f4', 'fortran_order': False, 'shape': (2,), }")
    + b"\0" * 8,
    "shape an int": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2), }")
    + b"\0" * 8,
    "key twice": npy_header(
        b"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    )
    + b"\0" * 8,
    "key missing": npy_header(b"{'descr': '<f4', 'shape': (2,), }") + b"\0" * 8,
    "negative shape": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }")
    + b"\0" * 8,
    "overflow": npy_header(
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4), }"
    ),
    "huge number": npy_header(
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }"
    ),
    "short": npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (200,), }") + b"\0" * 8,
    "huge and short": npy_header(
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    )
    + b"\0" * 8,
}


@pytest.mark.parametrize("case", BAD_NPY)
def test_malformed_npy_is_refused(case, tmp_path):
    path = tmp_path / "bad.npy"
    path.write_bytes(BAD_NPY[case])
    with pytest.raises((ValueError, RuntimeError), match=r"\[(load|npy)"):
        mx.eval(mx.load(str(path)))


def test_errors_quote_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "bad.npy"
    path.write_bytes(npy_header(b"{'descr': '\xff\xfe', 'fortran_order': False, 'shape': (2,), }"))
    with pytest.raises(RuntimeError, match=r"got '\\xff\\xfe'"):
        mx.load(path)
    with pytest.raises(RuntimeError, match=r"\\xff\.npy"):
        mx.load(os.fsencode(tmp_path) + b"/\xff.npy")


def test_errors_about_files_are_one_line_whatever_the_files_say(tmp_path):
    header = {"a\n\x1b": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    npy = io.BytesIO()
    np.save(npy, np.arange(4, dtype="<f4"))
    (tmp_path / "a.npy").write_bytes(npy.getvalue().replace(b"'<f4'", b"'<\n\x07'"))
    for name, want in (("a.safetensors", r"'a\x0a\x1b'"), ("a.npy", r"'<\x0a\x07'")):
        with pytest.raises(RuntimeError) as error:
            mx.load(tmp_path / name)
        assert want in str(error.value) and str(error.value).isprintable()


def test_malformed_npz_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    good = io.BytesIO()
    np.savez(good, a=np.arange(1000))
    data = good.getvalue()
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as z:
            z.writestr("a.npy", data)
        broken = bytearray(packed.getvalue())
        broken[60:90] = b"\xff" * 30
        path.write_bytes(broken)
        with pytest.raises(RuntimeError, match=r"^\[load\] .*bad\.npz"):
            mx.load(str(path))
    bad = [b"", b"PK", data[: len(data) // 2], data[:-30], data[:40] + b"\xff" * 40 + data[80:]]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises((ValueError, RuntimeError, OSError)):
            mx.eval(mx.load(str(path))["a"])


def test_an_npz_that_ends_early_says_so():
    whole, f = io.BytesIO(), io.BytesIO()
    np.save(whole, np.arange(1000))
    with zipfile.ZipFile(f, "w") as z:
        z.writestr("a.npy", whole.getvalue()[:500])
    data = bytearray(f.getvalue())
    at = data.index(b"PK\1\2") + 20  # in the directory: the member's packed and unpacked size
    struct.pack_into("<II", data, at, *[len(whole.getvalue())] * 2)
    with pytest.raises(RuntimeError, match=r"^\[load\] file object: .*ends early"):
        mx.load(io.BytesIO(data), format="npz")


def test_npz_members_that_are_no_arrays_are_named(tmp_path):
    for name, data, match in (
        ("a.txt", b"hello", "'a.txt': expected an npy file"),
        ("b.npy", BAD_NPY["objects"], "Python objects"),
    ):
        with zipfile.ZipFile(tmp_path / "z.npz", "w") as z:
            z.writestr(name, data)
        with pytest.raises(RuntimeError, match=match):
            mx.load(tmp_path / "z.npz")
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as z, pytest.warns(UserWarning):
        for _ in range(2):
            with z.open("a.npy", "w") as f:
                np.save(f, np.ones(2))
    with pytest.raises(RuntimeError, match="distinct names; got 'a' twice"):
        mx.load(tmp_path / "z.npz")
    with pytest.raises(TypeError, match="expected arrays; got int for b"):
        mx.savez(tmp_path / "w.npz", b=5)


def test_npz_of_other_compressions_and_zip64(tmp_path):
    x = np.arange(1000)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with (
            zipfile.ZipFile(tmp_path / "z.npz", "w", method) as z,
            z.open("x.npy", "w", force_zip64=True) as f,
        ):
            np.save(f, x)
        assert_same(mx.load(tmp_path / "z.npz")["x"], x)


def test_missing_and_unknown_files_are_named(tmp_path):
    for name in ("none.safetensors", "none.npy", "none.npz"):
        with pytest.raises((OSError, ValueError, RuntimeError), match="none"):
            mx.eval(mx.load(str(tmp_path / name)))
    for name in ("a.xyz", "plain"):
        (tmp_path / name).write_bytes(b"hello")
        with pytest.raises(ValueError, match="'gguf', 'npy', 'npz' or 'safetensors'; got"):
            mx.load(str(tmp_path / name))
    with pytest.raises(ValueError, match="got 'foo'"):
        mx.load(str(tmp_path / "a.npy"), format="foo")
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ValueError, match="metadata"):
            mx.load(str(tmp_path / name), return_metadata=True)
    with pytest.raises((OSError, ValueError, RuntimeError)):
        mx.save_safetensors(str(tmp_path / "no folder" / "a.safetensors"), {"a": mx.ones((2,))})
    with pytest.raises((TypeError, ValueError)):
        mx.save_safetensors(str(tmp_path / "a.safetensors"), {"a": 5})
    with pytest.raises((TypeError, ValueError)):
        mx.save_safetensors(str(tmp_path / "a.safetensors"), {"a": mx.ones((2,))}, {"k": 5})


class Minimal:
    """A file object with the least methods: read, seek that says where it is, write."""

    def __init__(self, data=b""):
        self.inner = io.BytesIO(data)

    def read(self, size=-1):
        return self.inner.read(size if size < 0 else min(size, 7))

    def seek(self, *args):
        return self.inner.seek(*args)

    def write(self, data):
        self.inner.write(data)


class Stream:
    """What can only be read to its end."""

    def __init__(self, data):
        self.read = io.BytesIO(data).read


SAVERS = {
    "npy": lambda f, a: mx.save(f, a["a"]),
    "npz": lambda f, a: mx.savez(f, **a),
    "safetensors": mx.save_safetensors,
    "gguf": lambda f, a: mx.save_gguf(f, a, {"k": "v"}),
}


@pytest.mark.parametrize("kind", SAVERS)
def test_paths_and_file_objects(kind, tmp_path):
    a = {"a": mx.arange(40)}
    path = tmp_path / f"p.{kind}"
    SAVERS[kind](path, a)

    def check(loaded):
        assert_same(loaded if kind == "npy" else loaded["a"], a["a"])

    check(mx.load(path))
    check(mx.load(str(path).encode()))
    for maker in (io.BytesIO, Minimal):
        f = maker()
        SAVERS[kind](f, a)
        data = (f if maker is io.BytesIO else f.inner).getvalue()
        check(mx.load(io.BytesIO(data), format=kind))
        check(mx.load(Stream(data), format=kind))
        if kind != "npz":  # zipfile wants more
            check(mx.load(Minimal(data), format=kind))
    with open(tmp_path / f"o.{kind}", "wb", buffering=0) as f:
        SAVERS[kind](f, a)
    with open(tmp_path / f"o.{kind}", "rb") as f:
        check(mx.load(f))  # its name tells the format
    shifted = io.BytesIO(b"12345" + data)
    shifted.seek(5)
    check(mx.load(shifted, format=kind))


def test_several_npy_arrays_in_one_file_object():
    f = io.BytesIO()
    for i in range(3):
        mx.save(f, mx.full((i, 2), float(i)))
    np.save(f, np.arange(5))
    f.seek(0)
    for i in range(3):
        assert_same(mx.load(f, format="npy"), np.full((i, 2), i, np.float32))
    assert_same(mx.load(f, format="npy"), np.arange(5))


def test_file_objects_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(TypeError, match="load"):
        mx.load(5)
    with pytest.raises(TypeError, match="bytes; got str"):
        mx.load(io.StringIO("text" * 50), format="npy")
    with pytest.raises(ValueError, match="expected format"):
        mx.load(io.BytesIO(b""))
    for save in SAVERS.values():
        with pytest.raises(TypeError, match="path or a file object; got int"):
            save(5, {"a": mx.ones((2,))})
    with open(tmp_path / "a.npy", "w") as f, pytest.raises(TypeError):
        mx.save(f, mx.ones((2,)))
    broken = Minimal()
    broken.write = lambda data: 1 / 0
    for save in SAVERS.values():
        with pytest.raises(ZeroDivisionError):
            save(broken, {"a": mx.ones((2,))})


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


def test_gguf_round_trip(tmp_path):
    path = tmp_path / "a.gguf"
    arrays = {
        "w": sample("float32", (4, 8)),
        "h": sample("float16", (3,)),
        "i": sample("int32", (2, 2)),
    }
    meta = {
        "general.name": "tiny",
        "list": ["a", "b"],
        "numbers": mx.array([1, 2, 3], dtype=mx.uint32),
    }
    mx.save_gguf(str(path), arrays, meta)
    assert path.read_bytes()[:4] == b"GGUF"
    back, found = mx.load(str(path), return_metadata=True)
    for key, value in arrays.items():
        assert_same(back[key], value, key)
    assert found["general.name"] == "tiny" and found["list"] == ["a", "b"]
    assert found["numbers"].tolist() == [1, 2, 3]


def big_file(path, kind):
    """More than the megabyte up to which files are read at once."""
    x = np.arange(500_000, dtype=np.float32)
    SAVERS[kind](path, {"a": mx.array(x), "b": mx.array(x + 1)})
    return x


@pytest.mark.parametrize("kind", ["npy", "safetensors", "gguf"])
def test_a_big_file_is_read_when_its_arrays_are(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    x = big_file(path, kind)
    loaded = mx.load(path)
    a = loaded if kind == "npy" else loaded["a"]
    path.unlink()
    assert_same(a[::1000] + 0, x[::1000])
    assert_same(a, x)
    if kind != "npy":
        assert_same(loaded["b"], x + 1)


@pytest.mark.parametrize("kind", ["npy", "safetensors", "gguf"])
@pytest.mark.parametrize("how", ["truncated", "emptied", "overwritten"])
def test_a_big_file_that_changes_before_it_is_read_is_an_error(how, kind, tmp_path):
    """Not other values, and not the signal that a mapped file would give."""
    code = """
    import os, sys, time
    import olivine.core as mx
    path, how = sys.argv[1:]
    time.sleep(0.02)  # clocks of file systems are coarse
    loaded = mx.load(path)
    a = loaded["a"] if isinstance(loaded, dict) else loaded
    size = os.path.getsize(path)
    if how == "overwritten":
        with open(path, "r+b") as f:
            f.seek(size // 4)
            f.write(b"x" * 100)
    else:
        os.truncate(path, 0 if how == "emptied" else size // 4)
    for _ in range(2):
        try:
            mx.eval(a)
        except RuntimeError as error:
            assert "the file changed" in str(error) or "became shorter" in str(error), error
            assert path in str(error)
        else:
            raise SystemExit("no exception")
    assert mx.sum(mx.ones((3,))).item() == 3
    """
    path = tmp_path / f"a.{kind}"
    big_file(path, kind)
    run_python(code, args=(path, how))


def test_thousands_of_big_files_do_not_use_up_descriptors(tmp_path):
    code = """
    import resource, sys
    import olivine.core as mx
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    arrays = [mx.load(sys.argv[1]) for _ in range(600)]
    assert all(a[-1].item() == 299_999 for a in arrays[::50])
    del arrays
    """
    mx.save(tmp_path / "a.npy", mx.arange(300_000))
    run_python(code, args=(tmp_path / "a.npy",))


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_never_crash(seed, tmp_path):
    """Flipped, cut and repeated bytes: a value or an exception, nothing else."""
    rng = np.random.default_rng(seed)
    arrays = {"w": sample("float32", (4, 8)), "v": sample("int32", (3,))}
    makers = {
        "safetensors": mx.save_safetensors,
        "npz": lambda p, a: mx.savez(p, **a),
        "npy": lambda p, a: mx.save(p, a["w"]),
    }
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
            data[at : at + 8] = [0, 2**63, 2**64 - 1, 2**32, 5][int(rng.integers(5))].to_bytes(
                8, "little"
            )
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

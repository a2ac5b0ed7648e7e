"""GGUF: every tensor type against the format's own reader, metadata, round trips, malformed files."""

import struct
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_same, to_mx, to_np

# Numbers of the tensor types, and of the metadata's types, in files.
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q8_1": 9, "Q2_K": 10, "Q3_K": 11,
         "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "Q8_K": 15, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19,
         "IQ4_NL": 20, "IQ3_S": 21, "IQ2_S": 22, "IQ4_XS": 23, "I8": 24, "I16": 25, "I32": 26, "I64": 27, "F64": 28,
         "IQ1_M": 29, "BF16": 30, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39}  # fmt: skip
VALUES = {"u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"),
          "f32": (6, "f"), "bool": (7, "B"), "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d")}  # fmt: skip
STRING, LIST = 8, 9
FIXTURE = np.load(Path(__file__).parent.parent / "fixtures" / "gguf_types.npz")
DECODED = sorted(k[:-6] for k in FIXTURE.files if k.endswith(".bytes"))


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def value(kind, v):
    """A metadata value: number, string or (element kind, list)."""
    if kind == "str":
        return struct.pack("<I", STRING) + text(v)
    if kind == "list":
        of, items = v
        if of == "str":
            return struct.pack("<IIQ", LIST, STRING, len(items)) + b"".join(map(text, items))
        number, code = VALUES[of]
        return struct.pack(f"<IIQ{len(items)}{code}", LIST, number, len(items), *items)
    number, code = VALUES[kind]
    return struct.pack(f"<I{code}", number, v)


def tensor(name, shape, kind, offset):
    return text(name) + struct.pack(
        f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, offset
    )


def encode(tensors=(), metadata=(), version=3, alignment=32, counts=None, magic=b"GGUF"):
    """A file of tensors (name, shape, type number, bytes[, offset]) and metadata (key, kind, value)."""
    infos, data = b"", b""
    for name, shape, kind, body, *at in tensors:
        infos += tensor(name, shape, kind, at[0] if at else len(data))
        data += body + b"\0" * (-len(body) % alignment)
    head = magic + struct.pack("<IQQ", version, *(counts or (len(tensors), len(metadata))))
    head += (
        b"".join(text(k) + (v if kind is None else value(kind, v)) for k, kind, v in metadata)
        + infos
    )
    return head + b"\0" * (-len(head) % alignment) + data


def load(tmp_path, data, **kwargs):
    path = tmp_path / "a.gguf"
    path.write_bytes(data)
    return mx.load(str(path), **kwargs)


def unpack(words, bits):
    """Elements of the affine layout: `bits` bits each, the lowest first."""
    return (words[..., None] >> np.arange(0, 32, bits, dtype=np.uint32) & (2**bits - 1)).reshape(
        *words.shape[:-1], -1
    )


@pytest.mark.parametrize("name", DECODED)
def test_types_decode_as_the_formats_own_reader_does(name, tmp_path):
    stored, values = FIXTURE[f"{name}.bytes"], FIXTURE[f"{name}.values"]
    got = load(tmp_path, encode([("t.weight", values.shape, TYPES[name], stored.tobytes())]))
    if name not in ("Q4_0", "Q4_1", "Q8_0"):  # what MLX packs
        with np.errstate(over="ignore"):
            assert_same(got["t.weight"], values.astype(np.float16))
        return
    w, scales, biases = (to_np(got[k]) for k in ("t.weight", "t.scales", "t.biases"))
    bits = 8 if name == "Q8_0" else 4
    assert w.dtype == np.uint32 and w.shape == (len(values), values.shape[1] * bits // 32)
    assert scales.dtype == biases.dtype == np.float16 and scales.shape == (
        len(values),
        values.shape[1] // 32,
    )
    q = unpack(w, bits).reshape(*scales.shape, 32)
    found = q * scales[..., None].astype(np.float32) + biases[..., None].astype(np.float32)
    # The bias -8 d or -128 d is exact unless d is subnormal or it overflows.
    np.testing.assert_array_equal(found.reshape(values.shape), values)


# name -> mode, group_size, bits.
KEPT = {
    "Q4_0": ("symmetric", 32, 4),
    "Q4_1": ("affine", 32, 4),
    "Q5_0": ("symmetric", 32, 5),
    "Q5_1": ("affine", 32, 5),
    "Q8_0": ("symmetric", 32, 8),
    "Q2_K": ("k", 16, 2),
    "Q3_K": ("k_symmetric", 16, 3),
    "Q4_K": ("k", 32, 4),
    "Q5_K": ("k", 32, 5),
    "Q6_K": ("k_symmetric", 16, 6),
}


@pytest.mark.parametrize("name", KEPT)
def test_types_kept_packed_lose_nothing(name, tmp_path):
    stored, values = FIXTURE[f"{name}.bytes"], FIXTURE[f"{name}.values"]
    data = encode([("t.weight", values.shape, TYPES[name], stored.tobytes())])
    got = load(tmp_path, data, keep_packed=True)
    mode, group, bits = KEPT[name]
    assert set(got) == {"t.weight", "t.scales"} | (
        {"t.biases"} if mode in ("affine", "k") else set()
    )
    w, scales, biases = got["t.weight"], got["t.scales"], got.get("t.biases")
    assert w.dtype == mx.uint32 and w.shape == (len(values), values.shape[1] * bits // 32)
    assert scales.dtype == (mx.uint8 if mode.startswith("k") else mx.float16)
    # Memory is the file's, but that scales of 4 and 6 bits take 8.
    most = {"Q2_K": 100 / 84, "Q3_K": 114 / 110, "Q4_K": 148 / 144, "Q5_K": 180 / 176}
    assert sum(a.nbytes for a in got.values()) == round(stored.nbytes * most.get(name, 1))
    settings = {"group_size": group, "bits": bits, "mode": mode}
    product = mx.quantized_matmul(mx.ones((1, values.shape[1])), w, scales, biases, **settings)
    size = np.abs(values).sum(1)
    assert np.all(np.abs(to_np(product)[0] - values.sum(1, dtype=np.float64)) <= 1e-6 * size)
    if mode == "affine":  # whose own arithmetic rounds to float16
        scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
    found = mx.dequantize(w, scales, biases, **settings)
    np.testing.assert_array_equal(to_np(found), values)


def test_types_without_a_packed_form_are_decoded_exactly(tmp_path):
    for name in set(DECODED) - set(KEPT):
        stored, values = FIXTURE[f"{name}.bytes"], FIXTURE[f"{name}.values"]
        data = encode([("t", values.shape, TYPES[name], stored.tobytes())])
        assert_same(load(tmp_path, data, keep_packed=True)["t"], values)


def test_q8_k_decodes_by_its_definition(tmp_path):
    rng = np.random.default_rng(0)
    q, d = rng.integers(-128, 128, (3, 256)).astype(np.int8), rng.normal(size=3).astype(np.float32)
    body = b"".join(d[i].tobytes() + q[i].tobytes() + b"\1" * 32 for i in range(3))
    got = load(tmp_path, encode([("t", (3, 256), TYPES["Q8_K"], body)]))["t"]
    assert_same(got, (q * d[:, None]).astype(np.float16))


@pytest.mark.parametrize(
    "kind", ["float32", "float16", "bfloat16", "float64", "int8", "int16", "int32", "int64"]
)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3), (1, 1, 1, 1, 2)])
def test_arrays_round_trip(kind, shape, tmp_path):
    a = to_mx(np.arange(np.prod(shape, dtype=int)).reshape(shape) - 2, kind)
    mx.save_gguf(tmp_path / "a.gguf", {"a": a, "b": a[..., None]}, {})
    back = mx.load(tmp_path / "a.gguf")
    assert_same(back["a"], a)
    assert_same(back["b"], a[..., None])


def test_packed_tensors_of_other_ranks_and_names(tmp_path):
    blocks = FIXTURE["Q4_0.bytes"].reshape(8, 18)
    for shape, count in (((32,), 1), ((2, 2, 64), 8)):
        got = load(tmp_path, encode([("foo", shape, TYPES["Q4_0"], blocks[:count].tobytes())]))
        assert set(got) == {"foo", "foo.scales", "foo.biases"}
        assert got["foo"].shape == (*shape[:-1], shape[-1] // 8)
        assert got["foo.scales"].shape == (*shape[:-1], shape[-1] // 32)


def test_metadata_of_every_kind(tmp_path):
    numbers = {"u8": 200, "i8": -3, "u16": 60000, "i16": -300, "u32": 2**32 - 1, "i32": -(2**31), "f32": 1.5,
               "bool": 1, "u64": 2**64 - 1, "i64": -(2**63), "f64": 1e300}  # fmt: skip
    names = {"bool": "bool", **{k: k.replace("u", "uint").replace("i", "int") if k[0] == "i" else
             k.replace("u", "uint").replace("f", "float") for k in numbers if k != "bool"}}  # fmt: skip
    metadata = [(k, k, v) for k, v in numbers.items()]
    metadata += [(f"list.{k}", "list", (k, [v, v])) for k, v in numbers.items()]
    metadata += [
        ("s", "str", "grüße"),
        ("strings", "list", ("str", ["a", "", "ü"])),
        ("none", "list", ("u8", [])),
    ]
    arrays, found = load(tmp_path, encode(metadata=metadata), return_metadata=True)
    assert arrays == {} and set(found) == {k for k, _, _ in metadata}
    for key, v in numbers.items():
        want = np.array(v, names[key])
        assert_same(found[key], want, key)
        assert_same(found[f"list.{key}"], np.stack([want, want]), key)
    assert (
        found["s"] == "grüße" and found["strings"] == ["a", "", "ü"] and found["none"].shape == (0,)
    )
    mx.save_gguf(tmp_path / "b.gguf", {}, found)
    _, again = mx.load(tmp_path / "b.gguf", return_metadata=True)
    assert set(again) == set(found)
    for key, v in found.items():
        assert_same(again[key], v) if isinstance(v, mx.array) else again[key] == v


def test_python_values_as_metadata(tmp_path):
    meta = {
        "b": True,
        "i": 5,
        "f": 0.5,
        "big": 2**40,
        "ints": [1, 2],
        "floats": (1.0, 2.0),
        "empty": [],
        "text": ("x", "y"),
    }
    mx.save_gguf(tmp_path / "a", {"a": mx.ones((2,))}, meta)
    _, found = mx.load(tmp_path / "a.gguf", return_metadata=True)
    assert (
        found["b"].dtype == mx.bool_
        and found["i"].dtype == mx.int32
        and found["f"].dtype == mx.float32
    )
    assert (
        found["big"].item() == 2**40
        and found["ints"].tolist() == [1, 2]
        and found["floats"].tolist() == [1, 2]
    )
    assert found["empty"] == [] and found["text"] == ["x", "y"]


def test_text_that_is_no_utf8_survives(tmp_path):
    data = encode(metadata=[("tokens", "list", ("str", [b"\xff\xfe", b"ok"]))])
    _, found = load(tmp_path, data, return_metadata=True)
    assert found["tokens"][0].encode("utf-8", "surrogateescape") == b"\xff\xfe"
    mx.save_gguf(tmp_path / "b.gguf", {}, found)
    assert mx.load(tmp_path / "b.gguf", return_metadata=True)[1] == found


def test_what_is_written_is_aligned_sorted_and_reproducible(tmp_path):
    arrays = {k: mx.full((3,), float(i)) for i, k in enumerate("cab")}
    for alignment in (None, 64):
        meta = {"z": "1", "y": "2"} | (
            {"general.alignment": mx.array(alignment, mx.uint32)} if alignment else {}
        )
        mx.save_gguf(tmp_path / "1.gguf", arrays, meta)
        mx.save_gguf(
            tmp_path / "2.gguf", dict(reversed(arrays.items())), dict(reversed(meta.items()))
        )
        data = (tmp_path / "1.gguf").read_bytes()
        assert data == (tmp_path / "2.gguf").read_bytes()
        step = alignment or 32
        assert len(data) % step == 0
        start = len(data) - 3 * step
        for i, (_, v) in enumerate(sorted(arrays.items())):
            assert data[start + i * step :][:12] == to_np(v).tobytes()


def test_version_2_and_other_alignments_load(tmp_path):
    x = np.arange(6, dtype=np.float32)
    tensors = [("a", (6,), 0, x.tobytes()), ("b", (2, 3), 0, x.tobytes())]
    for version, alignment in ((2, 32), (3, 8), (3, 4096)):
        meta = [("general.alignment", "u32", alignment)]
        got = load(tmp_path, encode(tensors, meta, version=version, alignment=alignment))
        assert_same(got["a"], x)
        assert_same(got["b"], x.reshape(2, 3))


F32 = ("a", (2,), 0, b"\0" * 8)
MALFORMED = {
    "empty": (b"", "ends within the header"),
    "magic": (encode(magic=b"GGML"), "another kind"),
    "version 1": (encode(version=1), "version 2 or 3; got 1"),
    "big-endian": (encode(version=3 << 24), "big-endian"),
    "tensor count": (encode(counts=(2**63, 0)), "tensors; got 9223372036854775808"),
    "value count": (encode(counts=(0, 2**64 - 1)), "metadata values; got"),
    "key past the end": (encode(counts=(0, 1))[:24] + struct.pack("<Q", 60000) + b"\0" * 32, "a metadata key of at most"),
    "key too long": (encode(metadata=[("k" * 65536, "u8", 1)]), "at most 65535 bytes; got 65536"),
    "key not utf-8": (encode(metadata=[(b"\xff\xfe", "u8", 1)]), "UTF-8"),
    "key twice": (encode(metadata=[("k", "u8", 1), ("k", "u8", 2)]), "distinct keys; got 'k' twice"),
    "value type": (encode(metadata=[("k", None, struct.pack("<II", 13, 0))]), "type of 0 to 12; got 13"),
    "string past the end": (encode(metadata=[("k", None, struct.pack("<IQ", 8, 2**40))]), "a metadata string of at most"),
    "list past the end": (encode(metadata=[("k", None, struct.pack("<IIQ", 9, 4, 2**61))]), "elements of a list"),
    "strings past the end": (encode(metadata=[("k", None, struct.pack("<IIQ", 9, 8, 2**60))]), "strings of a list"),
    "list of lists": (encode(metadata=[("k", None, struct.pack("<IIQIQ", 9, 9, 1, 4, 0))]), "lists within lists"),
    "bool of 2": (encode(metadata=[("k", "bool", 2)]), "bools of 0 or 1; got 2"),
    "alignment 0": (encode(metadata=[("general.alignment", "u32", 0)]), "power of two; got 0"),
    "alignment 48": (encode(metadata=[("general.alignment", "u32", 48)]), "power of two; got 48"),
    "alignment text": (encode(metadata=[("general.alignment", "str", "32")]), "as uint32"),
    "name twice": (encode([F32, F32]), "distinct names; got 'a' twice"),
    "axes": (encode([("a", (1,) * 9, 0, b"\0" * 4)]), "at most 8 axes; got 9"),
    "huge size": (encode([("a", (2**63,), 0, b"")]), "below 2^63"),
    "overflow": (encode([("a", (2**32, 2**32), 0, b"")]), "does not fit in 64 bits"),
    "overflow beside zero": (encode([("a", (2**62, 2**62, 0), 0, b"")]), "does not fit in 64 bits"),
    "unknown type": (encode([("a", (2,), 77, b"\0" * 8)]), "known type; got number 77"),
    "type not supported": (encode([("a", (32,), TYPES["Q8_1"], b"\0" * 40)]), "type Q8_1 is not supported"),
    "retired type": (encode([("a", (32,), 31, b"\0" * 40)]), "type Q4_0_4_4 is not supported"),
    "partial block": (encode([("a", (2, 40), TYPES["Q4_0"], b"\0" * 64)]), "multiple of 32 for Q4_0; got 40"),
    "offset not aligned": (encode([(*F32, 8)]), "aligned to 32; got 8"),
    "offset past the end": (encode([(*F32, 2**40)]), "8 bytes at offset 1099511627776"),
    "offset near 2^64": (encode([(*F32, 2**64 - 32)]), "8 bytes at offset"),
    "data past the end": (encode([("a", (200,), 0, b"\0" * 8)]), "800 bytes at offset 0"),
    "overlap": (encode([("a", (12,), 0, b"\0" * 48), ("b", (8,), 0, b"\0" * 32, 32)]), "'a' and 'b' overlap"),
    "names collide": (encode([("w.weight", (32,), 2, b"\0" * 18), ("w.scales", (1,), 0, b"\0" * 4)]), "is called 'w.scales'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused_with_one_clear_error(case, tmp_path):
    data, match = MALFORMED[case]
    with pytest.raises(RuntimeError, match=r"^\[load_gguf\] .*a\.gguf: ") as info:
        load(tmp_path, data)
    assert match in str(info.value)


def test_every_truncation_is_refused(tmp_path):
    x = np.arange(5, dtype=np.float32)
    data = encode(
        [("a", (5,), 0, x.tobytes())], [("k", "str", "v"), ("l", "list", ("u16", [1, 2]))]
    )
    data = data[: -(-x.nbytes % 32)]
    assert_same(load(tmp_path, data)["a"], x)
    for size in range(len(data)):
        with pytest.raises(RuntimeError, match="load_gguf"):
            load(tmp_path, data[:size])


@pytest.mark.parametrize("bad", ["uint8", "uint32", "bool_", "complex64"])
def test_dtypes_that_the_format_lacks_are_named(bad, tmp_path):
    with pytest.raises(
        ValueError, match=r"\[save_gguf\] array 'a': expected .*; got " + bad.rstrip("_")
    ):
        mx.save_gguf(tmp_path / "a.gguf", {"a": to_mx(np.ones(3), bad)}, {})
    assert not list(tmp_path.iterdir())


def test_metadata_that_the_format_lacks_is_refused(tmp_path):
    one = {"a": mx.ones((2,))}
    for bad, kind in ((mx.ones((2, 2)), ValueError), (mx.array(1, mx.float16), ValueError), (object(), TypeError),
                      ({"a": 1}, TypeError)):  # fmt: skip
        with pytest.raises(kind, match="'k'"):
            mx.save_gguf(tmp_path / "a.gguf", one, {"k": bad})
    with pytest.raises(ValueError, match="alignment"):
        mx.save_gguf(tmp_path / "a.gguf", one, {"general.alignment": mx.array(48, mx.uint32)})
    assert not list(tmp_path.iterdir())

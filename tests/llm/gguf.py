"""GGUF as models: logits beside llama.cpp's on the same files, packed tensors, files that are wrong."""

from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.find import find, in_path
from olivine.llm.formats.folder import read_folder
from olivine.llm.formats.gguf import read_gguf
from olivine.llm.formats.gguf_names import relayout
from olivine.llm.formats.packed import unpack
from olivine.llm.loading import assemble
from olivine.llm.save import save_folder
from tests.llm import tiny_gguf
from tests.support import to_np

LOGITS = np.load(Path(__file__).parent / "fixtures" / "gguf_logits.npz")
# llama.cpp looks GELU up in a table of float16, and Gemma 3 has it in seven layers.
TOLERANCE = dict.fromkeys(("bert", "gemma", "gemma2", "gpt2", "gptneox", "starcoder2"), 2e-3) | {
    "gemma3": 5e-3
}


def read(path):
    return read_gguf(in_path(path))[0]


def logits(path):
    return to_np(assemble(read(path))(mx.array([tiny_gguf.TOKENS]))[0])


@pytest.mark.parametrize("name", tiny_gguf.FILES)
def test_logits_are_llama_cpps(name, tmp_path):
    path = tmp_path / "a.gguf"
    tiny_gguf.write(path, name)
    np.testing.assert_allclose(logits(path), LOGITS[name], rtol=0, atol=TOLERANCE.get(name, 1e-4))


def test_files_split_into_parts_are_one(tmp_path):
    arrays, metadata = tiny_gguf.contents("llama")
    whole, names = tmp_path / "a.gguf", sorted(arrays)
    tiny_gguf.write(whole, "llama")
    for i in range(2):
        dropped = dict.fromkeys(set(arrays) - set(names[i::2]))
        tiny_gguf.write(tmp_path / f"b-0000{i + 1}-of-00002.gguf", "llama", dropped)
    np.testing.assert_array_equal(logits(tmp_path / "b-00001-of-00002.gguf"), logits(whole))
    (tmp_path / "b-00002-of-00002.gguf").unlink()
    with pytest.raises(ModelError, match=r"all 2 parts .*b-00002-of-00002.gguf is missing"):
        in_path(tmp_path / "b-00001-of-00002.gguf")


def test_a_folder_with_one_gguf_file_is_that_file(tmp_path):
    tiny_gguf.write(tmp_path / "a.gguf", "llama")
    assert find(tmp_path).files == (tmp_path / "a.gguf",)
    tiny_gguf.write(tmp_path / "b.gguf", "llama")
    with pytest.raises(ModelError, match="name one of: a.gguf, b.gguf"):
        find(tmp_path)


@pytest.mark.parametrize("model_type, name", [("llama", "attn_q"), ("gpt_neox", "attn_qkv")])
def test_packed_rows_move_as_rows_do(model_type, name):
    w = mx.random.normal((96, 64))
    config = {"num_attention_heads": 4, "num_key_value_heads": 2}
    moved = relayout(f"blk.0.{name}.weight", w, model_type, config)
    packed = mx.quantize(w, group_size=32, bits=5)
    parts = [
        relayout(f"blk.0.{name}.{part}", value, model_type, config)
        for part, value in zip(("weight", "scales", "biases"), packed, strict=True)
    ]
    for part, want in zip(parts, mx.quantize(moved, group_size=32, bits=5), strict=True):
        np.testing.assert_array_equal(to_np(part), to_np(want))


@pytest.mark.parametrize(
    "kind, size, bits", [(2, 18, 4), (3, 20, 4), (6, 22, 5), (7, 24, 5), (8, 34, 8)]
)
def test_packed_layers_stay_packed(kind, size, bits, tmp_path):
    """Blocks of small integers with a scale of 1/64, in every matrix of a Llama."""
    from tests.io import test_gguf as raw

    arrays, metadata = tiny_gguf.contents("llama")
    random = np.random.RandomState(0)
    tensors = []
    for name, value in arrays.items():
        if value.ndim == 1:
            tensors.append((name, value.shape, 0, value.tobytes()))
            continue
        blocks = random.randint(0, 256, (value.size // 32, size)).astype(np.uint8)
        blocks[:, :2] = np.array([1 / 64], np.float16).view(np.uint8)
        if kind in (3, 7):
            blocks[:, 2:4] = np.array([-1 / 8], np.float16).view(np.uint8)
        tensors.append((name, value.shape, kind, blocks.tobytes()))
    kinds = {int: "u32", float: "f32", str: "str"}
    values = [(k, kinds[type(v)], v) for k, v in metadata.items()]
    path = tmp_path / "a.gguf"
    path.write_bytes(raw.encode(tensors, values))
    checkpoint = read(path)
    model = assemble(checkpoint)
    layer = model.layers[0].self_attn.q_proj
    assert (layer.bits, layer.group_size) == (bits, 32) and layer.weight.dtype == mx.uint32
    assert checkpoint.config["quantization"]["model.layers.0.self_attn.q_proj"]["bits"] == bits
    plain = read(path)
    full = dict(plain.weights)
    for name in [n for n in full if n.endswith(".scales")]:
        stem = name.removesuffix(".scales")
        parts = [full.pop(f"{stem}.{part}", None) for part in ("weight", "scales", "biases")]
        full[f"{stem}.weight"] = unpack(*parts, checkpoint.settings(stem))
    plain.weights = full
    tokens = mx.array([tiny_gguf.TOKENS])
    got, want = to_np(model(tokens)), to_np(assemble(plain)(tokens))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())
    # A folder holds what MLX reads, without loss.
    folder = tmp_path / "m"
    save_folder(folder, model, checkpoint.config, None, checkpoint.quantization)
    saved = read_folder(folder)
    assert saved.settings("model.layers.0.self_attn.q_proj")["mode"] == "affine"
    again = to_np(assemble(saved)(tokens))
    np.testing.assert_allclose(again, want, rtol=0, atol=1e-2 * np.abs(want).max())


def test_dtype_follows_the_matrices(tmp_path):
    arrays, _ = tiny_gguf.contents("llama")
    for dtype, want in ((mx.bfloat16, mx.bfloat16), (mx.float16, mx.float16)):
        halves = {k: mx.array(v).astype(dtype) for k, v in arrays.items() if v.ndim > 1}
        tiny_gguf.write(tmp_path / "a.gguf", "llama", halves)
        assert {v.dtype for v in read(tmp_path / "a.gguf").weights.values()} == {want}
    arrays, _ = tiny_gguf.contents("gemma")
    halves = {k: mx.array(v).astype(mx.float16) for k, v in arrays.items() if v.ndim > 1}
    tiny_gguf.write(tmp_path / "a.gguf", "gemma", halves)
    assert {v.dtype for v in read(tmp_path / "a.gguf").weights.values()} == {mx.float32}


WRONG = {
    "no architecture": ({}, {"general.architecture": None}, "text as general.architecture; got nothing"),
    "other architecture": ({}, {"general.architecture": "rwkv9"}, "architecture among llama, .*got 'rwkv9'"),
    "no layers": ({}, {"llama.block_count": None}, "a number above 0 as llama.block_count"),
    "heads of text": ({}, {"llama.attention.head_count": "four"}, "a number as llama.attention.head_count"),
    "heads of half": ({}, {"llama.attention.head_count": 1.5}, "a whole number as llama.attention.head_count"),
    "heads that do not fit": ({}, {"llama.attention.head_count": 5}, "rows for the heads"),
    "heads that differ": ({}, {"llama.attention.head_count_kv": mx.array([2, 4])}, "one number for all layers"),
    "infinite base": ({}, {"llama.rope.freq_base": float("inf")}, "one number for all layers as llama.rope.freq_base"),
    "no embedding": ({"token_embd.weight": None}, {}, "a tensor token_embd.weight; there is none"),
    "missing tensor": ({"blk.1.ffn_up.weight": None}, {}, "tensor model.layers.1.mlp.up_proj.weight in .*it is missing"),
    "surplus tensor": ({"blk.0.attn_q_norm.weight": np.ones(16, np.float32)}, {}, "got also model.layers.0.self_attn.q_norm"),
    "tensor of no name": ({"foo.bar": np.ones(16, np.float32)}, {}, "tensors of llama; got one called 'foo.bar'"),
    "other shape": ({"blk.0.ffn_up.weight": np.ones((3, 5), np.float32)}, {}, r"shape \(96, 64\) for model.layers.0.mlp.up"),
    "other layer": ({"blk.7.attn_norm.weight": np.ones(64, np.float32)}, {}, "got also model.layers.7.input_layernorm"),
    "odd rope factors": ({"rope_freqs.weight": np.linspace(1, 5, 8)}, {}, "as Llama 3.1 computes them"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_refused_with_one_clear_error(case, tmp_path):
    tensors, metadata, match = WRONG[case]
    path = tmp_path / "a.gguf"
    tiny_gguf.write(path, "llama", tensors, metadata)
    with pytest.raises(ModelError, match=rf"^\[llm\] .*{match}"):
        assemble(read(path))


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "a.gguf"
    tiny_gguf.write(path, "llama")
    data = path.read_bytes()
    for size in (0, 3, 30, 500, len(data) // 2):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match=r"^\[llm\] expected a GGUF file; got"):
            read(path)


HOSTILE = [
    None,
    "",
    "x" * 100,
    [],
    ["a"],
    0,
    1,
    3,
    2**31,
    2**40,
    -1,
    0.0,
    1e300,
    float("nan"),
    True,
]


def test_hostile_metadata_gives_models_or_clear_errors(tmp_path):
    """Values replaced by others, some for each key: nothing but ModelError is raised."""
    path = tmp_path / "a.gguf"
    kinds = {int: mx.int64, float: mx.float32, bool: mx.bool_}
    refused, at = 0, 0
    for name in ("llama-3.1", "gemma3", "deepseek3"):
        _, metadata = tiny_gguf.contents(name)
        for key in metadata:
            for _ in range(2):
                value = HOSTILE[at % len(HOSTILE)]
                at += 1
                kind = kinds.get(type(value))
                tiny_gguf.write(path, name, {}, {key: mx.array(value, kind) if kind else value})
                try:
                    assemble(read(path))
                except ModelError as error:
                    assert str(error).startswith("[llm] ")
                    refused += 1
    assert refused > 30

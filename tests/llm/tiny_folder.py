"""A tiny model as a folder, with a real tokenizer of bytes and a chat template."""

import pytest

from olivine.llm.save import save_folder
from tests.llm.tiny_chat import CONFIG, tiny_llama

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]


def byte_tokenizer():
    """Ids 0 to 255 are bytes in the alphabet's order, then the special tokens."""
    tokenizers = pytest.importorskip("tokenizers", reason="the extra 'llm' is not installed")
    from olivine.llm.chat_template import ChatTemplate
    from olivine.llm.tokenizer import Tokenizer

    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: i for i, text in enumerate(alphabet)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens(SPECIAL)
    return Tokenizer(backend, eos_token_ids=[256], chat_template=ChatTemplate(TEMPLATE))


def write_model(folder, seed=0, **changes):
    """Write the model; returns it."""
    config = {**CONFIG, "max_position_embeddings": 512, **changes}
    model = tiny_llama(seed, **{k: v for k, v in config.items() if CONFIG.get(k) != v})
    save_folder(folder, model, config, byte_tokenizer())
    return model

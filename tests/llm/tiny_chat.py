"""A tiny random Llama and a tokenizer of bytes, for tests of what surrounds a model."""

from tests.llm import tiny

CONFIG = {
    "model_type": "llama",
    "vocab_size": 260,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "tie_word_embeddings": True,
}


def tiny_llama(seed=0, **changes):
    return tiny.tiny_llama(seed=seed, **{**CONFIG, **changes})


class ByteTokenizer:
    """Ids are bytes; 256 ends a text, 257 begins it; chats are tagged lines."""

    bos_token_id, eos_token_id, pad_token_id = 257, 256, 256
    eos_token_ids = frozenset({256})

    def encode(self, text, add_special_tokens=True):
        ids = []
        for part in text.split("<end>"):
            ids += [*part.encode(), 256]
        return ids[:-1]

    def decode(self, ids):
        return bytes(i for i in ids if i < 256).decode(errors="replace")

    def apply_chat_template(self, messages, tools=None, add_generation_prompt=True, tokenize=True):
        text = "".join(f"{m['role']}: {m['content']}<end>" for m in messages)
        text += "assistant: " if add_generation_prompt else ""
        return self.encode(text) if tokenize else text

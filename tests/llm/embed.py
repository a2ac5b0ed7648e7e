"""Vectors of texts."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm import models
from olivine.llm.embed import Embedder
from tests.llm.tiny_chat import tiny_llama
from tests.llm.tiny_folder import byte_tokenizer

BERT = {
    "model_type": "bert",
    "vocab_size": 260,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
TEXTS = ["a", "some longer text", "middle", "b"]


@pytest.mark.parametrize("make", [tiny_llama, lambda: models.build(BERT)])
def test_a_text_has_the_same_vector_in_any_company(make):
    mx.random.seed(0)
    embed = Embedder(make(), byte_tokenizer(), batch_size=3)
    together, count = embed(TEXTS)
    assert together.shape == (4, 32) and count == sum(map(len, TEXTS))
    np.testing.assert_allclose(mx.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(embed([text])[0][0], row, atol=1e-5)


def test_what_cannot_be_embedded_is_refused():
    embed = Embedder(tiny_llama(), byte_tokenizer())
    with pytest.raises(ValueError, match="at least one token"):
        embed(["a", ""])
    with pytest.raises(ValueError, match="below the model's 260"):
        embed([[300]])

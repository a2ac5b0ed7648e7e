"""Folders of tiny models that see, as transformers writes them: fixtures/make_models.py."""

import gzip
import json
from pathlib import Path

import numpy as np

import olivine.core as mx
from tests.image.fixtures import cases as image_cases
from tests.image.fixtures.weights import weights

FIXTURES = Path(__file__).parent / "fixtures"
MADE = json.loads(gzip.decompress((FIXTURES / "models.json.gz").read_bytes()))
IMAGE_FIXTURES = FIXTURES.parents[1] / "image" / "fixtures"


def write(case: str, folder: Path) -> Path:
    """Write the model called `case`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in MADE[case]["files"].items():
        (folder / name).write_text(text, encoding="utf-8")
    return _weights(MADE[case]["shapes"], folder)


def write_pair(case: str, folder: Path) -> Path:
    """Write `clip` or `siglip` with a tokenizer of small vocabulary and a processor."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = json.loads(gzip.decompress((IMAGE_FIXTURES / "models.json.gz").read_bytes()))[case]
    kind, settings = image_cases.CASES[case]
    text = dict(settings["text_config"])
    processor = {
        "size": {"height": 20, "width": 20},
        "image_processor_type": "SiglipImageProcessor",
    }
    if case == "siglip":
        stored = np.load(IMAGE_FIXTURES / "siglip_tokenizer.npz")["siglip.model"]
        (folder / "spiece.model").write_bytes(stored.tobytes())
        text |= {"vocab_size": 500}
        tokenizer = {"model_max_length": text["max_position_embeddings"]}
    else:
        words = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz"]
        words += [f"{word}</w>" for word in words[2:]]
        vocabulary = {word: i for i, word in enumerate(words)}
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        text |= {"vocab_size": len(words), "eos_token_id": 1}
        tokenizer = {"model_max_length": text["max_position_embeddings"]}
        processor = {"size": {"shortest_edge": 21}, "crop_size": 21}
    shapes["text_model.embeddings.token_embedding.weight"][0] = text["vocab_size"]
    config = {**settings, "architectures": [kind], "text_config": text}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return _weights(shapes, folder)


def _weights(shapes: dict, folder: Path) -> Path:
    arrays = {key: mx.array(value) for key, value in weights(shapes).items()}
    mx.save_safetensors(str(folder / "model.safetensors"), arrays, {"format": "pt"})
    return folder

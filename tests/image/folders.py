"""Folders of tiny pipelines, as diffusers writes them: fixtures/make_pipelines.py."""

import gzip
import json
from pathlib import Path

import olivine.core as mx
from tests.image.fixtures.weights import weights

FIXTURES = Path(__file__).parent / "fixtures"
MADE = json.loads(gzip.decompress((FIXTURES / "pipelines.json.gz").read_bytes()))
VOCABULARY = json.loads(gzip.decompress((FIXTURES / "clip_tokenizer.json.gz").read_bytes()))


def write(name: str, folder: Path) -> Path:
    """Write the folder of the pipeline called `name`."""
    made = MADE["folders"][name]
    for inside, text in made["files"].items():
        path = folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for inside, shapes in made["shapes"].items():
        arrays = {key: mx.array(value) for key, value in weights(shapes).items()}
        mx.save_safetensors(str(folder / inside), arrays, {"format": "pt"})
    for path in folder.glob("tokenizer*"):
        if not (path / "tokenizer.json").is_file():
            vocabulary = {token: i for i, token in enumerate(VOCABULARY["tokens"])}
            (path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
            merges = "\n".join(" ".join(pair) for pair in VOCABULARY["merges"])
            (path / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    return folder

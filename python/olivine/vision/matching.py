"""Images found by texts: how well they go together, by CLIP or SigLIP, and labels for images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import olivine.core as mx
from olivine.image.loading import load_model
from olivine.image.models import clip, siglip
from olivine.image.processor import ImageProcessor
from olivine.image.siglip_tokenizer import SiglipTokenizer
from olivine.image.tokenizer import CLIPTokenizer
from olivine.llm.formats.checkpoint import ModelError, read_json
from olivine.llm.formats.find import find
from olivine.vision.processor import Image, as_list, as_pixels

AT_ONCE = 32  # texts or images that go through the model together
# What a label stands in unless told otherwise: models were trained on such texts.
TEMPLATE = "a photo of a {}"


class Matcher:
    """CLIP or SigLIP, with what prepares texts and images for it.

    Images are files, arrays of uint8 `(height, width, 3)`, or images of Pillow: one or several.
    """

    def __init__(self, model, tokenizer, images: ImageProcessor):
        self.model, self.tokenizer, self.images = model, tokenizer, images
        self._each = isinstance(model, siglip.Model)

    @classmethod
    def load(cls, name: str | os.PathLike, dtype: mx.Dtype | None = None) -> Matcher:
        """Of a folder with a CLIPModel or a SiglipModel, or of a Hugging Face id.

        ModelError, a ValueError, says in one message what was expected and found.
        """
        found = find(name)
        if found.kind != "folder":
            raise ModelError(f"[vision] expected a folder of CLIP or SigLIP; got {found.path}")
        folder = Path(found.path)
        model = load_model(folder, dtype=dtype)
        if not isinstance(model, (clip.Model, siglip.Model)):
            kinds = read_json(folder / "config.json").get("architectures")
            raise ModelError(
                f"[vision] expected a CLIPModel or SiglipModel in {folder}; got {kinds}"
            )
        made = SiglipTokenizer if isinstance(model, siglip.Model) else CLIPTokenizer
        return cls(model, made.from_folder(folder), ImageProcessor.from_folder(folder))

    def embed_texts(self, texts: str | Sequence[str]) -> mx.array:
        """Vectors of length 1, `(texts, dims)` in float32."""
        rows = self.tokenizer([texts] if isinstance(texts, str) else list(texts))
        if not rows:
            raise ValueError("[vision] expected texts; got none")
        return self._in_parts(rows, lambda part: self.model.embed_texts(mx.array(part)))

    def embed_images(self, images: Image | Sequence[Image]) -> mx.array:
        """Vectors of length 1, `(images, dims)` in float32."""
        images = as_list(images)
        if not images:
            raise ValueError("[vision] expected images; got none")

        def embed(part):
            pixels = self.images([as_pixels(image) for image in part])
            dtype = self.model.vision_model.embeddings.dtype
            return self.model.embed_images(pixels.astype(dtype))

        return self._in_parts(images, embed)

    def similarity(self, images: Image | Sequence[Image], texts: str | Sequence[str]) -> mx.array:
        """Cosines `(images, texts)`."""
        return self.embed_images(images) @ self.embed_texts(texts).T

    def probabilities(
        self,
        images: Image | Sequence[Image],
        labels: Sequence[str],
        template: str = TEMPLATE,
    ) -> mx.array:
        """How probable each label is for each image, `(images, labels)`, without any training.

        CLIP's add up to 1 for an image; SigLIP judges every label on its own. `template` has `{}`
        where a label stands.
        """
        if isinstance(labels, str) or not labels:
            raise ValueError(f"[vision] expected a list of labels; got {labels!r}")
        if template.count("{}") != 1:
            raise ValueError(f"[vision] expected a template with one {{}}; got {template!r}")
        texts = [template.replace("{}", label) for label in labels]
        scores = self.similarity(images, texts) * mx.exp(self.model.logit_scale.astype(mx.float32))
        if self._each:
            return mx.sigmoid(scores + self.model.logit_bias)
        return mx.softmax(scores, axis=-1)

    def classify(
        self, images: Image | Sequence[Image], labels: Sequence[str], template: str = TEMPLATE
    ) -> list[list[tuple[str, float]]]:
        """For each image its labels with their probabilities, the likeliest first."""
        rows = self.probabilities(images, labels, template).tolist()
        pairs = [list(zip(labels, row, strict=True)) for row in rows]
        return [sorted(row, key=lambda pair: -pair[1]) for row in pairs]

    @staticmethod
    def _in_parts(items: list, embed) -> mx.array:
        parts = []
        for start in range(0, len(items), AT_ONCE):
            parts.append(embed(items[start : start + AT_ONCE]).astype(mx.float32))
            mx.eval(parts[-1])
        return mx.concatenate(parts)

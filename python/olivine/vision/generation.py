"""Text from a model that sees: answers about images, token by token, one or many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import olivine.core as mx
from olivine.llm.batch import Batch, Result
from olivine.llm.generation import Record, room
from olivine.llm.generation import stream_generate as stream_text
from olivine.vision.processor import Image, Processor, as_list

# Images or tiles that go through the vision tower together: each takes memory in its layers.
AT_ONCE = 4


class Seeing:
    """A model that reads one prompt: its images' embeddings stand where their tokens are.

    `prompt` are the ids, `embeddings` those of all its images' tokens in a row,
    `(count, hidden_size)`. What follows the prompt is text.
    """

    def __init__(self, model, prompt: Sequence[int], embeddings: mx.array):
        self._model = model
        places = np.array(prompt) == model.image_token_id
        if places.sum() != embeddings.shape[0]:
            raise ValueError(
                f"[vision] expected embeddings of {places.sum()} tokens of images; "
                f"got {embeddings.shape[0]}"
            )
        self._rows = np.where(places, places.cumsum() - 1, -1)
        self._embeddings = embeddings

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def __call__(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self._model.head(self.features(tokens, cache))

    def features(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        """What the head sees of `tokens`, which continue what the cache has seen."""
        start = cache[0].offset if cache else 0
        rows = self._rows[start : start + tokens.shape[1]]
        if not (rows >= 0).any():
            return self._model.features(tokens, cache)
        rows = np.concatenate([rows, np.full(tokens.shape[1] - len(rows), -1)])
        x = self._model.embed(tokens)
        images = self._embeddings[mx.array(np.maximum(rows, 0))].astype(x.dtype)
        return self._model.features_of(mx.where(mx.array(rows >= 0)[:, None], images, x), cache)


@dataclass
class Read:
    """A prompt that is laid out: its ids, and the model that reads it with its images."""

    ids: list[int]
    model: Any


def read(
    model,
    processor: Processor,
    prompt: str | Sequence[dict[str, Any]],
    images: Image | Sequence[Image] = (),
    *,
    system: str | None = None,
    raw: bool = False,
) -> Read:
    """Lay a prompt out and let the model see its images.

    Raises:
        ValueError: in one message, for images that are none, more than the context has room for,
            or other than the prompt has places for.
    """
    images = as_list(images)
    context = getattr(model.config, "max_position_embeddings", None)
    most = None if not context else (context - 1) // processor.tokens_per_image
    if most is not None and len(images) > most:
        raise ValueError(
            f"[vision] expected at most {most} images, each of {processor.tokens_per_image} tokens "
            f"in a context of {context}; got {len(images)}"
        )
    if raw and not isinstance(prompt, str):
        raise TypeError(f"[vision] expected a raw prompt as text; got {type(prompt).__name__}")
    text = prompt if raw else processor.layout(prompt, len(images), system)
    pictures = [processor.picture(image) for image in images]
    ids = processor.encode(text, pictures)
    room(model, [], len(ids), 1)  # before the time that looking takes
    if not pictures:
        return Read(ids, model)
    pixels = np.concatenate([picture.pixels for picture in pictures])
    parts = []
    for start in range(0, len(pixels), AT_ONCE):
        found = model.embed_images(mx.array(pixels[start : start + AT_ONCE]))
        parts.append(found.reshape(-1, found.shape[-1]))
        mx.eval(parts[-1])
    return Read(ids, Seeing(model, ids, mx.concatenate(parts)))


def stream_generate(
    model,
    processor: Processor,
    prompt: str | Sequence[dict[str, Any]],
    images: Image | Sequence[Image] = (),
    *,
    system: str | None = None,
    raw: bool = False,
    **options: Any,
) -> Iterator[Record]:
    """Answer a prompt about images; yields a `Record` for every token.

    Args:
        prompt: what is asked of the images, which the model's chat template lays out after them;
            one that has the processor's `image_token` says itself where they stand. Or messages,
            whose content has entries `{"type": "image"}` in the images' order.
        images: files, arrays of uint8 `(height, width, 3)`, or images of Pillow: one or several.
        system: a system message.
        raw: continue `prompt` as it stands, without a template.
        options: those of `olivine.llm.stream_generate` but `draft`. A cache given is for prompts
            with the same images.

    Raises:
        ValueError: at once, for what is no image, more images than fit into the context, or other
            than the prompt has places for, and for what `olivine.llm.stream_generate` refuses.
    """
    if options.get("draft") is not None:
        raise ValueError("[vision] expected no draft: a model that guesses ahead sees no images")
    found = read(model, processor, prompt, images, system=system, raw=raw)
    return stream_text(found.model, processor.tokenizer, found.ids, **options)


def generate(
    model,
    processor: Processor,
    prompt: str | Sequence[dict[str, Any]],
    images: Image | Sequence[Image] = (),
    **options: Any,
) -> str:
    """The answer as a text; arguments are those of `stream_generate`."""
    records = stream_generate(model, processor, prompt, images, **options)
    return "".join(record.text for record in records)


def batch_generate(
    model,
    processor: Processor,
    prompts: Sequence[str | Sequence[dict[str, Any]]],
    images: Sequence[Image | Sequence[Image]],
    *,
    system: str | None = None,
    raw: bool = False,
    max_rows: int = 64,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Result]:
    """Answer many prompts, each about its own images, up to `max_rows` at once.

    Results are in the prompts' order, and each is what it would be alone. `images` has for each
    prompt one image or several; `options` are those of `Batch.add`. `progress` is called with the
    number of finished prompts and of all.
    """
    if isinstance(prompts, str) or len(prompts) != len(images):
        raise ValueError(
            f"[vision] expected images for each prompt of a list; got {len(images)} "
            f"for {1 if isinstance(prompts, str) else len(prompts)}"
        )
    batch = Batch(model, processor.tokenizer, max_rows=max_rows)
    records: dict[int, list[Record]] = {}
    waiting = list(zip(prompts, images, strict=True))[::-1]
    finished = 0
    while waiting or len(batch):
        # Images are embedded when there is room for their prompt, not all in advance.
        while waiting and len(batch) < max_rows:
            found = read(model, processor, *waiting.pop(), system=system, raw=raw)
            records[batch.add(found.ids, reader=found.model, **options)] = []
        for id, record in batch.step():
            records[id].append(record)
            if record.finish_reason is not None:
                finished += 1
                if progress is not None:
                    progress(finished, len(prompts))
    return [
        Result("".join(r.text for r in rows), [r.token for r in rows], rows[-1].finish_reason, rows)
        for rows in records.values()
    ]

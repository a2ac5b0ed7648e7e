"""What a model that sees is given: prompts with places for images, and images as arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import olivine.core as mx
from olivine.data.errors import DataError
from olivine.data.images import read_image
from olivine.image.processor import ImageProcessor, ProcessorSettings
from olivine.image.tiles import TileProcessor, TileSettings
from olivine.llm.blocks.seeing import SeeingModel
from olivine.llm.chat_template import ChatTemplate
from olivine.llm.formats.checkpoint import ModelError, read_json
from olivine.llm.tokenizer import Tokenizer

Image = str | os.PathLike | np.ndarray | Any  # a file, uint8 pixels, or an image of Pillow


@dataclass
class Picture:
    """An image as a model takes it: `pixels` `(count, height, width, 3)`, of one or of its tiles,
    and the `text` that stands for it in a prompt."""

    pixels: np.ndarray
    text: str


class Processor:
    """Lays out prompts and prepares images for one model.

    `image_token` is what stands for an image in a prompt; `tokens_per_image` of it for what the
    model makes of one, or of one tile.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        images: ImageProcessor,
        *,
        image_token_id: int,
        tokens_per_image: int,
        chat_template: ChatTemplate | None = None,
    ):
        self.tokenizer, self.images = tokenizer, images
        self.image_token_id, self.tokens_per_image = image_token_id, tokens_per_image
        self.chat_template = chat_template or tokenizer.chat_template
        if self.chat_template is not None:
            self.chat_template.parts = True
        token = tokenizer.added.get(image_token_id) or tokenizer.id_to_token(image_token_id)
        if token is None:
            raise ModelError(
                f"[vision] expected a token of id {image_token_id}, the model's for images, among "
                f"the tokenizer's {len(tokenizer)}; got none"
            )
        self.image_token: str = token

    @classmethod
    def from_folder(cls, folder: str | Path, model, tokenizer: Tokenizer) -> Processor:
        """With what a folder says of images: preprocessor_config.json, or, as transformers 5
        writes it, processor_config.json."""
        folder = Path(folder)
        if not isinstance(model, SeeingModel):
            raise ModelError(
                f"[vision] expected a model that sees, as LLaVA, in {folder}; got one of texts"
            )
        settings = _image_settings(folder)
        if model.tiles:
            kind, images = TilingProcessor, TileProcessor(TileSettings.from_dict(settings))
        else:
            kind, images = Processor, ImageProcessor(ProcessorSettings.from_dict(settings))
        size = model.image_size
        if images.shape != (size, size):
            made = " x ".join(map(str, images.shape or ("any size",)))
            raise ModelError(
                f"[vision] expected images of {size} x {size} pixels for the model in {folder}; "
                f"its processor makes {made}"
            )
        return kind(
            tokenizer,
            images,
            image_token_id=model.image_token_id,
            tokens_per_image=model.tokens_per_image,
            chat_template=_chat_template(folder),
        )

    def layout(
        self, prompt: str | Sequence[dict[str, Any]], count: int, system: str | None = None
    ) -> str:
        """The text of a chat with `count` images, as the model was trained on.

        `prompt` is what the user says after the images, or whole messages, whose images are
        entries `{"type": "image"}` of their content. Without a chat template images precede it.
        """
        if self.chat_template is None:
            if not isinstance(prompt, str) or system is not None:
                raise ModelError(
                    "[vision] expected a model with a chat template for messages; it has none"
                )
            places = 0 if self.image_token in prompt else count
            return f"{self.image_token}\n" * places + prompt
        messages = _messages(prompt, count, system, self.image_token)
        special = {
            name: value
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
            if (value := getattr(self.tokenizer, name)) is not None
        }
        return self.chat_template.render(messages, add_generation_prompt=True, **special)

    def picture(self, image: Image) -> Picture:
        """One image as the model takes it."""
        pixels = self.images.one(as_pixels(image))[None]
        return Picture(pixels, self.image_token * self.tokens_per_image)

    def pixels(self, images: Image | Sequence[Image]) -> mx.array:
        """Images, or all their tiles, `(count, height, width, 3)`."""
        return mx.array(np.concatenate([self.picture(one).pixels for one in as_list(images)]))

    def encode(self, text: str, pictures: Sequence[Picture] = ()) -> list[int]:
        """The ids of a text that has the token of an image once for each of `pictures`."""
        parts = text.split(self.image_token)
        if len(parts) != len(pictures) + 1:
            raise ValueError(
                f"[vision] expected {self.image_token!r} in the prompt once for each of "
                f"{len(pictures)} images; got it {len(parts) - 1} times"
            )
        text = parts[0] + "".join(
            p.text + part for p, part in zip(pictures, parts[1:], strict=True)
        )
        begins = self.tokenizer.bos_token
        begun = begins is not None and text.startswith(begins)
        ids = self.tokenizer.encode(text, add_special_tokens=not begun)
        wanted = self.tokens_per_image * sum(len(picture.pixels) for picture in pictures)
        if ids.count(self.image_token_id) != wanted:
            raise ModelError(
                f"[vision] expected a tokenizer that keeps {self.image_token!r} whole; it made "
                f"{ids.count(self.image_token_id)} of {wanted}"
            )
        return ids


class TilingProcessor(Processor):
    """For models that see an image in tiles, with tokens that say where each was: Idefics 3."""

    around, whole = "<fake_token_around_image>", "<global-img>"

    def picture(self, image: Image) -> Picture:
        """One image as the model takes it."""
        made = self.images.tiles(as_pixels(image))
        seen = self.image_token * self.tokens_per_image
        text = ""
        for y in range(1, made.rows + 1):
            for x in range(1, made.columns + 1):
                text += f"{self.around}<row_{y}_col_{x}>{seen}"
            text += "\n"
        text += "\n" if made.rows else ""
        return Picture(made.pixels, f"{text}{self.around}{self.whole}{seen}{self.around}")


def as_list(images: Image | Sequence[Image] | None) -> list[Image]:
    """One image, several or none, as a list; an array of four axes is several."""
    if images is None:
        return []
    if isinstance(images, np.ndarray):
        return [images] if images.ndim <= 3 else list(images)
    if isinstance(images, (str, os.PathLike)) or not isinstance(images, Sequence):
        return [images]
    return list(images)


def as_pixels(image: Image) -> np.ndarray:
    """The uint8 pixels `(height, width, 3)` of a file, of an array, or of an image of Pillow."""
    if isinstance(image, (str, os.PathLike)):
        try:
            return read_image(image)
        except FileNotFoundError:
            raise ValueError(f"[vision] expected an image; there is no file {image}") from None
        except DataError:
            raise
        except Exception as error:  # of damaged files Pillow raises many kinds
            raise ValueError(f"[vision] expected an image in {image}; got: {error}") from None
    if hasattr(image, "convert"):
        image = np.asarray(image.convert("RGB"))
    pixels = np.asarray(image)
    if pixels.dtype == np.uint8 and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return pixels


def _messages(prompt, count: int, system: str | None, token: str) -> list[dict[str, Any]]:
    if isinstance(prompt, str):
        places = [] if token in prompt else [{"type": "image"}] * count
        content = [*places, {"type": "text", "text": prompt}]
        prompt = [{"role": "user", "content": content}]
    elif system is not None:
        raise ValueError("[vision] expected the system message among the messages; got both")
    if system is not None:
        prompt = [{"role": "system", "content": system}, *prompt]
    return list(prompt)


def _image_settings(folder: Path) -> dict[str, Any]:
    file = folder / "preprocessor_config.json"
    if file.is_file():
        return read_json(file)
    file = folder / "processor_config.json"
    if not file.is_file():
        raise ModelError(f"[vision] expected preprocessor_config.json in {folder}; it is missing")
    found = read_json(file).get("image_processor")
    if not isinstance(found, dict):
        raise ModelError(f"[vision] expected the settings of image_processor in {file}; got none")
    return found


def _chat_template(folder: Path) -> ChatTemplate | None:
    """That of the processor, which may be another than the tokenizer's."""
    file = folder / "processor_config.json"
    return ChatTemplate.from_folder(folder, read_json(file) if file.is_file() else {})

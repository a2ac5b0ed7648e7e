"""Loading: from a folder in Hugging Face's layout to a pipeline, or to one of its models."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import olivine.core as mx
import olivine.nn as nn
from olivine.image.pipelines.base import Pipeline
from olivine.image.schedulers import make
from olivine.image.tokenizer import CLIPTokenizer
from olivine.llm.formats.checkpoint import Checkpoint, ModelError, read_json
from olivine.llm.formats.folder import quantization_of, read_file
from olivine.llm.loading import check_weights, evaluate, replace_packed

# What model_index.json or a config.json calls a model -> module of `models`, and its class.
MODELS = {
    "CLIPTextModel": ("clip", "TextEncoder"),
    "CLIPTextModelWithProjection": ("clip", "TextEncoder"),
    "CLIPVisionModelWithProjection": ("clip", "ImageEncoder"),
    "CLIPModel": ("clip", "Model"),
    "SiglipModel": ("siglip", "Model"),
    "T5EncoderModel": ("t5", "Encoder"),
    "UNet2DConditionModel": ("unet", "Model"),
    "UNet2DModel": ("pixel_unet", "Model"),
    "AutoencoderKL": ("autoencoder", "Model"),
    "FluxTransformer2DModel": ("flux", "Model"),
}
# _class_name of model_index.json, less what it does -> module of `pipelines`, and its class.
PIPELINES = {
    "StableDiffusion": ("stable_diffusion", "StableDiffusion"),
    "LatentConsistencyModel": ("stable_diffusion", "StableDiffusion"),
    "StableDiffusionXL": ("stable_diffusion", "StableDiffusionXL"),
    "Flux": ("flux", "Flux"),
    "DDIM": ("pixels", "PixelDiffusion"),
    "ClassConditional": ("pixels", "PixelDiffusion"),
}
PARTS = ("text_encoder", "text_encoder_2", "unet", "transformer", "vae")
TOKENIZERS = ("tokenizer", "tokenizer_2")
# Names of files with weights, the preferred ones first.
STEMS = ("diffusion_pytorch_model", "model")
VARIANTS = ("", ".fp16", ".bf16")


def load(name: str | os.PathLike, *, dtype: mx.Dtype | None = None) -> Pipeline:
    """The pipeline in a folder with model_index.json, or of a Hugging Face id.

    The denoiser and the encoders of texts keep the dtype of the files or get `dtype`; the
    autoencoder computes in float32, as some overflow otherwise. ModelError, a ValueError, says in
    one message what was expected and found.
    """
    folder = _folder(name)
    index = read_json(folder / "model_index.json")
    kind = str(index.get("_class_name", ""))
    family = kind.removesuffix("Pipeline").removesuffix("Img2Img").removesuffix("Inpaint")
    if family not in PIPELINES:
        raise ModelError(
            f"[image] expected a pipeline of {', '.join(PIPELINES)} in {folder}; got {kind!r}"
        )
    module, cls = PIPELINES[family]
    made = getattr(import_module(f"olivine.image.pipelines.{module}"), cls)
    names = [part for part in PARTS if _class_of(index, part) is not None]
    for part in ("vae", made.denoiser) if made.has_latents else (made.denoiser,):
        if part not in names:
            raise ModelError(f"[image] expected {part} in {folder}/model_index.json; it is missing")
    parts = {
        part: load_model(
            folder / part, _class_of(index, part), mx.float32 if part == "vae" else dtype
        )
        for part in names
    }
    tokenizers = {part: _tokenizer(folder / part, index) for part in TOKENIZERS if part in index}
    pipeline = made(parts, tokenizers, _scheduler(folder, index))
    pipeline.folder = folder
    pipeline.read_index(index)
    return pipeline


def load_model(
    folder: str | os.PathLike, kind: str | None = None, dtype: mx.Dtype | None = None
) -> nn.Module:
    """One model, with its weights read: a text encoder, a U-Net, CLIP, SigLIP …

    `kind` is its class in Hugging Face's libraries, by default what its config.json says.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    if kind is None:
        kind = config.get("_class_name") or next(iter(config.get("architectures") or []), None)
    if kind not in MODELS:
        raise ModelError(
            f"[image] expected a model among {', '.join(MODELS)} in {folder}; got {kind!r}"
        )
    module, cls = MODELS[kind]
    made = getattr(import_module(f"olivine.image.models.{module}"), cls)
    try:
        model = made.from_dict({**config, "architectures": [kind]})
    except ModelError as error:
        raise ModelError(f"[image] {folder}: {str(error).removeprefix('[image] ')}") from None
    except (TypeError, ValueError, ArithmeticError) as error:
        text = str(error).removeprefix("[image] ").removeprefix("[llm] ")
        raise ModelError(f"[image] {folder}: {text}") from None
    fill(model, read_weights(folder), str(folder), {**config, "model_type": kind}, dtype)
    evaluate(model, str(folder))
    return model


def fill(model: nn.Module, weights, origin: str, config: dict, dtype: mx.Dtype | None) -> None:
    """Put a checkpoint's weights into a model; layers that are packed there become packed."""
    quantization = quantization_of(config, Path(origin))
    weights = model.sanitize(weights)
    checkpoint = Checkpoint(origin, config, weights, quantization)
    replace_packed(model, weights, checkpoint, dtype)
    check_weights(model, weights, checkpoint)
    if dtype is not None:
        weights = {
            name: value.astype(dtype) if mx.issubdtype(value.dtype, mx.floating) else value
            for name, value in weights.items()
        }
    model.load_weights(list(weights.items()), strict=False)
    model.eval()


def read_weights(folder: Path) -> dict[str, mx.array]:
    """The tensors of a model's folder, lazily: one file, or shards that an index lists."""
    for stem in STEMS:
        for variant in VARIANTS:
            index = folder / f"{stem}.safetensors.index{variant}.json"
            if index.is_file():
                return _shards(index)
            file = folder / f"{stem}{variant}.safetensors"
            if file.is_file():
                return read_file(file)
    others = sorted(p.name for p in folder.glob("*") if p.name != "config.json")
    got = ", ".join(others[:4]) or "none"
    raise ModelError(f"[image] expected safetensors with weights in {folder}; got {got}")


def _shards(index: Path) -> dict[str, mx.array]:
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(v, str) for v in listed.values()):
        raise ModelError(f"[image] expected a weight_map from names to files in {index}")
    weights: dict[str, mx.array] = {}
    for name in sorted(set(listed.values())):
        if Path(name).name != name:
            raise ModelError(f"[image] expected files beside {index}; got {name!r}")
        weights |= read_file(index.parent / name)
    return weights


def _folder(name: str | os.PathLike) -> Path:
    path = Path(os.fspath(name)).expanduser()
    if path.is_dir():
        if (path / "model_index.json").is_file():
            return path
        raise ModelError(f"[image] expected a folder with model_index.json; {path} has none")
    if path.exists() or str(name).startswith((".", "/", "~")) or str(name).count("/") != 1:
        raise ModelError(
            f"[image] expected a folder with model_index.json or a Hugging Face id; got {name!r}"
        )
    return _from_hub(str(name))


def _from_hub(name: str) -> Path:
    from olivine.llm.formats.checkpoint import optional

    hub = optional("huggingface_hub", f"[image] there is no folder {name}; downloading it")
    kept = ["*.json", "*.txt", "*.model", *(f"{part}/*.safetensors" for part in PARTS)]
    try:
        # Many have the same weights again in 16 bits, and those that training went on from.
        left = ["*.fp16.*", "*non_ema*"]
        return Path(hub.snapshot_download(name, allow_patterns=kept, ignore_patterns=left))
    except Exception as error:  # its kinds differ between versions of the library
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"[image] expected a folder with model_index.json or a Hugging Face id; got {name!r}: "
            f"{line}"
        ) from None


def _class_of(index: dict, part: str) -> str | None:
    """The class of a part in model_index.json; None for parts that are left out."""
    entry = index.get(part)
    if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str):
        return entry[1]
    return None


def _tokenizer(folder: Path, index: dict):
    kind = str(_class_of(index, folder.name))
    if kind.startswith("T5"):
        from olivine.llm.tokenizer import tokenizer_from_folder

        return tokenizer_from_folder(folder)
    return CLIPTokenizer.from_folder(folder)


def _scheduler(folder: Path, index: dict):
    config = read_json(folder / "scheduler" / "scheduler_config.json")
    return make(_class_of(index, "scheduler") or str(config.get("_class_name")), config)

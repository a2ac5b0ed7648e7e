"""Images from texts: Stable Diffusion 1, 2 and XL, FLUX.1, and the encoders CLIP and SigLIP.

>>> from olivine.image import load
>>> pipeline = load("stable-diffusion-folder")
>>> images = pipeline("a watercolour of a lighthouse", seed=1)

Where to start reading: `models/unet.py` is one architecture, whole; `blocks/` is what architectures
share; `schedulers/` lead from noise to a sample; `pipelines/base.py` has the loop; `loading.py`
makes a pipeline of files; `lora.py` adds a LoRA's weights.
"""

import importlib

# Public name -> the module that has it; loaded when it is asked for.
_HOMES = {
    "CLIPTokenizer": "tokenizer",
    "ImageProcessor": "processor",
    "Images": "pipelines.base",
    "Pipeline": "pipelines.base",
    "load": "loading",
    "load_model": "loading",
    "png_bytes": "png",
    "write_png": "png",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])

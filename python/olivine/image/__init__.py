"""Images from texts: Stable Diffusion 1, 2 and XL, FLUX.1, and the encoders CLIP and SigLIP;
images of classes: diffusion on pixels, trained here.

>>> from olivine.image import load
>>> pipeline = load("stable-diffusion-folder")
>>> images = pipeline("a watercolour of a lighthouse", seed=1)

Where to start reading: `models/unet.py` is one architecture, whole; `blocks/` is what architectures
share; `schedulers/` lead from noise to a sample; `pipelines/base.py` has the loop; `loading.py`
makes a pipeline of files; `lora.py` adds a LoRA's weights; `training.py` has a model learn from
images.
"""

from olivine._lazy import lazy_names

# Public name -> the module that has it; loaded when it is asked for.
_HOMES = {
    "CLIPTokenizer": "tokenizer",
    "DiffusionTrainer": "training",
    "ImageProcessor": "processor",
    "ImageSet": "image_set",
    "Images": "pipelines.base",
    "Pipeline": "pipelines.base",
    "SiglipTokenizer": "siglip_tokenizer",
    "grid": "png",
    "load": "loading",
    "load_model": "loading",
    "png_bytes": "png",
    "read_images": "image_set",
    "write_png": "png",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)

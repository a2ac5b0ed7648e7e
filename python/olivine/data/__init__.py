"""Data for training: datasets, transforms, readers, and a loader that reads ahead and resumes."""

from olivine.data.audio import Audio, read_audio
from olivine.data.collate import Padded, collate
from olivine.data.dataset import (
    Dataset,
    arrays,
    batch,
    concat,
    filter,
    gather,
    map,
    split,
    subset,
)
from olivine.data.digits import digits
from olivine.data.errors import DataError, ItemError
from olivine.data.folders import ClassFolders
from olivine.data.hugging_face import HuggingFace
from olivine.data.images import Images, read_image
from olivine.data.loader import DataLoader
from olivine.data.tables import read_csv, read_parquet
from olivine.data.text import CharTokenizer, Lines, read_bytes, read_characters, windows

__all__ = [
    "Audio",
    "CharTokenizer",
    "ClassFolders",
    "DataError",
    "DataLoader",
    "Dataset",
    "HuggingFace",
    "Images",
    "ItemError",
    "Lines",
    "Padded",
    "arrays",
    "batch",
    "collate",
    "concat",
    "digits",
    "filter",
    "gather",
    "map",
    "read_audio",
    "read_bytes",
    "read_characters",
    "read_csv",
    "read_image",
    "read_parquet",
    "split",
    "subset",
    "windows",
]

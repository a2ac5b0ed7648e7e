"""Readers of images, sounds and folders: values, errors, and what is said without a package."""

import struct
import wave

import numpy as np
import pytest

from olivine import data
from tests.support import run_python


def test_images_are_bytes_by_height_width_and_channels(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image.fromarray(pixels).save(tmp_path / "b.png")
    image.fromarray(pixels[..., 0]).save(tmp_path / "a.png")
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "notes.txt").touch()
    assert (data.read_image(tmp_path / "b.png") == pixels).all()
    assert (data.read_image(tmp_path / "a.png", mode="L") == pixels[..., :1]).all()
    dataset = data.Images(tmp_path, size=(6, 8))
    assert [p.name for p in dataset.paths] == ["a.png", "b.png"]
    assert dataset[1].shape == (6, 8, 3) and dataset[1].dtype == np.uint8
    batch = next(iter(data.DataLoader(dataset, 2)))
    assert batch.shape == (2, 6, 8, 3)
    (tmp_path / "c.png").write_bytes(b"no image")
    with pytest.raises(data.DataError, match=r"an image was expected; got .*c.png"):
        data.read_image(tmp_path / "c.png")
    with pytest.raises(FileNotFoundError):
        data.read_image(tmp_path / "d.png")


def test_an_image_is_turned_as_its_camera_was(tmp_path):
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = 6  # "Orientation": to be turned clockwise
    pixels = np.zeros((2, 4), np.uint8)
    pixels[0] = 255
    image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    got = data.read_image(tmp_path / "turned.png", mode="L")[..., 0]
    assert (got == np.rot90(pixels, -1)).all()


def write_wave(path, width, channels, frames):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, 8000, 0, "NONE", ""))
        file.writeframes(frames)
    return path


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_of_every_width_are_fractions_of_full_scale(tmp_path, width):
    want = np.array([[0, 0.5], [-1, 0.25], [-0.5, -0.25]])
    top = 2 ** (8 * width - 1)
    numbers = (want * top).astype(np.int64) + (top if width == 1 else 0)
    frames = b"".join(
        int(x).to_bytes(width, "little", signed=width > 1) for x in numbers.reshape(-1)
    )
    path = write_wave(tmp_path / "a.wav", width, 2, frames)
    samples, rate = data.read_audio(path)
    assert rate == 8000 and samples.dtype == np.float32 and samples.tolist() == want.tolist()
    assert data.read_audio(path, 1, 1)[0].tolist() == [[-1, 0.25]]
    assert data.read_audio(path, 2, 9)[0].shape == (1, 2) and data.read_audio(path, 9)[0].size == 0
    assert data.read_audio(path, mono=True)[0].tolist() == want.mean(axis=1).tolist()


def test_sounds_are_a_dataset_of_one_rate(tmp_path):
    for name, count in (("a", 3), ("b", 5)):
        write_wave(tmp_path / f"{name}.wav", 2, 1, bytes(2 * count))
    batch = next(iter(data.DataLoader(data.Audio(tmp_path, rate=8000), 2, pad=0)))
    assert batch.values.shape == (2, 5) and batch.lengths.tolist() == [3, 5]
    with pytest.raises(data.DataError, match="16000 samples per second were expected; .* has 8000"):
        data.Audio(tmp_path, rate=16000)[0]
    with pytest.raises(ValueError, match="got -1, None"):
        data.read_audio(tmp_path / "a.wav", -1)


def test_other_sounds_need_soundfile(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    want = np.array([[0.5, -0.25], [0.125, 0]], np.float32)
    soundfile.write(tmp_path / "a.flac", want, 16000)
    soundfile.write(tmp_path / "float.wav", want, 16000, subtype="FLOAT")
    for name in ("a.flac", "float.wav"):
        samples, rate = data.read_audio(tmp_path / name)
        assert rate == 16000 and samples.tolist() == want.tolist()
        assert data.read_audio(tmp_path / name, 1, 5)[0].tolist() == want[1:].tolist()
    (tmp_path / "b.flac").write_bytes(b"noise")
    with pytest.raises(data.DataError, match="a sound file was expected; got .*b.flac"):
        data.read_audio(tmp_path / "b.flac")


def test_class_folders_give_labels_by_name(tmp_path):
    for name in ("dog/1.txt", "cat/2.txt", "cat/deep/1.txt", "cat/.x.txt", "cat/1.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    dataset = data.ClassFolders(tmp_path, lambda path: path.read_text(), (".txt",))
    assert dataset.classes == ["cat", "dog", "empty"]
    assert [dataset[i] for i in range(len(dataset))] == [
        ("cat/2.txt", 0),
        ("cat/deep/1.txt", 0),
        ("dog/1.txt", 1),
    ]
    assert len(data.ClassFolders(tmp_path, str)) == 4
    for place, message in ((tmp_path / "none", "a folder was"), (tmp_path / "empty", "per class")):
        with pytest.raises(data.DataError, match=message):
            data.ClassFolders(place)


def test_class_folders_read_sounds_and_images_by_suffix(tmp_path):
    (tmp_path / "low").mkdir()
    write_wave(tmp_path / "low" / "a.wav", 2, 1, struct.pack("<h", -(2**14)))
    (tmp_path / "low" / "readme").touch()
    ((samples, label),) = list(data.ClassFolders(tmp_path))
    assert samples.tolist() == [-0.5] and label == 0


@pytest.mark.parametrize(
    "package, call, extra",
    [
        ("PIL", "read_image('a.png')", "images"),
        ("soundfile", "read_audio('a.flac')", "audio"),
        ("pyarrow", "read_parquet('a.parquet')", "parquet"),
    ],
)
def test_a_missing_package_is_named_with_its_command(package, call, extra):
    code = f"""
    import sys
    sys.modules[{package!r}] = None  # what Python takes for: not installed
    from olivine import data
    try:
        data.{call}
    except ModuleNotFoundError as error:
        print(error)
    """
    assert f"not installed: pip install 'olivine[{extra}]'" in run_python(code).stdout

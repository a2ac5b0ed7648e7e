"""`olivine imagine`: files, messages, mistakes."""

import struct
import zlib

import numpy as np
import pytest

from olivine.cli import main
from olivine.image import png_bytes, write_png
from tests.image.fixtures.pipeline_cases import image, mask
from tests.image.folders import write


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write("sd", tmp_path_factory.mktemp("sd")))


def decoded(content):
    """The pixels of a file, by the rules of PNG."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", content[at + 8 + size :][:4])[0]
        parts[kind] = parts.get(kind, b"") + body
        at += size + 12
    width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert bits == 8 and rest == [0, 0, 0]
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 2).all()  # each row is added to the one above
    pixels = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    return pixels.reshape(height, width, channels), parts


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_files_hold_the_pixels(channels):
    pixels = np.random.RandomState(0).randint(0, 256, (5, 7, channels)).astype(np.uint8)
    found, parts = decoded(png_bytes(pixels, {"prompt": "Katze 猫"}))
    np.testing.assert_array_equal(found, pixels)
    assert parts[b"iTXt"] == b"prompt\0\0\0\0\0" + "Katze 猫".encode()


def test_pillow_reads_what_is_written(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    write_png(tmp_path / "a.png", image(), {"seed": "3"})
    with pillow.open(tmp_path / "a.png") as file:
        np.testing.assert_array_equal(np.asarray(file), image())
        assert file.text["seed"] == "3"


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ((4, 4), np.uint8),
        ((4, 4, 3), np.float32),
        ((0, 4, 3), np.uint8),
        ((4, 4, 2), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(shape, dtype):
    with pytest.raises(ValueError, match="expected uint8 pixels"):
        png_bytes(np.zeros(shape, dtype))


def test_an_image_is_written(model, tmp_path, capsys):
    out = tmp_path / "cat.png"
    given = ["imagine", model, "a cat", "--out", str(out), "--steps", "2", "--seed", "3"]
    assert main([*given, "--width", "24", "--height", "16"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n" and "24 x 16, seed 3" in shown.err
    pixels, parts = decoded(out.read_bytes())
    assert pixels.shape == (16, 24, 3) and parts[b"iTXt"].count(b"prompt") == 1
    assert main([*given, "--width", "24", "--height", "16"]) == 0
    np.testing.assert_array_equal(decoded(out.read_bytes())[0], pixels)


def test_several_images_are_numbered(model, tmp_path, capsys):
    given = ["--out", str(tmp_path / "a.png"), "--count", "2", "--scheduler", "euler-ancestral"]
    size = ["--width", "16", "--height", "16", "--steps", "1"]
    assert main(["imagine", model, "a cat", *given, *size]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-1.png", "a-2.png"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_image_is_changed_where_the_mask_is_white(model, tmp_path):
    pytest.importorskip("PIL")
    write_png(tmp_path / "in.png", image())
    write_png(tmp_path / "mask.png", mask()[..., None])
    given = ["--image", str(tmp_path / "in.png"), "--mask", str(tmp_path / "mask.png")]
    out = ["--out", str(tmp_path / "out.png"), "--steps", "2", "--dtype", "bfloat16"]
    assert main(["imagine", model, "a cat", *given, *out]) == 0
    assert decoded((tmp_path / "out.png").read_bytes())[0].shape == image().shape


def test_an_image_is_read_once_and_cut_to_whole_latents(model, tmp_path, monkeypatch):
    pillow = pytest.importorskip("PIL.Image")
    opened, real = [], pillow.open
    monkeypatch.setattr(pillow, "open", lambda path: opened.append(path) or real(path))
    write_png(tmp_path / "in.png", np.pad(image(), ((0, 1), (0, 1), (0, 0))))
    out = tmp_path / "out.png"
    given = ["--image", str(tmp_path / "in.png"), "--out", str(out), "--steps", "2"]
    assert main(["imagine", model, "a cat", *given]) == 0
    assert decoded(out.read_bytes())[0].shape == image().shape
    assert opened == [str(tmp_path / "in.png")]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--out", "a.jpg"], "a name that ends with .png"),
        (["--out", "/no/such/folder/a.png"], "there is no folder"),
        (["--width", "17"], "multiples of 2"),
        (["--mask", "a.png"], "expected --image too"),
        (["--steps", "0"], "a whole number from 1"),
        (["--lora", "missing.safetensors"], "missing.safetensors"),
        (["--scheduler", "best"], "invalid choice"),
    ],
)
def test_mistakes_are_told_in_one_line(model, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["imagine", model, "a cat", *arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_model_is_refused(tmp_path, capsys):
    assert main(["imagine", str(tmp_path), "a cat", "--out", str(tmp_path / "a.png")]) == 2
    assert "model_index.json" in capsys.readouterr().err

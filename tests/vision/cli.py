"""`olivine generate --image`: answers, and mistakes in one line."""

import pytest

from olivine import vision
from olivine.cli import main
from olivine.image import write_png
from tests.vision.fixtures.cases import SHAPES, image
from tests.vision.folders import write

pytest.importorskip("PIL")
pytest.importorskip("tokenizers", reason="the extra 'llm' is not installed")
pytest.importorskip("jinja2", reason="the extra 'llm' is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    write("llava", path / "m")
    for i, shape in enumerate(SHAPES):
        write_png(path / f"{i}.png", image(shape))
    return path


@pytest.mark.parametrize("count", [1, 2])
def test_the_answer_is_that_of_the_library(folder, capsys, count):
    files = [str(folder / f"{i}.png") for i in range(count)]
    given = [part for file in files for part in ("--image", file)]
    assert main(["generate", str(folder / "m"), *given, "--prompt", "Why?", "--length", "6"]) == 0
    shown = capsys.readouterr()
    expected = vision.generate(*vision.load(folder / "m"), "Why?", files, max_tokens=6)
    assert shown.out == expected + "\n"
    assert "prompt: " in shown.err and "answer: 6 tokens" in shown.err


def test_other_caches_and_raw_prompts_work(folder, capsys):
    given = ["--image", str(folder / "0.png"), "--length", "4", "--quiet"]
    for more in (["--cache", "rotating", "--window", "64"], ["--raw"]):
        prompt = "<image>So" if "--raw" in more else "So"
        assert main(["generate", str(folder / "m"), *given, "--prompt", prompt, *more]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--image", "no-such.png"], "there is no file no-such.png"),
        (["--draft", "prompt"], "argument --draft: not together with --image"),
        (["--prompt-cache", "a"], "argument --prompt-cache: not together with --image"),
        (["--raw"], "'<image>' in the prompt once for each of 1 images; got it 0 times"),
    ],
)
def test_mistakes_are_told_in_one_line(folder, capsys, arguments, message):
    given = [str(folder / "m"), "--image", str(folder / "0.png"), "--prompt", "Why?"]
    assert main(["generate", *given, *arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1


def test_a_model_that_sees_nothing_is_refused(folder, tmp_path, capsys):
    from tests.llm.tiny_folder import write_model

    write_model(tmp_path / "blind")
    given = ["--image", str(folder / "0.png"), "--prompt", "Why?"]
    assert main(["generate", str(tmp_path / "blind"), *given]) == 2
    assert "expected a model that sees" in capsys.readouterr().err
    assert main(["generate", *given]) == 2
    assert "a MODEL that sees" in capsys.readouterr().err

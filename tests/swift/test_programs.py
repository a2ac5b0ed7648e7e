"""The Swift examples, built and run, and the programs of docs/swift.md, compiled and run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine import lm
from olivine.lm import checkpoint, generate
from olivine.lm.model import GPT
from olivine.lm.settings import GPTConfig
from tools.programs import NO_SWIFT, find_swift

ROOT = Path(__file__).resolve().parents[2]
SWIFT = find_swift()
TEXT = (Path(lm.__file__).parents[1] / "data" / "shakespeare.txt").read_text()[:20000]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SWIFT, reason=NO_SWIFT),
    pytest.mark.xdist_group("swift"),  # SwiftPM locks its build folder
]


def output(*command, cwd=ROOT):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def programs():
    """The folder of the built examples."""
    built = output(SWIFT, "build", "-j", "1")
    assert "warning:" not in built
    return Path(output(SWIFT, "build", "--show-bin-path").strip())


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """What the MLP starts from, its losses in Python, and the trained network."""
    folder = tmp_path_factory.mktemp("digits")
    data, network = folder / "mlp.safetensors", folder / "digits.olivine"
    output(sys.executable, "examples/mlp_init.py", data)
    return data, output(sys.executable, "examples/mlp.py", data, "--export", network), network


def test_the_mlps_losses_are_pythons(programs, digits):
    data, losses, _ = digits
    assert output(programs / "mlp", data) == losses


def test_linear_regression_finds_the_line(programs):
    lines = output(programs / "linear_regression").splitlines()
    assert float(lines[-1].split()[-1]) < 0.01


def test_an_exported_function_gives_pythons_labels(programs, digits):
    data, _, network = digits
    x = mx.load(str(data))["x"][:10]
    labels = mx.argmax(mx.import_function(str(network))(x)[0], axis=-1)
    assert f"digits {labels.tolist()}" in output(programs / "imported_function", network, data)


def test_a_checkpoint_of_python_gives_the_same_text(programs, tmp_path):
    alphabet = "".join(sorted(set(TEXT)))
    settings = {"vocab_size": len(alphabet), "context": 16, "layers": 2, "heads": 2, "dims": 32}
    file = tmp_path / "checkpoint.safetensors"
    for tied in (True, False):
        mx.random.seed(1)
        model = GPT(GPTConfig(**settings, tied=tied))
        model.apply(lambda p: p + 0.3 * mx.random.normal(p.shape))
        checkpoint.save(
            file,
            {"model": model.parameters()},
            {"model": {**settings, "tied": tied, "dropout": 0.0}, "alphabet": alphabet},
        )
        # Longer than the context, which is then read again from its later half.
        text = greedy(file, "First", 40)
        assert output(programs / "generate", file, "First", 40) == f"First{text}\n"


def greedy(file, prompt, count):
    model, tokenizer = generate.load_model(file)
    ids = tokenizer.encode(prompt).tolist()
    return tokenizer.decode(generate.generate(model, ids, count, temperature=0))


def test_a_language_model_learns_and_its_checkpoint_is_pythons(programs, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    file = tmp_path / "checkpoint.safetensors"
    lines = output(programs / "train_lm", tmp_path / "text.txt", file, 60).splitlines()
    losses = [float(line.split()[3]) for line in lines[:-1]]
    assert losses[-1] < 0.8 * losses[0]
    saved = re.fullmatch(r"saved loss (\S+) reloaded loss (\S+)", lines[-1])
    assert saved[1] == saved[2]
    # Python reads the checkpoint, and both continue it by the same text.
    assert output(programs / "generate", file, "First", 50) == f"First{greedy(file, 'First', 50)}\n"
    model, tokenizer = generate.load_model(file)
    ids = mx.array([tokenizer.encode(TEXT[:33]).tolist()])
    loss = nn.losses.cross_entropy(model(ids[:, :-1]), ids[:, 1:], reduction="mean")
    assert loss.item() < losses[0]


def test_a_damaged_file_is_an_error(programs, tmp_path):
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(b"nothing")
    for command in [("generate", file, "a"), ("mlp", file)]:
        done = subprocess.run(
            [programs / command[0], *command[1:]], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert done.stdout.startswith("error: ")


PAGE = (ROOT / "docs" / "swift.md").read_text()
PROGRAMS = re.findall(r"```swift\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("place", range(len(PROGRAMS)))
def test_the_guides_program_runs(programs, tmp_path, place):
    code, expected = PROGRAMS[place]
    (tmp_path / "main.swift").write_text(code)
    library = ROOT / "build" / "release" / "python" / "olivine" / "lib"
    names = set(re.findall(r"import (\w+)", code)) - {"Foundation"}
    modules = {"COlivine", "Olivine", "OlivineNN", "OlivineOptimizers", *names}
    objects = [file for name in modules for file in programs.glob(f"{name}.build/**/*.o")]
    output(
        *[Path(SWIFT).with_name("swiftc"), "-swift-version", "6", "-warnings-as-errors"],
        *["-I", programs / "Modules", "-I", ROOT / "bindings" / "c" / "include"],
        *["main.swift", *objects, "-o", "program"],
        *["-L", library, "-lolivine_c", "-Xlinker", "-rpath", "-Xlinker", library],
        cwd=tmp_path,
    )
    printed = output(tmp_path / "program", cwd=tmp_path)
    assert printed == expected

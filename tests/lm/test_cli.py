"""The command `olivine`: what it prints, its files, its exit statuses, and mistakes in one line."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from olivine.cli import main
from olivine.lm import checkpoint

TINY = [
    *("--layers", "1", "--heads", "2", "--dims", "16", "--context", "16", "--batch-size", "4"),
    *("--evaluate-every", "10", "--sample", "20"),
]


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Runs the command in this process, in an empty folder; returns status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capsys.readouterr()
        try:
            status = main([str(arg) for arg in args])
        except SystemExit as exit:  # --help
            status = exit.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def run_folder(call, text, tmp_path):
    """A finished tiny run."""
    status, _, errors = call("train-lm", text, "--out", "run", "--steps", 25, *TINY)
    assert (status, errors) == (0, "")
    return tmp_path / "run"


def losses(folder):
    arrays, _ = checkpoint.load(folder / checkpoint.CHECKPOINT)
    return np.array(arrays["history"]["loss"]).tolist()


def one_line_error(result):
    status, output, errors = result
    assert status == 2, (output, errors)
    assert errors.startswith("olivine: error: ") and errors.count("\n") == 1
    assert "Traceback" not in errors
    return errors


def test_import_is_light(environment):
    code = (
        "import time; begin = time.process_time(); import olivine; "
        "seconds = time.process_time() - begin; import sys, json; "
        "print(json.dumps([seconds, sorted(sys.modules)]))"
    )
    output = subprocess.check_output([sys.executable, "-c", code], env=environment)
    seconds, modules = json.loads(output)
    assert seconds < 0.1
    assert not {"numpy", "rich", "matplotlib", "olivine.core"} & set(modules)


def test_help_teaches_with_examples(call):
    commands = ("train-lm", "train-images", "generate", "doctor")
    for args in ([], ["--help"], *([name, "--help"] for name in commands)):
        status, output, errors = call(*args)
        assert status == 0 and errors == "" and "examples:\n  " in output


def test_help_needs_neither_the_core_nor_numpy(environment):
    code = (
        "import sys\nfrom olivine.cli import main\n"
        "for name in ('train-lm', 'train-images'):\n"
        "    try: main([name, '--help'])\n    except SystemExit: pass\n"
        "assert not {'olivine.core', 'numpy', 'rich'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL
    )


def test_version_is_printed_by_the_module_too(start, call):
    status, output, _ = call("--version")
    assert status == 0 and output.startswith("olivine ")
    assert start("--version").communicate(timeout=60) == (output, "")


def test_training_leaves_a_checkpoint_and_a_picture(run_folder):
    assert sorted(os.listdir(run_folder)) == [".lock", "checkpoint.safetensors", "loss.png"]
    assert (run_folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert len(losses(run_folder)) == 25


def test_training_prints_plain_lines_and_a_sample(call, text):
    status, output, errors = call(
        "train-lm", text, "--out", "run", "--steps", 12, *TINY, "--prompt", "First"
    )
    assert (status, errors) == (0, "")
    assert "play.txt: 6,000 characters" in output
    assert "step 10: training loss" in output and "step 12: training loss" in output
    assert "Done after 12 steps" in output and "\x1b" not in output
    sample = output.split("A sample:\n\n")[1]
    assert sample.startswith("First") and len(sample) == len("First") + 20 + 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_saves_and_resuming_gives_the_same_losses(start, call, text, tmp_path, name):
    long = [*TINY, "--steps", "60", "--dropout", "0.1"]
    process = start("train-lm", text, "--out", "stopped", *long)
    for line in process.stdout:
        if line.startswith("step 10:"):
            process.send_signal(signal.Signals[name])
            break
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    assert f"{name}: saved after step" in output
    assert "olivine train-lm --out stopped --resume" in output

    status, output, errors = call("train-lm", "--out", "stopped", "--resume")
    assert (status, errors) == (0, "") and "going on after step" in output
    assert call("train-lm", text, "--out", "whole", *long)[0] == 0
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")


def test_a_killed_run_resumes_from_its_last_checkpoint(start, call, text, tmp_path):
    process = start("train-lm", text, "--out", "run", *TINY, "--steps", "60")
    for line in process.stdout:
        if line.startswith("step 20:"):
            process.kill()
            break
    process.communicate()
    status, output, _ = call("train-lm", "--out", "run", "--resume")
    assert status == 0 and "going on after step" in output
    assert call("train-lm", text, "--out", "whole", *TINY, "--steps", "60")[0] == 0
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_finished_run_takes_more_steps_or_says_so(call, run_folder):
    status, output, _ = call("train-lm", "--out", "run", "--resume")
    assert status == 0 and "complete after 25 steps" in output
    status, output, _ = call("train-lm", "--out", "run", "--resume", "--steps", 30)
    assert status == 0 and len(losses(run_folder)) == 30


def test_a_new_run_sets_a_finished_one_aside(call, text, run_folder):
    old = (run_folder / "checkpoint.safetensors").read_bytes()
    status, output, _ = call("train-lm", text, "--out", "run", "--steps", 5, *TINY)
    assert status == 0 and "previous.safetensors" in output
    assert (run_folder / "previous.safetensors").read_bytes() == old


def test_a_new_run_does_not_overwrite_an_unfinished_one(start, call, text, tmp_path):
    process = start("train-lm", text, "--out", "run", *TINY, "--steps", "100000")
    for line in process.stdout:
        if line.startswith("step 10:"):
            break
    error = one_line_error(call("train-lm", text, "--out", "run", *TINY))
    assert "another run is using run" in error
    process.terminate()
    process.communicate(timeout=60)
    error = one_line_error(call("train-lm", text, "--out", "run", *TINY))
    assert "unfinished run" in error and "--resume" in error


@pytest.mark.parametrize(
    "args, message",
    [
        (["trian-lm"], "trian-lm"),
        (["train-lm", "missing.txt"], "missing.txt"),
        (["train-lm", "."], "Is a directory"),
        (["train-lm", "--steps", "many"], "--steps: expected a whole number"),
        (["train-lm", "--steps", "0"], "--steps: expected a whole number"),
        (["train-lm", "--minutes", "-1"], "--minutes: expected a number above 0"),
        (["train-lm", "--steps", "1", "--minutes", "1"], "not allowed with"),
        (["train-lm", "--learning-rate", "nan"], "--learning-rate"),
        (["train-lm", "--heads", "3"], "dims divisible by heads"),
        (["train-lm", "--dropout", "1"], "--dropout"),
        (["train-lm", "--prompt", ""], "--prompt"),
        (["train-lm", "--prompt", "ñ"], "no character 'ñ'"),
        (["train-lm", "--dims", "1000000", "--layers", "100"], "GiB"),
        (["train-lm", "--nonsense"], "--nonsense"),
        (["train-lm", "--resume"], "no run in"),
        (["train-lm", "--out", "/proc/run"], "cannot write to"),
        (["generate", "missing", "--prompt", "x"], "missing"),
        (["generate", ".", "--prompt", "x"], "config.json"),
        (["generate", "x", "--temperature", "-1"], "--temperature"),
        (["generate", "x", "--top-k", "0"], "--top-k"),
        (["generate"], "--prompt"),
        (["doctor", "extra"], "extra"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(call, tmp_path, args, message):
    assert message in one_line_error(call(*args))
    assert os.listdir(tmp_path) == []


def test_a_mistake_ends_the_process_with_status_2(start):
    process = start("train-lm", "missing.txt")
    output, errors = process.communicate(timeout=60)
    assert one_line_error((process.returncode, output, errors)) and output == ""


def test_texts_that_cannot_be_learned_from_are_named(call, tmp_path):
    for name, content, message in [
        ("empty.txt", b"", "is empty"),
        ("short.txt", b"hello", "has 5 characters"),
        ("binary.txt", b"\xff\x00\xfe", "is not UTF-8 text"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert message in one_line_error(call("train-lm", name))


def test_a_text_without_a_line_break_or_room_for_validation_is_learned(call, tmp_path):
    (tmp_path / "short.txt").write_text("abc " * 25)
    status, output, errors = call("train-lm", "short.txt", "--steps", 5, *TINY)
    assert (status, errors) == (0, "")
    assert "validation loss unknown (short text)" in output


def test_resuming_refuses_another_model_or_text(call, run_folder, tmp_path):
    resume = ["train-lm", "--out", "run", "--resume", "--steps", "30"]
    assert "--dims: the run in run has 16" in one_line_error(call(*resume, "--dims", 32))
    (tmp_path / "other.txt").write_text("another text " * 100)
    assert "is not the text" in one_line_error(call(*resume, "other.txt"))
    (run_folder / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    assert "damaged" in one_line_error(call(*resume))


def test_a_diverging_run_ends_with_advice(call, text):
    status, _, errors = call(
        "train-lm", text, "--out", "run", *TINY, "--steps", 50, "--learning-rate", "1e30"
    )
    assert status == 1 and errors.count("\n") == 1
    assert "lower --learning-rate" in errors


def test_generate_continues_a_prompt_repeatably(call, run_folder):
    args = ["generate", "run", "--prompt", "ab", "--length", "30"]
    status, first, errors = call(*args)
    assert (status, errors) == (0, "") and first.startswith("ab") and len(first) == 33
    assert call(*args)[1] == first
    assert call(*args, "--seed", 1)[1] != first
    file = run_folder / "checkpoint.safetensors"
    assert call("generate", file, *args[2:])[1] == first
    assert "no character 'ñ'" in one_line_error(call("generate", "run", "--prompt", "ñ"))


def test_generate_ends_quietly_when_its_reader_leaves(start, run_folder):
    process = start("generate", "run", "--length", "20000")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""


def test_doctor_reports_and_checks(call):
    status, output, errors = call("doctor")
    assert (status, errors) == (0, "")
    for word in ("versions", "processors", "cpu quota", "memory limit", "device", "GFLOP/s"):
        assert word in output
    assert "WRONG" not in output

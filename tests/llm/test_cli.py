"""The commands of language models, run as a user runs them, on a tiny model."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import olivine
import olivine.core as mx
from olivine.cli import serve
from olivine.llm import loading
from tests.llm.tiny_chat import tiny_llama
from tests.llm.tiny_folder import write_model

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(
        [str(Path(olivine.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    ),
    "COLUMNS": "100",
    "HF_HUB_OFFLINE": "1",
}


def call(*args, cwd, text=None, status=0):
    """Standard output and error of a command that ends with `status`."""
    done = subprocess.run(
        [sys.executable, "-m", "olivine", *map(str, args)],
        cwd=cwd,
        env=ENVIRONMENT,
        input=text if text is not None else "",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    write_model(path / "m", hidden_size=64, intermediate_size=96)
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{i}?"},
                {"role": "assistant", "content": "yes"},
            ]
        }
        for i in range(8)
    ]
    (path / "t.txt").write_text("some text " * 20)
    (path / "data").mkdir()
    for name in ("train", "valid"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (path / "data" / f"{name}.jsonl").write_text(lines)
    return path


@pytest.mark.parametrize(
    "command", ["chat", "generate", "serve", "finetune", "fuse", "convert", "embed", "perplexity",
                "bench"]
)  # fmt: skip
def test_help_teaches_with_examples(folder, command):
    out, _ = call(command, "--help", cwd=folder)
    assert "examples:" in out and f"olivine {command}" in out


def test_generate_answers_and_reports(folder):
    out, err = call("generate", "m", "--prompt", "hi", "--length", 8, cwd=folder)
    again, quiet = call("generate", "m", "--prompt", "hi", "--length", 8, "--quiet", cwd=folder)
    assert out == again and not quiet
    assert "answer: 8 tokens" in err and "peak memory" in err
    raw, _ = call("generate", "m", "--raw", "--prompt", "hi", "--length", 8, cwd=folder)
    assert raw != out
    seeded = ["generate", "m", "--prompt", "hi", "--temperature", 1, "--seed", 3, "--quiet"]
    assert call(*seeded, cwd=folder) == call(*seeded, cwd=folder)


def test_generate_keeps_a_prompt_cache(folder):
    args = ["generate", "m", "--prompt", "hello there", "--length", 4, "--prompt-cache", "p.cache"]
    first, err = call(*args, cwd=folder)
    second, known = call(*args, cwd=folder)
    assert first == second and "known" not in err and "known" in known


def test_generate_follows_a_pattern(folder):
    pytest.importorskip("llguidance", reason="the extra 'llm' is not installed")
    out, _ = call("generate", "m", "--prompt", "x", "--regex", "[ab]{3}", "--quiet", cwd=folder)
    assert len(out) == 4 and set(out.strip()) <= set("ab")


def test_chat_talks_until_the_input_ends(folder):
    lines = "hello\n/again\n/undo\n/file t.txt\nwhat is that?\n/save c.json\n/what\n/exit\n"
    out, _ = call("chat", "m", "--length", 4, "--temperature", 0, cwd=folder, text=lines)
    assert "saved 2 messages" in out and "no such command: /what" in out
    assert "\x1b" not in out
    saved = json.loads((folder / "c.json").read_text())
    assert [m["role"] for m in saved] == ["user", "assistant"]
    assert saved[0]["content"].startswith("t.txt:") and "what is that?" in saved[0]["content"]
    call("chat", "m", "--load", "c.json", "--length", 2, cwd=folder, text="more\n")


def test_chat_on_a_terminal(folder):
    """Several lines are one message; answers are counted."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        env = {**ENVIRONMENT, "HOME": str(folder), "TERM": "xterm", "NO_COLOR": "1"}
        args = ["chat", "m", "--temperature", "1", "--seed", "1", "--length", "400"]
        os.execve(sys.executable, [sys.executable, "-m", "olivine", *args], env)
    seen = b""

    def wait(what):
        nonlocal seen
        while what not in seen:
            seen += os.read(terminal, 4096)
        seen = seen.split(what, 1)[1]

    try:
        wait(b"Ctrl-D ends")
        wait(b"> ")
        os.write(terminal, b"hello\n")
        wait(b"tokens/s")
        wait(b"> ")
        os.write(terminal, b'"""one\ntwo"""\n')
        wait(b"tokens/s")
        os.write(terminal, b"/stats\n/save t.json\n")
        wait(b"saved 4 messages")
        os.write(terminal, b"\x04")
    finally:
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    saved = json.loads((folder / "t.json").read_text())
    assert [m["content"] for m in saved if m["role"] == "user"] == ["hello", "one\ntwo"]


def test_ctrl_c_stops_the_answer_alone(folder, monkeypatch, capsys):
    from olivine.cli.chat import Chat
    from olivine.llm import generation
    from olivine.llm.loading import load

    whole = generation.stream_generate

    def interrupted(*args, **options):
        for count, record in enumerate(whole(*args, **options)):
            yield record
            if count == 2:
                raise KeyboardInterrupt

    options = argparse.Namespace(
        system=None, length=50, temperature=0.0, top_k=None, top_p=1.0, min_p=0.0,
        repetition_penalty=1.0, seed=None,
    )  # fmt: skip
    chat = Chat(*load(folder / "m"), options)
    monkeypatch.setattr(generation, "stream_generate", interrupted)
    chat.say("hello")
    assert "… (stopped)" in capsys.readouterr().out
    monkeypatch.undo()
    chat.say("go on")
    assert [m["role"] for m in chat.messages] == ["user", "assistant"] * 2
    fresh = Chat(chat.model, chat.tokenizer, options)
    fresh.messages = chat.messages[:-2]
    fresh.say("go on")
    assert fresh.messages[-1] == chat.messages[-1]


def test_convert_packs_and_unpacks(folder):
    out, _ = call("convert", "m", "--out", "q", "--bits", 4, "--group-size", 32, cwd=folder)
    assert "bits per weight" in out
    assert json.loads((folder / "q" / "config.json").read_text())["quantization"]["bits"] == 4
    call("convert", "q", "--out", "full", "--dequantize", cwd=folder)
    assert "quantization" not in json.loads((folder / "full" / "config.json").read_text())
    _, err = call("convert", "m", "--out", "q", "--bits", 4, cwd=folder, status=2)
    assert "q has content" in err
    _, err = call("convert", "q", "--out", "r", "--bits", 4, cwd=folder, status=2)
    assert "add --dequantize" in err and not (folder / "r").exists()


def test_convert_writes_gguf_and_hugging_face_folders(folder):
    out, _ = call("convert", "m", "--out", "m.gguf", "--type", "f32", cwd=folder)
    assert "15 F32" in out
    prompt = ["--prompt", "hi", "--length", 8, "--quiet"]
    answer = call("generate", "m", *prompt, cwd=folder)
    assert call("generate", "m.gguf", *prompt, cwd=folder) == answer
    call("convert", "m.gguf", "--out", "hf", "--to", "hf", cwd=folder)
    assert call("generate", "hf", *prompt, cwd=folder) == answer
    config = json.loads((folder / "hf" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    call("convert", "m", "--out", "m.gguf", "--type", "q8_0", "--overwrite", cwd=folder)
    assert (folder / "m.gguf").stat().st_size < 200_000


@pytest.mark.parametrize("method", ["gptq", "awq", "mixed"])
def test_convert_by_calibration(folder, method):
    extra = ["--target-bits", 5] if method == "mixed" else ["--bits", 3]
    args = ["--method", method, "--group-size", 32, "--rows", 2, *extra]
    call("convert", "m", "--out", f"m-{method}", *args, cwd=folder)
    call("generate", f"m-{method}", "--prompt", "x", "--length", 2, cwd=folder)


def test_finetune_fuse_and_use(folder):
    args = ["finetune", "m", "--data", "data", "--out", "run", "--rank", 2, "--steps", 6]
    out, _ = call(*args, "--evaluate-every", 3, "--learning-rate", 0.01, cwd=folder)
    first, last = out.split("validation loss ")[-1].split(" -> ")
    assert float(last) < float(first)
    assert (folder / "run" / "adapter_model.safetensors").exists()
    assert (folder / "run" / "settings.json").exists()
    _, err = call(*args, cwd=folder, status=2)
    assert "holds a run already" in err
    adapted = call("generate", "m", "--adapter", "run", "--prompt", "3?", "--quiet", cwd=folder)
    call("fuse", "m", "--adapter", "run", "--out", "fused", cwd=folder)
    assert call("generate", "fused", "--prompt", "3?", "--quiet", cwd=folder) == adapted


def test_finetune_goes_on_after_ctrl_c(folder):
    args = ["finetune", "m", "--data", "data", "--out", "stopped", "--rank", 2, "--steps", 100000]
    process = subprocess.Popen(
        [sys.executable, "-m", "olivine", *map(str, args)],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = folder / "stopped" / "log.csv"
    while not (log.exists() and log.read_text().count("\n") > 5):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume goes on" in out, err
    steps = int(out.split("after ")[-1].split(" steps")[0].replace(",", ""))
    args = [*args[:-1], steps + 5, "--resume"]
    call(*args, cwd=folder)
    rows = log.read_text().splitlines()
    assert rows[-1].startswith(f"{steps + 5},")


def test_perplexity_embed_and_bench(folder):
    out, _ = call("perplexity", "m", "--text", "t.txt", "--window", 64, cwd=folder)
    assert "bits per byte" in out
    out, _ = call("embed", "m", "a", "b", "--similarity", cwd=folder)
    assert out.split()[0] == "1.0000"
    out, _ = call("embed", "m", cwd=folder, text="one\ntwo\n")
    assert [len(json.loads(line)) for line in out.splitlines()] == [64, 64]
    out, _ = call("bench", "m", "--prompt", 8, "--length", 4, "--rounds", 1, cwd=folder)
    assert "answer tok/s" in out


@pytest.mark.parametrize(
    "args, message",
    [
        (["generate", "nowhere", "--prompt", "x"], "no file or folder nowhere"),
        (["generate", "m", "--prompt", "x", "--adapter", "data"], "adapter_config.json"),
        (["generate", "m", "--prompt", "x" * 600], "at most 512 tokens"),
        (["generate", "m", "--prompt", "x", "--json-schema", "data/train.jsonl"], "no JSON"),
        (["finetune", "m", "--data", "none"], "no such file"),
        (["finetune", "m", "--data", "data", "--targets", "w", "--out", "x"], "targets among"),
        (["finetune", "m", "--data", "data", "--objective", "dpo", "--out", "x"], "single answers"),
        (["perplexity", "m", "--window", 9999], "window of 2 to 512"),
        (["fuse", "m", "--adapter", "data", "--out", "f"], "cannot be read"),
        (["chat", "nowhere"], "nowhere"),
        (["genrate"], "no command genrate; did you mean generate?"),
        (["generate", "m", "--lenght", 3], "did you mean --length?; see olivine generate --help"),
        (["convert", "m", "--out", "x", "--type", "f16"], "goes with a GGUF file"),
        (["convert", "m", "--out", "x", "--to", "hf", "--bits", 4], "transformers does not read"),
        (["convert", "m", "--out", "x", "--method", "gptq", "--mode", "mxfp4"], "--mode affine"),
        (["convert", "m", "--out", "t.txt"], "add --overwrite"),
    ],
)
def test_a_mistake_is_one_line(folder, args, message):
    _, err = call(*args, cwd=folder, status=2)
    assert err.startswith("olivine: error: ") and err.count("\n") == 1 and message in err


def test_served_texts_depend_on_no_rounding_of_the_cache_unless_asked(monkeypatch):
    model = tiny_llama()
    monkeypatch.setattr(loading, "load", lambda name: (model, None))
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    for given, expected in ((["m", "--compact-cache"], mx.float16), (["m"], None)):
        model.cache_dtype = mx.float16
        assert serve._load(parser.parse_args(given))[0].cache_dtype == expected


def test_serve_answers_until_it_is_told_to_stop(folder):
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    (folder / "keys.txt").write_text("# keys\nsecret\n")
    args = ["serve", "m", "--port", "18431", "--api-keys", "keys.txt", "--embedding-model", "m"]
    process = subprocess.Popen(
        [sys.executable, "-m", "olivine", *args],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("m on http://127.0.0.1:18431")
        url, headers = "http://127.0.0.1:18431/v1", {"Authorization": "Bearer secret"}
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
        for _ in range(100):
            try:
                answer = httpx.post(f"{url}/chat/completions", json=body, headers=headers)
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        assert answer.json()["usage"]["completion_tokens"] == 4
        found = httpx.post(f"{url}/embeddings", json={"input": "x"}, headers=headers)
        assert len(found.json()["data"][0]["embedding"]) == 64
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM) and "Traceback" not in err

"""The commands of mlx_lm run on Olivine, unchanged: a tiny model through all of them."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.compat import tiny_llm

NEEDS = ("mlx_lm", "transformers", "datasets")
MISSING = [name for name in NEEDS if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}: pip install mlx-lm datasets"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder with a calibration text, so that nothing is fetched."""
    folder = tmp_path_factory.mktemp("home")
    text = folder / ".cache/mlx-lm/calibration_v5.txt"
    text.parent.mkdir(parents=True)
    text.write_text("The quick brown fox jumps over the lazy dog. " * 60)
    return folder


@pytest.fixture(scope="module")
def environment(home):
    return os.environ | {
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


@pytest.fixture(scope="module")
def model(home):
    return tiny_llm.write(home / "model")


@pytest.fixture(scope="module")
def data(home):
    folder = home / "data"
    folder.mkdir()
    for name, count in (("train", 24), ("valid", 8), ("test", 8)):
        lines = [json.dumps({"text": f"Q: {i} plus {i}?\nA: {i + i}"}) for i in range(count)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return str(folder)


@pytest.fixture(scope="module")
def lm(environment, home):
    """Runs one command and returns what it printed, without colours."""

    def run(*arguments, stdin=None):
        result = subprocess.run(
            [sys.executable, "-m", "olivine.compat.mlx", *map(str, arguments)],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=120,
            env=environment,
            cwd=home,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)

    return run


def generated(output):
    return output.split("==========")[1]


def test_generate_repeats_and_a_draft_model_changes_nothing(lm, model):
    arguments = ("mlx_lm.generate", "--model", model, "-p", "Hello", "-m", "12", "--temp", "0")
    plain = lm(*arguments)
    assert "Generation: 12 tokens" in plain
    assert generated(lm(*arguments)) == generated(plain)
    assert generated(lm(*arguments, "--draft-model", model)) == generated(plain)


@pytest.mark.parametrize(
    "options",
    [
        ("--temp", "0.9", "--top-p", "0.9", "--top-k", "20", "--min-p", "0.02"),
        ("--temp", "1", "--xtc-probability", "0.5", "--xtc-threshold", "0.1"),
        ("--kv-bits", "8", "--kv-group-size", "32", "--quantized-kv-start", "4"),
        ("--max-kv-size", "16"),
    ],
)
def test_generate_with_options(lm, model, options):
    out = lm("mlx_lm.generate", "--model", model, "-p", "Hello you", "-m", "24", *options)
    assert "Peak memory" in out


def test_a_cached_prompt_is_continued(lm, model, home):
    file = home / "cache.safetensors"
    lm("mlx_lm.cache_prompt", "--model", model, "--prompt-cache-file", file, "--prompt", "Once")
    out = lm("mlx_lm.generate", "--prompt-cache-file", file, "-p", "and", "-m", "6")
    assert "Generation:" in out


def test_chat_answers_until_q(lm, model):
    out = lm(
        "mlx_lm.chat", "--model", model, "-m", "6", "--temp", "0", stdin="Hi\nr\nHi again\nq\n"
    )
    assert out.count("tok/s") >= 2 and "bye" in out


def test_convert_quantizes_and_dequantizes(lm, model, home):
    import olivine.core as mx

    packed, plain = home / "packed", home / "plain"
    lm("mlx_lm.convert", "--hf-path", model, "--mlx-path", packed, "-q", "--q-group-size", "32")
    lm("mlx_lm.convert", "--hf-path", packed, "--mlx-path", plain, "-d")
    before = mx.load(f"{model}/model.safetensors")
    after = mx.load(str(plain / "model.safetensors"))
    assert before.keys() == after.keys()
    for name, weight in before.items():
        if weight.ndim == 1:
            assert mx.array_equal(weight, after[name])
            continue
        # 4 bits: 15 steps between the extremes of a group, so half of one step at most. The scale
        # that makes one end exact may move the other by half a step more.
        groups = weight.reshape(-1, 32)
        step = (groups.max(axis=1) - groups.min(axis=1)) / 15
        error = mx.abs(after[name] - weight).reshape(-1, 32).max(axis=1)
        assert mx.all(error <= step + 1e-6), name
    assert "Generation" in lm("mlx_lm.generate", "--model", packed, "-p", "Hello", "-m", "6")


def test_lora_trains_resumes_tests_and_fuses(lm, model, data, home):
    adapter = home / "adapter"
    train = ("mlx_lm.lora", "--model", model, "--train", "--data", data, "--batch-size", "2")
    train += ("--num-layers", "2", "--steps-per-report", "10", "--steps-per-eval", "40")
    train += ("--val-batches", "2", "--adapter-path", adapter, "--learning-rate", "1e-2")
    losses = [float(x) for x in re.findall(r"val (\d+\.\d+)", lm(*train, "--iters", "40"))]
    assert len(losses) == 2 and losses[1] < 0.7 * losses[0]
    file = adapter / "adapters.safetensors"
    resumed = lm(*train, "--iters", "10", "--resume-adapter-file", file, "--grad-checkpoint")
    assert float(re.findall(r"val (\d+\.\d+)", resumed)[0]) == pytest.approx(losses[1], rel=0.05)
    test = ("mlx_lm.lora", "--test", "--data", data, "--batch-size", "2", "--test-batches", "2")
    tuned = lm(*test, "--model", model, "--adapter-path", adapter)
    lm("mlx_lm.fuse", "--model", model, "--adapter-path", adapter, "--save-path", home / "fused")
    merged = lm(*test, "--model", home / "fused", "--adapter-path", "")
    find = re.compile(r"Test loss (\d+\.\d+)")
    assert float(find.search(merged)[1]) == pytest.approx(float(find.search(tuned)[1]), abs=0.01)


@pytest.mark.parametrize("kind", ["dora", "full"])
def test_other_kinds_of_tuning(lm, model, data, home, kind):
    out = lm(
        *("mlx_lm.lora", "--model", model, "--train", "--data", data, "--fine-tune-type", kind),
        *("--batch-size", "2", "--iters", "4", "--steps-per-report", "2", "--val-batches", "1"),
        *("--adapter-path", home / kind, "--optimizer", "adamw", "--num-layers", "1"),
    )
    assert "100%" in out


def test_perplexity_of_a_random_model_is_near_the_vocabulary(lm, model, data):
    arguments = ("--num-samples", "8", "--sequence-length", "32", "--batch-size", "4")
    out = lm("mlx_lm.perplexity", "--model", model, "--data-path", data, *arguments)
    assert 50 < float(re.search(r"Perplexity: (\d+\.\d+)", out)[1]) < 5000


def test_benchmark(lm, model):
    for batch in ("1", "3"):
        arguments = ("-p", "16", "-g", "8", "-n", "1", "-b", batch)
        assert "generation_tps" in lm("mlx_lm.benchmark", "--model", model, *arguments)


@pytest.mark.parametrize(
    "command",
    [
        ("awq", "--num-samples", "2", "--sequence-length", "32", "--n-grid", "2"),
        ("gptq", "--num-samples", "8", "--sequence-length", "64"),
        ("dynamic_quant", "--target-bpw", "5"),
    ],
)
def test_learned_quantization(lm, model, home, command):
    out = home / command[0]
    lm(f"mlx_lm.{command[0]}", "--model", model, "--mlx-path", out, *command[1:])
    assert "quantization" in json.loads((out / "config.json").read_text())


def test_distilled_quantization(lm, model, data, home):
    arguments = ("--num-samples", "8", "--batch-size", "2", "--max-seq-length", "33")
    out = home / "dwq"
    lm("mlx_lm.dwq", "--model", model, "--mlx-path", out, "--data-path", data, *arguments)
    assert "quantization" in json.loads((out / "config.json").read_text())


def test_batches_give_what_single_prompts_give(lm, model, home):
    program = home / "batch.py"
    program.write_text(f"""
from mlx_lm import batch_generate, generate, load
model, tokenizer = load({model!r})
prompts = [tokenizer.encode(text) for text in ("a", "Hello there", "What is this?")]
batch = batch_generate(model, tokenizer, prompts, max_tokens=10).texts
assert batch == [generate(model, tokenizer, prompt=p, max_tokens=10) for p in prompts], batch
print("equal")
""")
    assert "equal" in lm(program)


@pytest.fixture
def server(environment, model, home):
    """The address of a running mlx_lm.server."""
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = ["-m", "olivine.compat.mlx", "mlx_lm.server", "--model", model, "--port", str(port)]
    with open(home / "server.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=log, stderr=log, env=environment, cwd=home
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert process.poll() is None, (home / "server.log").read_text()[-2000:]
            try:
                urllib.request.urlopen(address + "/health").read()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def post(address, **body):
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return urllib.request.urlopen(request, timeout=60).read().decode()


def test_server_answers_whole_and_in_pieces(server):
    ask = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "temperature": 0}
    chat = server + "/v1/chat/completions"
    whole = json.loads(post(chat, **ask))
    assert whole["usage"]["completion_tokens"] == 6
    pieces = [
        json.loads(line[6:])
        for line in post(chat, **ask, stream=True).splitlines()
        if line.startswith("data: {")
    ]
    text = "".join(p["choices"][0]["delta"].get("content", "") for p in pieces if p["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    done = json.loads(post(server + "/v1/completions", prompt="Once", max_tokens=4))
    assert 1 <= done["usage"]["completion_tokens"] <= 4
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(chat, **(ask | {"max_tokens": -1}))

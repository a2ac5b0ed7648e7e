"""mlx_whisper runs on Olivine, unchanged: whisper-base in MLX's layout, packed and in full."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.audio.whisper.real import GREEDY, RECORDING
from tests.audio.whisper.tiny import needs_real

pytestmark = [
    pytest.mark.slow,
    needs_real,
    pytest.mark.skipif(not RECORDING.is_file(), reason="needs the recording jfk.wav"),
    pytest.mark.skipif(
        importlib.util.find_spec("mlx_whisper") is None,
        reason="needs mlx_whisper: pip install mlx-whisper",
    ),
]

PROGRAM = """
import json, sys, wave
import mlx.core as mx
import mlx_whisper
import numpy as np

assert mx.__name__ == "olivine.core"
with wave.open(sys.argv[1]) as file:
    samples = np.frombuffer(file.readframes(-1), np.int16).astype(np.float32) / 32768
options = json.loads(sys.argv[3])
out = mlx_whisper.transcribe(samples, path_or_hf_repo=sys.argv[2], temperature=0, **options)
words = [[w["word"], float(w["start"]), float(w["end"])]
         for s in out["segments"] for w in s.get("words", [])]
tokens = [t for s in out["segments"] for t in s["tokens"]]
print(json.dumps([out["text"], out["language"], tokens, words]))
"""

# Of mlx_whisper 0.4.3 on MLX 0.32.4, with the same weights in float32.
WORDS = """
And 0.0 0.52
so 0.52 0.84
my 0.84 1.18
fellow 1.18 1.56
Americans 1.56 2.1
ask 2.1 3.72
not 3.72 4.24
what 4.24 5.52
your 5.52 5.76
country 5.76 6.24
can 6.24 6.62
do 6.62 6.82
for 6.82 7.08
you, 7.08 7.42
ask 7.42 8.46
what 8.46 8.76
you 8.76 9.04
can 9.04 9.32
do 9.32 9.56
for 9.56 9.78
your 9.78 9.94
country. 9.94 10.36
"""


def transcribe(tmp_path, options, dtype, quantize=None):
    from olivine.audio import load, save

    model, _ = load(dtype=dtype, quantize=quantize)
    save(tmp_path / "model", model)
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = [str(tmp_path / "program.py"), str(RECORDING), str(tmp_path / "model")]
    done = subprocess.run(
        [sys.executable, "-m", "olivine.compat.mlx", *arguments, json.dumps(options)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_whisper_base(tmp_path, dtype):
    text, language, tokens, _ = transcribe(tmp_path, dict(fp16=dtype == "float16"), dtype)
    assert language == "en" and " ".join(map(str, tokens)) == GREEDY
    assert text.startswith(" And so my fellow Americans ask not")


def test_packed(tmp_path):
    text, *_ = transcribe(tmp_path, dict(fp16=True), "float16", quantize=8)
    assert "ask what you can do for your country" in text


def test_times_of_words(tmp_path):
    options = dict(fp16=False, word_timestamps=True)
    *_, words = transcribe(tmp_path, options, "float32")
    assert [f"{word.strip()} {start} {end}" for word, start, end in words] == WORDS.split("\n")[
        1:-1
    ]

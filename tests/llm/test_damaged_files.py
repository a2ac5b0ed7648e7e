"""Damaged folders and GGUF files give a model or one clear error (tools/fuzz_llm_files.py)."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_damaged_models_load_or_are_refused_clearly():
    pytest.importorskip("tokenizers", reason="the extra 'llm' is not installed")
    command = [sys.executable, "tools/fuzz_llm_files.py", "--inputs", "200", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model" in done.stdout and "refused" in done.stdout

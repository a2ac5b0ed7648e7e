"""The C++ libraries show what OLIVINE_API marks alone: no kernels, no standard library."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import olivine.core as mx
from tests.support import ROOT

FOLDER = Path(mx.__file__).parent / "lib"

pytestmark = pytest.mark.skipif(not shutil.which("nm"), reason="no nm to list symbols with")


def shown(library):
    path = FOLDER / f"lib{library}.so"
    if not path.exists():
        pytest.skip(f"built without lib{library}.so")
    command = ["nm", "-D", "--defined-only", path]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split()[-1].partition("@")[0] for line in listed.splitlines()]


def names(symbol):
    """The nested name of a mangled symbol: ["olivine", "array", "reshape"]."""
    rest = re.match(r"_Z(?:Z|GV|T[A-Z])*(?:h?[vn]?\d*_)*N[KVRO]*", symbol)
    if not rest:
        return []
    rest, found = symbol[rest.end() :], []
    while digits := re.match(r"\d+", rest):
        end = digits.end() + int(digits[0])
        found.append(rest[digits.end() : end])
        rest = rest[end:]
    return found


def marked():
    """All words of the headers that mark something."""
    words = set()
    for folder in ("include", "src"):
        for path in (ROOT / folder).rglob("*.h"):
            text = path.read_text()
            if "OLIVINE_API" in text:
                words.update(re.findall(r"\w+", text))
    return words


@pytest.mark.parametrize("library", ["olivine", "olivine_nn"])
def test_only_what_is_marked_is_shown(library):
    symbols = shown(library)
    assert len(symbols) > 100
    assert [s for s in symbols if names(s)[:1] != ["olivine"]] == []
    words = marked()
    # fft.h makes names that end in _over by a macro.
    assert [s for s in symbols if names(s)[-1].removesuffix("_over") not in words] == []
    sets = {"plain", "sse4", "avx2", "avx512", "avx512_bf16", "amx"}
    assert [s for s in symbols if sets & set(names(s))] == []

"""Compiles C programs as C99 without a warning, against the library of the package."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import olivine
from tests.support import ROOT

INCLUDE = ROOT / "bindings/c/include"
LIBRARIES = Path(olivine.__file__).parent / "lib"
COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


def compile_c(source, program):
    """Skips where there is no compiler or no library."""
    if not COMPILER:
        pytest.skip("no C compiler")
    if not (LIBRARIES / "libolivine_c.so").exists():
        pytest.skip(f"no libolivine_c.so in {LIBRARIES}")
    command = [COMPILER, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", source]
    command += [f"-I{INCLUDE}", f"-L{LIBRARIES}", "-lolivine_c", f"-Wl,-rpath,{LIBRARIES}"]
    done = subprocess.run([*command, "-o", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

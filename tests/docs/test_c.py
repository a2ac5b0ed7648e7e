"""The programs in docs/c.md compile as C99 without a warning, and print what it says they do."""

import os
import re
import shutil
import subprocess

import pytest

import olivine
from tests.support import ROOT

CODE = (ROOT / "docs/c.md").read_text()
# Each with the text that follows it, if there is one.
PROGRAMS = re.findall(r"```c\n(.*?)```\n(?:\n```text\n(.*?)```)?", CODE, re.DOTALL)
COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
LIBRARIES = os.path.join(os.path.dirname(olivine.__file__), "lib")


def test_there_are_programs():
    assert len(PROGRAMS) >= 3


@pytest.mark.skipif(not COMPILER, reason="no C compiler")
@pytest.mark.parametrize(("code", "text"), PROGRAMS)
def test_the_program_runs(code, text, tmp_path):
    (tmp_path / "program.c").write_text(code)
    command = [COMPILER, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "program.c"]
    command += [f"-I{ROOT / 'bindings/c/include'}", f"-L{LIBRARIES}", "-lolivine_c"]
    command += [f"-Wl,-rpath,{LIBRARIES}", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    run = subprocess.run(["./program"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert run.stderr == ""
    said = re.search(r"printf\(.*\); /\* (.*) \*/", code)
    assert run.stdout.strip() == (text.strip() or said[1])

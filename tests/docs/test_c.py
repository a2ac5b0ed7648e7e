"""The programs in docs/c.md compile as C99 without a warning, and print what it says they do."""

import re
import subprocess

import pytest

from tests.examples.c_programs import compile_c
from tests.support import ROOT

CODE = (ROOT / "docs/c.md").read_text()
# Each with the text that follows it, if there is one.
PROGRAMS = re.findall(r"```c\n(.*?)```\n(?:\n```text\n(.*?)```)?", CODE, re.DOTALL)


def test_there_are_programs():
    assert len(PROGRAMS) >= 3


@pytest.mark.parametrize(("code", "text"), PROGRAMS)
def test_the_program_runs(code, text, tmp_path):
    (tmp_path / "program.c").write_text(code)
    compile_c(tmp_path / "program.c", tmp_path / "program")
    run = subprocess.run(["./program"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert run.stderr == ""
    said = re.search(r"printf\(.*\); /\* (.*) \*/", code)
    assert run.stdout.strip() == (text.strip() or said[1])

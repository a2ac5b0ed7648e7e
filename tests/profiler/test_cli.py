"""`olivine profile` on programs, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import olivine

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(olivine.__file__).parents[1]), "COLUMNS": "100"}
PROGRAM = """
import sys
import olivine.core as mx

x = mx.ones((int(sys.argv[1]), 64))
mx.eval(x @ x.T)
print("done", sys.argv[1:], __name__)
"""


def call(*args, cwd, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "olivine", "profile", *map(str, args)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def test_a_program_runs_as_ever_and_the_table_goes_to_stderr(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    out, err = call("program.py", "32", "--html", cwd=tmp_path)
    assert out == "done ['32', '--html'] __main__\n"
    assert "attributed" in err
    assert "matmul" in err


def test_files_are_written(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    files = ("--html", "a.html", "--trace", "trace.json", "--json", "a.json")
    call(*files, "--by", "line", "program.py", "8", cwd=tmp_path)
    assert "<svg" in (tmp_path / "a.html").read_text()
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert json.loads((tmp_path / "a.json").read_text())["rows"]["op"]


def test_a_program_that_fails_keeps_its_status_and_its_profile(tmp_path):
    (tmp_path / "bad.py").write_text(PROGRAM + "\nraise RuntimeError('no')\n")
    _, err = call("bad.py", "8", cwd=tmp_path, status=1)
    assert "RuntimeError: no" in err
    assert "matmul" in err
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(7)")
    call("leaves.py", cwd=tmp_path, status=7)


def test_a_module_runs(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    out, err = call("-m", "program", "16", cwd=tmp_path)
    assert out.startswith("done ['16']")
    assert "matmul" in err


def test_mistakes_are_one_line(tmp_path):
    _, err = call("nothing.py", cwd=tmp_path, status=2)
    assert err == "olivine: error: no file nothing.py\n"

"""The C++ programs that train and run models give what Python gives."""

import sys

from tests.examples.cpp_programs import ROOT, programs, run


def test_the_mlp_has_the_losses_of_the_python_program(tmp_path):
    file = tmp_path / "mlp.safetensors"
    run(sys.executable, ROOT / "examples" / "mlp_init.py", file)
    expected = run(sys.executable, ROOT / "examples" / "mlp.py", file)
    assert expected.count("\n") == 100
    assert run(programs() / "mlp", file) == expected


def test_a_missing_file_is_one_line_of_text(tmp_path):
    error = run(programs() / "mlp", tmp_path / "none.safetensors", expect=1)
    assert error.startswith("mlp: ") and error.count("\n") == 1

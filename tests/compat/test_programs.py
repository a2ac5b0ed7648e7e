"""Programs of the kinds that MLX publishes run through the compatibility import, unchanged."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sorted(path.name for path in FOLDER.glob("*.py") if path.name != "data.py")


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_program_reaches_its_result(program):
    result = subprocess.run(
        [sys.executable, "-m", "olivine.compat.mlx", FOLDER / program],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, f"{result.stdout[-1000:]}\n{result.stderr[-3000:]}"


def test_programs_name_mlx_alone():
    assert len(PROGRAMS) >= 10
    for program in PROGRAMS:
        assert "olivine" not in (FOLDER / program).read_text().replace("python/olivine/data", "")

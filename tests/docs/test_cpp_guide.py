"""Every program of docs/cpp.md compiles with the page's CMake lines and prints what it says."""

import re

import pytest

from tests.examples.cpp_programs import ROOT, build, run

PAGE = (ROOT / "docs" / "cpp.md").read_text()
PROGRAMS = re.findall(r"```cpp\n(.*?)```", PAGE, re.DOTALL)
PROJECT = re.search(r"```cmake\n(.*?)```", PAGE, re.DOTALL)[1]
PRINTED = [
    ["array([18, 38], dtype=float32)", "2 26", "12", "expected"],
    ["12", "array([0, 6, 12], dtype=float32)", "3"],
    ["Model(", "blocks.0.up.weight", "array([1], dtype=float32)", "1", "1"],
    ["1 1"],
    ["array([3, 12], dtype=float32)"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All programs, built by the page's project with one line for each more."""
    source = tmp_path_factory.mktemp("guide")
    own, rest = PROJECT.split("add_executable", 1)
    for i, code in enumerate(PROGRAMS):
        (source / f"program{i}.cpp").write_text(code)
        own += ("add_executable" + rest).replace("program", f"program{i}")
    (source / "CMakeLists.txt").write_text(own)
    build(source, source / "build")
    return source / "build"


def test_every_program_is_listed_here():
    assert len(PROGRAMS) == len(PRINTED)


@pytest.mark.parametrize("index", range(len(PROGRAMS)))
def test_the_program_prints_what_the_page_says(folder, tmp_path, index):
    output = run(folder / f"program{index}", cwd=tmp_path)
    at = 0
    for expected in PRINTED[index]:
        found = output.find(expected, at)
        assert found >= 0, f"{expected!r} not in {output[at:]!r}"
        at = found + len(expected)

"""No language is behind another: each function of Python is one of C++, C and Swift, or it is
written down why not."""

import re
import shutil

import pytest

from tests.support import ROOT
from tools import reference
from tools.language_names import ABSENT, OTHER_NAMES, absent

OTHERS = ["C++", "C", "Swift"]


@pytest.fixture(scope="module")
def listed():
    """The declarations of each function in each language, by the function's name."""
    return {
        f"{family.module}_{entry.definitions[0].name}".lstrip("_")
        if family.module
        else entry.definitions[0].name: entry.forms
        for family, entries in reference.everything()
        for entry in entries
    }


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++ to read the headers with")
@pytest.mark.parametrize("language", OTHERS)
def test_functions_of_python_are_there_or_have_a_reason(listed, language):
    lacking = {name for name, forms in listed.items() if not forms[language]}
    assert lacking == {name for name in listed if absent(language, name)}


def test_reasons_and_other_names_are_of_functions_that_exist(listed):
    given = {name.split()[-1] for name in ABSENT}
    given |= {name for names in OTHER_NAMES.values() for name in names}
    assert given <= set(listed)


def test_functions_by_hand_in_swift_are_called_there():
    from swift_api import BY_HAND  # reference put bindings/ on the path

    folder = ROOT / "bindings/swift"
    texts = [p.read_text() for p in folder.rglob("*.swift") if "generated" not in p.parts]
    called = set(re.findall(r"\bolivine_(\w+)", "\n".join(texts)))
    # Swift's convolve is a convolution, and its roll of one axis one of several.
    assert BY_HAND - called <= {"convolve", "roll_axis"}

"""Markdown in a terminal: the same in pieces of any size as at once."""

import numpy as np
import pytest

from olivine.cli.markdown import Markdown

TEXT = """# Fruit

Some **bold *and* italic** text, `code * here`, 2 * 3 * 4 and 2*3.
- one
  * two
***
```python
def f(x):
    return x ** 2  # *no*
```
## End ##
**open
last * line"""


def shown(pieces, color=True):
    markdown = Markdown(color)
    text = "".join(map(markdown.feed, pieces)) + markdown.end()
    for code in ("\x1b[0m", "\x1b[1;35m", "\x1b[36m", "\x1b[1m", "\x1b[3m", "\x1b[1;3m"):
        text = text.replace(code, f"<{code[2:-1]}>")
    return text


def test_marks_become_colors():
    want = (
        "<0><1;35>Fruit<0>\n\n"
        "Some <0><1>bold <0><1;3>and<0><1> italic<0> text, <0><36>code * here<0>, 2 * 3 * 4 and 2*3.\n"
        "• one\n  • two\n" + "─" * 40 + "\n"
        "<0><36>def f(x):\n    return x ** 2  # *no*\n<0>"
        "<0><1;35>End ##<0>\n<0><1>open<0>\nlast * line"
    )
    assert shown([TEXT]) == want


def test_pieces_of_any_size_look_alike():
    random = np.random.default_rng(0)
    want = shown([TEXT])
    assert shown(TEXT) == want
    for _ in range(50):
        ends = sorted(random.integers(0, len(TEXT), 12))
        pieces = [TEXT[a:b] for a, b in zip([0, *ends], [*ends, len(TEXT)], strict=True)]
        assert shown(pieces) == want


@pytest.mark.parametrize("text", ["**", "*", "```", "`", "#", "- ", "a*", "``` x\n", "\n", ""])
def test_unfinished_marks_are_no_trouble(text):
    assert shown(text) == shown([text])
    assert Markdown(False).feed(text) == text and Markdown(False).end() == ""


def test_words_are_shown_as_they_come():
    markdown = Markdown()
    assert markdown.feed("Hel") == "Hel" and markdown.feed("lo") == "lo"
    assert markdown.feed(" **b") == " \x1b[0m\x1b[1mb"

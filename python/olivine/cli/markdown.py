"""Markdown in a terminal as it comes, piece by piece: headings, lists, code, bold and italic text.

What cannot be told apart yet is held back, at most until the end of a line.
"""

from __future__ import annotations

import re

_RESET = "\x1b[0m"
_BOLD, _ITALIC, _CODE, _BLOCK, _HEADING = "1", "3", "36", "36", "1;35"
# Beginnings of lines that may still become a heading, an item or a fence.
_OPEN = re.compile(r" {0,3}#{1,6}$|\s*[-*+]?$|\s*`{1,2}$|\s*```[^\n]*$|\s*(-{2,}|\*{2,})$")
_FENCE = re.compile(r"\s*```[^\n]*\n")
_HEAD = re.compile(r" {0,3}#{1,6}\s+")
_ITEM = re.compile(r"(\s*)[-*+] ")
_RULE = re.compile(r"\s*(-{3,}|\*{3,})\n")
_TEXT = re.compile(r"[^*`\n]+")


class Markdown:
    """`feed` pieces of a text; each call returns what may be printed, with colors of a terminal.

    Without `color` text passes as it is.
    """

    def __init__(self, color: bool = True):
        self._color = color
        self._held = ""
        self._new_line = True
        self._block = False
        self._line_style = ""
        self._styles: list[str] = []

    def feed(self, text: str) -> str:
        if not self._color:
            return text
        self._held += text
        out = []
        while self._held:
            step = self._begin_line() if self._new_line else self._in_line()
            if step is None:
                break
            out.append(step)
        return "".join(out)

    def end(self) -> str:
        """What was held back, and back to plain text."""
        if not self._color:
            return ""
        held, self._held = self._held, ""
        if self._new_line and held.strip().startswith("```"):
            held = ""  # the fence that closes a block needs no line after it
        plain = self._styles or self._line_style or self._block
        self.__init__()
        return held + (_RESET if plain else "")

    def _take(self, match: re.Match) -> None:
        self._held = self._held[match.end() :]

    def _style(self) -> str:
        codes = [code for code in (self._line_style, *self._styles) if code]
        return _RESET + (f"\x1b[{';'.join(codes)}m" if codes else "")

    def _begin_line(self) -> str | None:
        """Decide what a line is; None as long as that cannot be told."""
        if fence := _FENCE.match(self._held):
            self._take(fence)
            self._block = not self._block
            self._line_style = _BLOCK if self._block else ""
            return self._style()
        if self._block:
            if re.fullmatch(r"\s*`{1,2}|\s*```[^\n]*|[ \t]+", self._held):
                return None
        elif _OPEN.fullmatch(self._held):
            return None
        elif rule := _RULE.match(self._held):
            self._take(rule)
            return "─" * 40 + "\n"
        elif head := _HEAD.match(self._held):
            self._take(head)
            self._new_line, self._line_style = False, _HEADING
            return self._style()
        elif item := _ITEM.match(self._held):
            self._take(item)
            self._new_line = False
            return f"{item[1]}• "
        self._new_line = False
        return ""

    def _in_line(self) -> str | None:
        if self._held[0] == "\n":
            self._held = self._held[1:]
            self._new_line = True
            styled = bool(self._styles or self._line_style) and not self._block
            if not self._block:
                self._styles, self._line_style = [], ""
            return (_RESET if styled else "") + "\n"
        if self._block:
            line = re.match(r"[^\n]+", self._held)
        else:
            line = _TEXT.match(self._held)
        if line:
            self._take(line)
            return line[0]
        return self._mark()

    def _mark(self) -> str | None:
        """A star or a backquote."""
        if self._held[0] == "`":
            self._held = self._held[1:]
            return self._toggle(_CODE)
        stars = re.match(r"\*+", self._held)[0]
        after = self._held[len(stars) :]
        if _CODE in self._styles:
            self._held = after
            return stars
        if not after and len(stars) < 3:
            return None
        self._held = after
        if len(stars) == 2:
            return self._toggle(_BOLD)
        opens = after[:1].strip() and not after[:1].isdigit()
        if len(stars) == 1 and (_ITALIC in self._styles or opens):
            return self._toggle(_ITALIC)
        return stars

    def _toggle(self, style: str) -> str:
        if style in self._styles:
            self._styles.remove(style)
        else:
            self._styles.append(style)
        return self._style()

"""From tokens to text that can be shown: whole characters, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Passes text on up to the first of `stops`, holding back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str] = ()):
        self.stops = [stops] if isinstance(stops, str) else list(stops)
        if not all(isinstance(s, str) and s for s in self.stops):
            raise ValueError(f"[llm] expected stop strings that are not empty; got {stops!r}")
        self._longest = max(map(len, self.stops), default=0)
        self._held = ""

    def add(self, text: str) -> tuple[str, bool]:
        """What may be shown now, and whether a stop string was found: then it is the last."""
        if not self.stops:
            return text, False
        held = self._held + text
        found = [i for i in (held.find(s) for s in self.stops) if i >= 0]
        if found:
            self._held = ""
            return held[: min(found)], True
        for size in range(min(self._longest - 1, len(held)), 0, -1):
            if any(s.startswith(held[-size:]) for s in self.stops):
                self._held = held[-size:]
                return held[:-size], False
        self._held = ""
        return held, False

    def finish(self) -> str:
        """What was held back, once there is no more text."""
        text, self._held = self._held, ""
        return text


class TextStream:
    """The text of one sequence, token by token."""

    def __init__(self, tokenizer, stops: Sequence[str] = ()):
        self._detokenizer = tokenizer.detokenizer()
        self._eos = tokenizer.eos_ids
        self._stops = StopStrings(stops)

    def add(self, token: int, last: bool) -> tuple[str, str | None]:
        """New text, and why it ends: `stop` (a stop string or an end token), `length`, or None."""
        if token in self._eos:
            return self._rest()[0], "stop"
        text, stopped = self._stops.add(self._detokenizer.add(token))
        if stopped:
            return text, "stop"
        if last:
            rest, stopped = self._rest()
            return text + rest, "stop" if stopped else "length"
        return text, None

    def _rest(self) -> tuple[str, bool]:
        text, stopped = self._stops.add(self._detokenizer.finish())
        return (text if stopped else text + self._stops.finish()), stopped

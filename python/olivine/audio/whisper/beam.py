"""Beam search: several texts at once, always the likeliest."""

from __future__ import annotations

import olivine.core as mx
from olivine.audio.whisper.greedy import length_score


class BeamSearch:
    """Of `size` texts that are followed for each sound, and those that end, the likeliest.

    A sound's search is over once `round(size * patience)` texts have ended.
    """

    def __init__(self, rules, size: int, patience: float, length_penalty: float | None):
        self.rules, self.size, self.penalty = rules, size, length_penalty
        self.enough = max(1, round(size * patience))

    def run(self, model, cache, logits: mx.array, most: int) -> list[tuple[list[int], float]]:
        """As `Greedy.run`."""
        batch = logits.shape[0]
        sounds = list(range(batch))  # whose search goes on; their rows are in this order
        beams: list[list[tuple[list[int], float]]] = [[([], 0.0)] for _ in range(batch)]
        ended: list[dict[tuple[int, ...], float]] = [{} for _ in range(batch)]
        for step in range(most):
            sources = self._step(logits, sounds, beams, ended)
            left = [s for s in sounds if len(ended[s]) < self.enough and beams[s]]
            if not left or step == most - 1:
                break
            rows = [row for s in left for row in sources[s]]
            if len(left) < len(sounds):
                cache.keep([k for k, s in enumerate(sounds) if s in left], rows)
                sounds = left
            else:
                cache.select(rows)
            tokens = [text[-1] for s in sounds for text, _ in beams[s]]
            logits = model.decode(mx.array(tokens)[:, None], None, cache)[:, 0].astype(mx.float32)
        return [self._best(ended[s], beams[s]) for s in range(batch)]

    def _step(self, logits, sounds, beams, ended) -> dict[int, list[int]]:
        """Replace the beams by their likeliest continuations; the rows that they continue."""
        texts = [text for s in sounds for text, _ in beams[s]]
        logits = self.rules.apply(logits, texts)
        likely = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        width = self.size + 1
        order = mx.argpartition(-likely, width - 1, axis=-1)[:, :width]
        values = mx.take_along_axis(likely, order, axis=-1)
        mx.eval(order, values)
        order, values = order.tolist(), values.tolist()
        sources: dict[int, list[int]] = {}
        row = 0
        for s in sounds:
            found = []
            for text, total in beams[s]:
                for token, value in zip(order[row], values[row], strict=True):
                    found.append((total + value, row, text, token))
                row += 1
            found.sort(key=lambda item: -item[0])
            sources[s] = self._keep(found, s, beams, ended)
        return sources

    def _keep(self, found, sound: int, beams, ended) -> list[int]:
        beams[sound], rows = [], []
        newly: list[tuple[tuple[int, ...], float]] = []
        for total, row, text, token in found:
            if total == -float("inf"):
                continue
            if token == self.rules.eot:
                newly.append((tuple(text), total))
                continue
            beams[sound].append(([*text, token], total))
            rows.append(row)
            if len(rows) == self.size:
                break
        for text, total in newly:
            if len(ended[sound]) < self.enough:
                ended[sound][text] = total
        # Rows of one sound stay as many, so that they share its keys.
        while rows and len(rows) < self.size:
            beams[sound].append((beams[sound][0][0], -float("inf")))
            rows.append(rows[0])
        return rows

    def _best(self, ended: dict, beams: list) -> tuple[list[int], float]:
        texts = [(list(text), total) for text, total in ended.items()]
        if len(texts) < self.size:  # the length was reached: those that go on count too
            texts += beams[: self.size - len(texts)]
        return max(texts, key=lambda t: length_score(t[1], len(t[0]), self.penalty))

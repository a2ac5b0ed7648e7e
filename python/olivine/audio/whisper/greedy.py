"""One token after the other: the likeliest, or one that is drawn."""

from __future__ import annotations

import olivine.core as mx


def length_score(total: float, length: int, penalty: float | None) -> float:
    """By what texts of different lengths compare: their log-likelihood per token or by Wu et al."""
    if penalty is None:
        return total / max(length, 1)
    return total / ((5 + length) / 6) ** penalty


class Greedy:
    """Of `best_of` texts for each sound, drawn at a temperature, the likeliest; one without."""

    def __init__(self, rules, temperature: float, best_of: int, length_penalty: float | None):
        self.rules, self.temperature = rules, temperature
        self.count = best_of if temperature > 0 else 1
        self.penalty = length_penalty

    def run(self, model, cache, logits: mx.array, most: int) -> list[tuple[list[int], float]]:
        """Tokens of each sound, without the end, and their log-likelihood with it.

        `logits` `(batch, vocabulary)` are those after the beginning, of which `cache` has all.
        """
        batch, count = logits.shape[0], self.count
        cache.repeat(count)
        logits = mx.repeat(logits, count, axis=0) if count > 1 else logits
        texts: list[list[int]] = [[] for _ in range(batch * count)]
        totals = [0.0] * len(texts)
        sounds = list(range(batch))  # those that have not ended
        for step in range(most):
            rows = [s * count + i for s in sounds for i in range(count)]
            chosen, scores = self._choose(logits, [texts[r] for r in rows])
            ended = self._append(rows, chosen, scores, texts, totals)
            left = [s for s in sounds if not all(ended[s * count + i] for i in range(count))]
            if not left or step == most - 1:
                break
            if len(left) < len(sounds):
                kept = [k for k, s in enumerate(sounds) if s in left]
                lines = [k * count + i for k in kept for i in range(count)]
                cache.keep(kept, lines)
                chosen = [chosen[line] for line in lines]
                sounds = left
            logits = model.decode(mx.array(chosen)[:, None], None, cache)[:, 0].astype(mx.float32)
        eot = self.rules.eot
        plain = [text[: text.index(eot)] if eot in text else text for text in texts]
        return [self._best(plain, totals, range(s * count, (s + 1) * count)) for s in range(batch)]

    def _choose(self, logits: mx.array, texts: list[list[int]]) -> tuple[list[int], list[float]]:
        logits = self.rules.apply(logits, texts)
        if self.temperature > 0:
            chosen = mx.random.categorical(logits / self.temperature)
        else:
            chosen = mx.argmax(logits, axis=-1)
        picked = mx.take_along_axis(logits, chosen[:, None].astype(mx.int32), axis=-1)[:, 0]
        scores = picked - mx.logsumexp(logits, axis=-1)
        mx.eval(chosen, scores)
        return chosen.tolist(), scores.tolist()

    def _append(self, rows, chosen, scores, texts, totals) -> dict[int, bool]:
        """Lengthen the texts that go on; whether each text has ended."""
        eot = self.rules.eot
        for place, (row, token, score) in enumerate(zip(rows, chosen, scores, strict=True)):
            if texts[row] and texts[row][-1] == eot:
                token = chosen[place] = eot
                score = 0.0
            texts[row].append(token)
            totals[row] += score
        return {row: bool(text) and text[-1] == eot for row, text in enumerate(texts)}

    def _best(self, texts, totals, rows) -> tuple[list[int], float]:
        best = max(rows, key=lambda r: length_score(totals[r], len(texts[r]), self.penalty))
        return texts[best], totals[best]

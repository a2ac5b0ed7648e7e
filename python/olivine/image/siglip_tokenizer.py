"""SigLIP's tokenizer: texts in lower case without punctuation, as pieces of SentencePiece's.

Source: Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (2023); the cleaning of texts is
that of its first code, big_vision.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path

from olivine.llm.formats.checkpoint import ModelError, optional, read_json
from olivine.llm.formats.sentence_piece import SPACE, SentencePiece

LENGTH = 64
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def canonical(text: str, lower: bool = True) -> str:
    """Without ASCII's punctuation, with single spaces, and in lower case."""
    text = (text.lower() if lower else text).translate(_PUNCTUATION)
    return re.sub(r"\s+", " ", text).strip()


class SiglipTokenizer:
    """Texts to rows of `length` ids: their pieces (cut if need be), the end, padding.

    `end`, `pad` and `unknown` are tokens of the model that stand for themselves in texts too.
    """

    def __init__(
        self,
        model: SentencePiece,
        length: int = LENGTH,
        *,
        end: str = "</s>",
        pad: str = "</s>",
        unknown: str = "<unk>",
        lower: bool = True,
    ):
        for token in (end, pad, unknown):
            if token not in model.ids:
                raise ModelError(
                    f"[image] expected the token {token!r} in {model.origin}; got none"
                )
        _check_length(length)
        self.model, self.length, self.lower = model, length, lower
        self.end, self.pad = model.ids[end], model.ids[pad]
        self._unknown = unknown
        self._special = re.compile(
            "|".join(sorted(map(re.escape, {end, pad, unknown}), key=len, reverse=True))
        )
        # Pieces are those that follow an unknown token: alone a text would lose its first space.
        self._before = len(model.pieces(unknown))

    @classmethod
    def from_folder(cls, folder: str | Path) -> SiglipTokenizer | FastTokenizer:
        """Of spiece.model, which SigLIP was trained with; of tokenizer.json where there is none.

        tokenizer_config.json says how long texts are and which tokens end and fill them. ModelError
        says what was expected and found.
        """
        folder = Path(folder)
        file = folder / "tokenizer_config.json"
        settings = read_json(file) if file.is_file() else {}
        length = settings.get("model_max_length", LENGTH)
        # Some files say that texts may be of any length: what the encoder takes is not theirs.
        length = LENGTH if isinstance(length, float) or length == int(1e30) else length
        names = {"end": "eos_token", "pad": "pad_token", "unknown": "unk_token"}
        tokens = {key: _text(settings.get(name)) for key, name in names.items()}
        tokens = {key: token for key, token in tokens.items() if token is not None}
        lower = bool(settings.get("do_lower_case", True))
        if (folder / "spiece.model").is_file():
            model = SentencePiece.from_file(folder / "spiece.model")
            return cls(model, length, lower=lower, **tokens)
        if (folder / "tokenizer.json").is_file():
            kept = settings.get("tokenizer_class") == "Siglip2Tokenizer"
            lower = kept or bool(settings.get("do_lower_case", False))
            return FastTokenizer(
                folder / "tokenizer.json",
                length,
                tokens.get("pad"),
                lower=lower,
                left=settings.get("padding_side") == "left",
            )
        raise ModelError(
            f"[image] expected spiece.model or tokenizer.json in {folder}; got neither"
        )

    def __len__(self) -> int:
        return len(self.model)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without the one that ends it."""
        if not isinstance(text, str):
            raise TypeError(f"[image] expected a text; got {type(text).__name__}")
        text = text.encode("utf-8", "replace").decode("utf-8")
        text = SPACE + text.replace(SPACE, " ")
        ids: list[int] = []
        done, strip = 0, False  # spaces around special tokens belong to them
        for found in self._special.finditer(text):
            part = text[done : found.start()].rstrip()
            ids += self._pieces(part.lstrip() if strip else part)
            if not strip and ids == [self.model.ids.get(SPACE)]:
                ids = []  # a text that begins with a special token has no space before it
            ids.append(self.model.ids[found.group()])
            done, strip = found.end(), True
        return ids + self._pieces(text[done:].lstrip() if strip else text[done:])

    def __call__(self, texts: str | Sequence[str]) -> list[list[int]]:
        """For each text `length` ids."""
        rows = []
        for text in [texts] if isinstance(texts, str) else texts:
            ids = self.encode(text)[: self.length - 1]
            if not ids or ids[-1] != self.end:
                ids.append(self.end)
            rows.append(ids + [self.pad] * (self.length - len(ids)))
        return rows

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without what ends and fills it."""
        ids = [i for i in map(int, ids) if i not in (self.end, self.pad)]
        bad = next((i for i in ids if not 0 <= i < len(self)), None)
        if bad is not None:
            raise ValueError(f"[image] expected ids from 0 to {len(self) - 1}; got {bad}")
        return "".join(self.model.tokens[i] for i in ids).replace(SPACE, " ").strip()

    def _pieces(self, text: str) -> list[int]:
        if not text:
            return []
        return self.model.pieces(self._unknown + canonical(text, self.lower))[self._before :]


class FastTokenizer:
    """A tokenizer.json, whose own rules clean texts and end them: rows of `length` ids.

    `lower` makes texts lower case first; `left` fills rows at their beginning.
    """

    def __init__(
        self,
        file: Path,
        length: int = LENGTH,
        pad: str | None = None,
        *,
        lower: bool = False,
        left: bool = False,
    ):
        tokenizers = optional("tokenizers", "reading tokenizer.json")
        _check_length(length)
        try:
            self.backend = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare exceptions
            raise ModelError(f"[image] expected a tokenizer in {file}; got: {error}") from None
        filler = self.backend.token_to_id("<pad>" if pad is None else pad)
        if filler is None:
            raise ModelError(f"[image] expected the token {pad or '<pad>'!r} in {file}; got none")
        self.length, self.pad, self.lower = length, filler, lower
        self.backend.enable_truncation(length)
        self.backend.enable_padding(
            length=length, pad_id=filler, direction="left" if left else "right"
        )

    def __len__(self) -> int:
        return self.backend.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without those that begin, end and fill it."""
        return self._encode(text, False)

    def __call__(self, texts: str | Sequence[str]) -> list[list[int]]:
        """For each text `length` ids."""
        return [self._encode(text, True) for text in ([texts] if isinstance(texts, str) else texts)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self.backend.decode(list(map(int, ids)), skip_special_tokens=True)

    def _encode(self, text: str, whole: bool) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"[image] expected a text; got {type(text).__name__}")
        text = text.encode("utf-8", "replace").decode("utf-8")
        text = text.lower() if self.lower else text
        found = self.backend.encode(text, add_special_tokens=whole)
        if whole:
            return found.ids
        return [i for i, seen in zip(found.ids, found.attention_mask, strict=True) if seen]


def _text(token) -> str | None:
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else None


def _check_length(length) -> None:
    if type(length) is not int or not 2 <= length <= 2**16:
        raise ModelError(f"[image] expected a length of texts from 2 to {2**16}; got {length!r}")

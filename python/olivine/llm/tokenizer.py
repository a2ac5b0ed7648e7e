"""Tokenizers: text to ids and back, what begins and ends a text, chats by a model's template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from olivine.llm.chat_template import ChatTemplate
from olivine.llm.detokenizer import Detokenizer, bytes_of_tokens
from olivine.llm.formats.checkpoint import ModelError, optional, read_json

# In which order vocabularies name what ends an answer, where nothing else says so.
_TURN_ENDS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|eom_id|>",
)


class Tokenizer:
    """A vocabulary and its rules, over `backend`, a `tokenizers.Tokenizer`.

    `eos_token_ids` are all ids that end an answer; `bos_token_id`, `eos_token_id`, `pad_token_id`
    and `unk_token_id` may be None.
    """

    def __init__(
        self,
        backend: Any,
        *,
        bos_token_id: int | None = None,
        eos_token_ids: Iterable[int] = (),
        pad_token_id: int | None = None,
        unk_token_id: int | None = None,
        chat_template: ChatTemplate | None = None,
    ):
        self.backend = backend
        self.bos_token_id, self.pad_token_id, self.unk_token_id = (
            bos_token_id,
            pad_token_id,
            unk_token_id,
        )
        eos = list(dict.fromkeys(eos_token_ids))
        self.eos_token_id = eos[0] if eos else None
        self.eos_token_ids = set(eos)
        self.chat_template = chat_template
        added = backend.get_added_tokens_decoder()
        self.added: dict[int, str] = {i: token.content for i, token in added.items()}
        self.special_ids = frozenset(i for i, token in added.items() if token.special)
        self.bytes_of_tokens = bytes_of_tokens(backend.decoder)
        self._vocabulary: list[bytes] | None = None
        self._size = backend.get_vocab_size(with_added_tokens=True)

    def __repr__(self) -> str:
        chat = "with" if self.chat_template else "without"
        return f"Tokenizer({len(self)} tokens, {chat} chat template)"

    def __len__(self) -> int:
        return self._size

    @property
    def vocab_size(self) -> int:
        return self._size

    def get_vocab(self) -> dict[str, int]:
        return self.backend.get_vocab(with_added_tokens=True)

    def vocabulary(self) -> list[bytes]:
        """The bytes that each id adds to a text that has begun; of ids without a token, none.

        Made once; of decoders that look at neighbours, what the id decodes to by itself.
        """
        if self._vocabulary is None:
            self._vocabulary = [self._bytes_of(i) for i in range(max(len(self), *self.added, 0))]
        return self._vocabulary

    def _bytes_of(self, token: int) -> bytes:
        added = self.added.get(token)
        text = self.id_to_token(token) if added is None else added
        if text is None:
            return b""
        if added is not None or self.bytes_of_tokens is None:
            return (added or self.decode([token])).encode()
        return self.bytes_of_tokens(text, False)

    def token_to_id(self, token: str) -> int | None:
        return self.backend.token_to_id(token)

    def id_to_token(self, token: int) -> str | None:
        return self.backend.id_to_token(token)

    def _token(self, token: int | None) -> str | None:
        return None if token is None else self.added.get(token) or self.id_to_token(token)

    @property
    def eos_ids(self) -> set[int]:
        """The same as `eos_token_ids`."""
        return self.eos_token_ids

    @property
    def bos_token(self) -> str | None:
        return self._token(self.bos_token_id)

    @property
    def eos_token(self) -> str | None:
        return self._token(self.eos_token_id)

    @property
    def pad_token(self) -> str | None:
        return self._token(self.pad_token_id)

    @property
    def unk_token(self) -> str | None:
        return self._token(self.unk_token_id)

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Ids of a text, with what begins and ends one unless told otherwise.

        Special tokens that stand in the text, as in a chat that a template has laid out, become
        their ids.
        """
        if not isinstance(text, str):
            raise TypeError(f"[Tokenizer.encode] expected text; got {type(text).__name__}")
        # Lone surrogates are no text; the backend could not take them.
        text = text.encode("utf-8", "replace").decode("utf-8")
        if len(text) > 4096:  # other threads run meanwhile in batches only
            return self.encode_batch([text], add_special_tokens)[0]
        return self.backend.encode(text, add_special_tokens=add_special_tokens).ids

    def encode_batch(
        self, texts: Sequence[str], add_special_tokens: bool = True
    ) -> list[list[int]]:
        """Ids of each of many texts, found in parallel."""
        texts = [t.encode("utf-8", "replace").decode("utf-8") for t in texts]
        found = self.backend.encode_batch(texts, add_special_tokens=add_special_tokens)
        return [one.ids for one in found]

    def decode(self, ids: Iterable[int] | int, skip_special_tokens: bool = False) -> str:
        """The text of ids; bytes that are no characters become U+FFFD."""
        if hasattr(ids, "tolist"):
            ids = ids.tolist()
        ids = [ids] if isinstance(ids, int) else list(ids)
        bad = next((i for i in ids if not 0 <= i < 2**32), None)
        if bad is not None:
            raise ValueError(f"[Tokenizer.decode] expected ids of 0 and above; got {bad}")
        return self.backend.decode(ids, skip_special_tokens=skip_special_tokens)

    def detokenizer(self, skip_special_tokens: bool = False) -> Detokenizer:
        """A fresh one, for text as tokens come."""
        return Detokenizer(self, self.special_ids if skip_special_tokens else frozenset())

    @property
    def has_chat_template(self) -> bool:
        return self.chat_template is not None

    def apply_chat_template(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        tokenize: bool = True,
        **variables: Any,
    ) -> list[int] | str:
        """A chat as the ids (or, without `tokenize`, the text) that the model was trained on.

        `messages` are dicts with `role` and `content`; `tools` are JSON-schema descriptions of
        functions; other `variables` are the template's own.
        """
        if self.chat_template is None:
            raise ModelError(
                "[llm] expected a tokenizer with a chat template; this model has none: "
                "it continues text and does not chat"
            )
        special = {
            name: value
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
            if (value := getattr(self, name)) is not None
        }
        text = self.chat_template.render(
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            **{**special, **variables},
        )
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def check_model(self, vocab_size: int, origin: str = "the model") -> None:
        """ModelError if `vocab_size` scores can not be for this vocabulary."""
        largest = max(self.added, default=0)
        needed = max(self._size, largest + 1)
        # Models pad their tables to round sizes; tokens without a row would fail much later.
        if needed > vocab_size:
            raise ModelError(
                f"[llm] expected a tokenizer of at most {vocab_size} tokens for {origin}; "
                f"got one of {needed}: it belongs to another model"
            )


# ---- folders


def tokenizer_from_folder(
    path: Path, config: dict | None = None, generation: dict | None = None
) -> Tokenizer:
    """The tokenizer of a Hugging Face folder: tokenizer.json, or a WordPiece vocab.txt.

    What ends an answer is taken from generation_config.json, config.json and
    tokenizer_config.json together.
    """
    backend = _backend_from_folder(path)
    settings = _optional_json(path / "tokenizer_config.json")
    config = _optional_json(path / "config.json") if config is None else config
    if generation is None:
        generation = _optional_json(path / "generation_config.json")
    special = _optional_json(path / "special_tokens_map.json")

    def of_token(name: str) -> int | None:
        value = settings.get(name, special.get(name))
        value = value.get("content") if isinstance(value, dict) else value
        return backend.token_to_id(value) if isinstance(value, str) else None

    def of_config(name: str) -> list[int]:
        for source in (generation, config):
            value = source.get(name)
            if value is not None:
                values = value if isinstance(value, list) else [value]
                return [v for v in values if isinstance(v, int)]
        return []

    eos = [i for i in (of_token("eos_token"), *of_config("eos_token_id")) if i is not None]
    bos = of_token("bos_token")
    return Tokenizer(
        backend,
        bos_token_id=bos if bos is not None else next(iter(of_config("bos_token_id")), None),
        eos_token_ids=eos,
        pad_token_id=of_token("pad_token"),
        unk_token_id=of_token("unk_token"),
        chat_template=ChatTemplate.from_folder(path, settings),
    )


def _optional_json(path: Path) -> dict:
    return read_json(path) if path.is_file() else {}


def _backend_from_folder(path: Path):
    tokenizers = optional("tokenizers", "reading a tokenizer")
    file = path / "tokenizer.json"
    if file.is_file():
        try:
            made = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare exceptions
            raise ModelError(f"[llm] expected a tokenizer in {file}; got: {error}") from None
        # Files keep what they were trained with; a text is neither cut nor filled up here.
        made.no_padding()
        made.no_truncation()
        return made
    if (path / "vocab.txt").is_file():
        lower = _optional_json(path / "tokenizer_config.json").get("do_lower_case", True)
        made = tokenizers.BertWordPieceTokenizer(str(path / "vocab.txt"), lowercase=bool(lower))
        return made._tokenizer
    if (path / "vocab.json").is_file() and (path / "merges.txt").is_file():
        files = (str(path / "vocab.json"), str(path / "merges.txt"))
        return tokenizers.ByteLevelBPETokenizer(*files)._tokenizer
    got = "none"
    if (path / "tokenizer.model").is_file():
        got = (
            "only tokenizer.model; transformers' AutoTokenizer writes the other with "
            "save_pretrained"
        )
    raise ModelError(f"[llm] expected tokenizer.json in {path}; got {got}")


# ---- GGUF


def tokenizer_from_gguf(meta) -> Tokenizer:
    """The tokenizer in a GGUF file's metadata."""
    from olivine.llm.formats.gguf_tokenizer import backend

    made = backend(meta)
    size = made.get_vocab_size(with_added_tokens=True)

    def of(name: str) -> int | None:
        value = meta.whole(f"tokenizer.ggml.{name}_token_id")
        if value is not None and value >= size:
            raise ModelError(
                f"[llm] {meta.origin}: expected the {name} token among {size}; got {value}"
            )
        return value

    ends = [of("eos"), of("eot"), of("eom"), *map(made.token_to_id, _TURN_ENDS)]
    template = meta.text("tokenizer.chat_template", "")
    return Tokenizer(
        made,
        bos_token_id=of("bos"),
        eos_token_ids=[i for i in ends if i is not None],
        pad_token_id=of("padding"),
        unk_token_id=of("unknown"),
        chat_template=ChatTemplate(template, meta.origin) if template else None,
    )

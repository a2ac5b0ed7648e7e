"""Runs a program written for MLX on Olivine: python -m olivine.compat.mlx PROGRAM [ARGS ...]."""

import importlib.metadata
import os
import runpy
import sys

import olivine.compat.mlx  # noqa: F401  makes the name mlx mean Olivine

USAGE = "usage: python -m olivine.compat.mlx (PROGRAM | COMMAND | -m MODULE) [ARGS ...]"
HELP = f"""{USAGE}

Runs a program that was written for MLX, unchanged, on Olivine.

  PROGRAM    path of a Python file, run as `python PROGRAM` would
  COMMAND    name of a command that a Python package has installed, such as mlx_lm.generate
  -m MODULE  an installed module, run as `python -m MODULE` would
  ARGS       go to the program as they are

examples: python -m olivine.compat.mlx train.py --epochs 2
          python -m olivine.compat.mlx mlx_lm.generate --model FOLDER --prompt Hello"""


def fail(message):
    print(f"{USAGE}\nolivine.compat.mlx: {message}", file=sys.stderr)
    sys.exit(2)


def installed_command(name):
    """The function behind a command that an installed package offers, or None."""
    for command in importlib.metadata.entry_points(group="console_scripts", name=name):
        return command.load()
    return None


def main(arguments):
    if arguments[:1] in (["-h"], ["--help"]):
        print(HELP)
    elif not arguments:
        fail("expected a program to run; got none")
    elif arguments[0] == "-m":
        if len(arguments) < 2:
            fail("expected the name of a module after -m; got none")
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0].startswith("-"):
        fail(f"expected a program, -m MODULE or --help; got {arguments[0]}")
    elif not os.path.isfile(arguments[0]):
        command = installed_command(arguments[0])
        if command is None:
            fail(
                "expected the path of a Python program or the name of an installed command; "
                f"got {arguments[0]}, which does not exist"
            )
        sys.argv = arguments
        sys.exit(command())
    else:
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        runpy.run_path(arguments[0], run_name="__main__")


main(sys.argv[1:])

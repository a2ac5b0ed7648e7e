"""`olivine profile`: runs a program and shows where its time and memory went."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback

from olivine.cli.errors import UsageError, whole

DESCRIPTION = """\
Run a Python program and show which ops, lines and layers took its time, how near they came to what
this machine can do, and where memory went. Options of the profile stand before the program's name.
"""

EXAMPLES = """\
examples:
  olivine profile train.py --steps 20
  olivine profile --html report.html train.py   a page with pictures
  olivine profile --trace trace.json train.py   for https://ui.perfetto.dev
  olivine profile --by line train.py            also: kernel, shape, layer, stream
  olivine profile -m package.module             a module, as python -m runs it
"""

GROUPS = ("op", "kernel", "shape", "line", "layer", "stream")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("--html", metavar="FILE", help="write a page with pictures")
    parser.add_argument("--json", metavar="FILE", help="write all figures and rows as JSON")
    parser.add_argument("--trace", metavar="FILE", help="write a trace for Perfetto and Chrome")
    parser.add_argument("--by", choices=GROUPS, default="op", help="what the table adds up (op)")
    parser.add_argument("--rows", type=whole(1), default=15, metavar="N", help="of the table (15)")
    parser.add_argument("-m", "--module", action="store_true", help="PROGRAM is a module's name")
    parser.add_argument("program", metavar="PROGRAM", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")


def run(options: argparse.Namespace) -> int:
    """Run the program, then print the table and write the files; returns the program's status."""
    if not options.module and not os.path.isfile(options.program):
        raise UsageError(f"no file {options.program}")
    for path in (options.html, options.json, options.trace):
        folder = os.path.dirname(path or "") or "."
        if not os.path.isdir(folder):
            raise UsageError(f"no folder {folder}")
    from olivine.profiler import profile

    with profile() as p:
        status = _call(options)
    p.title = options.program
    print(p.table(options.by, options.rows), file=sys.stderr)
    if options.trace:
        p.save_trace(options.trace)
    if options.json:
        p.save_json(options.json)
    if options.html:
        p.save_html(options.html)
    return status


def _call(options: argparse.Namespace) -> int:
    """What `python PROGRAM ARGUMENTS` would do; returns its status."""
    before = sys.argv, sys.path[:]
    sys.argv = [options.program, *options.arguments]
    try:
        if options.module:
            sys.path.insert(0, os.getcwd())
            runpy.run_module(options.program, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, os.path.dirname(os.path.abspath(options.program)))
            runpy.run_path(options.program, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.argv, sys.path[:] = before
    return 0

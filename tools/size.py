"""Counts lines per folder and fails when a hand-written source file exceeds 1,000 lines.

A line of Swift over 100 columns fails too. Generated files and data are counted apart.

Usage: size.py [--files N]
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1000
COLUMNS = 100
SOURCE_SUFFIXES = {".cpp", ".h", ".py", ".pyi", ".sh", ".cmake", ".txt", ".swift", ".toml"}


def source_files():
    """Tracked and new source files that git does not ignore."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in sorted(set(listing.splitlines())):
        path = ROOT / name
        is_text = path.suffix == ".txt" and "data" in path.parts  # plays, not code
        if path.suffix in SOURCE_SUFFIXES and path.is_file() and not is_text:
            yield path


def is_generated(path):
    stub = path.suffix == ".pyi" and "olivine" in path.parts  # written from api/
    return "generated" in path.parts or stub


def folder_of(path):
    """The first two folders, which is how the repository's map is drawn."""
    folders = path.relative_to(ROOT).parts[:-1]
    return "/".join(folders[:2]) or "."


def main():
    parser = argparse.ArgumentParser(description="Lines per folder; fails on files over the limit.")
    parser.add_argument("--files", type=int, default=5, help="how many of the longest to name")
    options = parser.parse_args()
    folders = defaultdict(lambda: [0, 0, 0])
    by_hand, wide = [], []
    for path in source_files():
        text = path.read_text(encoding="utf-8").splitlines()
        lines = len(text)
        if path.suffix == ".swift":
            place = f"{path.relative_to(ROOT)}:"
            wide += [place + str(n) for n, line in enumerate(text, 1) if len(line) > COLUMNS]
        row = folders[folder_of(path)]
        row[0] += 1
        row[2 if is_generated(path) else 1] += lines
        if not is_generated(path):
            by_hand.append((lines, str(path.relative_to(ROOT))))
    print(f"{'folder':32}{'files':>6}{'lines':>8}{'generated':>10}")
    for name, (files, lines, generated) in sorted(folders.items()):
        print(f"{name:32}{files:6}{lines:8}{generated:10}")
    by_hand.sort(reverse=True)
    for lines, name in by_hand[: options.files]:
        print(f"{lines:6} {name}")
    too_long = [name for lines, name in by_hand if lines > LIMIT]
    for name in too_long:
        print(f"over {LIMIT} lines: {name}")
    for name in wide:
        print(f"over {COLUMNS} columns: {name}")
    print(f"{len(by_hand)} hand-written files, {sum(lines for lines, _ in by_hand)} lines")
    return int(bool(too_long or wide))


if __name__ == "__main__":
    sys.exit(main())

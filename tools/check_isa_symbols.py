"""Fails when code built for a newer instruction set could serve a baseline caller.

An inline or template function outside the namespace of its instruction set becomes a weak symbol
that the linker may share with code for older machines, where it would die with SIGILL. So every
weak function in an ISA object must name olivine::cpu::<isa>.

Usage: check_isa_symbols.py LIST, where each line of LIST is "<isa> <object file>".
"""

import os
import subprocess
import sys

# Compiler-made helpers without instructions of the set.
HARMLESS = {"__clang_call_terminate"}


def leaked_symbols(isa, objects):
    """Returns "object: symbol" for each weak function outside olivine::cpu::<isa>."""
    nm = os.environ.get("NM", "nm")
    listing = subprocess.run(
        [nm, "-C", "-A", "--defined-only", *objects], check=True, capture_output=True, text=True
    ).stdout
    leaks = []
    for line in listing.splitlines():
        path, _, entry = line.partition(":")
        _, kind, name = entry.split(maxsplit=2)
        if kind == "W" and f"olivine::cpu::{isa}::" not in name and name not in HARMLESS:
            leaks.append(f"{os.path.basename(path)}: {name}")
    return leaks


def main():
    objects = {}
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            isa, path = line.rstrip("\n").split(maxsplit=1)
            if not path.endswith((".gch", ".pch")):  # precompiled headers hold no code
                objects.setdefault(isa, []).append(path)
    objects.pop("plain", None)  # baseline code is safe wherever it ends up
    failed = False
    for isa, paths in objects.items():
        leaks = leaked_symbols(isa, paths)
        failed = failed or bool(leaks)
        print(f"{isa}: {len(paths)} objects, {len(leaks)} weak functions outside the namespace")
        for leak in leaks:
            print(f"  {leak}")
    if failed:
        print("Move the function into namespace olivine::cpu::OLIVINE_ISA or force it inline.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

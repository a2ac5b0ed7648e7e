"""Programs of the machine that tools, tests and benchmarks use where they are there."""

from __future__ import annotations

import os
import shutil
import subprocess

NO_SWIFT = "no swift in PATH or /opt/swift/usr/bin"
VALGRIND = """valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect
--errors-for-leak-kinds=definite,indirect --error-exitcode=99""".split()


def find_swift() -> str | None:
    return shutil.which("swift") or shutil.which("/opt/swift/usr/bin/swift")


def under_valgrind(command, **options) -> subprocess.CompletedProcess:
    """Runs a command; its status is not 0 after lost memory or a wrong access."""
    environment = {**os.environ, "OLIVINE_CPU_ISA": "avx2"}  # valgrind knows no AVX-512
    return subprocess.run(
        [*VALGRIND, *command], env=environment, capture_output=True, text=True, **options
    )

"""`olivine doctor`: shows what Olivine sees of the machine, and whether it computes correctly."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import time

from olivine.cli import machine
from olivine.cli.errors import RunError

DESCRIPTION = """\
Show versions, processor, threads and memory as Olivine sees them, and check a few results.

Exit status 0 means that all is well. Put its output into a report of a problem.
"""

EXAMPLES = """\
examples:
  olivine doctor
  OLIVINE_CPU_ISA=avx2 olivine doctor       with the kernels of an older processor
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES


def package_version() -> str:
    """The version of the installed package; in a build tree, that of the compiled module."""
    try:
        return importlib.metadata.version("olivine")
    except importlib.metadata.PackageNotFoundError:
        import olivine.core as mx

        return getattr(mx, "__version__", "unknown")


def _other_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _size(size: int | None) -> str:
    """Bytes in the largest unit that leaves at least one."""
    if size is None:
        return "none"
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size} bytes"


def _shown(key: str, value: object) -> object:
    in_bytes = isinstance(value, int) and key.endswith(("_size", "_limit"))
    return _size(value) if in_bytes else value


def run(options: argparse.Namespace) -> int:
    """Print the report; returns the exit status."""
    try:
        import olivine.core as mx
    except ImportError as error:
        raise RunError(f"the compiled module olivine.core cannot be loaded: {error}") from None

    quota = machine.cpu_quota()
    _section(
        "versions",
        {
            "olivine": package_version(),
            "python": f"{platform.python_version()} ({sys.executable})",
            "system": platform.platform(),
            **{name: _other_version(name) for name in ("numpy", "rich", "matplotlib")},
        },
    )
    _section(
        "what the system grants",
        {
            "processors": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
            "cpu quota": "none" if quota is None else f"{quota:g} processors",
            "memory": _size(machine.physical_memory()),
            "memory limit": _size(machine.cgroup_memory()),
        },
    )
    _section("device", {k.replace("_", " "): _shown(k, v) for k, v in mx.device_info().items()})
    _section(
        "environment",
        {k: v for k, v in sorted(os.environ.items()) if k.startswith(("OLIVINE_", "OMP_"))}
        or {"OLIVINE_*": "not set"},
    )
    return _check(mx)


def _section(title: str, rows: dict) -> None:
    print(title)
    for name, value in rows.items():
        print(f"  {name:<22}{value}")


def _check(mx) -> int:
    """Compute what is known in advance, and time a matrix product."""
    grad = mx.grad(lambda x: (x * x).sum())(mx.array([1.0, -2.0]))
    size = 1024
    ones = mx.ones((size, size))
    mx.eval(ones)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        product = ones @ ones
        mx.eval(product)
        seconds.append(time.perf_counter() - begin)
    checks = {
        "gradient": grad.tolist() == [2.0, -4.0],
        "matrix product": mx.all(product == size).item(),
        "sum": mx.arange(1000).sum().item() == 499500,
    }
    speed = 2 * size**3 / min(seconds) / 1e9
    _section("checks", {name: "ok" if good else "WRONG" for name, good in checks.items()})
    print(f"  {'speed':<22}{speed:.0f} GFLOP/s in a float32 product of {size} x {size}")
    return 0 if all(checks.values()) else 1

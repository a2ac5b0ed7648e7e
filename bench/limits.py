"""Figures of bench/limits.cpp on this machine: `python -m bench.limits [THREADS]`."""

import os
import pathlib
import subprocess
import sys
import tempfile

UNITS = {"read": "GB/s", "copy": "GB/s", "f32": "GFLOP/s"}


def limits(threads):
    """Name -> GB/s or GFLOP/s; empty where there is no C++ compiler."""
    source = pathlib.Path(__file__).with_suffix(".cpp")
    compiler = os.environ.get("CXX", "g++")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/limits"
        flags = ["-std=c++20", "-O3", "-march=native", "-ffp-contract=fast", "-pthread"]
        try:
            subprocess.run([compiler, *flags, str(source), "-o", program], check=True)
        except FileNotFoundError:
            return {}
        printed = subprocess.check_output([program, str(threads)], text=True)
    return {name: float(rate) for name, rate in map(str.split, printed.splitlines())}


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else len(os.sched_getaffinity(0))
    for name, rate in limits(count).items():
        print(f"{name:5} {rate:8.4g} {UNITS[name]}")

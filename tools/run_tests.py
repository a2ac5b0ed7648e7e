"""Runs every test of the project, step by step, and ends with one line per step.

The order is from cheap to dear: file sizes, a two-second smoke test, C++ tests, Python tests, the
op tests under each instruction set of this machine, Swift's tests, then C++ and some Python tests
under the address and undefined-behaviour sanitizers. A failing smoke test ends the run; later steps
all run, and any failure makes the exit status 1.

Usage: run_tests.py [--jobs N] [--only STEP ...] [--no-asan] [--list]
"""

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from programs import NO_SWIFT, find_swift

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "build" / "release"
ASAN = ROOT / "build" / "asan"
SUMMARY = ROOT / "build" / "test-summary.txt"

# What a processor must have for each build of the kernels; cmake/isa.cmake has the matching flags.
ISA_FEATURES = {
    "plain": set(),
    "avx2": {"avx2", "fma", "f16c", "bmi2"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512_bf16": {"avx512_bf16", "avx512_vnni", "avx512vbmi"},
    "amx": {"amx_tile", "amx_bf16"},
}

# The op tests whose kernels call matrix products.
PRODUCTS = [f"tests/ops/{name}.py" for name in ("conv", "fast", "linalg", "matmul", "quantized")]

# Sanitized Python tests: the paths that touch memory by hand, not the numeric sweep.
ASAN_TESTS = ["tests/smoke.py", "tests/core", "tests/io", "tests/runtime"]


def machine_isas():
    """Names of the instruction sets of this machine, oldest first."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ["plain"]
    match = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    flags = set(match.group(1).split()) if match else set()
    names = []
    for name, needed in ISA_FEATURES.items():
        if not needed <= flags:
            break
        names.append(name)
    return names


class Step:
    """A command to run, its environment on top of ours, and its time limit in seconds."""

    def __init__(self, name, command, env=None, limit=600):
        self.name, self.command, self.env, self.limit = name, command, env or {}, limit
        self.status, self.note, self.seconds = "not run", "", 0.0

    def run(self):
        print(f"\n==== {self.name}: {' '.join(map(str, self.command))}", flush=True)
        start = time.monotonic()
        process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        expired = threading.Event()

        def expire():
            expired.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(self.limit, expire)
        timer.start()
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.strip())
        code = process.wait()
        timer.cancel()
        self.seconds = time.monotonic() - start
        self.status = "passed" if code == 0 else "FAILED"
        self.note = f"over {self.limit} s" if expired.is_set() else summary_line(lines)
        if code < 0 and not expired.is_set():
            self.note = f"died by signal {-code}"
        return code == 0

    def __str__(self):
        return f"{self.status:8}{self.name:22}{self.seconds:7.1f} s  {self.note}"


class Skipped(Step):
    """A step that this machine can't take, and why."""

    def __init__(self, name, reason):
        super().__init__(name, [])
        self.status, self.note = "skipped", reason

    def run(self):
        print(f"\n==== {self.name}: skipped, {self.note}", flush=True)
        return True


def summary_line(lines):
    """The line in which pytest, ctest or a tool of ours says what it found."""
    for line in reversed(lines):
        text = line.strip("= ")
        if re.search(
            r"\d+ (passed|failed|error)|tests passed|tests failed|Executed \d+ tests", text
        ):
            return text
    return next((line for line in reversed(lines) if line), "")


def pytest_command(jobs, *paths):
    return [sys.executable, "-m", "pytest", "-q", "--slow", "-n", str(jobs), *paths]


def plain_steps(jobs):
    package = {"PYTHONPATH": str(RELEASE / "python")}
    ctest = [Path(sys.executable).parent / "ctest", "--output-on-failure", "-j", str(jobs)]
    steps = [
        Step("size", [sys.executable, "tools/size.py"], limit=60),
        Step("smoke", [sys.executable, "tests/smoke.py"], package, limit=60),
        Step("ctest", [*ctest, "--no-tests=error", "--test-dir", RELEASE]),
        # The Swift programs' tests follow Swift's build.
        Step("pytest", pytest_command(jobs, "tests", "--ignore=tests/swift"), package, limit=1800),
    ]
    # The newest set is what the run above has used.
    isas = machine_isas()
    for isa in isas[:-1]:
        # Later sets have their own matrix products only: the rest of avx512 has run above.
        products = isa.startswith("avx512")
        paths = PRODUCTS if products else ["tests/ops"]
        env = {**package, "OLIVINE_CPU_ISA": isa}
        steps.append(Step(f"pytest-{isa}", pytest_command(jobs, *paths), env, limit=1200))
    return [*steps, *swift_steps(jobs, package)]


def swift_steps(jobs, package):
    """The tests of the Swift package and of its programs, which need Swift 6."""
    swift = find_swift()
    if not swift:
        return [Skipped("swift", NO_SWIFT)]
    command = [swift, "test", "--disable-swift-testing", "-j", str(jobs)]
    # One worker: each would wait for the other's build.
    programs = pytest_command(1, "tests/swift")
    return [
        Step("swift", command, limit=900),
        Step("swift-programs", programs, package, limit=600),
    ]


def sanitizer_libraries():
    """What must be preloaded into Python for a sanitized module; empty where that can't work."""
    cxx = os.environ.get("CXX", "g++")
    paths = []
    # libstdc++ comes along because the sanitizer looks up __cxa_throw before Python has loaded it.
    for name in ("libasan.so", "libstdc++.so.6"):
        try:
            found = subprocess.run(
                [cxx, f"-print-file-name={name}"], capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return []
        if not os.path.isabs(found) or not os.path.exists(found):
            return []
        paths.append(os.path.realpath(found))
    return paths


def asan_steps(jobs):
    libraries = sanitizer_libraries()
    if not libraries:
        print("no sanitizer runtime for this compiler: the asan steps are left out")
        return []
    cmake = Path(sys.executable).parent / "cmake"
    configure = [cmake, "--preset", "asan", f"-DPython_EXECUTABLE={sys.executable}"]
    # One set of kernels, with the intrinsics that the most machines run.
    baseline = "avx2" if "avx2" in machine_isas() else ""
    configure.append(f"-DOLIVINE_BASELINE={baseline}")
    ninja = Path(sys.executable).parent / "ninja"
    if ninja.exists():
        configure.append(f"-DCMAKE_MAKE_PROGRAM={ninja}")
    options = "allocator_may_return_null=1:strict_init_order=1"
    cxx_env = {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}
    # Python itself leaves blocks allocated at exit, so leaks are looked for in the C++ tests only.
    python_env = {
        **cxx_env,
        "ASAN_OPTIONS": options + ":detect_leaks=0",
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONPATH": str(ASAN / "python"),
        "PYTHONMALLOC": "malloc",
    }
    ctest = [Path(sys.executable).parent / "ctest", "--output-on-failure", "-j", str(jobs)]
    paths = [path for path in ASAN_TESTS if (ROOT / path).exists()]
    return [
        Step("asan-configure", configure, limit=120),
        Step("asan-build", [cmake, "--build", ASAN, "-j", str(jobs)], limit=2400),
        Step("asan-ctest", [*ctest, "--no-tests=error", "--test-dir", ASAN], cxx_env, limit=900),
        Step("asan-pytest", pytest_command(jobs, *paths), python_env, limit=900),
    ]


def run_all(steps):
    for step in steps:
        if not step.run() and step.name in ("smoke", "asan-configure", "asan-build"):
            break
    report = "\n".join(str(step) for step in steps)
    SUMMARY.write_text(report + "\n")
    print(f"\n==== summary, {sum(step.seconds for step in steps):.0f} s in all\n{report}")
    return all(step.status in ("passed", "skipped") for step in steps)


def main():
    parser = argparse.ArgumentParser(description="Runs every test of the project.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="STEP", help="run these steps only")
    parser.add_argument("--no-asan", action="store_true", help="leave the sanitizer steps out")
    parser.add_argument("--list", action="store_true", help="print the steps and stop")
    options = parser.parse_args()
    steps = plain_steps(options.jobs)
    if not options.no_asan:
        steps += asan_steps(options.jobs)
    if options.only:
        unknown = set(options.only) - {step.name for step in steps}
        if unknown:
            parser.error(f"no step {', '.join(sorted(unknown))}; see --list")
        steps = [step for step in steps if step.name in options.only]
    if options.list:
        print("\n".join(step.name for step in steps))
        return 0
    return 0 if run_all(steps) else 1


if __name__ == "__main__":
    sys.exit(main())

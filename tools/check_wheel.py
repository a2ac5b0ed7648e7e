#!/usr/bin/env python3
"""Checks a wheel: its size, what its libraries need, and that a bare system can import it.

    tools/check_wheel.py [WHEEL] [--audit PYTHON]

Without WHEEL it builds one (`pip wheel . --no-deps`) in a temporary folder. Prints the lowest
manylinux policy that the libraries' symbol versions allow and what keeps it from a lower one;
--audit also runs auditwheel, which PYTHON must have. The bare system is a folder with this Python,
its standard library and the shared libraries that these load: no compiler, no BLAS, no package but
the wheel's. A program that multiplies, differentiates, compiles and trains runs in it. Where there
is a compiler, programs in C and C++ are then built on the wheel. Needs Linux, ldd and readelf.
"""

import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 60_000_000
# What every system that a manylinux wheel runs on has (PEP 600).
SYSTEM = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libstdc++.so.6",
          "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}  # fmt: skip
# Newest symbol versions per policy, from auditwheel's manylinux-policy.json.
POLICIES = [  # name, then GLIBC, GLIBCXX, CXXABI and GCC
    ("manylinux2014 (glibc 2.17)", (2, 17), (3, 4, 19), (1, 3, 7), (4, 8, 0)),
    ("manylinux_2_24", (2, 24), (3, 4, 22), (1, 3, 10), (6, 3)),
    ("manylinux_2_28", (2, 28), (3, 4, 24), (1, 3, 11), (7, 0, 0)),
    ("manylinux_2_31", (2, 31), (3, 4, 28), (1, 3, 12), (10, 0)),
    ("manylinux_2_34", (2, 34), (3, 4, 29), (1, 3, 13), (11, 0)),
    ("manylinux_2_35", (2, 35), (3, 4, 30), (1, 3, 13), (12, 0, 0)),
    ("manylinux_2_39", (2, 39), (3, 4, 33), (1, 3, 15), (14, 0, 0)),
]
KINDS = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")

PROGRAM = """
import importlib.util, shutil, sys
assert importlib.util.find_spec("numpy") is None
assert not any(map(shutil.which, ("cc", "gcc", "g++", "clang")))
import olivine, olivine.core as mx, olivine.nn as nn, olivine.optimizers as optim
x = mx.random.normal((64, 32))
y = mx.matmul(x, mx.random.normal((32, 1)))
assert mx.allclose(mx.linalg.inv(mx.eye(3) * 2), mx.eye(3) / 2)
model = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = optim.Adam(1e-2)
def loss(model, x, y):
    return mx.mean((model(x) - y) ** 2)
step = nn.value_and_grad(model, loss)
first = loss(model, x, y).item()
for _ in range(50):
    value, grads = step(model, x, y)
    optimizer.update(model, grads)
    mx.eval(model.parameters(), optimizer.state)
assert loss(model, x, y).item() < 0.5 * first
assert mx.compile(lambda a: mx.exp(a) + 1)(mx.zeros(3)).tolist() == [2, 2, 2]
print("imported and trained in a bare system of Python", sys.version.split()[0])
"""

PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(on_a_wheel LANGUAGES C CXX)
find_package(olivine REQUIRED)
add_executable(in_c main.c)
target_link_libraries(in_c PRIVATE olivine::olivine_c)
add_executable(in_cpp main.cpp)
target_link_libraries(in_cpp PRIVATE olivine::mlx)
"""
C_MAIN = """
#include <olivine/c/olivine.h>
#include <stdio.h>
int main(void) { olivine_array a = olivine_array_new(); puts("C"); return olivine_array_free(a); }
"""
CPP_MAIN = """
#include <mlx/array.h>
#include <cstdio>
int main() { std::puts("C++"); return mlx::core::array(0).item<int>(); }
"""


def run(*command, **options):
    return subprocess.run(
        [str(c) for c in command], check=True, capture_output=True, text=True, **options
    ).stdout


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries(folder):
    return sorted(p for p in folder.rglob("*.so*") if p.is_file() and is_elf(p))


def dynamic(path):
    """(what it needs, its run paths) from its dynamic section."""
    text = run("readelf", "-dW", path)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    return needed, re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", text)


def symbol_versions(path):
    """{"GLIBC": {(2, 17), …}, …} of the versions that it needs."""
    found = {}
    text = run("readelf", "-VW", path)
    needs = text[text.find("Version needs section") :] if "Version needs section" in text else ""
    for kind, version in re.findall(r"Name: (GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)", needs):
        found.setdefault(kind, set()).add(tuple(map(int, version.split("."))))
    return found


def policy(paths):
    """The lowest policy for all of them, and what a lower one would not allow."""
    newest, blame = {}, {}
    for path in paths:
        for kind, versions in symbol_versions(path).items():
            if max(versions) > newest.get(kind, ()):
                newest[kind], blame[kind] = max(versions), path.name
    blocking = []
    for name, *limits in POLICIES:
        over = [k for k, most in zip(KINDS, limits, strict=True) if newest.get(k, ()) > most]
        if not over:
            return name, blocking
        blocking = [f"{k}_{'.'.join(map(str, newest[k]))} ({blame[k]})" for k in over]
    return "none", blocking


def check_libraries(folder):
    """Problems of the libraries below the folder, one line each."""
    problems = []
    paths = libraries(folder)
    own = {p.name for p in paths}
    for path in paths:
        needed, run_paths = dynamic(path)
        foreign = [n for n in needed if n not in SYSTEM | own]
        if foreign:
            problems.append(f"{path.name} needs {', '.join(foreign)}")
        wild = [p for r in run_paths for p in r.split(":") if not p.startswith("$ORIGIN")]
        if wild:
            problems.append(f"{path.name} looks for libraries in {', '.join(wild)}")
    links = [p.name for p in folder.rglob("*") if p.is_symlink()]
    if links:
        problems.append(f"symbolic links: {', '.join(links)}")
    return problems


def needed_files(paths, library_path=""):
    """The files that ldd finds for these, as paths of this system."""
    files = set()
    for path in paths:
        text = subprocess.run(
            ["ldd", path], capture_output=True, text=True,
            env={**os.environ, "LD_LIBRARY_PATH": library_path},
        ).stdout  # fmt: skip
        files |= set(re.findall(r"(?:=> |^\s)(/\S+)", text, re.M))
    return {Path(f) for f in files}


def make_bare_root(root, package):
    """A system of Python, its standard library, what these load, and the package."""
    python = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_paths()["stdlib"])
    skip = shutil.ignore_patterns(
        "site-packages", "dist-packages", "test", "idlelib", "__pycache__", "config-*", "ensurepip"
    )
    inside = root / str(library).lstrip("/")
    shutil.copytree(library, inside, ignore=skip)
    dynload = list((library / "lib-dynload").glob("*.so"))
    site = root / "site"
    shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    files = needed_files([python, *dynload, *libraries(site)], str(site / package.name / "lib"))
    for file in {python, *files}:
        if str(file).startswith(str(root)):
            continue
        to = root / str(file).lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, to)
    for name in ("tmp", "dev", "proc"):
        (root / name).mkdir(exist_ok=True)
    return python


def run_bare(package, program=PROGRAM):
    """Runs a program where nothing but Python and the package is; its output."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        python = make_bare_root(root, Path(package))
        command = ["unshare", "--map-root-user", f"--root={root}", python, "-I", "-c",
                   f"import sys; sys.path.insert(0, '/site')\n{program}"]  # fmt: skip
        done = subprocess.run(
            [str(c) for c in command], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
        )
    if done.returncode:
        raise RuntimeError(f"the bare system cannot run it:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def check_development(package, cmake="cmake"):
    """Builds a C and a C++ program on the package, by CMake and by pkg-config; what they print."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        (source / "CMakeLists.txt").write_text(PROJECT)
        (source / "main.c").write_text(C_MAIN)
        (source / "main.cpp").write_text(CPP_MAIN)
        run(cmake, "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={package}")
        run(cmake, "--build", source / "build")
        says = [run(source / "build" / name).strip() for name in ("in_c", "in_cpp")]
        if shutil.which("pkg-config"):
            paths = {**os.environ, "PKG_CONFIG_PATH": str(package / "lib" / "pkgconfig")}
            flags = run("pkg-config", "--cflags", "--libs", "olivine-c", env=paths).split()
            run("cc", "-std=c99", source / "main.c", *flags, "-o", source / "main")
            says.append(run(source / "main").strip())
    return ", ".join(says)


def build_wheel(folder):
    command = [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "-w", folder]
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
    return next(Path(folder).glob("*.whl"))


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                raise RuntimeError(f"{wheel.name} has a symbolic link: {info.filename}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path, help="the wheel; else one is built")
    parser.add_argument("--audit", metavar="PYTHON", help="a Python that has auditwheel")
    parser.add_argument("--cmake", default=str(Path(sys.executable).with_name("cmake")))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = args.wheel or build_wheel(folder)
        content = Path(folder) / "content"
        unpack(wheel, content)
        package = content / "olivine"
        problems = check_libraries(content)
        size = wheel.stat().st_size
        if size > MAX_BYTES:
            problems.append(f"{size / 1e6:.1f} MB are more than {MAX_BYTES / 1e6:.0f}")
        lowest, blocking = policy(libraries(content))
        print(f"{wheel.name}: {size / 1e6:.1f} MB, {len(libraries(content))} libraries")
        print(
            f"symbol versions allow {lowest}"
            + (f"; not lower for {', '.join(blocking)}" if blocking else "")
        )
        if lowest == "none":
            problems.append("no manylinux policy allows its symbol versions")
        if args.audit:
            print(run(args.audit, "-m", "auditwheel", "show", wheel))
        try:
            print(run_bare(package))
            if shutil.which(args.cmake) and shutil.which("cc"):
                built = check_development(package, args.cmake)
                print("programs on its headers and libraries:", built)
        except RuntimeError as error:
            problems.append(str(error))
        except subprocess.CalledProcessError as error:
            problems.append(f"{error}\n{error.stdout}{error.stderr}")
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""Where this package's headers, libraries and CMake files are, for programs in C++ and C.

g++ -std=c++20 main.cpp $(python -m olivine.config --cflags --libs)
cmake -B build -DCMAKE_PREFIX_PATH=$(python -m olivine.config --prefix)
PKG_CONFIG_PATH=$(python -m olivine.config --pkg-config) pkg-config --libs olivine-c
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
from pathlib import Path


def prefix() -> Path:
    """The folder with include/ and lib/."""
    # Where the compiled module is: in a build tree the Python files are links to elsewhere.
    spec = importlib.util.find_spec("olivine.core")
    if spec is None or not spec.origin:
        raise RuntimeError("[config] expected an installed olivine.core; got none")
    return Path(spec.origin).resolve().parent


def flags(*, compile: bool = False, link: bool = False) -> list[str]:
    """Flags for a C++20 compiler and its linker."""
    lib = prefix() / "lib"
    return [
        *([f"-I{prefix() / 'include'}"] if compile else []),
        *([f"-L{lib}", f"-Wl,-rpath,{lib}", "-lolivine"] if link else []),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m olivine.config", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--prefix", action="store_true", help="the folder of include/ and lib/")
    parser.add_argument("--cmake-dir", action="store_true", help="the folder of the CMake package")
    parser.add_argument("--pkg-config", action="store_true", help="the folder of the .pc files")
    parser.add_argument("--cflags", action="store_true", help="flags for the compiler")
    parser.add_argument("--libs", action="store_true", help="flags for the linker")
    args = parser.parse_args()
    lib = prefix() / "lib"
    parts = [
        *([prefix()] if args.prefix else []),
        *([lib / "cmake" / "olivine"] if args.cmake_dir else []),
        *([lib / "pkgconfig"] if args.pkg_config else []),
        *flags(compile=args.cflags, link=args.libs),
    ]
    if not parts:
        parser.error("expected an option; see --help")
    print(" ".join(shlex.quote(str(p)) for p in parts))


if __name__ == "__main__":
    main()

"""Builds the programs of examples/cpp, as a user would, and runs them."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import olivine.core as mx

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(mx.__file__).parent


def run(*command, expect=0, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=600, **options
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout if expect == 0 else done.stderr


def build(source, folder, prefix=PACKAGE, targets=("all",)):
    """Configures and builds the CMake project `source` on the Olivine in `prefix`."""
    bin_ = Path(sys.executable).parent  # cmake and ninja of the virtual environment
    environment = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("cmake", "-G", "Ninja", "-S", source, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}",
        *launcher, env=environment)  # fmt: skip
    run("cmake", "--build", folder, "--target", *targets, env=environment)


@functools.cache
def programs():
    """The folder of the built examples: in the build tree, where there is one, so kept."""
    tree = PACKAGE.parents[1]
    in_tree = (tree / "CMakeCache.txt").exists()
    folder = tree / "examples-cpp" if in_tree else Path(tempfile.mkdtemp()) / "build"
    build(ROOT / "examples" / "cpp", folder)
    return folder

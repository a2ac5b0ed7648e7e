"""Building C++ extensions that use Olivine's headers and library, from a setup.py.

    from setuptools import Extension, setup
    from olivine.extension import BuildExtension

    setup(
        name="fast_ops",
        ext_modules=[Extension("fast_ops", ["fast_ops.cpp"])],
        cmdclass={"build_ext": BuildExtension},
    )

`BuildExtension` compiles and links the sources; `CMakeExtension` with `CMakeBuild` runs a CMake
project instead, which says `find_package(olivine CONFIG REQUIRED)` and links `olivine::olivine`.
Needs setuptools and a C++20 compiler.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

try:
    from setuptools import Extension
    from setuptools.command.build_ext import build_ext
except ImportError as error:
    raise ImportError(
        "[olivine.extension] expected setuptools to be installed; run pip install setuptools"
    ) from error

__all__ = ["BuildExtension", "CMakeBuild", "CMakeExtension", "MetalExtension", "MetalLibrary"]

# Where lib/ and include/ are: the compiled module's folder.
PREFIX = Path(importlib.util.find_spec("olivine.core").origin).resolve().parent


class CMakeExtension(Extension):
    """A module that a CMake project builds.

    Args:
        name: The module's full name, as in `package.module`. The project must have a target that
            puts a module of that last name into `CMAKE_LIBRARY_OUTPUT_DIRECTORY`.
        sourcedir: The folder of its CMakeLists.txt; the current one by default.
    """

    def __init__(self, name: str, sourcedir: str = ""):
        super().__init__(name, sources=[])
        self.sourcedir = os.path.abspath(sourcedir)


class CMakeBuild(build_ext):
    """A `build_ext` command that builds every `CMakeExtension` with CMake.

    The build is a Release one unless `--debug` is given, and parallel with `-j` of the command.
    Arguments in the environment variable `CMAKE_ARGS` are passed on. `--inplace` puts the modules
    beside the sources, for editable installs.

    Raises `RuntimeError` if there is no cmake, and what setuptools raises if the build fails.
    """

    def run(self) -> None:
        if shutil.which("cmake") is None:
            raise RuntimeError(
                "[CMakeBuild] expected cmake on the PATH; got none. Run pip install cmake"
            )
        super().run()

    def build_extension(self, ext: CMakeExtension) -> None:
        if not isinstance(ext, CMakeExtension):
            return super().build_extension(ext)
        if not os.path.exists(os.path.join(ext.sourcedir, "CMakeLists.txt")):
            raise RuntimeError(
                f"[CMakeBuild] expected a CMakeLists.txt in {ext.sourcedir}; got none"
            )
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        work = Path(self.build_temp).resolve() / ext.name
        work.mkdir(parents=True, exist_ok=True)
        configure = [
            "cmake",
            "-S",
            ext.sourcedir,
            "-B",
            str(work),
            f"-DCMAKE_BUILD_TYPE={'Debug' if self.debug else 'Release'}",
            f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target.parent}",
            f"-Dolivine_DIR={PREFIX / 'lib' / 'cmake' / 'olivine'}",
            f"-DPython_EXECUTABLE={sys.executable}",
            "-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON",
            *os.environ.get("CMAKE_ARGS", "").split(),
        ]
        jobs = str(self.parallel or os.cpu_count() or 1)
        self.spawn(configure)
        self.spawn(["cmake", "--build", str(work), "--parallel", jobs])
        if not target.exists():
            made = ", ".join(sorted(p.name for p in target.parent.glob("*.so"))) or "no module"
            raise RuntimeError(
                f"[CMakeBuild] expected the project of {ext.name} to make {target.name}; got {made}"
            )


class MetalLibrary:
    """A library of Metal kernels that belongs to an extension.

    It can be described anywhere; building one raises, as Olivine has no Metal device.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[os.PathLike[str] | str],
        *,
        extra_compile_args: Sequence[str] = (),
        deployment_target: str | None = None,
    ):
        self.name = name
        self.sources = [os.fspath(source) for source in sources]
        self.extra_compile_args = list(extra_compile_args)
        self.deployment_target = deployment_target


class MetalExtension(Extension):
    """An extension with Metal kernels: those among its `sources` (*.metal) and `metal_libraries`.

    Without any of them it is an ordinary extension. Building one with some raises, as Olivine has
    no Metal device.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[os.PathLike[str] | str],
        *args,
        metal_libraries: Sequence[MetalLibrary] | None = None,
        **kwargs,
    ):
        paths = [os.fspath(source) for source in sources]
        kernels = [path for path in paths if path.endswith(".metal")]
        self.metal_library_name = name.rpartition(".")[2]
        self.metal_libraries = list(metal_libraries or [])
        if kernels:
            self.metal_libraries.append(MetalLibrary(self.metal_library_name, kernels))
        super().__init__(name, [path for path in paths if path not in kernels], *args, **kwargs)


class BuildExtension(build_ext):
    """A `build_ext` command that knows where Olivine's headers and library are.

    Attributes (set for a setup.py by `with_options`):
        use_ninja: Compile in parallel, and only what changed, when ninja is installed; else one
            source after the other.
        generate_stubs: Write NAME.pyi beside the module with nanobind's stub generator.
    """

    use_ninja: bool = True
    generate_stubs: bool = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    @classmethod
    def with_options(cls, **options) -> type[BuildExtension]:
        """This command with other attributes: `with_options(use_ninja=False)`."""
        known = ("use_ninja", "generate_stubs")
        for name in options:
            if name not in known:
                raise TypeError(
                    f"[BuildExtension] expected an option of {', '.join(known)}; got {name}"
                )
        return type(cls.__name__, (cls,), options)

    def run(self) -> None:
        for ext in self.extensions:
            ext.include_dirs.append(str(PREFIX / "include"))
            ext.library_dirs.append(str(PREFIX / "lib"))
            ext.runtime_library_dirs.append(str(PREFIX / "lib"))
            ext.libraries.append("olivine")
            ext.language = ext.language or "c++"
            if not any(a.startswith(("-std=", "/std:")) for a in ext.extra_compile_args):
                ext.extra_compile_args.append("-std=c++20")
        super().run()
        for ext in self.extensions if self.generate_stubs else []:
            self._write_stubs(ext)

    def build_extension(self, ext: Extension) -> None:
        if getattr(ext, "metal_libraries", None):
            names = ", ".join(library.name for library in ext.metal_libraries)
            raise RuntimeError(
                f"[BuildExtension] expected an extension for the CPU; got Metal kernels ({names}), "
                "and Olivine has no Metal device"
            )
        ninja = shutil.which("ninja") if self.use_ninja else None
        if ninja:
            self._compile_with(ninja, ext)
        super().build_extension(ext)

    def _compile_with(self, ninja: str, ext: Extension) -> None:
        """Compiles the sources to objects, which setuptools then only links."""
        work = Path(self.build_temp).resolve() / ext.name
        work.mkdir(parents=True, exist_ok=True)
        defines = [f"-D{n}" if v is None else f"-D{n}={v}" for n, v in ext.define_macros]
        includes = [*ext.include_dirs, *self.compiler.include_dirs, *self.include_dirs]
        flags = [
            *defines,
            *(f"-U{name}" for name in ext.undef_macros),
            *(f"-I{path}" for path in dict.fromkeys(includes)),
            *(sysconfig.get_config_var("CCSHARED") or "").split(),
            *(["-O0", "-g"] if self.debug else ["-O2"]),
            *ext.extra_compile_args,
        ]
        compiler = os.environ.get("CXX") or "c++"
        lines = [
            "rule compile",
            f"  command = {compiler} -MD -MF $out.d {_shell(flags)} -c $in -o $out",
            "  deps = gcc",
            "  depfile = $out.d",
        ]
        objects = []
        for index, source in enumerate(ext.sources):
            objects.append(str(work / f"{index}_{Path(source).stem}.o"))
            lines.append(
                f"build {_escape(objects[-1])}: compile {_escape(os.path.abspath(source))}"
            )
        (work / "build.ninja").write_text("\n".join(lines) + "\n")
        command = [ninja, "-C", str(work)]
        if self.parallel:
            command += ["-j", str(self.parallel)]
        self.spawn(command)
        ext.extra_objects = [*objects, *ext.extra_objects]
        ext.sources = []

    def _write_stubs(self, ext: Extension) -> None:
        module = Path(self.get_ext_fullpath(ext.name)).resolve()
        stub = module.with_name(ext.name.rpartition(".")[2] + ".pyi")
        command = [sys.executable, "-m", "nanobind.stubgen", "-m", module.name.partition(".")[0]]
        path = os.pathsep.join([str(module.parent), os.environ.get("PYTHONPATH", "")])
        made = subprocess.run(
            [*command, "-o", str(stub)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RuntimeError(
                f"[BuildExtension] expected nanobind to write {stub.name}; got: {reason}"
            )


def _shell(arguments: Sequence[str]) -> str:
    return " ".join(shlex.quote(a).replace("$", "$$") for a in arguments)


def _escape(path: str) -> str:
    """A path as ninja reads it."""
    return path.replace("$", "$$").replace(" ", "$ ").replace(":", "$:")

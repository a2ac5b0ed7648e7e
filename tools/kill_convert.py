"""Kills `olivine convert` at random moments: what it writes is there whole or not at all.

    python tools/kill_convert.py [--kills 100] [--seed 0]

Four targets take turns: a new folder, a folder that is replaced, a new GGUF file, one that is
replaced. After every kill the target is absent or whole, one that was there is the old or the new,
and the same command run again succeeds and leaves no draft behind. At last conversions onto a disk
of a few megabytes (a tmpfs, where the user may mount one) end with one line that says so.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "olivine", "convert", "m", "--out", str(out), *more]


def prepare(folder: Path) -> None:
    """A model that takes a moment to write: about 20 MB."""
    from tests.llm.tiny_folder import write_model

    write_model(folder / "m", hidden_size=512, intermediate_size=1536, num_hidden_layers=4)


def contents(path: Path) -> dict[str, bytes] | None:
    """What is there, by name; None if nothing is."""
    if path.is_dir():
        return {p.name: p.read_bytes() for p in sorted(path.iterdir())}
    return {path.name: path.read_bytes()} if path.exists() else None


def drafts(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


def kill_once(folder: Path, target: Path, options: list[str], whole: list, delay: float) -> str:
    """Kill one conversion `delay` seconds after it began to write; what was found."""
    process = subprocess.Popen(
        command(target, *options), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for_draft(folder, process, set(drafts(folder)))
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = contents(target)
    if found not in whole:
        names = sorted(found) if found else "nothing"
        raise SystemExit(f"{target} is neither of what it may be: {names}")
    if process.returncode == 0:
        return "finished"
    return "killed, old" if found == whole[0] else "killed, new"


def _wait_for_draft(folder: Path, process: subprocess.Popen, known: set[str]) -> float:
    """Until a draft of the process appears, or the process ends; how long that took."""
    start = time.monotonic()
    while process.poll() is None and not set(drafts(folder)) - known:
        time.sleep(0.0005)
    return time.monotonic() - start


def write_time(folder: Path, target: Path) -> float:
    """Seconds from the first draft to the end of a conversion to `target`."""
    process = subprocess.Popen(command(target), cwd=folder, stdout=subprocess.DEVNULL)
    _wait_for_draft(folder, process, set())
    start = time.monotonic()
    if process.wait():
        raise SystemExit("a conversion that was left alone failed")
    return time.monotonic() - start


def quietly(folder: Path, target: Path, *options: str) -> None:
    subprocess.run(command(target, *options), cwd=folder, check=True, stdout=subprocess.DEVNULL)


def run(folder: Path, kills: int, seed: int) -> None:
    prepare(folder)
    chooser = random.Random(seed)
    for name, other in (("folder", ("--dtype", "float16")), ("file.gguf", ("--type", "q8_0"))):
        target = folder / name
        seconds = write_time(folder, target)
        new = contents(target)
        _put_back(target, None)
        for replaced in (False, True):
            if replaced:
                quietly(folder, target, *other)
            old = contents(target)
            results, left = {}, 0
            for _ in range(max(1, kills // 4)):
                delay = chooser.uniform(0, 1.2) * seconds
                options = ["--overwrite"] if replaced else []
                result = kill_once(folder, target, options, [old, new], delay)
                results[result] = results.get(result, 0) + 1
                left += bool(drafts(folder))
                if contents(target) != old:
                    _put_back(target, old)
            quietly(folder, target, "--overwrite")
            if contents(target) != new or drafts(folder):
                raise SystemExit(f"{target} is not whole after all, or {drafts(folder)} is left")
            _put_back(target, None)
            kind = "replaced" if replaced else "new"
            print(f"{kind} {name}: {results}; {left} left a draft, which the next run cleared away")


def _put_back(target: Path, old: dict[str, bytes] | None) -> None:
    """The state before the next kill."""
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if old is None:
        return
    if target.suffix:
        target.write_bytes(old[target.name])
        return
    target.mkdir()
    for name, data in old.items():
        (target / name).write_bytes(data)


def fill_disk(folder: Path) -> None:
    """Convert onto a disk that is too small, with and without a target that is there."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        print("full disk: not tried, a tmpfs cannot be mounted here")
        return
    try:
        for name, small in (("folder", ("--bits", "4")), ("file.gguf", ("--type", "q4_0"))):
            target = disk / name
            quietly(folder, target, *small)
            old = contents(target)
            for out, options in ((disk / f"other-{name}", []), (target, ["--overwrite"])):
                done = subprocess.run(
                    command(out, *options), cwd=folder, capture_output=True, text=True
                )
                lines = done.stderr.strip().splitlines()
                if done.returncode != 1 or len(lines) != 1 or "No space left" not in lines[0]:
                    raise SystemExit(f"expected one line about a full disk; got {done.stderr!r}")
                if contents(target) != old or drafts(disk) or (out != target and out.exists()):
                    raise SystemExit(f"something is left on the full disk: {list(disk.iterdir())}")
            print(f"full disk, {name}: {lines[0]}")
            _put_back(target, None)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), options.kills, options.seed)
        fill_disk(Path(name))


if __name__ == "__main__":
    main()

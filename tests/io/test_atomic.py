"""kill -9 at any moment while saving leaves the old file or the new one, and no litter afterwards."""

import io
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_same, run_python

# A server imports once and forks a saver per round; it kills the saver after a random time.
SERVER = """
import os, random, signal, sys, time
import olivine.core as mx

folder, kind = sys.argv[1], sys.argv[2]
path = f"{folder}/checkpoint.{kind}"

def save(version):
    arrays = {f"w{i}": mx.full((300_000 + i,), float(version)) for i in range(6)}
    if kind == "safetensors":
        mx.save_safetensors(path, arrays, {"version": str(version)})
    else:
        mx.savez(path, **arrays)

def check(least):
    back = mx.load(path)
    assert len(back) == 6, sorted(back)
    versions = {v for i in range(6) for v in (back[f"w{i}"][0].item(), back[f"w{i}"][-1].item(),
                                              mx.max(back[f"w{i}"]).item(), mx.min(back[f"w{i}"]).item())}
    assert len(versions) == 1, f"a mixture of versions {versions}"
    version = versions.pop()
    assert version >= least, f"version {version} is older than {least}, which was complete"
    return version

save(1)
start = time.perf_counter()
save(2)
one = time.perf_counter() - start
random.seed(5)
version = 2
for round in range(50):
    pid = os.fork()
    if pid == 0:
        for v in range(int(version) + 1, int(version) + 1000):
            save(v)
        os._exit(0)
    time.sleep(random.uniform(0.002, 3 * one + 0.01))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    version = check(version)
save(int(version) + 1)
check(version + 1)
left = [name for name in os.listdir(folder) if name != f"checkpoint.{kind}"]
assert not left, f"left behind: {left}"
print("kept", version)
"""


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_fifty_kills_while_saving_lose_nothing(kind, tmp_path):
    out = run_python(SERVER, limit=180, args=(tmp_path, kind)).stdout
    assert out.startswith("kept")
    assert float(out.split()[1]) > 5, "the savers never came to save"


@pytest.mark.parametrize("save", ["safetensors", "npy", "npz", "gguf"])
def test_a_save_that_fails_keeps_the_old_file(save, tmp_path):
    """A file limit stops the write half way; the disk being full would look the same."""
    code = """
    import resource, signal, sys
    import olivine.core as mx
    path, kind = sys.argv[1], sys.argv[2]
    def save(n):
        a = mx.full((n,), float(n))
        {"safetensors": lambda: mx.save_safetensors(path, {"a": a}), "npy": lambda: mx.save(path, a),
         "npz": lambda: mx.savez(path, a=a), "gguf": lambda: mx.save_gguf(path, {"a": a}, {})}[kind]()
    save(1000)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    try:
        save(1_000_000)
        raise SystemExit("no exception")
    except (OSError, RuntimeError, ValueError) as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    back = mx.load(path)
    a = back if kind == "npy" else back["a"]
    assert a.size == 1000 and a[5].item() == 1000
    save(2000)
    """
    path = tmp_path / f"a.{save}"
    run_python(code, args=(path, save))
    assert os.listdir(tmp_path) == [path.name]


def test_an_array_that_fails_to_evaluate_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    mx.save_safetensors(str(path), {"a": mx.ones((3,))})
    with pytest.raises(IndexError):
        mx.save_safetensors(str(path), {"a": mx.take(mx.ones((3,)), mx.array([9]))})
    assert mx.load(str(path))["a"].tolist() == [1, 1, 1]
    assert os.listdir(tmp_path) == ["a.safetensors"]


def test_saving_follows_links_and_keeps_permissions(tmp_path):
    real = tmp_path / "real.safetensors"
    mx.save_safetensors(str(real), {"a": mx.ones((3,))})
    real.chmod(0o640)
    link = tmp_path / "link.safetensors"
    link.symlink_to(real.name)
    mx.save_safetensors(str(link), {"a": mx.zeros((3,))})
    assert link.is_symlink() and mx.load(str(real))["a"].tolist() == [0, 0, 0]
    assert real.stat().st_mode & 0o777 == 0o640
    mask = os.umask(0o027)
    try:
        mx.save_safetensors(str(tmp_path / "new.safetensors"), {"a": mx.ones((3,))})
        assert (tmp_path / "new.safetensors").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(mask)


def test_special_files_are_written_in_place(tmp_path):
    with_suffix = Path("/dev/null.safetensors")
    before = with_suffix.exists() and with_suffix.stat().st_mtime_ns
    for target in (Path("/dev/null"), tmp_path / "link.safetensors"):
        if target.parent == tmp_path:
            target.symlink_to("/dev/null")
        mx.save_safetensors(str(target), {"a": mx.ones((3,))})
        assert Path("/dev/null").is_char_device()
    assert before == (with_suffix.exists() and with_suffix.stat().st_mtime_ns), "not beside it"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    mx.save(str(pipe), mx.arange(3))
    assert_same(
        mx.load(io.BytesIO(os.read(reader, 4096)), format="npy"), np.arange(3, dtype=np.int32)
    )
    os.close(reader)


def test_several_processes_saving_one_file_leave_a_whole_one(tmp_path):
    code = """
    import sys, olivine.core as mx
    for i in range(15):
        mx.save_safetensors(sys.argv[1], {"a": mx.full((200_000,), float(sys.argv[2])), "b": mx.full((7,), float(sys.argv[2]))})
    """
    import threading

    path = tmp_path / "a.safetensors"
    threads = [
        threading.Thread(target=run_python, args=(code,), kwargs={"args": (path, i)})
        for i in range(3)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    back = mx.load(str(path))
    assert len(set(np.unique(np.array(back["a"]))) | set(np.unique(np.array(back["b"])))) == 1
    assert os.listdir(tmp_path) == ["a.safetensors"]


def test_ctrl_c_while_saving_keeps_the_old_file(tmp_path):
    code = """
    import os, signal, sys, threading, olivine.core as mx
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = sys.argv[1]
    mx.save_safetensors(path, {"a": mx.ones((5,))})
    big = mx.zeros((8_000_000,))
    mx.eval(big)
    done = 0
    for i in range(12):
        timer = threading.Timer(0.004 * i, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            mx.save_safetensors(path, {"a": big + i})
            timer.join()
            for _ in range(1000):
                pass
        except KeyboardInterrupt:
            pass
        done += mx.load(path)["a"].size in (5, 8_000_000)
    assert done == 12
    """
    run_python(code, args=(tmp_path / "a.safetensors",))
    assert os.listdir(tmp_path) == ["a.safetensors"]
    assert signal.getsignal(signal.SIGINT) is not None


def test_leftovers_of_dead_savers_of_the_same_file_are_removed(tmp_path):
    """The hidden file's name says who writes it; files of the living and of others stay."""
    ended = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitpid(ended, 0)
    for name in (f".a.npy.olivine-{ended}-0", ".a.npy.olivine-nobody", f".a.npy.olivine-{os.getppid()}-3",
                 f".b.npy.olivine-{ended}-0", ".a.npy.other"):  # fmt: skip
        (tmp_path / name).write_bytes(b"half an array")
    mx.save(str(tmp_path / "a.npy"), mx.arange(3))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(
        [".a.npy.other", f".a.npy.olivine-{os.getppid()}-3", f".b.npy.olivine-{ended}-0", "a.npy"]
    )
    assert mx.load(str(tmp_path / "a.npy")).tolist() == [0, 1, 2]


def test_a_folder_is_no_place_for_an_array(tmp_path):
    with pytest.raises((ValueError, RuntimeError, OSError)):
        mx.save(str(tmp_path / "missing" / "a.npy"), mx.arange(3))
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises((ValueError, RuntimeError, OSError)):
        mx.save(str(tmp_path / "folder.npy"), mx.arange(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.npy"]

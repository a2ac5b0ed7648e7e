"""The loader's threads: bounds, ends, Ctrl-C, forks, the end of the program."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from olivine import data
from tests.support import ROOT, run_python, wait_for_line


def readers():
    return [t for t in threading.enumerate() if t.name.startswith("olivine-data")]


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class Counted:
    def __init__(self, count=1000):
        self.count, self.read = count, 0
        self._lock = threading.Lock()

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        with self._lock:
            self.read += 1
        return index


@pytest.mark.parametrize("workers, prefetch", [(1, 1), (1, 4), (4, 4), (4, 2)])
def test_reading_ahead_is_bounded(workers, prefetch):
    dataset = Counted()
    iterator = iter(data.DataLoader(dataset, 2, workers=workers, prefetch=prefetch))
    for taken in range(1, 6):
        next(iterator)
        wait_until(lambda taken=taken: dataset.read == 2 * (taken + prefetch))
        time.sleep(0.02)
        assert dataset.read == 2 * (taken + prefetch)


@pytest.mark.parametrize("end", ["dropped", "exhausted", "collected", "closed", "left"])
def test_no_thread_outlives_its_iterator(end):
    wait_until(lambda: not readers())
    loader = data.DataLoader(Counted(100), 2, workers=3)
    iterator = iter(loader)
    next(iterator)
    assert len(readers()) == 3
    if end == "exhausted":
        list(iterator)
        assert not readers()
    elif end == "closed":
        iterator.close()
        wait_until(lambda: not readers())
    elif end == "collected":
        cycle = [iterator]
        cycle.append(cycle)
        del cycle
    elif end == "left":
        for _ in loader:
            break
    del iterator
    gc.collect()
    wait_until(lambda: not readers())


def test_a_failed_epoch_leaves_no_thread():
    loader = data.DataLoader(data.map(list(range(100)), lambda x: 1 // (x - 50)), 2, workers=3)
    with pytest.raises(data.ItemError):
        list(loader)
    wait_until(lambda: not readers())


def test_a_dropped_iterator_gives_up_within_a_batch():
    class Slow(Counted):
        def __getitem__(self, index):
            time.sleep(0.005)
            return super().__getitem__(index)

    dataset = Slow(100_000)
    loader = data.DataLoader(dataset, 10_000)
    iterator = iter(loader)
    asking = threading.Thread(target=next, args=(iterator, None), daemon=True)
    asking.start()
    wait_until(lambda: dataset.read > 2)
    iterator.close()
    wait_until(lambda: not readers(), 2)
    asking.join(2)
    assert not asking.is_alive() and dataset.read < 2000


INTERRUPTED = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in background
from olivine import data

class Stuck(list):
    def __getitem__(self, index):
        if index >= 4:
            print("stuck", flush=True)
            time.sleep(60)
        return index

try:
    for batch in data.DataLoader(Stuck(range(100)), 2, workers=WORKERS):
        pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_ctrl_c_stops_at_once(workers):
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.replace("WORKERS", str(workers))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_line(child, "stuck")
    time.sleep(0.1)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    output, error = child.communicate(timeout=20)
    assert "interrupted" in output and not error and child.returncode == 0
    assert time.monotonic() - start < 5  # of the 60 that the item takes


def test_after_ctrl_c_the_loop_can_go_on(ctrl_c):
    main = threading.get_ident()

    class Interrupting(Counted):
        def __getitem__(self, index):
            if index == 6 and self.read < 20:
                self.read = 20
                signal.pthread_kill(main, signal.SIGINT)
                time.sleep(0.1)
            return index

    iterator = iter(data.DataLoader(Interrupting(10), 2, prefetch=1))
    seen = []
    with pytest.raises(KeyboardInterrupt):
        while True:
            seen.append(next(iterator).tolist())
    seen += [batch.tolist() for batch in iterator]
    assert seen == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_the_program_ends_with_loops_half_done():
    code = """
    import time
    from olivine import data
    class Slow(list):
        def __getitem__(self, index):
            time.sleep(0.01)
            return index
    iterators = [iter(data.DataLoader(Slow(range(1000)), 4, workers=3)) for _ in range(4)]
    print([next(i).tolist() for i in iterators][0])
    """
    assert "[0, 1, 2, 3]" in run_python(code, limit=30).stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_the_child_of_a_fork_starts_anew():
    code = """
    import os, signal, threading, time, warnings
    import numpy as np
    from olivine import data
    warnings.simplefilter("ignore")
    signal.alarm(50)

    class Slow(list):
        def __getitem__(self, index):
            time.sleep(0.001)
            return index

    loader = data.DataLoader(Slow(range(120)), 4, shuffle=True, workers=3)
    want = [b.tolist() for b in data.DataLoader(list(range(120)), 4, shuffle=True)]
    for round in range(10):
        loader.load_state_dict({**loader.state_dict(), "epoch": 0, "batch": 0})
        iterator = iter(loader)
        seen = [next(iterator).tolist() for _ in range(5)]
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            assert threading.active_count() == 1
            ok = seen + [b.tolist() for b in iterator] == want
            other = iter(loader)
            next(other)
            del iterator, other
            os._exit(0 if ok else 1)
        assert seen + [b.tolist() for b in iterator] == want, "the parent"
        assert os.waitpid(pid, 0)[1] == 0, "the child"
    pid = os.fork()
    if pid == 0:
        raise SystemExit(3)  # an end like a program's, with the parent's threads in the books
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    print("done")
    """
    assert "done" in run_python(code, limit=60).stdout

"""The benchmark page: every workload is found and timed, and results become tables."""

import pytest

from bench.page import NOISE, geometric_mean, ratio_of, write_page
from bench.runner import Workers, load_workloads, measure


def row(name, module, olivine, peers, **kwargs):
    return {
        "name": name,
        "module": module,
        "work": 1.0,
        "unit": "GB",
        "limit": "read",
        "times": {"olivine": olivine, **peers},
        "spread": 0.0,
        "errors": {},
        "one_thread": None,
    } | kwargs


RESULTS = {
    "date": "2026-01-02",
    "cpu": "a CPU",
    "threads": 2,
    "memory": 2**34,
    "python": "3.11.0",
    "versions": {"olivine": "0.1", "torch": "9"},
    "rounds": 5,
    "limits": {"1": {"read": 10, "copy": 8, "f32": 100}, "2": {"read": 20, "copy": 16, "f32": 200}},
    "rows": [
        row("quick", "bench.memory", 0.1, {"torch": 0.2, "numpy": 0.4}, one_thread=0.15),
        row("slow", "bench.memory", 0.3, {"torch": 0.2}),
        row("alone", "bench.matmul", 0.3, {}, errors={"torch": "no"}),
    ],
    "precision": {"avx2": {"add": {"float32": 2e-3, "bfloat16": 1e-3, "float16": 3e-3}}},
    "peaks": {"olivine": 2**20 * 5},
}


def test_page(tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "benchmarks.md"
    write_page(RESULTS, page)
    text = page.read_text()
    for line in (
        "| Memory-bound work | 2 | 1 | 1.15 |",  # sqrt(2 / 1.5)
        "| slow | 1.50 | torch |  |",
        "| quick | 100 ms | **200 ms** | 400 ms | 0.50 | 10 GB/s, 50 % of read |",
        "| alone | 300 ms | failed |  | 3.333 GB/s, 17 % of read |",
        "| quick | 150 ms | 100 ms | 75 % |",
        "| add | 2.000 ms | 0.50 | 1.50 |",
        "| olivine | 5 MiB |",
    ):
        assert line in text
    assert (tmp_path / "benchmarks.png").stat().st_size > 1000


def test_ratio():
    assert ratio_of(RESULTS["rows"][0]) == 0.5
    assert ratio_of(RESULTS["rows"][2]) is None
    assert geometric_mean([0.5, 2]) == pytest.approx(1)
    assert NOISE > 1


def test_workers_serve_one_workload_after_another():
    workloads, pool = load_workloads(), Workers()
    try:
        for name in ("add_scalars", "compiled_function_of_20_tiny_ops"):
            out = measure({"olivine": (workloads[name], "olivine")}, 1, 1, pool)
            seconds, _ = out["olivine"]
            assert 0 < seconds < 1
        assert len(pool.idle) == 1
    finally:
        pool.close()


def test_every_workload_has_olivine_or_is_a_limit():
    for work in load_workloads().values():
        assert {"olivine", "machine"} & set(work.setups), work.name

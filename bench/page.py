"""Writes docs/benchmarks.md and its picture: `make bench`, or `python -m bench.page [NAME...]`.

Times every workload beside the libraries that are installed, one process each, taking turns; then
what one thread does, the 16-bit floats under every instruction set, and peak memory. The results
are kept as JSON, from which `--render` writes the page again.
"""

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import statistics
import sys
import time

from bench.limits import UNITS, limits
from bench.peak import peaks
from bench.precision import DTYPES, times_under
from bench.runner import LIBRARIES, Workers, available, load_workloads, measure

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = "benchmarks.png"
SECTIONS = {
    "bench.training": "Training steps",
    "bench.matmul": "Products",
    "bench.quantized": "Quantized products",
    "bench.attention": "Attention",
    "bench.convolution": "Convolutions",
    "bench.image": "Image models",
    "bench.memory": "Memory-bound work",
    "bench.fft": "Fourier transforms",
    "bench.linalg": "Linear algebra",
    "bench.overheads": "Overheads",
    "bench.startup": "Start",
}
SCALED = ("f32_square_1024", "softmax_of_rows_f32", "sum_of_rows_f32", "exp_f32", "sort_4M_f32",
          "f32_prompt_1024", "forward_f32_body_64", "transformer_training_step")  # fmt: skip
NOISE = 1.03  # a ratio up to here counts as equal
# Why rows whose names begin so are behind, where it is known.
REASONS = {
    "import": "MLX loads one library; we load some forty Python modules of layers",
    "polynomial_of_24_ops": "XLA contracts products and additions; we keep the bits of op after op",
    "inv": "panels of the LU factorization run on one thread",
    "lu": "panels run on one thread",
    "solve": "panels of the LU factorization run on one thread",
    "conv_weight": "gradients of weights with many channels wait for memory; of few, for vectors",
    "conv_input_f32_first": "results of at most 8 channels fill half a vector",
}


def is_peer(library):
    return library not in ("olivine", "machine")


def show_time(seconds):
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.1e} s"


class Progress:
    """A line on the terminal that says what is measured and how long the rest takes."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.monotonic()

    def step(self, name):
        rest = ""
        if self.done:
            left = (time.monotonic() - self.start) / self.done * (self.total - self.done)
            rest = f", about {left / 60:.0f} min left"
        print(
            f"\r\033[K[{self.done}/{self.total}] {name}{rest}", end="", file=sys.stderr, flush=True
        )
        self.done += 1

    def close(self):
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def cpu_name():
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    family = ", ".join(f"{k} {fields[k]}" for k in ("cpu family", "model") if k in fields)
    return f"{fields.get('model name', platform.processor())} ({family})"


def versions(libraries):
    found = {}
    for library in libraries:
        try:
            found[library] = importlib.metadata.version(LIBRARIES[library])
        except importlib.metadata.PackageNotFoundError:
            found[library] = "from this checkout"
    return found


def measure_rows(chosen, libraries, rounds, threads, minutes):
    pool, rows = Workers(), []
    progress = Progress(len(chosen))
    try:
        for work in chosen:
            if minutes and time.monotonic() - progress.start > 60 * minutes:
                break
            progress.step(work.name)
            jobs = {library: (work, library) for library in libraries if library in work.setups}
            results = measure(jobs, rounds, threads, pool)
            alone = {}
            if threads > 1 and any(text in work.name for text in SCALED):
                alone = measure({"olivine": (work, "olivine")}, rounds, 1)
            rows.append(
                {
                    "name": work.name,
                    "module": work.module,
                    "work": work.work,
                    "unit": work.unit,
                    "limit": work.limit,
                    "times": {k: v[0] for k, v in results.items() if not isinstance(v, str)},
                    "spread": max(
                        (v[1] for v in results.values() if not isinstance(v, str)), default=0
                    ),
                    "errors": {k: v for k, v in results.items() if isinstance(v, str)},
                    "one_thread": alone["olivine"][0]
                    if alone and not isinstance(alone["olivine"], str)
                    else None,
                }
            )
    finally:
        pool.close()
        progress.close()
    return rows


def collect(options):
    libraries = available(options.libraries)
    chosen = [
        work
        for name, work in load_workloads().items()
        if len(work.setups) > 1
        and (not options.names or any(text in name for text in options.names))
    ]
    results = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_name(),
        "threads": options.threads,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "versions": versions([k for k in libraries if k != "machine"]),
        "rounds": options.rounds,
        "limits": {n: limits(n) for n in sorted({1, options.threads})},
    }
    results["rows"] = measure_rows(
        chosen, libraries, options.rounds, options.threads, options.minutes
    )
    results["left_out"] = len(chosen) - len(results["rows"])
    if not options.names:
        results["precision"] = {isa: times_under(isa) for isa in options.isas}
        results["peaks"] = peaks()
    return results


# ---- The page


def ratio_of(row):
    """Olivine's time over the fastest peer's; None without either."""
    peers = [t for k, t in row["times"].items() if is_peer(k)]
    if "olivine" not in row["times"] or not peers:
        return None
    return row["times"]["olivine"] / min(peers)


def ratios_of(results, module=None):
    rows = [row for row in results["rows"] if module in (None, row["module"])]
    return [r for row in rows if (r := ratio_of(row)) is not None]


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def share_of_limit(row, machine):
    if "olivine" not in row["times"] or not row["work"]:
        return ""
    rate = row["work"] / row["times"]["olivine"]
    shown = f"{rate:.4g} {row['unit']}/s"
    limit = row["limit"] or {"GB": "copy", "GFLOP": "f32"}.get(row["unit"])
    if limit in machine and row["unit"] in ("GB", "GFLOP"):
        shown += f", {100 * rate / machine[limit]:.0f} % of {limit}"
    return shown


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def summary(results):
    rows = []
    for module, title in [*SECTIONS.items(), (None, "**all**")]:
        if ratios := ratios_of(results, module):
            ahead = sum(r <= NOISE for r in ratios)
            rows.append([title, len(ratios), ahead, f"{1 / geometric_mean(ratios):.2f}"])
    return table(["kind", "rows with a peer", "at least as fast", "speed, geometric mean"], rows)


def section(title, rows, libraries, machine):
    lines = ["", f"## {title}", ""]
    body = []
    for row in rows:
        ratio, times = ratio_of(row), row["times"]
        best = min((t for k, t in times.items() if is_peer(k)), default=None)
        cells = [row["name"] + (" ~" if row["spread"] > 0.3 else "")]
        for library in libraries:
            if library in row["errors"]:
                cells.append("failed")
            elif library not in times:
                cells.append("")
            elif is_peer(library) and times[library] == best:
                cells.append(f"**{show_time(times[library])}**")
            else:
                cells.append(show_time(times[library]))
        cells += ["" if ratio is None else f"{ratio:.2f}", share_of_limit(row, machine)]
        body.append(cells)
    return lines + table(["row", *libraries, "ratio", "olivine's rate"], body)


def behind(results):
    rows = [(r, row) for row in results["rows"] if (r := ratio_of(row)) is not None and r > NOISE]
    rows.sort(key=lambda pair: -pair[0])
    body = []
    for ratio, row in rows:
        peers = {k: t for k, t in row["times"].items() if is_peer(k)}
        why = next((text for name, text in REASONS.items() if row["name"].startswith(name)), "")
        body.append([row["name"], f"{ratio:.2f}", min(peers, key=peers.get), why])
    head = ["row", "time over the peer's", "peer", "why, where it is known"]
    return ["", "## Behind a peer", "", *table(head, body)]


def scaling(results):
    body = []
    for row in results["rows"]:
        if row["one_thread"] and "olivine" in row["times"]:
            both = row["times"]["olivine"]
            efficiency = row["one_thread"] / both / results["threads"]
            body.append(
                [
                    row["name"],
                    show_time(row["one_thread"]),
                    show_time(both),
                    f"{100 * efficiency:.0f} %",
                ]
            )
    head = ["row", "1 thread", f"{results['threads']} threads", "parallel efficiency"]
    return ["", "## Threads", "", *table(head, body)] if body else []


def precision(results):
    lines = []
    for isa, ops in results.get("precision", {}).items():
        body = [
            [
                name,
                f"{t['float32'] * 1e3:.3f} ms",
                *(f"{t[d] / t['float32']:.2f}" for d in DTYPES[1:]),
            ]
            for name, t in ops.items()
        ]
        title = isa or "the best instruction set"
        lines += ["", f"### {title}", "", *table(["op", "float32", "bfloat16", "float16"], body)]
    intro = [
        "",
        "## 16-bit floats beside float32",
        "",
        "Time over that of float32, arrays of two million elements that lie in the caches",
        "(`python -m bench.precision`). From memory half the bytes are read.",
    ]
    return intro + lines if lines else []


def memory(results):
    body = [
        [library, value if isinstance(value, str) else f"{value / 2**20:.0f} MiB"]
        for library, value in results.get("peaks", {}).items()
    ]
    head = ["library", "peak above its idle process"]
    lines = ["", "## Memory of the training step", "", *table(head, body)]
    return lines if body else []


def write_page(results, page=PAGE):
    left_out = results.get("left_out", 0)
    machine = results["limits"][str(results["threads"])]
    named = ", ".join(f"{k} {v}" for k, v in results["versions"].items())
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. Peers are timed where they are installed in the",
        "environment (`.venv/bin/pip install mlx mlx-cpu jax torch`).",
        "",
        f"{results['cpu']}, {results['threads']} threads, {results['memory'] / 2**30:.0f} GiB;",
        f"{results['date']}; Python {results['python']}; {named}.",
        f"Medians of {results['rounds']} samples, libraries taking turns, a process each. The",
        "ratio is Olivine's time over that of the fastest peer (bold): below 1 Olivine is faster;",
        f"up to {NOISE} counts as equal. `machine` is a plain copy, or OpenBLAS called directly.",
        "~: samples differ by more than 30 %."
        + (f" {left_out} rows were left out to save time." if left_out else ""),
        "",
        f"![Olivine's time over the fastest peer's, by row]({PICTURE})",
        "",
        *summary(results),
        "",
        "## What the machine can do",
        "",
        *table(
            ["figure", *(f"{n} threads" if n != "1" else "1 thread" for n in results["limits"])],
            [
                [name, *(f"{at.get(name, 0):.4g} {unit}" for at in results["limits"].values())]
                for name, unit in UNITS.items()
            ],
        ),
        *behind(results),
    ]
    for module, title in SECTIONS.items():
        if rows := [row for row in results["rows"] if row["module"] == module]:
            timed = {library for row in rows for library in (*row["times"], *row["errors"])}
            lines += section(title, rows, [k for k in LIBRARIES if k in timed], machine)
    lines += scaling(results) + precision(results) + memory(results)
    page.write_text("\n".join(lines) + "\n")
    draw(results, page.with_name(PICTURE))


def draw(results, path):
    """A point per row: its ratio, by kind, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    groups = [(title, ratios_of(results, module)) for module, title in SECTIONS.items()]
    groups = [(title, ratios) for title, ratios in groups if ratios][::-1]
    figure, axes = plt.subplots(figsize=(8, 0.55 * len(groups) + 1.2), layout="constrained")
    for y, (_, ratios) in enumerate(groups):
        spread = [y + 0.5 * ((i * 0.618) % 1 - 0.5) for i in range(len(ratios))]
        colors = ["#2a7f62" if r <= NOISE else "#c05030" for r in ratios]
        axes.scatter(ratios, spread, s=16, c=colors, alpha=0.75, linewidths=0)
        axes.plot([geometric_mean(ratios)] * 2, [y - 0.35, y + 0.35], color="#222222")
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [0.01, 0.03, 0.1, 0.3, 1, 2]
    low = min(min(ratios) for _, ratios in groups)
    axes.set_xticks([t for t in ticks if t >= low / 2], [f"{t:g}" for t in ticks if t >= low / 2])
    axes.minorticks_off()
    axes.set_yticks(range(len(groups)), [title for title, _ in groups])
    axes.set_xlabel("time over the fastest peer's; left of 1 is faster; bar: geometric mean")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(prog="bench.page", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help="only workloads whose names hold one of these texts"
    )
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, help="start no more rows after so long")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--isas", nargs="*", default=["", "avx512", "avx2", "plain"])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "runs" / "bench.json")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    parser.add_argument("--render", action="store_true", help="write the page from the results")
    options = parser.parse_args()
    if not options.render:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(collect(options)))
    write_page(json.loads(options.results.read_text()), options.page)
    print(f"{options.page} written")


if __name__ == "__main__":
    main()

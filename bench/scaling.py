"""Parallel efficiency: `python -m bench.scaling [ROW...] [--threads 1 2 4 8 16] [--page FILE]`.

The efficiency of N threads is the speed over N times that of one thread. The machine's own, as
measured by bench/limits.cpp, stands beside it: threads of one core share its units, and all share
the memory.
"""

import argparse
import json
import os
import platform
import re
from datetime import date

from bench.limits import limits
from bench.runner import Workers, available, load_workloads, measure

ROWS = (
    "matmul_f32_1024",
    "matmul_f32_2048",
    "matmul_bf16_2048",
    "product_f32_batch_of_64",
    "product_f32_matrix_vector",
    "add_f32",
    "exp_f32",
    "chain_of_75_ops_f32",
    "sum_of_all_f32",
    "sum_of_rows_f32",
    "sum_of_columns_f32",
    "softmax_of_rows_f32",
    "layer_norm_f32",
    "transpose_f32",
    "gather_rows_f32",
    "sort_4M_f32",
    "cumsum_f32",
    "random_normal_4M_f32",
    "attention_f32_prompt_1024",
    "conv_forward_f32_body_64",
    "conv_weight_f32_body_64",
    "rfft2_f32_1024",
    "transformer_training_step",
)


def powers_of_two(most):
    return [n for n in (1 << i for i in range(12)) if n < most] + [most]


def measure_all(names, libraries, counts, rounds):
    """{threads: {row: {library: seconds or error}}} and {threads: limits}."""
    workloads, times, machine = load_workloads(), {}, {}
    for count in counts:
        machine[count] = limits(count)
        pool = Workers()
        times[count] = {}
        for name in names:
            work = workloads[name]
            jobs = {lib: (work, lib) for lib in libraries if lib in work.setups}
            results = measure(jobs, rounds, count, pool)
            times[count][name] = {
                lib: r if isinstance(r, str) else r[0] for lib, r in results.items()
            }
            print(f"{count:3} threads  {name:28} {times[count][name]}", flush=True)
        pool.close()
    return times, machine


def efficiency(one, many, count):
    return f"{one / many / count:.0%}" if isinstance(one, float) and isinstance(many, float) else ""


def heading(rounds):
    yield "# Scaling"
    yield ""
    yield f"Written by `python -m bench.scaling`; {machine_text()}; {date.today()};"
    yield f"medians of {rounds} samples, libraries taking turns."
    yield "Efficiency: the speed of N threads over N times that of one."
    yield "The machine's own is that of plain loops on independent data (bench/limits.cpp): threads"
    yield "may share cores, and all share the memory."
    yield ""


def machine_text():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return f"{found.group(1) if found else platform.machine()}, {os.cpu_count()} CPUs"


def tables(times, machine, libraries):
    counts = list(times)
    first, last = counts[0], counts[-1]
    yield (
        "| machine | "
        + " | ".join(f"{n} thread{'s' * (n > 1)}" for n in counts)
        + f" | efficiency at {last} |"
    )
    yield "|---" * (len(counts) + 2) + "|"
    for key, unit in (("read", "GB/s"), ("copy", "GB/s"), ("f32", "GFLOP/s")):
        rates = [machine[n].get(key, 0) for n in counts]
        share = f"{rates[-1] / rates[0] / last * first:.0%}" if rates[0] else ""
        yield f"| {key}, {unit} | " + " | ".join(f"{r:.4g}" for r in rates) + f" | {share} |"
    yield ""
    titles = [f"{lib} ms, {n}" for lib in libraries[:1] for n in counts]
    titles += [f"{lib}'s efficiency at {last}" for lib in libraries]
    titles += [f"time over {lib}'s at {last}" for lib in libraries[1:]]
    yield "| row | " + " | ".join(titles) + " |"
    yield "|---" * (len(titles) + 1) + "|"
    for name in times[first]:
        own = [times[n][name].get(libraries[0]) for n in counts]
        cells = [f"{t * 1e3:.3g}" if isinstance(t, float) else str(t) for t in own]
        for lib in libraries:
            ends = [times[n][name].get(lib) for n in (first, last)]
            cells.append(efficiency(*ends, last / first))
        for lib in libraries[1:]:
            other = times[last][name].get(lib)
            both = isinstance(own[-1], float) and isinstance(other, float)
            cells.append(f"{own[-1] / other:.2f}" if both else "")
        yield f"| {name} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(prog="bench.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="rows whose names hold one of these texts")
    cpus = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, nargs="+", default=powers_of_two(cpus))
    parser.add_argument("--libraries", nargs="+", default=["olivine", "torch"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="write the times here")
    parser.add_argument("--page", help="write a page of Markdown here")
    options = parser.parse_args()
    names = ROWS
    if options.rows:
        names = [n for n in load_workloads() if any(text in n for text in options.rows)]
    libraries = available(options.libraries)
    times, machine = measure_all(names, libraries, options.threads, options.rounds)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"times": times, "machine": machine}, file, indent=1)
    lines = [*heading(options.rounds), *tables(times, machine, libraries)]
    if options.page:
        with open(options.page, "w") as file:
            file.write("\n".join(lines) + "\n")
    print("\n".join(["", *lines]))


if __name__ == "__main__":
    main()

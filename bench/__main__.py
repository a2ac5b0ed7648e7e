"""Prints a table of times and ratios: `python -m bench [NAME...] [--libraries ...]`."""

import argparse
import os

from bench.runner import LIBRARIES, available, load_workloads, measure


def show_time(seconds):
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.1e} s"


def show_cell(result, best):
    if result is None:
        return ""
    if isinstance(result, str):
        return "failed"
    seconds, spread = result
    noisy = "~" if spread > 0.3 else ""
    return f"{show_time(seconds)} {seconds / best:.2f}x{noisy}"


def show_row(work, libraries, results):
    times = {k: v[0] for k, v in results.items() if not isinstance(v, str)}
    peers = [t for k, t in times.items() if k not in ("olivine", "machine")]
    best = min(peers or times.values(), default=1.0)
    cells = [show_cell(results.get(library), best) for library in libraries]
    rate = ""
    if work.work and "olivine" in times:
        rate = f"{work.work / times['olivine']:.4g} {work.unit}/s"
    print("| " + " | ".join([work.name, *cells, rate]) + " |", flush=True)
    for library, error in results.items():
        if isinstance(error, str):
            print(f"|   {library}: {error}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench", description="Times olivine beside its peers.")
    parser.add_argument("names", nargs="*", help="workloads whose names hold one of these texts")
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--list", action="store_true", help="print the workloads and stop")
    options = parser.parse_args()
    chosen = [
        work
        for name, work in load_workloads().items()
        if not options.names or any(text in name for text in options.names)
    ]
    if options.list:
        print("\n".join(work.name for work in chosen))
        return
    libraries = available(options.libraries)
    print(
        f"Median of {options.rounds} samples, {options.threads} threads; ratio to the fastest peer."
    )
    print("machine: copying the same bytes, or OpenBLAS called directly. ~: spread over 30 %.\n")
    print("| " + " | ".join(["workload", *libraries, "olivine's rate"]) + " |")
    print("|---" * (len(libraries) + 2) + "|")
    for work in chosen:
        jobs = {library: (work, library) for library in libraries if library in work.setups}
        show_row(work, libraries, measure(jobs, options.rounds, options.threads))


if __name__ == "__main__":
    main()

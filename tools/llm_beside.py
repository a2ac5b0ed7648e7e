"""Memory and speed of one GGUF file in Olivine and in llama.cpp: same work, same readings.

    python tools/llm_beside.py model.gguf --llama PYTHON             8 sequences of 64 + 64 tokens
    python tools/llm_beside.py model.gguf --llama PYTHON --batch 1 --prompt 256

PYTHON is an interpreter that has llama-cpp-python. Each side is a process of its own, in turn,
`times` times; `--sides olivine` runs one of them alone. It loads the file, lets `batch` prompts be
read and `length` tokens follow each, greedily, `rounds` times with an empty cache each time, and
prints its rates (the medians) and what /proc/self/status says, in MB of 10^6 bytes: memory after
loading, at the end, and its peak, all resident (anonymous and of files), and what of the end is
anonymous. llama.cpp gets a context of just the tokens needed, and as many threads as there are
cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def resident(*names: str) -> float:
    """The sum of some of the process's sizes, in MB."""
    with open("/proc/self/status") as file:
        sizes = {line.split(":")[0]: line.split()[1] for line in file if line.endswith("kB\n")}
    return sum(int(sizes[name]) for name in names) * 1.024e-3


def olivine(options) -> None:
    from olivine.cli.bench import measure
    from olivine.llm import load

    model, _ = load(options.model)
    loaded = resident("VmRSS")
    work = options.batch, options.prompt, options.length
    report(loaded, [measure(model, *work) for _ in range(options.rounds)])


def llama(options) -> None:
    import ctypes

    import llama_cpp as api
    import numpy as np

    quiet = api.llama_log_callback(lambda *_: None)
    api.llama_log_set(quiet, ctypes.c_void_p(0))
    api.llama_backend_init()
    model = api.llama_model_load_from_file(options.model.encode(), api.llama_model_default_params())
    settings = api.llama_context_default_params()
    settings.n_ctx = options.batch * (options.prompt + options.length)
    settings.n_seq_max = options.batch
    settings.n_threads = settings.n_threads_batch = len(os.sched_getaffinity(0))
    context = api.llama_init_from_model(model, settings)
    size = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))
    loaded = resident("VmRSS")

    def read(tokens, position: int) -> list[int]:
        """Let every sequence go on with its row of `tokens`; returns the likeliest that follow."""
        count, length = tokens.shape
        batch = api.llama_batch_init(tokens.size, 0, 1)
        batch.n_tokens = tokens.size
        for i, token in enumerate(tokens.flat):
            batch.token[i], batch.pos[i] = int(token), position + i % length
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, i // length
            batch.logits[i] = i % length == length - 1
        if status := api.llama_decode(context, batch):
            sys.exit(f"llama_decode: {status}")
        api.llama_batch_free(batch)
        rows = (api.llama_get_logits_ith(context, (i + 1) * length - 1) for i in range(count))
        return [int(np.ctypeslib.as_array(row, (size,)).argmax()) for row in rows]

    def measure(batch: int, prompt: int, length: int) -> tuple[float, float]:
        api.llama_memory_clear(api.llama_get_memory(context), True)
        tokens = np.random.default_rng(0).integers(0, size, (batch, prompt))
        start = time.perf_counter()
        following = read(tokens, 0)
        middle = time.perf_counter()
        for i in range(length):
            following = read(np.array(following)[:, None], prompt + i)
        end = time.perf_counter()
        return batch * prompt / (middle - start), batch * length / (end - middle)

    work = options.batch, options.prompt, options.length
    report(loaded, [measure(*work) for _ in range(options.rounds)])


def report(loaded: float, rates: list[tuple[float, float]]) -> None:
    prompt, answer = (statistics.median(column) for column in zip(*rates, strict=True))
    found = {
        "prompt tok/s": prompt,
        "answer tok/s": answer,
        "loaded MB": loaded,
        "end MB": resident("RssAnon", "RssFile"),
        "anonymous MB": resident("RssAnon"),
        "peak MB": resident("VmHWM"),
    }
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--llama", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return SIDES[options.side](options)
    found: dict[str, list[dict]] = {side: [] for side in options.sides}
    for _ in range(options.times):
        for side in options.sides:
            python = options.llama if side == "llama" else sys.executable
            command = [python, __file__, *sys.argv[1:], "--side", side]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[side].append(json.loads(out.splitlines()[-1]))
    print(f"{'':14}" + "".join(f"{side:>12}" for side in found))
    for name in found[options.sides[0]][0]:
        medians = [statistics.median(run[name] for run in runs) for runs in found.values()]
        print(f"{name:14}" + "".join(f"{median:12.1f}" for median in medians))


SIDES = {"olivine": olivine, "llama": llama}

if __name__ == "__main__":
    main()

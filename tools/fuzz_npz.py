"""Fuzzes the reading of npz files: python tools/fuzz_npz.py [--inputs N] [--seconds T] [--seed S]

npz goes through Python's zipfile, so this runs in Python: mutated archives from tests/io/corpus/npz
are loaded from memory; arrays or an error of one line are right, anything else ends the run. What
zipfile hands on is npy, which olivine_fuzz_io fuzzes much faster.
"""

import argparse
import io
import random
import sys
import time
import warnings
from pathlib import Path

import olivine.core as mx

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "io" / "corpus" / "npz"
NUMBERS = [0, 1, 255, 65535, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1]


def mutate(data, rng, others):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not data:
            break
        # The directory is at the end.
        at = (
            rng.randrange(len(data))
            if rng.random() < 0.5
            else max(0, len(data) - rng.randrange(1, 130))
        )
        kind = rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            n = rng.choice([1, 2, 4, 8])
            data[at : at + n] = (rng.choice(NUMBERS) & (1 << 8 * n) - 1).to_bytes(n, "little")
        elif kind == 2:
            del data[at : at + rng.randint(1, 16)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 16)]
        else:
            other = rng.choice(others)
            data[at:] = other[min(at, len(other)) :]
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    corpus = [p.read_bytes() for p in sorted(CORPUS.glob("*.bin"))]
    rng = random.Random(args.seed)
    accepted = count = 0
    start = reported = time.perf_counter()
    while count < args.inputs and time.perf_counter() - start < args.seconds:
        data = mutate(rng.choice(corpus), rng, corpus)
        count += 1
        if time.perf_counter() - reported > 10:
            reported = time.perf_counter()
            rate = count / (reported - start)
            print(f"npz {count} inputs  {rate:.0f} /s  {accepted} accepted", file=sys.stderr)
        try:
            mx.eval(mx.load(io.BytesIO(data), format="npz"))
            accepted += 1
        except RuntimeError as error:
            text = str(error)
            if text.startswith("[load] ") and text[-2:] != ": " and min(text) >= " ":
                continue
            Path("fuzz-npz.bin").write_bytes(data)
            raise
        except BaseException:
            Path("fuzz-npz.bin").write_bytes(data)
            print(f"input {count} is in fuzz-npz.bin")
            raise
    seconds = time.perf_counter() - start
    print(f"npz {count} inputs  {count / seconds:.0f} /s  {accepted} accepted  seed {args.seed}")


if __name__ == "__main__":
    main()

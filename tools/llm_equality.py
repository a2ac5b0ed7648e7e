#!/usr/bin/env python3
"""Writes docs/llm-equality.md: how near each architecture's logits are to transformers'.

    tools/llm_equality.py            # prints the table
    tools/llm_equality.py --write    # writes the page

The numbers are those of tests/llm/architectures.py, whose expected values
tests/llm/fixtures/make_architectures.py made with transformers; neither is needed here.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.llm import architectures as tests  # noqa: E402

# What each case has that others have not.
COVERS = {
    "bert": "padding",
    "cohere": "parallel branches, scaled logits",
    "cohere2": "windows and layers without positions",
    "cohere_norm": "a norm for each head",
    "deepseek_v2": "latent attention, shared experts",
    "deepseek_v2_groups": "compressed queries, experts limited to groups",
    "deepseek_v3": "experts without auxiliary loss, YaRN with its scale",
    "gemma": "heads wider than the model, 1 + weight",
    "gemma2": "soft caps, alternating windows",
    "gemma3": "two kinds of positions, query and key norms",
    "gpt2": "learned positions, transposed matrices",
    "gpt_neox": "parallel branches, positions on half of a head",
    "gpt_neox_serial": "branches in a row",
    "llama": "grouped queries",
    "llama_bias": "biases, tied head",
    "llama_dynamic": "dynamic positions, beyond the context",
    "llama_linear": "linear positions",
    "llama_llama3": "Llama 3's positions",
    "llama_yarn": "YaRN",
    "mistral": "a window in every layer",
    "mixtral": "experts",
    "olmo2": "norms on the way out",
    "phi3": "fused matrices, a window",
    "phi3_longrope_long": "LongRoPE, beyond the first context",
    "phi3_longrope_short": "LongRoPE, within the first context",
    "phi3_partial": "positions on half of a head (Phi 4 mini)",
    "qwen2": "biases, windows in the later layers",
    "qwen2_moe": "a gated shared expert, a layer without experts",
    "qwen3": "query and key norms",
    "qwen3_moe": "query and key norms, experts",
    "roberta": "positions that skip padding",
    "starcoder2": "layer norms, plain feed-forward, a window",
    "t5": "encoder and decoder, biases for distances, padding",
    "t5_gated": "gated feed-forward, a head of its own (T5 1.1)",
}

HEAD = """# Language models against transformers

Written by `tools/llm_equality.py` from the numbers of `tests/llm/architectures.py`.

Each case is a tiny random model: two or three layers, 32 features, fewer heads of keys than of
queries, windows shorter than the text, two texts of 13 tokens. `transformers` {version} computed
its logits (an encoder's features) in float32 with plain attention, from a checkpoint under the
names it writes; `tests/llm/fixtures/make_architectures.py` did that. Weights follow from their
names, so the repository holds configurations, ids and logits alone.

A difference is the largest |a - b| over the largest |b|. "In pieces" gives the text to a cache as 4
tokens, 5 tokens and then one by one. The tests' limit is {limit}. Where positions depend on
the length of the text so far (dynamic, LongRoPE beyond its first context), keys in a cache
keep the rotation of their time, here as in transformers, so that pieces differ from the whole.

| case | `model_type` | covers | whole text | in pieces |
|---|---|---|---|---|
"""


def table() -> tuple[str, str]:
    lines, version = [], ""
    for name in tests.CASES:
        case = tests.case(name)
        version = case["transformers"]
        pieces = f"{tests.cached_difference(name):.1e}" if name in tests.STEADY else ""
        whole = f"{tests.difference(name):.1e}"
        kind = case["config"]["model_type"]
        lines.append(f"| {name} | `{kind}` | {COVERS[name]} | {whole} | {pieces} |")
    return "\n".join(lines) + "\n", version


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write docs/llm-equality.md")
    args = parser.parse_args()
    rows, version = table()
    print(rows)
    if args.write:
        text = HEAD.format(version=version, limit=f"{tests.LIMIT:.0e}") + rows
        (ROOT / "docs/llm-equality.md").write_text(text)


if __name__ == "__main__":
    main()

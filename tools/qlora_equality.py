"""Fine-tunes SmolLM2 by LoRA in Olivine and in PyTorch with PEFT: same start, batches and rates.

    python tools/qlora_equality.py olivine /tmp/qlora.npz --data DIR    weights, batches, our losses
    python tools/qlora_equality.py peft /tmp/qlora.npz                  where torch and peft are

DIR has train.jsonl and valid.jsonl. The base is packed here and the same values in float32 there.
Each prints its losses, tokens per second and peak memory; at most 2 % between the validation
losses is wanted.
"""

import argparse
import json
import resource
import time

import numpy as np

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
RANK, SCALE = 8, 2.0


def report(first, last, losses, tokens, seconds):
    print(
        json.dumps(
            {
                "validation loss": [round(first, 4), round(last, 4)],
                "training loss": [round(losses[0], 4), round(losses[-1], 4)],
                "tokens/s": round(tokens / seconds, 1),
                "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
            }
        )
    )


def olivine(options):
    import olivine.core as mx
    from olivine.llm import load
    from olivine.llm.adapters import AdapterSettings, adapter_layers
    from olivine.llm.convert import dequantize_model
    from olivine.llm.finetune.data import load_data
    from olivine.llm.finetune.run import Run, Settings, learning_rate
    from olivine.utils import tree_flatten

    model, tokenizer = load()
    if options.dense:
        dequantize_model(model, mx.float32)
    training = load_data(f"{options.data}/train.jsonl", tokenizer, 512)
    validation = load_data(f"{options.data}/valid.jsonl", tokenizer, 512)
    adapter = AdapterSettings(RANK, SCALE, targets=TARGETS)
    settings = Settings(steps=options.steps, learning_rate=2e-4, warmup=10, adapter=adapter)
    run = Run(model, training, validation, settings)
    rate = learning_rate(settings)
    out = {"rates": np.array([rate(i).item() for i in range(options.steps)])}
    for path, layer in adapter_layers(model).items():
        out[f"a.{path}"] = np.array(layer.lora_a)
    for i in range(options.steps):
        out[f"t{i}"], out[f"m{i}"] = map(np.array, run.training.step(i))
    for i, (_, batch) in enumerate(run.validation.all()):
        out[f"vt{i}"], out[f"vm{i}"] = map(np.array, batch)

    first = run.evaluate()
    run.train_step()  # compiles
    start, before = time.perf_counter(), run.tokens
    while run.step < options.steps:
        run.train_step()
    seconds = time.perf_counter() - start
    report(first, run.evaluate(), run.losses, run.tokens - before, seconds)

    base, _ = load()
    dequantize_model(base, mx.float32)
    for name, value in tree_flatten(base.parameters()):
        out[f"w.{name}"] = np.array(value.astype(mx.float32))
    config = {k: getattr(base.config, k) for k in (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "intermediate_size", "rms_norm_eps", "rope_theta",
        "tie_word_embeddings", "max_position_embeddings",
    )}  # fmt: skip
    np.savez(options.file, config=json.dumps(config), **out)


def peft(options):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    stored = np.load(options.file)
    model = LlamaForCausalLM(LlamaConfig(**json.loads(str(stored["config"]))))
    weights = {k[2:]: torch.tensor(stored[k]) for k in stored.files if k.startswith("w.")}
    model.load_state_dict(weights, strict=False)
    lora = LoraConfig(r=RANK, lora_alpha=SCALE * RANK, target_modules=list(TARGETS))
    model = get_peft_model(model, lora)
    parameters = dict(model.named_parameters())
    for key in (k for k in stored.files if k.startswith("a.")):
        path = f"base_model.model.{key[2:]}.lora_A.default.weight"
        parameters[path].data.copy_(torch.tensor(stored[key].T))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, weight_decay=0.0)

    def loss_of(tokens, mask):
        tokens = torch.tensor(stored[tokens]).long()
        mask = torch.tensor(stored[mask])[:, 1:].float()
        logits = model(tokens[:, :-1]).logits.float()
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
        )
        return (losses.reshape(mask.shape) * mask).sum(), mask.sum(), tokens.numel()

    @torch.no_grad()
    def evaluate():
        total = count = i = 0
        while f"vt{i}" in stored.files:
            part, number, _ = loss_of(f"vt{i}", f"vm{i}")
            total, count, i = total + part.item(), count + number.item(), i + 1
        return total / count

    first, losses, tokens = evaluate(), [], 0
    for i, rate in enumerate(stored["rates"]):
        if i == 1:
            start, tokens = time.perf_counter(), 0
        optimizer.param_groups[0]["lr"] = float(rate)
        total, count, size = loss_of(f"t{i}", f"m{i}")
        optimizer.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append((total / count).item())
        tokens += size
    seconds = time.perf_counter() - start
    report(first, evaluate(), losses, tokens, seconds)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", choices=("olivine", "peft"))
    parser.add_argument("file", metavar="FILE", help="of the first run, for the second")
    parser.add_argument("--data", metavar="DIR", help="JSON lines")
    parser.add_argument("--dense", action="store_true", help="the base in float32 here as well")
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="(40)")
    options = parser.parse_args()
    {"olivine": olivine, "peft": peft}[options.library](options)


if __name__ == "__main__":
    main()

"""A fine-tuning run: settings, the compiled step, and the loop that evaluates, saves and stops.

`Run` holds what a step changes; `fine_tune` is the loop. Batches and dropout depend on seed and
step alone and the rest is in the checkpoints, so a run that was killed goes on as if it had not
been.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.llm.adapters import AdapterSettings, adapter_layers, add_adapters, without_adapters
from olivine.llm.finetune.data import Batches, Dataset, learned_positions
from olivine.llm.finetune.losses import (
    dpo_loss,
    language_model_loss,
    log_probabilities,
    orpo_loss,
)
from olivine.train import Accumulator, Checkpointer, CSVLogger, StopSignal
from olivine.utils import tree_flatten, tree_map, tree_unflatten


class FineTuningError(RuntimeError):
    """The run cannot go on; the message says why and what to try."""


@dataclass
class Settings:
    """Of a run. `adapter` None trains every weight; `objective` is "text", "dpo" or "orpo"."""

    steps: int = 600
    batch_size: int = 4
    accumulate: int = 1
    learning_rate: float = 1e-4
    warmup: int = 20
    weight_decay: float = 0.0
    clip: float = 1.0
    objective: str = "text"
    beta: float = 0.1
    adapter: AdapterSettings | None = field(default_factory=AdapterSettings)
    checkpoint_layers: bool = False
    evaluate_every: int = 100
    evaluate_batches: int | None = 25
    seed: int = 0


def learning_rate(settings: Settings) -> Callable[[int], mx.array]:
    """Up along a line, then down along half a cosine to a tenth."""
    peak = settings.learning_rate
    warmup = max(1, min(settings.warmup, settings.steps // 10))
    rise = optim.linear_schedule(peak / warmup, peak * (1 + 1 / warmup), warmup)
    fall = optim.cosine_decay(peak, max(1, settings.steps - warmup), peak / 10)
    return optim.join_schedules([rise, fall], [warmup])


class TrainableWeights:
    """What training changes of a model, as state of a `Checkpointer`: not the frozen base."""

    def __init__(self, model: nn.Module):
        self.model = model

    def state_dict(self) -> dict[str, mx.array]:
        return dict(tree_flatten(self.model.trainable_parameters()))

    def load_state_dict(self, state: dict[str, mx.array]) -> None:
        own = self.state_dict()
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in state.items()}:
            raise ValueError("the checkpoint's weights are not those this run trains")
        self.model.update(tree_unflatten(list(state.items())))


@contextmanager
def checkpointed_layers(model: nn.Module):
    """Within it, decoder layers keep no intermediate results for the backward pass."""
    kinds = {type(layer) for layer in model.layers}
    originals = {kind: kind.__call__ for kind in kinds}

    def recomputing(original):
        def call(layer, *args, **kwargs):
            return nn.utils.checkpoint(layer, partial(original, layer))(*args, **kwargs)

        return call

    for kind, original in originals.items():
        kind.__call__ = recomputing(original)
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind.__call__ = original


class Run:
    """Model, optimizer and data of one run, and the compiled steps over them."""

    def __init__(
        self,
        model: nn.Module,
        training: Dataset,
        validation: Dataset | None,
        settings: Settings,
        pad_id: int = 0,
    ):
        _check(settings, training, validation)
        self.model, self.settings = model, settings
        mx.random.seed(settings.seed)
        if settings.adapter is not None and not adapter_layers(model):
            add_adapters(model, settings.adapter)
        self.training = Batches(training, settings.batch_size, settings.seed, pad_id)
        self.validation = validation and Batches(validation, settings.batch_size, 0, pad_id)
        self.optimizer = optim.AdamW(
            learning_rate(settings), weight_decay=settings.weight_decay, bias_correction=True
        )
        self.optimizer.init(model.trainable_parameters())
        mx.eval(model.trainable_parameters(), self.optimizer.state)
        self.step = 0
        self.tokens = 0  # learned so far
        self.losses: list[float] = []
        self.validation_losses: list[list[float]] = []  # pairs of step and loss
        # DPO: log probabilities that the model had for each pair before training.
        self.references: dict[str, list[list[float]]] = {}
        self._compile()

    def _compile(self) -> None:
        model, settings = self.model, self.settings
        batch_loss = self._objective()
        loss_and_grad = nn.value_and_grad(model, batch_loss)
        state = [model.state, mx.random.state]

        @partial(mx.compile, inputs=state, outputs=[mx.random.state])
        def gradients(*batch):
            (total, count), grads = loss_and_grad(*batch)
            return total, count, grads

        @partial(mx.compile, inputs=state)
        def losses(*batch):
            return batch_loss(*batch)

        changing = [model.state, self.optimizer.state]

        @partial(mx.compile, inputs=changing, outputs=changing)
        def update(grads, count):
            grads = tree_map(lambda g: g / count, grads) if count is not None else grads
            grads, norm = optim.clip_grad_norm(grads, settings.clip)
            self.optimizer.update(model, grads)
            return norm

        self._gradients, self._losses, self._update = gradients, losses, update
        self._state = [model.state, self.optimizer.state]

    def _objective(self):
        """batch -> (sum of losses, how many they are of)."""
        model, settings = self.model, self.settings
        if settings.objective == "text":
            return partial(language_model_loss, model)

        def dpo(*batch):
            *answers, reference = batch
            losses = dpo_loss(
                *self._rate(*answers), reference[:, 0], reference[:, 1], settings.beta
            )
            return losses.sum(), mx.array(losses.size)

        def orpo(*answers):
            good, bad = self._rate(*answers)
            good = good / answers[1][:, 1:].sum(axis=1)
            bad = bad / answers[4][:, 1:].sum(axis=1)
            losses = orpo_loss(good, bad, settings.beta)
            return losses.sum(), mx.array(losses.size)

        return dpo if settings.objective == "dpo" else orpo

    def _rate(self, *answers) -> tuple[mx.array, mx.array]:
        """Log probabilities of the chosen answers and of the rejected ones."""
        return (
            log_probabilities(self.model, *answers[:3]),
            log_probabilities(self.model, *answers[3:]),
        )

    def prepare(self, report: Callable[[str], None] = lambda text: None) -> None:
        """For DPO: rate every pair with the model as it was before training."""
        if self.settings.objective != "dpo" or self.references:
            return
        report("rating the pairs with the untrained model")
        self.model.eval()
        plain = without_adapters(self.model) if self.settings.adapter else nullcontext(self.model)
        with plain:
            for name, batches in (("training", self.training), ("validation", self.validation)):
                if batches is None:
                    continue
                rated = [[0.0, 0.0] for _ in range(len(batches.dataset))]
                for indices, batch in batches.all():
                    good, bad = self._rate(*_with_positions(batch))
                    for i, pair in zip(indices, mx.stack([good, bad], 1).tolist(), strict=True):
                        rated[i] = pair
                self.references[name] = rated

    def _arrays(self, name: str, indices: list[int], batch: tuple) -> tuple:
        batch = _with_positions(batch)
        if name not in self.references:
            return batch
        return (*batch, mx.array([self.references[name][i] for i in indices]))

    def train_step(self) -> tuple[float, float, int]:
        """One update; returns its loss before, the gradient's norm, and how many tokens it had."""
        settings = self.settings
        # Fixes dropout by seed and step, so the generator needs no place in a checkpoint.
        mx.random.seed((settings.seed << 32 ^ self.step) % 2**64)
        self.model.train()
        collected = Accumulator(settings.accumulate)
        total = count = tokens = 0
        grads = None
        for part in range(settings.accumulate):
            indices = self.training.indices(self.step * settings.accumulate + part)
            batch = self.training.batch(indices)
            tokens += sum(x.size for x in batch[::2])
            batch = self._arrays("training", indices, batch)
            part_total, part_count, part_grads = self._gradients(*batch)
            total, count = total + part_total, count + part_count
            # Gradients are sums over the batch; equal weights keep them so up to a factor.
            grads = collected.add(part_grads)
        norm = self._update(grads, count.astype(mx.float32) / settings.accumulate)
        loss = total / count
        mx.eval(loss, norm, self._state)
        if not math.isfinite(loss.item()):
            raise FineTuningError(
                f"the loss became {loss.item()} at step {self.step + 1}; try a lower learning rate"
            )
        self.step += 1
        self.tokens += tokens
        self.losses.append(loss.item())
        return loss.item(), norm.item(), tokens

    def evaluate(self, limit: int | None = None) -> float:
        """The mean loss of the validation data, or of `limit` batches spread over it."""
        if self.validation is None:
            return math.nan
        self.model.eval()
        total = count = 0.0
        for indices, batch in self.validation.all(limit):
            part_total, part_count = self._losses(*self._arrays("validation", indices, batch))
            total, count = total + part_total.item(), count + part_count.item()
        return total / count

    def state(self) -> dict:
        """What a `Checkpointer` saves."""
        return {
            "weights": TrainableWeights(self.model),
            "optimizer": self.optimizer,
            "run": self,
        }

    def state_dict(self) -> dict:
        return {
            "step": self.step,
            "tokens": self.tokens,
            "losses": list(self.losses),
            "validation": [list(pair) for pair in self.validation_losses],
            "references": self.references,
        }

    def load_state_dict(self, state: dict) -> None:
        self.step, self.tokens = state["step"], state["tokens"]
        self.losses, self.validation_losses = list(state["losses"]), list(state["validation"])
        self.references = state["references"]


def _with_positions(batch: tuple) -> tuple:
    """The pairs of tokens and mask as triples, with the positions of what is learned."""
    pairs = zip(batch[::2], batch[1::2], strict=True)
    return tuple(
        x for tokens, mask in pairs for x in (tokens, mask, mx.array(learned_positions(mask)))
    )


def _check(settings: Settings, training: Dataset, validation: Dataset | None) -> None:
    if settings.objective not in ("text", "dpo", "orpo"):
        raise ValueError(
            f"[fine_tune] expected objective text, dpo or orpo; got {settings.objective!r}"
        )
    wants_pairs = settings.objective != "text"
    for name, data in (("training", training), ("validation", validation)):
        if data is not None and data.is_preference != wants_pairs:
            got = "pairs of answers" if data.is_preference else "single answers"
            raise ValueError(
                f"[fine_tune] objective {settings.objective} does not go with {name} data of {got}"
            )


def fine_tune(run: Run, folder: str | Path, bar, resume: bool = False) -> str | None:
    """Train until the steps are done; returns the name of the signal if one came first.

    `folder` gets checkpoints and log.csv. `bar` is what `olivine.train.progress` returns.
    """
    settings, folder = run.settings, Path(folder)
    log = CSVLogger(folder / "log.csv")
    state = {**run.state(), "log": log}
    with (
        Checkpointer(folder / "checkpoints", state, keep=1) as checkpointer,
        StopSignal() as stop,
        checkpointed_layers(run.model) if settings.checkpoint_layers else nullcontext(),
    ):
        if resume and checkpointer.steps:
            checkpointer.restore()
        run.prepare(bar.message)

        def evaluate(limit: int | None) -> None:
            loss = run.evaluate(limit)
            if not math.isnan(loss):
                run.validation_losses.append([run.step, loss])
                log.log(run.step, validation_loss=loss)
                bar.message(f"step {run.step:,}: validation loss {loss:.4f}")

        if run.step == 0:
            evaluate(settings.evaluate_batches)
        while run.step < settings.steps and not stop.received:
            loss, norm, _ = run.train_step()
            log.log(run.step, loss=loss, gradient_norm=norm, tokens=run.tokens)
            bar.update(run.step, loss=loss)
            last = run.step == settings.steps
            if run.step % settings.evaluate_every == 0 or last:
                evaluate(None if last else settings.evaluate_batches)
                checkpointer.save(run.step)
        if stop.received and run.step not in checkpointer.steps:
            checkpointer.save(run.step)
    return stop.received


def describe(settings: Settings) -> dict:
    """The settings as plain values, for files."""
    return asdict(settings)

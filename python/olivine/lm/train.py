"""Training: one compiled step, the schedule, and the loop that evaluates, saves and stops.

`Trainer` holds what a step changes. `train` is the loop. A run that was stopped and resumed goes
through exactly the numbers of one that was not: batches, dropout and learning rate depend on seed
and step alone, and everything else is in the checkpoint.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim
from olivine.lm import checkpoint
from olivine.lm.data import BatchSampler, Corpus, validation_batches
from olivine.lm.model import GPT
from olivine.lm.settings import GPTConfig, TrainConfig
from olivine.train.precision import autocast
from olivine.train.stop import StopSignal
from olivine.utils import tree_flatten

# Batches of the evaluations along the way; the one at the end uses the whole validation part.
QUICK_EVALUATION = 20


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to try."""


def learning_rate(config: TrainConfig, total_steps: int) -> Callable[[int], mx.array]:
    """The schedule: up along a line, then down along half a cosine to a hundredth."""
    warmup = max(1, min(config.warmup, total_steps // 10))
    peak = config.learning_rate
    return optim.join_schedules(
        [
            # The first step, number 0, already learns something.
            optim.linear_schedule(peak / warmup, peak * (1 + 1 / warmup), warmup),
            optim.cosine_decay(peak, max(1, total_steps - warmup), peak / 100),
        ],
        [warmup],
    )


@dataclass
class History:
    """The losses of all steps, and of the evaluations with the steps after which they were made."""

    loss: list[float] = field(default_factory=list)
    validation_steps: list[int] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)

    def arrays(self) -> dict[str, mx.array]:
        return {
            "loss": mx.array(self.loss, dtype=mx.float32),
            "validation_steps": mx.array(self.validation_steps, dtype=mx.int32),
            "validation_loss": mx.array(self.validation_loss, dtype=mx.float32),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, mx.array]) -> History:
        return cls(**{name: value.tolist() for name, value in arrays.items()})


class Trainer:
    """Model, optimizer and data of one run, and the compiled step over them."""

    def __init__(self, model_config: GPTConfig, config: TrainConfig, corpus: Corpus):
        self.model_config = model_config
        self.config = config
        self.corpus = corpus
        self.sampler = BatchSampler(
            corpus.training, config.batch_size, model_config.context, config.seed
        )
        self.history = History()

        mx.random.seed(config.seed)
        self.model = GPT(model_config)
        self.optimizer = optim.AdamW(
            config.learning_rate,
            betas=[0.9, config.beta2],
            weight_decay=config.weight_decay,
            bias_correction=True,
        )
        self.optimizer.init(self.model.trainable_parameters())
        mx.eval(self.model.state, self.optimizer.state)
        self.compile()

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return self.sampler.step

    def compile(self) -> None:
        model, optimizer, clip = self.model, self.optimizer, self.config.clip
        forward = autocast(model) if self.config.bf16 else model

        def mean_loss(inputs, targets):
            return nn.losses.cross_entropy(forward(inputs), targets, reduction="mean")

        loss_and_grad = nn.value_and_grad(model, mean_loss)
        state = [model.state, optimizer.state, mx.random.state]

        @partial(mx.compile, inputs=state, outputs=state)
        def train_step(inputs, targets):
            loss, grads = loss_and_grad(inputs, targets)
            grads, _ = optim.clip_grad_norm(grads, clip)
            optimizer.update(model, grads)
            return loss

        self._state = state
        self._train_step = train_step
        self._mean_loss = mx.compile(mean_loss, inputs=[model.state])

    def train_step(self, rate: float | mx.array) -> float:
        """Learn from the next batch; returns its loss before the step."""
        # Fixes dropout's masks by seed and step, so the generator needs no place in a checkpoint.
        mx.random.seed((self.config.seed << 32 ^ self.step) % 2**64)
        self.model.train()
        self.optimizer.learning_rate = rate
        loss = self._train_step(*self.sampler.next())
        mx.eval(loss, self._state)
        loss = loss.item()
        if not math.isfinite(loss):
            raise TrainingError(f"the loss became {loss} at step {self.step}")
        self.history.loss.append(loss)
        return loss

    def evaluate(self, limit: int | None = None) -> float:
        """The mean loss over the validation part, or over `limit` batches of it; NaN if it is
        shorter than the context.
        """
        self.model.eval()
        batches = validation_batches(
            self.corpus.validation, self.config.batch_size, self.model_config.context, limit
        )
        losses = [self._mean_loss(*batch).item() for batch in batches]
        # Rounded as a checkpoint keeps it.
        return float(np.float32(sum(losses) / len(losses))) if losses else math.nan

    def save(self, path, **progress: Any) -> None:
        """Write a checkpoint; `progress` is added to its settings."""
        arrays = {
            "model": self.model.parameters(),
            "optimizer": self.optimizer.state,
            "history": self.history.arrays(),
        }
        settings = {
            "model": asdict(self.model_config),
            "training": asdict(self.config),
            "text": {"path": self.corpus.saved_path, "sha256": self.corpus.sha256},
            "alphabet": self.corpus.tokenizer.characters,
            "step": self.step,
            **progress,
        }
        checkpoint.save(path, arrays, settings)

    def restore(self, arrays: dict[str, Any], settings: dict[str, Any]) -> None:
        """Go on where the checkpoint with these contents was made."""
        try:
            self.model.load_weights(tree_flatten(arrays["model"]))
            self.optimizer.state = arrays["optimizer"]
            # Places in the tree that hold no arrays, as dropout's, are not in the file.
            self.optimizer.init(self.model.trainable_parameters())
            self.history = History.of_arrays(arrays["history"])
            self.sampler.step = int(settings["step"])
        except (KeyError, TypeError, ValueError) as error:
            raise checkpoint.CheckpointError(
                f"the checkpoint does not fit the model it names: {error}"
            ) from None
        self.compile()


class Budget:
    """How long a run is: so many steps, or as many as fit into so many minutes.

    `total` is the number of steps. For minutes, it and with it the schedule are estimated anew as
    the run goes. `elapsed` counts the seconds of training in earlier processes.
    """

    FIRST_GUESS = 1000
    REVISE_EVERY = 20
    RECENT = 100

    def __init__(
        self,
        steps: int | None = None,
        minutes: float | None = None,
        elapsed: float = 0.0,
        total: int = 0,
    ):
        self.minutes = minutes
        self.elapsed = elapsed
        self.total = steps if minutes is None else total
        self.start(0)

    @classmethod
    def of_settings(cls, settings: dict, steps: int | None, minutes: float | None) -> Budget:
        """That of a checkpoint, or `steps` or `minutes`, which count from the run's beginning."""
        total, elapsed = int(settings["total_steps"]), float(settings["elapsed"])
        if steps is None and minutes is None:
            steps, minutes = total, settings["minutes"]
        return cls(steps, minutes, elapsed, total)

    def start(self, step: int) -> None:
        """The clock runs from here; `step` steps were taken before."""
        if self.minutes is not None and self.total <= step:
            self.total = step + self.FIRST_GUESS
        self._begin = time.monotonic()
        self._recent: deque[float] = deque(maxlen=self.RECENT)

    def seconds(self) -> float:
        return self.elapsed + time.monotonic() - self._begin

    @property
    def seconds_per_step(self) -> float:
        """The mean over recent steps; NaN until the second one, as the first compiles."""
        count = len(self._recent) - 1
        return (self._recent[-1] - self._recent[0]) / count if count > 0 else math.nan

    def tick(self, step: int) -> bool:
        """Take account of a step; true if the number of steps was revised."""
        self._recent.append(time.monotonic())
        if self.minutes is None or step % self.REVISE_EVERY or len(self._recent) < 2:
            return False
        left = max(0.0, 60 * self.minutes - self.seconds())
        old, self.total = self.total, step + int(left / self.seconds_per_step)
        return self.total != old

    def is_spent(self, step: int) -> bool:
        if self.minutes is None:
            return step >= self.total
        return self.seconds() >= 60 * self.minutes


class Reporter(Protocol):
    """What shows a run's progress."""

    def step(
        self, step: int, total: int, loss: float, seconds_per_step: float, tokens: int
    ) -> None: ...

    def evaluation(self, step: int, loss: float, validation_loss: float) -> None: ...


def train(trainer: Trainer, budget: Budget, path, reporter: Reporter) -> str | None:
    """Train until the budget is spent; returns the name of the signal if one came first.

    A checkpoint is written after every evaluation, when stopped, and at the end.
    """
    history, config = trainer.history, trainer.config
    tokens = config.batch_size * trainer.model_config.context
    budget.start(trainer.step)
    schedule = learning_rate(config, budget.total)

    def save(finished: bool) -> None:
        trainer.save(
            path,
            finished=finished,
            total_steps=budget.total,
            minutes=budget.minutes,
            elapsed=budget.seconds(),
        )

    def is_evaluated() -> bool:
        return trainer.step == (history.validation_steps[-1] if history.validation_steps else 0)

    with StopSignal() as stop:
        while not budget.is_spent(trainer.step):
            # Before the step, so that a run stopped in between makes up for it when resumed.
            if trainer.step % config.evaluate_every == 0 and not is_evaluated():
                _evaluate(trainer, reporter, QUICK_EVALUATION)
                save(finished=False)
            loss = trainer.train_step(schedule(trainer.step))
            if budget.tick(trainer.step):
                schedule = learning_rate(config, budget.total)
            reporter.step(trainer.step, budget.total, loss, budget.seconds_per_step, tokens)
            if stop.received:
                save(finished=False)
                return stop.received
        if not is_evaluated():
            _evaluate(trainer, reporter, None)
        save(finished=True)
    return None


def _evaluate(trainer: Trainer, reporter: Reporter, limit: int | None) -> None:
    history = trainer.history
    validation_loss = trainer.evaluate(limit)
    history.validation_steps.append(trainer.step)
    history.validation_loss.append(validation_loss)
    recent = history.loss[-trainer.config.evaluate_every :]
    reporter.evaluation(trainer.step, sum(recent) / len(recent), validation_loss)

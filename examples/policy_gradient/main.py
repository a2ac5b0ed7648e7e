"""A policy that balances a pole, learnt by policy gradient (REINFORCE) from nothing but trying.

The environment is written out below: the cart and pole of Barto, Sutton and Anderson (IEEE
Transactions on Systems, Man, and Cybernetics 13, 1983), a push to the left or the right 50 times a
second, many episodes side by side. The gradient is that of Williams (Machine Learning 8, 1992): the
log-probability of each push, weighted with what came after it beyond what usually comes.
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
import olivine.optimizers as optim

FOLDER = Path(__file__).parent
GRAVITY, CART, POLE, HALF_LENGTH, PUSH, TICK = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
MOST_X, MOST_ANGLE = 2.4, 12 * math.pi / 180


def start(episodes):
    """Positions, speeds, angles and angular speeds near rest: (episodes, 4)."""
    return mx.random.uniform(-0.05, 0.05, (episodes, 4))


def move(state, push_right):
    """The state a tick later, and whether the pole still stands and the cart is on its track."""
    x, speed, angle, turning = (state[:, i] for i in range(4))
    force = mx.where(push_right, PUSH, -PUSH)
    sine, cosine = mx.sin(angle), mx.cos(angle)
    mass = CART + POLE
    pull = (force + POLE * HALF_LENGTH * turning**2 * sine) / mass
    angular = (GRAVITY * sine - cosine * pull) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / mass))
    linear = pull - POLE * HALF_LENGTH * angular * cosine / mass
    change = mx.stack([speed, linear, turning, angular], axis=-1)
    state = state + TICK * change
    return state, (mx.abs(state[:, 0]) < MOST_X) & (mx.abs(state[:, 2]) < MOST_ANGLE)


class Policy(nn.Module):
    """The logit of a push to the right."""

    def __init__(self, width=32):
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.out = nn.Linear(width, 1)

    def __call__(self, state):
        scaled = state / mx.array([MOST_X, 2.0, MOST_ANGLE, 2.0])
        return self.out(mx.tanh(self.hidden(scaled)))[..., 0]


def play(policy, episodes, ticks):
    """States (ticks, episodes, 4), pushes and who was still up before each: (ticks, episodes)."""

    @partial(mx.compile, inputs=[policy.state, mx.random.state], outputs=[mx.random.state])
    def tick(state, up):
        right = mx.random.bernoulli(mx.sigmoid(policy(state)))
        after, stands = move(state, right)
        return after, right, up & stands

    state, up = start(episodes), mx.ones((episodes,), mx.bool_)
    states, pushes, ups = [], [], []
    for _ in range(ticks):
        states.append(state)
        ups.append(up)
        state, right, up = tick(state, up)
        pushes.append(right)
    return mx.stack(states), mx.stack(pushes), mx.stack(ups).astype(mx.float32)


def loss(policy, states, pushes, up, advantage):
    logits = policy(states)
    chosen = nn.losses.binary_cross_entropy(
        logits, pushes.astype(mx.float32), with_logits=True, reduction="none"
    )
    return mx.sum(chosen * advantage * up) / mx.sum(up)


def train(rounds, episodes, ticks, seed, report):
    """The policy, and the mean number of ticks per episode in each round."""
    mx.random.seed(seed)
    policy = Policy()
    optimizer = optim.Adam(0.01)
    loss_and_gradient = nn.value_and_grad(policy, partial(loss, policy))
    lengths = []
    for number in range(rounds):
        states, pushes, up = play(policy, episodes, ticks)
        to_come = mx.cumsum(up, axis=0, reverse=True)
        # What usually comes: the mean over the episodes that are up at the same tick.
        usual = mx.sum(to_come * up, axis=1) / mx.maximum(mx.sum(up, axis=1), 1)
        advantage = (to_come - usual[:, None]) * up
        advantage = advantage / (mx.sqrt(mx.sum(advantage**2) / mx.sum(up)) + 1e-6)
        _, gradient = loss_and_gradient(states, pushes, up, advantage)
        optimizer.update(policy, gradient)
        mean = mx.mean(mx.sum(up, axis=0))
        mx.eval(policy.state, optimizer.state, mean)
        lengths.append(mean.item())
        report(number + 1, lengths[-1])
    return policy, lengths


def draw(path, lengths, states, ticks):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(lengths, color="#5b7f2b", linewidth=2)
    left.axhline(ticks, color="#c9d6b8")
    left.set_xlabel("round")
    left.set_ylabel("ticks that the pole stood")
    right.plot(np.degrees(states[:, :8, 2]), color="#c1440e", linewidth=0.7, alpha=0.7)
    right.axhspan(-12, 12, color="#f3f5ee", zorder=0)
    right.set_xlabel("tick")
    right.set_ylabel("angle after training, degrees")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def run(rounds=60, episodes=64, ticks=500, picture=None, seed=0, report=lambda n, mean: None):
    """Trains; returns the mean ticks of the first round and of 256 fresh episodes at the end."""
    policy, lengths = train(rounds, episodes, ticks, seed, report)
    states, _, up = play(policy, 256, ticks)
    if picture:
        draw(picture, lengths, np.array(states), ticks)
    standing = np.array(up).sum(0)
    return {
        "ticks, first round": lengths[0],
        "ticks, after training": float(standing.mean()),
        "episodes that never fell": float((standing == ticks).mean()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help="updates of the policy (default 60)")
    parser.add_argument("--episodes", type=int, default=64, help="per round (default 64)")
    parser.add_argument("--ticks", type=int, default=500, help="longest episode (default 500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=FOLDER / "result.png", help="PNG to write")
    options = parser.parse_args()

    def report(number, mean):
        print(
            f"\rround {number:4} of {options.rounds}  stood for {mean:6.1f} ticks",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    result = run(
        options.rounds, options.episodes, options.ticks, options.picture, options.seed, report
    )
    print(file=sys.stderr)
    for name, value in result.items():
        print(f"{name:26} {value:8.2f}")
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()

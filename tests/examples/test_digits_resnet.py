"""The residual network: a short run learns; a block without change of size only adds."""

import pytest

import olivine.core as mx
from tests.support import load_example


def test_both_networks_learn(tmp_path):
    pytest.importorskip("matplotlib")
    told = []
    result = load_example("digits_resnet").run(
        epochs=3, blocks=1, picture=tmp_path / "result.png", report=lambda *it: told.append(it)
    )
    assert result["with shortcuts"] > 0.85
    assert [name for name, _, _ in told] == ["with shortcuts"] * 3 + ["without"] * 3
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_a_block_that_makes_nothing_returns_its_input():
    block = load_example("digits_resnet").Block(4, 4, 1, True)
    block.second.weight = mx.zeros_like(block.second.weight)
    x = mx.random.normal((2, 8, 8, 4))
    assert mx.array_equal(block(x), x)

"""Module: state, trees of parameters and sub-modules, freezing, files, representation."""

import copy
import pickle

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten, tree_unflatten


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.name = "model"
        self.scale = mx.array([2.0])
        self._buffer = mx.array([3.0])
        self.first = nn.Linear(2, 3)
        self.rest = [nn.Linear(3, 3), nn.Dropout(0.1), {"norm": nn.LayerNorm(3)}]

    def __call__(self, x):
        x = self.scale * self.first(x)
        return self.rest[2]["norm"](self.rest[1](self.rest[0](x)))


NAMES = {
    "scale",
    "first.weight",
    "first.bias",
    "rest.0.weight",
    "rest.0.bias",
    "rest.2.norm.weight",
    "rest.2.norm.bias",
}


def names(tree):
    return {name for name, _ in tree_flatten(tree)}


def equal(a, b):
    return np.array_equal(np.array(a), np.array(b))


def test_parameters_are_the_arrays_without_underscore():
    model = Model()
    assert names(model.parameters()) == NAMES
    assert "_buffer" in model.state and model.state is model


def test_plain_values_are_attributes_and_no_state():
    model = Model()
    assert model.name == "model" and "name" not in model
    model.name = mx.array(1.0)  # becomes state
    assert "name" in model and "name" not in model.__dict__
    model.name = "model"  # and an attribute again
    assert "name" not in model and model.name == "model"


def test_attributes_can_be_deleted_and_missing_ones_raise():
    model = Model()
    del model.scale
    del model.name
    for name in ("scale", "name", "never"):
        with pytest.raises(AttributeError, match=name):
            getattr(model, name)


def test_children_leaves_and_modules_are_found_in_lists_and_dictionaries():
    model = Model()
    children = tree_flatten(model.children(), is_leaf=nn.Module.is_module)
    assert [name for name, _ in children] == ["first", "rest.0", "rest.1", "rest.2.norm"]
    found = dict(model.named_modules())
    assert list(found) == ["", "rest.2.norm", "rest.1", "rest.0", "first"]  # MLX's order
    assert found[""] is model and found["rest.1"] is model.rest[1]
    assert len(model.modules()) == 5
    outer = nn.Sequential(model, nn.Identity())
    leaves = dict(tree_flatten(outer.leaf_modules(), is_leaf=nn.Module.is_module))
    assert set(leaves) == {
        "layers.0.first",
        "layers.0.rest.0",
        "layers.0.rest.1",
        "layers.0.rest.2.norm",
        "layers.1",
    }


def test_update_replaces_what_the_tree_names():
    model = Model()
    bias = model.first.bias
    assert model.update({"first": {"weight": mx.zeros((3, 2))}, "rest": [{}, {}]}) is model
    assert equal(model.first.weight, np.zeros((3, 2)))
    assert equal(model.first.bias, bias)


@pytest.mark.parametrize(
    "tree",
    [
        {"second": mx.zeros(1)},
        {"first": {"other": mx.zeros(1)}},
        {"rest": [{}, {}, {}, {"weight": mx.zeros(1)}]},
        {"first": {"weight": 3.0}},
        {"first": {"weight": {}}},
        {"rest": [3]},
        {"rest": {"0": {}}},
    ],
)
def test_strict_update_refuses_what_does_not_fit(tree):
    with pytest.raises(ValueError, match=r"\[Module.update\] expected"):
        Model().update(tree)


def test_lenient_update_ignores_names_it_lacks():
    model = Model()
    model.update({"second": mx.zeros(1), "scale": mx.array([5.0])}, strict=False)
    assert model.scale.item() == 5.0 and "second" not in model


def test_update_modules_replaces_and_refuses():
    model = Model()
    model.update_modules({"rest": [{}, nn.Identity()]})
    assert isinstance(model.rest[1], nn.Identity) and isinstance(model.rest[0], nn.Linear)
    for tree in ({"other": nn.Identity()}, {"scale": nn.Identity()}, {"rest": [3]}):
        with pytest.raises(ValueError, match=r"\[Module.update_modules\] expected"):
            model.update_modules(tree)


def test_apply_maps_parameters_and_filters():
    model = Model()
    model.apply(lambda p: p * 0)
    assert all(not np.array(p).any() for _, p in tree_flatten(model.parameters()))
    model.apply(lambda p: p + 1, lambda m, k, v: k == "scale")
    assert model.scale.item() == 1.0 and not np.array(model.first.bias).any()


def test_apply_to_modules_names_each_module():
    seen = []
    Model().apply_to_modules(lambda name, module: seen.append((name, type(module).__name__)))
    assert seen[0] == ("", "Model") and ("rest.2.norm", "LayerNorm") in seen


def test_filter_and_map_complains_about_a_leaf_it_cannot_enter():
    with pytest.raises(RuntimeError, match="filter_and_map"):
        Model().filter_and_map(nn.Module.valid_parameter_filter, is_leaf_fn=lambda m, k, v: False)


def test_freeze_takes_parameters_out_of_training():
    model = Model()
    model.freeze()
    assert names(model.trainable_parameters()) == set()
    model.unfreeze(keys="bias")
    assert names(model.trainable_parameters()) == {n for n in NAMES if n.endswith("bias")}
    model.unfreeze()
    assert names(model.trainable_parameters()) == NAMES
    model.freeze(recurse=False)
    assert names(model.trainable_parameters()) == NAMES - {"scale"}
    model.unfreeze(recurse=False)
    model.freeze(keys=["weight", "scale"])
    assert names(model.trainable_parameters()) == {n for n in NAMES if n.endswith("bias")}


@pytest.mark.parametrize("change", ["freeze", "unfreeze"])
def test_freeze_with_strict_wants_each_key_in_some_module(change):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    getattr(model, change)(keys=["bias", "weight"], strict=True)
    with pytest.raises(KeyError, match="or a module below it; got 'nothing'"):
        getattr(model, change)(keys=["bias", "nothing"], strict=True)
    with pytest.raises(KeyError, match="expected a parameter of Sequential; got 'bias'"):
        getattr(model, change)(keys="bias", strict=True, recurse=False)
    getattr(model, change)(keys="nothing")
    expected = set() if change == "freeze" else {"layers.0.bias"}
    trainable = names(model.trainable_parameters())
    assert trainable == expected | ({"layers.0.weight", "layers.1.weight"} if expected else set())


def test_train_and_eval_reach_every_module():
    model = Model()
    assert model.training
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.train()
    assert all(module.training for module in model.modules())


def test_set_dtype_casts_floating_parameters():
    model = Model()
    model.count = mx.array([1, 2])
    model.set_dtype(mx.float16)
    kinds = {name: p.dtype for name, p in tree_flatten(model.parameters())}
    assert kinds.pop("count") == mx.int32
    assert set(kinds) == NAMES and all(kind == mx.float16 for kind in kinds.values())
    model.set_dtype(mx.float32, predicate=None)
    assert model.count.dtype == mx.float32


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_weights_survive_a_file(tmp_path, suffix):
    file = tmp_path / f"weights.{suffix}"
    saved, loaded = Model(), Model()
    saved.save_weights(str(file))
    loaded.load_weights(str(file))
    theirs = dict(tree_flatten(saved.parameters()))
    for name, value in tree_flatten(loaded.parameters()):
        assert equal(value, theirs[name])


def test_save_weights_wants_a_known_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"\[Module.save_weights\] expected"):
        Model().save_weights(str(tmp_path / "weights.txt"))


def test_strict_load_wants_names_and_shapes_to_match():
    model = nn.Linear(2, 3)
    good = [("weight", mx.zeros((3, 2))), ("bias", mx.zeros(3))]
    model.load_weights(good)
    for bad, message in [
        (good[:1], "missing names: bias"),
        ([*good, ("more", mx.zeros(1))], "the model lacks: more"),
        ([good[0], ("bias", mx.zeros(2))], "shape"),
        ([good[0], ("bias", 1.0)], "array for bias"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.load_weights(bad)
    model.load_weights([("bias", mx.ones(3)), ("more", mx.zeros(1))], strict=False)
    assert equal(model.bias, np.ones(3))


def test_modules_can_be_copied_and_pickled():
    model = Model()
    model.freeze(keys="bias")
    x = mx.array([[1.0, -2.0]])
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert names(twin.trainable_parameters()) == names(model.trainable_parameters())
        twin.eval(), model.eval()
        assert equal(twin(x), model(x))
        twin.first.weight = twin.first.weight * 0
        assert np.array(model.first.weight).any()


def test_repr_shows_the_tree_of_modules():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))) == (
        "Sequential(\n"
        "  (layers.0): Linear(input_dims=2, output_dims=3, bias=True)\n"
        "  (layers.1): Sequential(\n"
        "    (layers.0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_value_and_grad_differentiates_trainable_parameters():
    layer = nn.Linear(2, 1)
    layer.load_weights([("weight", mx.array([[1.0, 2.0]])), ("bias", mx.array([0.5]))])
    x = mx.array([[3.0, 4.0]])

    def loss(x, power):
        y = layer(x).sum()
        return y**power, y

    (value, y), grads = nn.value_and_grad(layer, loss)(x, power=2)
    assert value.item() == 11.5**2 and y.item() == 11.5
    assert np.allclose(np.array(grads["weight"]), 2 * 11.5 * np.array([[3.0, 4.0]]))
    assert np.allclose(np.array(grads["bias"]), 2 * 11.5)

    layer.freeze(keys="bias")
    _, grads = nn.value_and_grad(layer, lambda x: layer(x).sum())(x)
    assert names(grads) == {"weight"}


def test_value_and_grad_leaves_the_model_as_it_was():
    layer = nn.Linear(2, 2)
    weight = layer.weight
    nn.value_and_grad(layer, lambda x: layer(x).sum())(mx.ones((1, 2)))
    assert layer.weight is weight

    def fail(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        nn.value_and_grad(layer, fail)(mx.ones((1, 2)))
    assert layer.weight is weight


def test_checkpointed_module_has_the_same_gradient():
    layer = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2))
    x = mx.random.normal((5, 3))
    checkpointed = nn.utils.checkpoint(layer)
    value, grads = nn.value_and_grad(layer, lambda x: mx.square(layer(x)).sum())(x)
    again, others = nn.value_and_grad(layer, lambda x: mx.square(checkpointed(x)).sum())(x)
    assert np.allclose(value.item(), again.item(), rtol=1e-6)
    for (name, a), (other, b) in zip(tree_flatten(grads), tree_flatten(others), strict=True):
        assert name == other
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-5, atol=1e-6)


def test_update_modules_skips_what_a_tree_leaves_out():
    model = nn.Sequential(nn.Linear(2, 3), nn.relu, nn.Linear(3, 1))
    new = nn.Linear(3, 4)
    model.update_modules(tree_unflatten([("layers.2", new)]))
    assert model.layers[2] is new and model.layers[1] is nn.relu

"""Misspelt names and keyword arguments are answered with what may be meant."""

import pytest

import olivine.core as mx


@pytest.mark.parametrize(
    ("module", "wrong", "right"),
    [
        (mx, "sofmax", "softmax"),
        (mx, "Softmax", "softmax"),
        (mx, "concatentae", "concatenate"),
        (mx, "unsqueeze", "expand_dims"),
        (mx, "float", "float32"),
        (mx.random, "nromal", "normal"),
        (mx.fast, "rmsnorm", "rms_norm"),
    ],
)
def test_misspelt_functions(module, wrong, right):
    with pytest.raises(AttributeError, match=f"'{wrong}'; did you mean '{right}'?"):
        getattr(module, wrong)


def test_names_of_nothing_get_no_suggestion():
    with pytest.raises(AttributeError) as error:
        mx.zzzzzzzz  # noqa: B018
    assert "did you mean" not in str(error.value)
    assert not hasattr(mx, "__path__")


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda x: mx.sum(x, dim=0), "axis"),
        (lambda x: x.sum(axs=0), "axis"),
        (lambda x: mx.mean(x, keepdim=True), "keepdims"),
        (lambda x: mx.random.normal(shpae=(2,)), "shape"),
        (lambda x: mx.softmax(x, axis=0, precice=True), "precise"),
        (lambda x: mx.transpose(x, axis=(0,)), "axes"),
    ],
)
def test_misspelt_keyword_arguments(call, right):
    with pytest.raises(TypeError, match=f"did you mean '{right}'?"):
        call(mx.ones(3))


def test_misspelt_methods_are_found_by_python():
    with pytest.raises(AttributeError) as error:
        mx.ones(3).reshpae(3)
    assert error.value.name == "reshpae" and isinstance(error.value.obj, mx.array)

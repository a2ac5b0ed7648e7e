"""CLIP and SigLIP as helpers: vectors, cosines and probabilities of labels for image files."""

import json

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.formats.checkpoint import ModelError
from olivine.vision import Matcher
from olivine.vision.matching import AT_ONCE
from tests.vision.fixtures.cases import SHAPES, image
from tests.vision.folders import write, write_pair

pytest.importorskip("PIL")
PICTURES = [image(shape) for shape in SHAPES]
LABELS = ["cat", "dog", "castle"]


@pytest.fixture(scope="module", params=["clip", "siglip"])
def matcher(request, tmp_path_factory):
    return Matcher.load(write_pair(request.param, tmp_path_factory.mktemp(request.param)))


def scores(matcher):
    """Of the model itself, which tests/image/models.py compares with transformers."""
    tokens = mx.array(matcher.tokenizer([f"a photo of a {label}" for label in LABELS]))
    return np.array(matcher.model(tokens, matcher.images(PICTURES)))


def test_probabilities_follow_from_the_models_scores(matcher):
    found = np.array(matcher.probabilities(PICTURES, LABELS))
    if matcher.model.__module__.endswith("siglip"):
        expected = 1 / (1 + np.exp(-scores(matcher)))
    else:
        shifted = np.exp(scores(matcher) - scores(matcher).max(axis=1, keepdims=True))
        expected = shifted / shifted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_labels_come_with_the_likeliest_first(matcher):
    rows = matcher.classify(PICTURES[0], LABELS)
    assert len(rows) == 1 and {label for label, _ in rows[0]} == set(LABELS)
    values = [value for _, value in rows[0]]
    assert values == sorted(values, reverse=True)
    expected = np.array(matcher.probabilities(PICTURES[0], LABELS))[0]
    np.testing.assert_allclose(sorted(values), np.sort(expected))


def test_cosines_are_those_of_the_vectors(matcher, tmp_path):
    import PIL.Image

    PIL.Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    texts, images = matcher.embed_texts(LABELS), matcher.embed_images([tmp_path / "a.png"])
    np.testing.assert_allclose(mx.linalg.norm(texts, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        matcher.similarity(PICTURES[0], LABELS), np.array(images) @ np.array(texts).T, atol=1e-5
    )
    assert matcher.embed_texts("cat").shape == (1, texts.shape[1])


def test_many_go_through_in_parts(matcher):
    many = matcher.embed_images([PICTURES[i % 3] for i in range(AT_ONCE + 2)])
    np.testing.assert_allclose(
        many[AT_ONCE], matcher.embed_images(PICTURES[AT_ONCE % 3])[0], atol=1e-6
    )


def test_mistakes_are_told(matcher):
    with pytest.raises(ValueError, match="a list of labels; got 'cat'"):
        matcher.probabilities(PICTURES, "cat")
    with pytest.raises(ValueError, match=r"a template with one \{\}"):
        matcher.probabilities(PICTURES, LABELS, "a photo")
    with pytest.raises(ValueError, match="expected texts; got none"):
        matcher.embed_texts([])
    with pytest.raises(ValueError, match="expected images; got none"):
        matcher.embed_images([])
    with pytest.raises(ValueError, match="there is no file"):
        matcher.embed_images("no-such.png")


def test_folders_of_other_models_are_refused(tmp_path):
    folder = write_pair("clip", tmp_path / "clip")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}))
    with pytest.raises(ModelError, match="got 'BertModel'"):
        Matcher.load(folder)
    with pytest.raises(ModelError, match="got 'LlavaForConditionalGeneration'"):
        Matcher.load(write("llava", tmp_path / "llava"))

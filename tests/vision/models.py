"""Models that see beside transformers: features, logits, greedy tokens from the same small weights.

fixtures/make_models.py made the expected values.
"""

import json

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine import vision
from olivine.llm.cache import PromptCache, make_cache
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.models import build
from olivine.vision.generation import Seeing, read
from tests.vision.fixtures.cases import CASES, CHAT, PROMPTS, ROWS, SHAPES, STEP, image
from tests.vision.folders import FIXTURES, MADE, write

pytest.importorskip("PIL")
pytest.importorskip("tokenizers", reason="the extra 'llm' is not installed")
pytest.importorskip("jinja2", reason="the extra 'llm' is not installed")
EXPECTED = np.load(FIXTURES / "models.npz")
PICTURES = [image(shape) for shape in SHAPES]
LIMIT = 1e-5  # relative to the largest value, in float32


@pytest.fixture(scope="module", params=CASES)
def loaded(request, tmp_path_factory):
    folder = write(request.param, tmp_path_factory.mktemp("vision") / request.param)
    return request.param, *vision.load(folder)


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return vision.load(write("llava", tmp_path_factory.mktemp("llava")))


def distance(got, expected) -> float:
    got, expected = np.array(got), np.array(expected)
    assert got.shape == expected.shape
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def given(prompt):
    return PICTURES[: prompt.count("<image>")]


# Beside transformers


def test_features_of_images_equal_those_of_transformers(loaded):
    case, model, processor = loaded
    pixels = processor.pixels(PICTURES)
    if f"{case}.pixels" in EXPECTED:
        np.testing.assert_allclose(pixels[:, ::ROWS], EXPECTED[f"{case}.pixels"], atol=2e-6)
    found = model.embed_images(pixels)
    expected = EXPECTED[f"{case}.features"]
    assert distance(found.reshape(expected.shape), expected) < LIMIT


@pytest.mark.parametrize("i", range(len(PROMPTS)))
def test_ids_logits_and_greedy_tokens_equal_those_of_transformers(loaded, i):
    case, model, processor = loaded
    found = read(model, processor, PROMPTS[i], given(PROMPTS[i]), raw=True)
    assert found.ids == EXPECTED[f"{case}.ids.{i}"].tolist()
    logits = found.model(mx.array([found.ids]))[0]
    assert distance(logits[::-1][::STEP], EXPECTED[f"{case}.logits.{i}"]) < LIMIT
    records = vision.stream_generate(
        model, processor, PROMPTS[i], given(PROMPTS[i]), raw=True, max_tokens=12
    )
    assert [record.token for record in records] == EXPECTED[f"{case}.tokens.{i}"].tolist()


def test_a_chat_is_laid_out_as_by_transformers(loaded):
    case, _, processor = loaded
    expected = EXPECTED[f"{case}.chat"].tolist()
    pictures = [processor.picture(image) for image in PICTURES[:2]]
    assert processor.encode(processor.layout(CHAT, 2), pictures) == expected
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": CHAT}]
    messages = [{"role": "user", "content": content}]
    assert processor.encode(processor.layout(messages, 2), pictures) == expected


def test_every_parameter_that_is_used_has_a_gradient(llava):
    model, processor = llava
    found = read(model, processor, PROMPTS[0], given(PROMPTS[0]), raw=True)
    pixels = processor.pixels(PICTURES[0])

    def loss(model):
        embeddings = model.embed_images(pixels)[0]
        return Seeing(model, found.ids, embeddings)(mx.array([found.ids])).square().mean()

    _, gradients = nn.value_and_grad(model, loss)(model)
    for part in ("linear_1", "linear_2"):
        assert np.abs(np.array(gradients["multi_modal_projector"][part]["weight"])).max() > 0
    tower = gradients["vision_tower"]["vision_model"]["embeddings"]["patch_embedding"]["weight"]
    assert np.isfinite(np.array(tower)).all() and np.abs(np.array(tower)).max() > 0


# Images in tiles


@pytest.fixture(scope="module")
def idefics(tmp_path_factory):
    return vision.load(write("idefics3", tmp_path_factory.mktemp("idefics")))


def test_tokens_say_where_tiles_were(idefics):
    _, processor = idefics
    seen, around = "<image>" * 4, "<fake_token_around_image>"
    assert processor.picture(image((20, 40, 3))).text == (
        f"{around}<row_1_col_1>{seen}{around}<row_1_col_2>{seen}\n"
        f"\n{around}<global-img>{seen}{around}"
    )


def test_many_prompts_with_other_numbers_of_tiles_run_together(idefics):
    pictures = [image((20, 40, 3)), image((40, 40, 3))]
    alone = [vision.generate(*idefics, "What?", one, max_tokens=8) for one in pictures]
    made = vision.batch_generate(*idefics, ["What?"] * 2, pictures, max_tokens=8)
    assert [result.text for result in made] == alone


def test_tiles_that_the_context_has_no_room_for_are_refused_before_they_are_seen(idefics):
    with pytest.raises(ValueError, match="a prompt of at most 256 tokens"):
        vision.stream_generate(*idefics, "What?", [image((40, 40, 3))] * 9)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(scale_factor=3), "scale_factor to divide the 4 patches of a side; got 3"),
        (dict(scale_factor=0), "scale_factor to be from 1"),
        (dict(vision_config__patch_size=3), "patch_size other than 3"),
        (dict(vision_config__image_size=35), "expected"),
        (dict(text_config__model_type="bert"), "a decoder as text_config"),
    ],
)
def test_settings_of_tiles_that_make_no_model_are_refused(tmp_path, changes, message):
    changed(write("idefics3", tmp_path), "config.json", **changes)
    with pytest.raises(ModelError) as caught:
        vision.load(tmp_path)
    assert message in str(caught.value)


# Reading prompts


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_prompt_in_pieces_gives_the_same_tokens(llava, step):
    model, processor = llava
    records = vision.stream_generate(
        model, processor, PROMPTS[2], given(PROMPTS[2]), raw=True, max_tokens=12, prefill_step=step
    )
    assert [record.token for record in records] == EXPECTED["llava.tokens.2"].tolist()


def test_a_cache_goes_on_with_the_same_image(llava):
    model, processor = llava
    cache = PromptCache(make_cache(model))
    first = list(
        vision.stream_generate(
            model, processor, PROMPTS[0], PICTURES[0], raw=True, max_tokens=3, cache=cache
        )
    )
    again = list(
        vision.stream_generate(
            model, processor, PROMPTS[0], PICTURES[0], raw=True, max_tokens=3, cache=cache
        )
    )
    assert again[0].cached_tokens == again[0].prompt_tokens - 1
    assert [r.token for r in again] == [r.token for r in first]


def test_images_matter_and_their_order_does(llava):
    model, processor = llava

    def logits(images):
        found = read(model, processor, PROMPTS[1], images, raw=True)
        return np.array(found.model(mx.array([found.ids]))[0, -1])

    one, other = logits(PICTURES[:2]), logits(PICTURES[1::-1])
    assert np.abs(one - other).max() > 1e-3


def test_without_images_it_is_the_language_model(llava):
    model, processor = llava
    text = vision.generate(model, processor, "Why?", max_tokens=5)
    ids = processor.encode(processor.layout("Why?", 0))
    tokens = []
    for _ in range(5):
        logits = model.language_model(mx.array([ids + tokens]))
        tokens.append(int(mx.argmax(logits[0, -1]).item()))
    assert text == processor.tokenizer.decode(tokens)


def test_a_chat_without_images_is_laid_out_by_the_tokenizer_too(tmp_path):
    from olivine.llm import load

    _, tokenizer = load(write("llava", tmp_path))
    messages = [{"role": "user", "content": "Why?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text == "USER: Why? ASSISTANT:"


def test_many_prompts_at_once_give_what_each_gives_alone(llava):
    model, processor = llava
    prompts = ["Why?", "Which of the two is larger?", "So?"]
    images = [PICTURES[0], PICTURES[1:], []]
    alone = [
        vision.generate(model, processor, prompt, own, max_tokens=9)
        for prompt, own in zip(prompts, images, strict=True)
    ]
    seen = []
    made = vision.batch_generate(
        model, processor, prompts, images, max_tokens=9, max_rows=2,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert [result.text for result in made] == alone
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_images_come_as_files_arrays_and_from_pillow(llava, tmp_path):
    import PIL.Image

    model, processor = llava
    PIL.Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    expected = np.array(processor.pixels(PICTURES[0]))
    for one in (tmp_path / "a.png", str(tmp_path / "a.png"), PIL.Image.fromarray(PICTURES[0])):
        np.testing.assert_array_equal(processor.pixels(one), expected)
    grey = PICTURES[0][..., 0]
    three = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(processor.pixels(grey), processor.pixels(three))
    np.testing.assert_array_equal(
        processor.pixels(np.stack([PICTURES[0]] * 2)), np.concatenate([expected] * 2)
    )


def test_a_prompt_says_where_its_images_stand(llava):
    _, processor = llava
    assert processor.layout("Is <image> it?", 1) == "USER: Is <image> it? ASSISTANT:"
    assert (
        processor.layout("Is it?", 1, "Be brief.") == "Be brief. USER: <image>\nIs it? ASSISTANT:"
    )


def test_without_a_template_images_precede_the_prompt(tmp_path):
    (write("llava", tmp_path) / "chat_template.jinja").unlink()
    _, processor = vision.load(tmp_path)
    assert processor.layout("Is it?", 2) == "<image>\n<image>\nIs it?"
    with pytest.raises(ValueError, match="with a chat template"):
        processor.layout("Is it?", 1, "Be brief.")


# Mistakes


@pytest.mark.parametrize(
    "prompt, images, message",
    [
        ("No place.", PICTURES[:1], "'<image>' in the prompt once for each of 1 images; got it 0"),
        ("<image> <image>", PICTURES[:1], "once for each of 1 images; got it 2 times"),
        ("<image>", [], "once for each of 0 images; got it 1 times"),
        ("<image>" * 40, PICTURES[:1] * 40, "at most 28 images, each of 9 tokens in a context of"),
        ("<image>" + "a" * 300, PICTURES[:1], "a prompt of at most 256 tokens"),
        ("<image>", ["no-such.png"], "an image; there is no file no-such.png"),
        ("<image>", [PICTURES[0] / 255], "uint8 pixels"),
        ("<image>", [PICTURES[0][:0]], "uint8 pixels"),
    ],
)
def test_mistakes_are_told_at_once_and_in_one_line(llava, prompt, images, message):
    with pytest.raises(ValueError) as caught:
        vision.stream_generate(*llava, prompt, images, raw=True)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"no image at all"])
def test_a_file_that_is_no_image_is_refused(llava, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match="image"):
        vision.generate(*llava, "What?", tmp_path / "a.png")


def test_options_that_do_not_go_with_images_are_refused(llava):
    with pytest.raises(ValueError, match="expected no draft"):
        vision.stream_generate(*llava, "What?", PICTURES[0], draft=object())
    with pytest.raises(ValueError, match="images for each prompt of a list; got 2 for 1"):
        vision.batch_generate(*llava, "What?", PICTURES[:2])
    with pytest.raises(TypeError, match="a raw prompt as text"):
        vision.generate(*llava, [{"role": "user", "content": "a"}], raw=True)


# Folders


def changed(folder, name, **changes):
    config = json.loads((folder / name).read_text())
    for path, value in changes.items():
        at = config
        *parents, last = path.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    (folder / name).write_text(json.dumps(config))


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(vision_feature_layer=-9), "vision_feature_layer from -4 to 3; got [-9]"),
        (dict(vision_feature_layer=[]), "vision_feature_layer of whole numbers"),
        (dict(vision_feature_select_strategy="some"), "among default, full; got 'some'"),
        (dict(projector_hidden_act="step"), "an activation among"),
        (dict(vision_config__model_type="dino"), "a vision tower among"),
        (dict(vision_config__num_hidden_layers=10**6), "expected at most"),
        (dict(text_config__num_hidden_layers=10**6), "expected at most"),
        (dict(text_config__model_type="gpt2"), ""),
        (dict(text_config__model_type="bert"), "a decoder as text_config"),
        (dict(vision_config__patch_size=3), "patch_size other than 3"),
        (dict(vision_config__hidden_size=25), "multiple of num_attention_heads"),
        (dict(vision_config__image_size=2**24, vision_config__patch_size=1), ""),
        (dict(image_token_index=999), "a token of id 999"),
        (dict(text_config=[1]), "text_config to be dict"),
    ],
)
def test_settings_that_make_no_model_are_refused(tmp_path, changes, message):
    changed(write("llava", tmp_path), "config.json", **changes)
    with pytest.raises(ModelError) as caught:
        vision.load(tmp_path)
    assert message in str(caught.value)


def test_folders_of_other_writers_load(llava, tmp_path):
    """Of transformers 4: a preprocessor_config.json, and vision_model in the tower's names."""
    write("llava", tmp_path)
    file = tmp_path / "processor_config.json"
    settings = json.loads(file.read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings.pop("image_processor")))
    file.write_text(json.dumps(settings))
    stored = mx.load(str(tmp_path / "model.safetensors"))

    def renamed(name):
        return name.replace("vision_tower.", "vision_tower.vision_model.")

    old = {renamed(name): mx.array(np.array(value)) for name, value in stored.items()}
    (tmp_path / "model.safetensors").unlink()
    mx.save_safetensors(str(tmp_path / "model.safetensors"), old)
    model, processor = vision.load(tmp_path)
    assert vision.generate(model, processor, "a", PICTURES[0], max_tokens=6) == vision.generate(
        *llava, "a", PICTURES[0], max_tokens=6
    )
    new = {
        name.replace("language_model.model.", "model.language_model.")
        .replace("language_model.lm_head", "lm_head")
        .replace("vision_tower.", "model.vision_tower.")
        .replace("multi_modal", "model.multi_modal"): value
        for name, value in old.items()
    }
    assert model.sanitize(new).keys() == model.sanitize(old).keys()


def test_sizes_that_files_leave_out_are_the_usual_ones():
    from olivine.llm.models.llava import Config

    made = Config.from_dict({"text_config": {"model_type": "llama", "vocab_size": 32064}})
    assert made.text_config["intermediate_size"] == 11008
    assert made.text_config["vocab_size"] == 32064
    assert made.vision_config["image_size"] == 336


def test_a_folder_without_a_processor_or_of_another_size_is_refused(tmp_path):
    write("llava", tmp_path)
    changed(tmp_path, "processor_config.json", image_processor__crop_size=14)
    with pytest.raises(ModelError, match="images of 21 x 21 pixels .* makes 14 x 14"):
        vision.load(tmp_path)
    (tmp_path / "processor_config.json").unlink()
    with pytest.raises(ModelError, match="expected preprocessor_config.json"):
        vision.load(tmp_path)


def test_a_model_of_texts_alone_sees_nothing(tmp_path):
    write("llava", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())["text_config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    prefix = "language_model."
    stored = mx.load(str(tmp_path / "model.safetensors"))
    own = {
        name.removeprefix(prefix): mx.array(np.array(value))
        for name, value in stored.items()
        if name.startswith(prefix)
    }
    (tmp_path / "model.safetensors").unlink()
    mx.save_safetensors(str(tmp_path / "model.safetensors"), own)
    with pytest.raises(ModelError, match="a model that sees"):
        vision.load(tmp_path)


@pytest.mark.parametrize("case", ["llava", "idefics3"])
def test_half_precision_stays_half(tmp_path, case):
    model, processor = vision.load(write(case, tmp_path), dtype=mx.bfloat16)
    found = model.embed_images(processor.pixels(PICTURES[0]))
    assert found.dtype == mx.bfloat16
    seen = read(model, processor, PROMPTS[0], PICTURES[:1], raw=True)
    assert seen.model(mx.array([seen.ids])).dtype == mx.bfloat16


# Packed weights


@pytest.mark.parametrize("case, bits", [("llava", 4), ("llava", 8), ("idefics3", 8)])
def test_packed_language_models_answer_about_images(tmp_path, case, bits):
    from olivine.cli import main

    folder, out = write(case, tmp_path / "full"), tmp_path / "packed"
    given = ["--out", str(out), "--bits", str(bits), "--group-size", "32"]
    assert main(["convert", str(folder), *given]) == 0
    model, processor = vision.load(out)
    assert isinstance(model.language_model.layers[0].mlp.up_proj, nn.QuantizedLinear)
    for part in model.in_full:
        assert not any("scales" in module for _, module in model[part].named_modules())
    full, _ = vision.load(folder)
    found = read(model, processor, PROMPTS[0], PICTURES[:1], raw=True)
    whole = read(full, processor, PROMPTS[0], PICTURES[:1], raw=True)
    got = np.array(found.model(mx.array([found.ids]))[0]).ravel()
    expected = np.array(whole.model(mx.array([whole.ids]))[0]).ravel()
    assert np.corrcoef(got, expected)[0, 1] > (0.999 if bits == 8 else 0.95)
    assert vision.generate(model, processor, "What?", PICTURES[0], max_tokens=4)


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_calibrated_methods_pack_the_language_model_alone(tmp_path, method):
    from olivine.cli import main

    folder, out = write("llava", tmp_path / "full"), tmp_path / "packed"
    (tmp_path / "text").write_text("some text " * 60)
    given = ["--out", str(out), "--bits", "4", "--group-size", "32", "--rows", "1"]
    given += ["--text", str(tmp_path / "text")]
    assert main(["convert", str(folder), *given, "--method", method]) == 0
    model, processor = vision.load(out)
    assert isinstance(model.layers[0].mlp.up_proj, nn.QuantizedLinear)
    assert "scales" not in model.multi_modal_projector.linear_2
    assert vision.generate(model, processor, "What?", PICTURES[0], max_tokens=4)


def test_sensitivity_is_not_measured_of_models_that_see(tmp_path, capsys):
    from olivine.cli import main

    (tmp_path / "text").write_text("some text " * 60)
    given = ["--out", str(tmp_path / "a"), "--method", "mixed", "--bits", "4", "--rows", "1"]
    given += ["--text", str(tmp_path / "text")]
    assert main(["convert", str(write("llava", tmp_path / "m")), *given]) == 2
    assert "a model of texts alone for mixed" in capsys.readouterr().err


def test_layouts_that_cannot_hold_a_model_that_sees_are_refused(tmp_path, capsys):
    from olivine.cli import main

    folder = write("llava", tmp_path / "full")
    assert main(["convert", str(folder), "--out", str(tmp_path / "a"), "--to", "hf"]) == 2
    assert "got one that sees" in capsys.readouterr().err
    assert main(["convert", str(folder), "--out", str(tmp_path / "a.gguf")]) != 0
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and "llava" in shown


def test_the_model_type_is_known():
    assert build(json.loads(MADE["llava"]["files"]["config.json"])).tokens_per_image == 9

"""Chat templates: what models' templates use, where they come from, and hostile ones."""

import json
import time

import pytest

from olivine.llm import chat_template
from olivine.llm.chat_template import ChatTemplate
from olivine.llm.formats.checkpoint import ModelError

pytest.importorskip("jinja2")

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello <b>!"}]


def render(source, messages=CHAT, **variables):
    return ChatTemplate(source).render(messages, **variables)


def test_what_templates_use():
    source = (
        "{% for m in messages %}\n  {{- '<|' + m.role + '|>' + m['content'] | trim -}}\n{% endfor %}\n"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    got = render(source, add_generation_prompt=True)
    assert got == "<|user|>Hi<|assistant|>Hello <b>!<|assistant|>"
    tools = [{"type": "function", "function": {"name": "größe", "x": "<&>'"}}]
    assert json.loads(render("{{ tools | tojson }}", tools=tools)) == tools
    assert render("{{ tools | tojson }}", tools=tools).count("\\u") == 0
    assert render("{{ tools[0] | tojson(indent=2) }}", tools=tools).count("\n") == 6
    assert (
        render("{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}x{% endfor %}")
        == "x"
    )
    assert render("{% generation %}a{% endgeneration %}b") == "ab"
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == 10
    assert render("{% set ns = namespace(n=0) %}{% set ns.n = 3 %}{{ ns.n }}") == "3"
    long = [{"role": "tool", "content": '{"n": 123456, "of": "%100000d"}'}]
    assert render("{{ messages[0].content.split('x')[0].replace('1', '2') }}", long).count("2") == 3
    assert render("{{ '{}: %s'.format(1) % 123456789 }}") == "1: 123456789"
    assert render("{{ bos_token }}{{ nothing }}", bos_token="<s>") == "<s>"


def test_a_template_says_what_it_does_not_take():
    with pytest.raises(ModelError, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")


def test_where_templates_come_from(tmp_path):
    assert ChatTemplate.from_folder(tmp_path, {}) is None
    named = [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]
    assert ChatTemplate.from_folder(tmp_path, {"chat_template": named}).source == "d"
    (tmp_path / "chat_template.json").write_text('{"chat_template": "j"}')
    assert ChatTemplate.from_folder(tmp_path, {}).source == "j"
    assert ChatTemplate.from_folder(tmp_path, {"chat_template": "c"}).source == "c"
    (tmp_path / "chat_template.jinja").write_text("f")
    assert ChatTemplate.from_folder(tmp_path, {"chat_template": "c"}).source == "f"


@pytest.mark.parametrize(
    "messages", ["Hi", {"role": "user"}, [1], [{"content": "x"}], [{"role": 3}], None]
)
def test_messages_of_another_form_are_named(messages):
    with pytest.raises(ModelError, match=r"^\[llm\] expected (a list of )?messages"):
        render("", messages)


HOSTILE = {
    "attributes": "{{ messages.__class__.__mro__ }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('true') }}",
    "filter": "{{ messages | attr('__class__') }}{{ (messages|attr('__class__'))() }}",
    "changing": "{{ messages.append(1) }}",
    "format": "{{ '{0.__class__.__mro__}'.format(messages) }}",
    "import": "{% import 'os' as os %}",
    "include": "{% include '/etc/passwd' %}",
    "repetition": "{{ 'x' * 10**12 }}",
    "list": "{{ [0] * 10**12 }}",
    "power": "{{ 10 ** (10 ** 8) }}",
    "range": "{% for i in range(10**9) %}x{% endfor %}",
    "syntax": "{% for %}",
    "depth": "{{ " + "(" * 5000 + ")" * 5000 + " }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "division": "{{ 1 / 0 }}",
    "types": "{{ messages + 1 }}",
    "undefined": "{{ a.b.c }}",
    "width of %": "{{ '%1000000000d' % 1 }}",
    "width as argument": "{{ '%*d' % (10**9, 1) }}",
    "width of format": "{{ '{:1000000000}'.format(1) }}",
    "filter of format": "{{ '%1000000000d' | format(1) }}",
    "center": "{{ 'x' | center(10**9) }}",
    "method": "{{ 'x'.ljust(10**9) }}",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_templates_are_refused(case):
    start = time.monotonic()
    try:
        got = render(HOSTILE[case])
    except ModelError as error:
        assert str(error).startswith("[llm]")
    else:
        # What the sandbox hides is undefined, and undefined is written as nothing.
        assert case in ("attributes", "filter") and got == ""
    assert time.monotonic() - start < 3


def test_size_and_time_are_limited(monkeypatch):
    with pytest.raises(ModelError, match="at most 262144 characters"):
        ChatTemplate("x" * (1 << 20))
    monkeypatch.setattr(chat_template, "MAX_SECONDS", 0.1)
    loop = "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"
    with pytest.raises(ModelError, match="within 0.1 s"):
        render(loop)
    monkeypatch.setattr(chat_template, "MAX_TEXT", 1000)
    with pytest.raises(ModelError, match="at most 1000 characters"):
        render("{% for i in range(9999) %}xxxxx{% endfor %}")

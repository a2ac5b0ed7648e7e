"""The chat page in a headless Chromium."""

import pytest

from tests.llm.server.devtools import Browser, find_chromium
from tests.llm.tiny_server import ChatTokenizer, running, tiny_model

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
chromium = find_chromium()
if chromium is None:
    pytest.skip("no Chromium is installed (Debian: chromium)", allow_module_level=True)

from olivine.llm.generation import generate  # noqa: E402

ANSWER = "(document.querySelector('article.assistant:last-of-type')?.innerText ?? '')"
ERROR = "(document.querySelector('article.error')?.innerText ?? '')"
SENT = "document.querySelector('#send').textContent"


@pytest.fixture(scope="module")
def browser():
    with Browser(chromium) as one:
        yield one


@pytest.fixture
def page(browser):
    """Opens a server's page; afterwards the console has no errors but the expected ones."""
    browser.errors.clear()

    def open_(url):
        browser.open(url)
        browser.wait("document.querySelector('#model').textContent")
        browser.run("document.querySelector('#temperature').value = 0")
        return browser

    return open_


def test_a_talk(page):
    with running(slow=0.01) as (url, _):
        browser = page(url)
        assert browser.run("document.querySelector('#model').textContent") == "tiny"
        assert browser.run("document.querySelector('#send').disabled")
        browser.run("document.querySelector('#limit').value = 40")
        browser.type("hello")
        seen = browser.wait(f"{SENT} === 'Stop' && {ANSWER}")
        browser.wait(f"{ANSWER}.includes('tokens,')")
        whole = browser.run("messages.at(-1).content")
        prompt = ChatTokenizer().apply_chat_template([{"role": "user", "content": "hello"}])
        assert whole == generate(tiny_model(), ChatTokenizer(), prompt, max_tokens=40)
        assert len(seen) < len(whole)  # it was there before the end
        assert browser.run(SENT) == "Send" and "40 tokens" in browser.run(ANSWER)
        browser.click("#text")
        browser.type("and again")
        browser.wait("messages.length === 4")
        assert browser.run("messages.map(m => m.role).join()") == "user,assistant,user,assistant"
        browser.click("#clear")
        assert browser.run("messages.length") == 0
        assert browser.wait(
            "document.querySelector('#empty') && !document.querySelector('article')"
        )
        assert browser.errors == []


def test_stop_keeps_what_came_and_frees_the_server(page):
    with running(slow=0.02) as (url, engine):
        browser = page(url)
        browser.run("document.querySelector('#limit').value = 500")
        browser.type("hello")
        browser.wait("document.querySelector('article.running')?.textContent.length > 1")
        browser.click("#send")
        browser.wait(f"{SENT} === 'Send'")
        assert browser.run("messages.at(-1).role") == "assistant"
        browser.wait("fetch('metrics').then(r => r.text()).then(t => /running 0/.test(t))")
        assert engine.metrics["cancelled"] == 1
        assert browser.run(ERROR) == "" and browser.errors == []


def test_what_the_server_refuses_is_shown(page):
    with running(keys=["secret"]) as (url, _):
        browser = page(url)
        assert "API key" in browser.run("document.querySelector('#model').textContent")
        browser.type("hello")
        assert "valid API key" in browser.wait(ERROR)
        assert browser.run("messages.length") == 0
        browser.click("#settings")
        browser.run("document.querySelector('#key').focus()")
        browser.type("secret", enter=True)
        browser.wait("document.querySelector('#model').textContent === 'tiny'")
        browser.run("document.querySelector('#limit').value = 100000")
        browser.click("#text")
        browser.type("hello")
        browser.wait("document.querySelectorAll('article.error').length === 2")
        assert "at most 512 tokens" in browser.run("document.body.innerText")
        # Chromium itself logs the refusals, and nothing else.
        assert all("status of 4" in error for error in browser.errors)


def test_text_becomes_elements_and_never_markup(page):
    with running() as (url, _):
        browser = page(url)
        source = "Two:\n\n- `a`\n- **b** <img src=x onerror=alert(1)>\n\n```py\nx < 1\n```\nend"
        browser.run(f"show('assistant', '').replaceChildren(...render({source!r}))")
        html = browser.run("document.querySelector('article').innerHTML")
        assert html == (
            "<p>Two:</p><ul><li><code>a</code></li>"
            "<li><strong>b</strong> &lt;img src=x onerror=alert(1)&gt;</li></ul>"
            "<pre><code>x &lt; 1</code></pre><p>end</p>"
        )
        assert browser.errors == []

"""Makes the pictures of the chat page, docs/chat-light.png and docs/chat-dark.png, with Chromium.

.venv/bin/python tools/server_page.py
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT)]
from server_client import Server  # noqa: E402

from tests.llm.server.devtools import Browser, find_chromium  # noqa: E402

QUESTIONS = [
    "What is the capital of France?",
    "Give me a numbered list of three things to see there.",
    "Write a Python function that adds two numbers.",
]


def main() -> None:
    path = find_chromium()
    if path is None:
        raise SystemExit("no Chromium is installed (Debian: chromium)")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with (
            Server(["--name", "SmolLM2-135M-Instruct"], log) as server,
            Browser(path, 920, 860) as page,
        ):
            page.open(f"http://127.0.0.1:{server.port}/")
            page.wait("document.querySelector('#model').textContent")
            page.run("$('temperature').value = 0; $('limit').value = 120")
            for number, question in enumerate(QUESTIONS, 1):
                page.run("$('text').focus()")
                page.type(question)
                page.wait(f"!running && messages.length === {2 * number}", 120)
            page.run("scroller.scrollTop = scroller.scrollHeight")
            for scheme in ("light", "dark"):
                page.scheme(scheme)
                page.run("new Promise(done => setTimeout(done, 500))")
                (ROOT / f"docs/chat-{scheme}.png").write_bytes(page.screenshot())


if __name__ == "__main__":
    main()

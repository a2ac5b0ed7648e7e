"""Connections that stall, bodies that stop, and the server's end, over bare sockets."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.llm.test_cli import ENVIRONMENT
from tests.llm.tiny_folder import write_model
from tests.llm.tiny_server import ChatTokenizer, Slow, tiny_model

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

from olivine.llm.server import http  # noqa: E402
from olivine.llm.server.app import make_app  # noqa: E402
from olivine.llm.server.engine import Engine  # noqa: E402
from olivine.llm.server.guard import Limits  # noqa: E402

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def request(**fields):
    body = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0, **fields}
    data = json.dumps(body).encode()
    return POST + b"Content-Length: %d\r\n\r\n" % len(data) + data


class Running:
    """The server of `olivine serve` over a tiny model, in a thread."""

    def __init__(self, slow=0.0, keys=(), **limits):
        model = Slow(tiny_model(), slow) if slow else tiny_model()
        self.engine = Engine(model, ChatTokenizer()).start()
        app = make_app(self.engine, "tiny", keys=keys, limits=Limits(max_tokens=2000, **limits))
        ready = threading.Event()
        config = http.configure(app, "127.0.0.1", 0)
        self.server = http.Server(config, self.engine, 0.3, lambda port: self._ready(port, ready))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def _ready(self, port, event):
        self.port = port
        event.set()

    def connect(self, receive_buffer=None):
        found = socket.socket()
        if receive_buffer:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        found.settimeout(10)
        found.connect(("127.0.0.1", self.port))
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


def everything(connection):
    data = b""
    while piece := connection.recv(1 << 16):
        data += piece
    return data


def test_a_body_that_stops_is_refused():
    with Running(body_seconds=0.2) as server, server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 50\r\n\r\n{")
        answer = everything(connection)
        assert b" 408 " in answer and b"within 0.2 s" in answer


def test_keys_come_before_bodies():
    with Running(keys=["secret"]) as server, server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 1000000\r\n\r\n{")
        assert b" 401 " in connection.recv(1000)


@pytest.mark.parametrize(
    "begun", [b"", b"POST /v1/chat", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_a_head_that_does_not_come_ends_the_connection(monkeypatch, begun):
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.3)
    with Running() as server, server.connect() as connection:
        connection.sendall(begun)
        if b"\r\n\r\n" in begun:
            assert b"200 OK" in connection.recv(1000)
            connection.sendall(b"GET")
        start = time.monotonic()
        try:
            everything(connection)
        except ConnectionResetError:
            pass
        assert time.monotonic() - start < 3


def test_a_client_that_does_not_read_is_left(monkeypatch):
    monkeypatch.setattr(http, "WRITE_SECONDS", 0.3)
    with Running(slow=0.001) as server, server.connect(receive_buffer=2048) as connection:
        # More than the system's buffers take.
        asked = {"stream": True, "max_tokens": 1900, "logprobs": True, "top_logprobs": 20, "n": 8}
        connection.sendall(request(**asked))
        time.sleep(0.5)
        end = time.monotonic() + 15
        while server.server.server_state.connections and time.monotonic() < end:
            time.sleep(0.01)
        assert not server.server.server_state.connections
        assert server.engine.load == (0, 0)


def test_what_is_no_http_ends_the_connection_alone(capfd):
    with Running(slow=0.01) as server:
        with server.connect() as connection:
            connection.sendall(b"\x16\x03\x01 what\r\n\r\n")
            assert b" 400 " in everything(connection)
        with server.connect() as connection:  # in the midst of an answer
            connection.sendall(request(stream=True, max_tokens=500) + b"\0\xff\r\n\r\n")
            try:
                everything(connection)
            except ConnectionResetError:
                pass
    assert "Traceback" not in capfd.readouterr().err


def test_streams_are_told_that_the_server_ends():
    with Running(slow=0.02) as server, server.connect() as stream, server.connect() as idle:
        stream.sendall(request(stream=True, max_tokens=1900))
        assert b"200 OK" in stream.recv(1000)
        while server.engine.load[0] == 0:
            time.sleep(0.01)
        server.server.should_exit = True
        data = everything(stream)
        assert b"the server is shutting down" in data and b"[DONE]" not in data
        assert everything(idle) == b""


def test_a_server_under_load_ends_in_time(tmp_path):
    """As a process: SIGTERM while many stream; all get an end, and it goes without a word."""
    write_model(tmp_path / "m")
    command = [sys.executable, "-m", "olivine", "serve", "m", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        port = int(process.stdout.readline().split()[2].rsplit(":", 1)[1])
        connections = []
        for _ in range(20):
            connections.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            connections[-1].sendall(request(stream=True, max_tokens=300, temperature=1))
        assert all(b"200 OK" in c.recv(100) for c in connections)
        process.send_signal(signal.SIGTERM)
        ends = [everything(c) for c in connections]
        assert all(b"[DONE]" in e or b"shutting down" in e for e in ends)
        for connection in connections:
            connection.close()
        _, err = process.communicate(timeout=30)
        assert err == ""
    finally:
        process.kill()

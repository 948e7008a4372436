"""Downloads that can be resumed and that are verified by SHA-256."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from seminas.errors import UserError
from seminas.storage.files import sync_folder

_CHUNK = 1 << 20
_TIMEOUT_S = 60


def fetch(url: str, path: Path, sha256: str) -> None:
    """Download ``url`` to ``path``, unless the file already exists.

    An incomplete download stays in the file ``path`` with ``.part`` added. The next call continues this download.

    Args:
        url: Address of the file.
        path: Path of the downloaded file.
        sha256: Expected SHA-256 digest, in hexadecimal.

    Raises:
        UserError: The download failed, or the file has another SHA-256 digest.
    """
    if path.exists():
        if _sha256(path) != sha256:
            raise UserError(
                f"{path}: is there, but its SHA-256 is not that of {url}: remove it to download it again"
            )
        return
    partial = path.with_name(f"{path.name}.part")
    try:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn(path.name), *columns, console=Console(stderr=True)) as progress:
            _download(url, partial, progress)
    except (OSError, urllib.error.URLError, ValueError) as error:
        kept = f", {partial.stat().st_size} bytes are kept" if partial.exists() else ""
        raise UserError(f"{path}: is not there, and {url} cannot be downloaded ({error}){kept}") from error
    if _sha256(partial) != sha256:
        partial.unlink()
        raise UserError(
            f"{url}: what came has not the SHA-256 {sha256}: it was changed on the way, and is thrown away"
        )
    partial.replace(path)
    sync_folder(path.parent)


def _download(url: str, partial: Path, progress: Progress) -> None:
    """Download ``url`` to ``partial``. Continue after the bytes that ``partial`` already has."""
    offset = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and offset:  # The partial file is complete or wrong. The digest will show this.
            return
        raise
    with response:
        if offset and response.status != 206:  # The server cannot resume, so start again.
            offset = 0
        length = response.headers.get("Content-Length")
        task = progress.add_task("", completed=offset, total=offset + int(length) if length else None)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab" if offset else "wb") as file:
            while data := response.read(_CHUNK):
                file.write(data)
                progress.advance(task, len(data))
        if length and partial.stat().st_size < offset + int(length):
            raise OSError("the connection was cut off")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

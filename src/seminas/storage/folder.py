"""A folder that one process at a time works in: what run folders and sweep folders share."""

from pathlib import Path

from seminas.storage.lock import is_held


class Folder:
    """A folder with a lock.

    Attributes:
        path: The folder, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def is_held(self) -> bool:
        """Return whether a process works in the folder; takes no lock."""
        return is_held(self.path)

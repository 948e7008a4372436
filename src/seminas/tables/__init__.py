"""Tables of evaluated architectures, for example from benchmarks."""

from pathlib import Path


def find_table(path: str) -> Path:
    """Return the file of a packed table.

    Args:
        path: Path of the file, or name of a table in the package, such as ``digits101``.
    """
    packaged = Path(__file__).parent / f"{path}.npz"
    return packaged if "/" not in path and packaged.exists() else Path(path).expanduser()

"""Reader of W&B's own files. Their records have the format of LevelDB's log."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2

from seminas.runs.points import Points

STEP = "trainer/global_step"
"""Lightning's name of the step in a row."""
_Record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]
_MAGIC, _BLOCK = 7, 1 << 15
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4


@dataclass(frozen=True)
class Logged:
    """The content of the files of a W&B run. Each process that logged to the run has its own file.

    Attributes:
        points: The metrics.
        next_step: The number of W&B's next step.
        has_ended: Whether the last process ended the run. True if no process logged to the run.
    """

    points: Points
    next_step: int
    has_ended: bool


def read_logged(folder: Path, run_id: str, but: Path) -> Logged:
    """Return the content of all files of a W&B run in a run folder, except the file in the folder ``but``."""
    points, next_step, has_ended = Points(), 0, True
    files = folder.glob(f"wandb/*run-*/run-{run_id}.wandb")
    for file in sorted(files, key=lambda file: file.parent.name.removeprefix("offline-")):
        if file.parent.name == but.name:
            continue
        has_ended = False
        for record in read_records(file):
            kind = record.WhichOneof("record_type")
            has_ended = has_ended or kind == "exit"
            if kind == "history":
                row = item_values(record.history.item)
                next_step = max(next_step, int(row.pop("_step", -1)) + 1)
                if STEP in row:
                    points.add(row, int(row[STEP]))
    return Logged(points, next_step, has_ended)


def item_values(items: Any) -> dict[str, Any]:
    """Return the values of the items of a record, such as ``record.history.item``, by name."""
    return {u.key or "/".join(u.nested_key): json.loads(u.value_json) for u in items}


def read_records(path: Path) -> Iterator[Any]:
    """Yield the records (``wandb_internal_pb2.Record``) of a file. Stop at an incomplete record."""
    data, place, part = path.read_bytes(), _MAGIC, b""
    while place + _HEADER.size <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER.size:
            place += left
            continue
        _, size, kind = _HEADER.unpack_from(data, place)
        place += _HEADER.size
        if place + size > len(data) or kind == 0:
            return
        part = data[place : place + size] if kind in (_FULL, _FIRST) else part + data[place : place + size]
        place += size
        if kind in (_FULL, _LAST):
            record: Any = _Record()
            try:
                record.ParseFromString(part)
            except DecodeError:
                return
            yield record

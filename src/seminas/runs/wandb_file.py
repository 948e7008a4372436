"""What W&B has written into its own files on disk: records in the framing of LevelDB's log."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2

from seminas.runs.points import Points
from seminas.storage.values import Config

STEP = "trainer/global_step"
"""Lightning's name for the step of a row."""
_Record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]
_MAGIC, _BLOCK = 7, 1 << 15
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4


def run_files(folder: Path, run_id: str) -> list[Path]:
    """Return the files of all processes that logged a W&B run into a run folder, oldest first."""
    found = folder.glob(f"wandb/*run-*-{run_id}/run-{run_id}.wandb")
    return sorted(found, key=lambda file: file.parent.name.removeprefix("offline-"))


def logged(folder: Path, run_id: str) -> tuple[Points, int]:
    """Return the points that the files of a W&B run hold, and the number of W&B's next step."""
    points, next_step = Points(), 0
    for file in run_files(folder, run_id):
        for record in read_records(file):
            if record.WhichOneof("record_type") == "history":
                row = history_row(record)
                next_step = max(next_step, int(row.pop("_step", -1)) + 1)
                if STEP in row:
                    points.add(row, int(row[STEP]))
    return points, next_step


def history_row(record: Any) -> Config:
    """Return the values of a row of the history, by name."""
    return {u.key or "/".join(u.nested_key): json.loads(u.value_json) for u in record.history.item}


def read_records(path: Path) -> Iterator[Any]:
    """Yield the records (``wandb_internal_pb2.Record``) of a file up to its end, or to where it is torn."""
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

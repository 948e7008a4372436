"""Whatever the files of a run folder hold, a reader returns a value, or raises one clear line."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.runs.archive import Archive
from seminas.runs.attempts import ATTEMPTS, read_attempts
from seminas.runs.csv import METRICS, read_metrics
from seminas.runs.folder import PLAN_FILE, RunFolder
from seminas.runs.logger_ids import LOGGERS, read_logger_id
from seminas.runs.recordings import FOLDER, INDEX, read_recordings
from seminas.runs.records import HISTORY, REVISIONS, Record, read_history
from seminas.runs.result_file import KINDS, read_result
from seminas.runs.results import SearchResult
from seminas.runs.wandb_file import read_records
from seminas.sweeps.folder import JOBS_FILE, SUBMITTED_FILE, SweepFolder
from seminas.training.checkpoints import read_checkpoint

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(
    [f.name for kind in (Record, SearchResult) for f in fields(kind)] + ["kind", "version"]
)
JSON = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part), max_leaves=8
)
RECORD = {"index": 0, "round": 0, "architecture": [1], "key": "1", "val_accuracy": 0.5, "cost_s": 1.0}
RESULT = {"kind": "search", "version": 2, "space": "x", "seed": 0, "wall_s": 1.0, "config": {}}
CHANGED = st.builds(
    lambda whole, changes: {**whole, **changes},
    st.sampled_from([RECORD, RESULT, {"round": 0, "val_accuracies": [0.5]}]),
    st.dictionaries(NAMES | st.just("val_accuracies"), JSON, max_size=2),
)
LINES = st.lists(st.binary(max_size=30) | st.builds(lambda value: json.dumps(value).encode(), JSON | CHANGED))
CONTENT = st.binary(max_size=80) | st.builds(b"\n".join, LINES).map(lambda data: data + b"\n")
DEEP = b"[" * 100_000
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "history": (HISTORY, read_history),
    "archive": (HISTORY, lambda folder: Archive(folder).close()),
    "revisions": (REVISIONS, read_history),
    "result": ("result.json", lambda folder: read_result(folder / "result.json")),
    "attempts": (ATTEMPTS, read_attempts),
    "loggers": (LOGGERS, lambda folder: read_logger_id(folder, "wandb", "x")),
    "plan": (PLAN_FILE, lambda folder: RunFolder(folder).plan()),
    "metrics": (METRICS, lambda folder: list(read_metrics(folder, 10))),
    "wandb": ("run.wandb", lambda folder: list(read_records(folder / "run.wandb"))),
    "checkpoint": ("last.ckpt", lambda folder: read_checkpoint(folder / "last.ckpt")),
    "recordings": (f"{FOLDER}/{INDEX}", read_recordings),
    "jobs": (JOBS_FILE, lambda folder: SweepFolder(folder).planned()),
    "submitted": (SUBMITTED_FILE, lambda folder: SweepFolder(folder).submitted()),
}


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENT)
@example(content=b"")
@example(content=DEEP)
@example(content=b'{"round": 0, "val_accuracies": 5}\n')
@example(
    content=b'{"index": "x", "round": 0, "architecture": 1, "key": "", "val_accuracy": "x", "cost_s": 1}\n'
)
@example(content=b"[1e400]\n")
def test_any_file(reader: str, tmp_path: Path, content: bytes) -> None:
    name, read = READERS[reader]
    if reader == "revisions":
        (tmp_path / HISTORY).write_text(json.dumps(RECORD) + "\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    try:
        read(tmp_path)
    except UserError as error:
        line = one_line(error)
        assert line and "\n" not in line and name in line


def test_of_what_is_read_every_field_has_its_type(tmp_path: Path) -> None:
    assert KINDS["search"] is SearchResult
    (tmp_path / HISTORY).write_text(json.dumps({**RECORD, "val_accuracy": "0.5"}) + "\n")
    with pytest.raises(UserError, match="line 1 is no record of an evaluation .value: '0.5' is no"):
        read_history(tmp_path)
    (tmp_path / ATTEMPTS).write_text('[{"started": "now", "evaluations": 0}]')
    with pytest.raises(UserError, match="is no list of a run's attempts .started: 'now' is no float"):
        read_attempts(tmp_path)

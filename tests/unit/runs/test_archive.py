import errno
import json
import os
from pathlib import Path

import pytest

from seminas.errors import UserError
from seminas.runs.archive import Archive
from seminas.runs.records import Record, read_history


def record(index: int, accuracy: float | None = 0.9) -> Record:
    return Record(index, 0, [index], f"key{index}", accuracy, 1.0, error=None if accuracy else "broken")


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for i, accuracy in enumerate([0.9, None, 0.95, 0.95]):
        archive.add(record(i, accuracy))
    assert archive.best == record(2, 0.95) and len(archive.failures) == 1
    archive.close()
    assert Archive(tmp_path).records == archive.records == read_history(tmp_path)


def test_the_history_keeps_the_order_of_the_questions(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    assert archive.add(record(2)) == [] and archive.add(record(1)) == []
    assert len(read_history(tmp_path)) == 0
    archive.close()
    # A kill at this point loses neither of the two pending records.
    archive = Archive(tmp_path)
    assert archive.expect({0: "key0", 1: "key1", 2: "key2"}) == []
    assert archive.holds(1) and archive.holds(2) and not archive.holds(0)
    assert archive.add(record(0)) == [record(0), record(1), record(2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl"]


def test_what_waits_but_is_not_asked_for_is_dropped(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add(record(1))
    archive.expect({0: "key0", 1: "another"})
    assert not archive.holds(1)


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_half_written_last_line_is_dropped(tmp_path: Path, cut: int) -> None:
    archive = Archive(tmp_path)
    archive.add(record(0))
    archive.add(record(1))
    archive.close()
    path = tmp_path / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_history(tmp_path) == [record(0)]
    archive = Archive(tmp_path)
    assert archive.records == [record(0)]
    archive.add(record(1))
    assert read_history(tmp_path) == [record(0), record(1)]


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"index": 0}\n')
    with pytest.raises(UserError, match=r"history.jsonl: line 1 "):
        Archive(tmp_path)


def test_a_full_disk_leaves_what_was_written_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    archive.add(record(0))
    write = os.write

    def half_then_full(file: int, data: bytes) -> int:
        if data[:1] == b"{":
            return write(file, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(UserError, match=r"history.jsonl: cannot be written \(No space left on device\)"):
        archive.add(record(1))
    monkeypatch.undo()
    archive.close()
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0]
    assert Archive(tmp_path).records == [record(0)]

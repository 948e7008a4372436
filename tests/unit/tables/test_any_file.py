"""Whatever an imported file holds, an import returns a table, or raises one clear line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.sequence import SequenceSpace
from seminas.tables.csv_import import import_csv
from seminas.tables.nasbench101 import import_tfrecord
from seminas.tables.table import Table, _digest, load_table, read_table
from seminas.tables.tfrecord import write_records

SPACE = SequenceSpace("own", {"depth": [2, 4], "width": [16, 32]})
ROWS = "depth,width,val\n2,16,0.5\n4,32,0.25\n"
CELLS = st.sampled_from(["2", "4", "16", "0.5", "1e400", "nan", "-1", "", '"', "\0", "x", "9" * 400, "0,5"])
SEPARATED = st.builds(
    lambda sep, rows: "\n".join(sep.join(row) for row in [["depth", "width", "val"], *rows]).encode(),
    st.sampled_from([",", ";", "\t"]),
    st.lists(st.lists(CELLS, max_size=5), max_size=4),
)


def refused_in_one_line(read: Callable[..., Any], path: Path, *arguments: Any) -> bool:
    """Return whether a reader refuses a file. The refusal is one line that names the file or an option."""
    try:
        read(path, *arguments)
    except UserError as error:
        line = one_line(error)
        assert "\n" not in line and (path.name in line or "--" in line)
        return True
    return False


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | SEPARATED | st.binary(max_size=20).map(gzip.compress))
@example(content=b"depth,width,val\n" + b'"' + b"x" * 200_000)
@example(content=b"depth,width,val\r2,16,0.5\r")
@example(content=b"depth,width,val\n2,16\x00,0.5\n")
@example(content=b"\x1f\x8b\x08")
@example(content=gzip.compress(ROWS.encode())[:-9])
def test_any_csv(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    refused_in_one_line(import_csv, path, SPACE, ["val"])


def test_the_rows_of_a_good_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(ROWS)
    assert len(import_csv(path, SPACE, ["val"])) == 2


METRICS = {"train": 0.5, "val": 0.5, "test": 0.5, "seconds": 1.0, "parameters": 5}


@st.composite
def damaged_records(draw: st.DrawFn) -> bytes:
    """Draw the data of a record that is right but for a few fields or bytes."""
    fields: list[Any] = ["key", 108, "010001000", "input,conv3x3-bn-relu,output", "AAAA"]
    for _ in range(draw(st.integers(0, 2))):
        value = (
            st.none()
            | st.integers()
            | st.floats()
            | st.text(max_size=12)
            | st.lists(st.integers(), max_size=2)
        )
        fields[draw(st.integers(0, 4))] = draw(value)
    data = json.dumps(fields).encode()
    return draw(st.sampled_from([data, data[: draw(st.integers(0, len(data)))]])) or b"["


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(damaged_records() | st.binary(max_size=30), max_size=3))
@example(records=[b'["k", Infinity, "0", "input", "AAAA"]'])
@example(records=[b'["k", 1e400, "0", "input", "AAAA"]'])
@example(records=[b"[" * 100_000])
def test_any_records(space: NASBench101, tmp_path: Path, records: list[bytes]) -> None:
    path = tmp_path / "part.tfrecord"
    write_records(records, path)
    assert refused_in_one_line(import_tfrecord, path, space)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=100))
def test_any_bytes_are_no_records(space: NASBench101, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "part.tfrecord"
    path.write_bytes(content)
    assert refused_in_one_line(import_tfrecord, path, space)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 5_000), flip=st.integers(0, 5_000), bit=st.integers(0, 7))
def test_any_damage_of_a_packed_table(
    tmp_path: Path, small_table: Path, cut: int, flip: int, bit: int
) -> None:
    data = bytearray(small_table.read_bytes())
    data[flip % len(data)] ^= 1 << bit
    for content in (bytes(data), bytes(data[:cut])):
        path = tmp_path / "table.npz"
        path.write_bytes(content)
        refused = refused_in_one_line(load_table, path, NASBench101())
        assert refused or same(read_table(path), read_table(small_table))


def same(one: Table, other: Table) -> bool:
    return np.array_equal(one.index, other.index) and one.columns.keys() == other.columns.keys()


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"columns": 5},
        {"columns": {"val": {"kind": "accuracy"}}},
        {"columns": {}, "space": 5, "fingerprint": [], "defaults": None, "origin": 7},
        {"columns": {"val": {"kind": "accuracy", "divisor": "x"}}, "space": "x", "fingerprint": "x"},
    ],
)
def test_a_packed_table_of_other_contents_is_refused(tmp_path: Path, about: dict[str, Any]) -> None:
    """Check files whose digest is right, as somebody may write them on purpose."""
    path = tmp_path / "table.npz"
    text = json.dumps({"format": "seminas-table", "version": 2, **about}).encode()
    arrays = {"about": np.frombuffer(text, np.uint8), "index": np.array([0]), "c0": np.array([[1]])}
    np.savez(path, **arrays, sha256=np.frombuffer(_digest(arrays), np.uint8))  # type: ignore[arg-type]
    assert refused_in_one_line(load_table, path, SPACE)

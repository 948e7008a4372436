"""Fixtures of the tests of studies."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.loop.studies import points_in


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with points_in(tmp_path, monkeypatch) as module:
        yield module

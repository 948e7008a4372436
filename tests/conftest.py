"""What tests share: the real benchmark data, where it is."""

from pathlib import Path

import pytest

from seminas.spaces.nasbench101 import NASBench101

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def benchmark_file(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@pytest.fixture(scope="session")
def nasbench101_sample() -> Path:
    return benchmark_file("nasbench101_sample.csv.gz")


@pytest.fixture(scope="session")
def space() -> NASBench101:
    return NASBench101()

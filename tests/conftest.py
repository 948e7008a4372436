"""Shared fixtures, such as benchmark data and configs, and a pytest marker for each kind of test."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import save_table
from support import DATA, made_up_table

# The same examples in each run: a test that fails by chance would stop a change that has nothing to do with it.
# pytest --hypothesis-profile=random draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile("same")
KINDS = ("unit", "integration", "faults")
# Tests run in parallel with small networks. More threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
# If a shell starts the tests in the background or with nohup, they ignore signals. Their child processes would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder, for commands such as pytest -m unit."""
    for item in items:
        kind = item.path.relative_to(Path(__file__).parent).parts[0]
        if kind in KINDS:
            item.add_marker(kind)


@pytest.fixture(scope="session")
def nasbench101_sample() -> Path:
    path = DATA / "nasbench101_sample.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@pytest.fixture(scope="session")
def space() -> NASBench101:
    return NASBench101()


@pytest.fixture(scope="session")
def small_table(space: NASBench101, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a table of 2,000 cells."""
    path = tmp_path_factory.mktemp("table") / "small.npz"
    save_table(made_up_table(space, 2_000), path)
    return path


@pytest.fixture(scope="session")
def configure() -> Callable[..., dict[str, Any]]:
    """Return a function that composes and checks the config of a command, as the command line does."""

    def configured(command: str, *overrides: str) -> dict[str, Any]:
        return checked(compose(command, overrides), command)

    return configured


@pytest.fixture(scope="session")
def speech_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder in which the tests of speech share a corpus."""
    return tmp_path_factory.mktemp("speech")


@pytest.fixture(scope="module")
def speech_cache(speech_folder: Path) -> Iterator[Path]:
    """Use the shared cache folder in a module."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEMINAS_CACHE", str(speech_folder))
        yield speech_folder


@pytest.fixture(scope="module")
def corpus(speech_cache: Path) -> Any:
    """Return a small corpus that espeak-ng speaks."""
    from spoken import small_corpus

    return small_corpus()

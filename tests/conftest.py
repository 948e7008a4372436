"""Fixtures: the real benchmark data where it is, a small table, configs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict
from seminas.commands.app import CONFIG_DIR

from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import save_table
from support import DATA, made_up_table


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
    """A table of 2,000 cells."""
    path = tmp_path_factory.mktemp("table") / "small.npz"
    save_table(made_up_table(space, 2_000), path)
    return path


@pytest.fixture(scope="session")
def configure() -> Callable[..., DictConfig]:
    """Compose the config of an entry point as the command line does."""

    def composed(entry: str, *overrides: str) -> DictConfig:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            config = compose(entry, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        config = config.copy()
        with open_dict(config):
            del config.hydra
        return config

    return composed

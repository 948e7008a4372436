"""Location of the configs, registration of our classes with Hydra, and composition of a config."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.basecontainer import BaseContainer

from seminas.config.fields import Settings, rule_of
from seminas.config.names import register_resolvers
from seminas.config.recipe import RecipeOfData
from seminas.config.schema import EVERY_EVALUATOR, GROUPS, SECTIONS

_PACKAGE = Path(__file__).resolve().parents[1]
CONFIG_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parents[1] / "conf"
"""Folder ``conf``. It is inside the package in a wheel, and at the top level in a checkout."""
VERSION_BASE = "1.3"
_HIDDEN = "settings"
"""Config group of the settings classes. ``--help`` does not list it."""


def register() -> None:
    """Register the settings classes with Hydra as ``/settings/…``, and the resolvers of our configs with OmegaConf."""
    store = ConfigStore.instance()
    for key, kind in SECTIONS.items():
        if "." not in key:
            store.store(group=_HIDDEN, name=key, node=_section(kind), provider="seminas")
    store.store(group=_HIDDEN, name="recipe_of_data", node=RecipeOfData, provider="seminas")
    store.store(group=_HIDDEN, name="every_evaluator", node=dict(EVERY_EVALUATOR), provider="seminas")
    for group, kinds in GROUPS.items():
        for name, kind in kinds.items():
            store.store(group=f"{_HIDDEN}/{group}", name=name, node=kind, provider="seminas")
    register_resolvers()
    OmegaConf.register_new_resolver("config_groups", config_groups, replace=True)


def _section(kind: type[Settings]) -> Any:
    """Return the config of a section. Hydra accepts further names only in mappings without the flag ``struct``."""
    section = OmegaConf.structured(kind)
    for field in fields(kind):
        if rule_of(field).any_names:
            OmegaConf.set_struct(section[field.name], False)
    return section


def config_groups(_root_: Any) -> str:
    """Return a line for each config group of ``conf`` and ``--config-dir`` with its options, for ``--help``."""
    groups: dict[str, set[str]] = {}
    sources = [Path(source.path) for source in _root_.hydra.runtime.config_sources if source.schema == "file"]
    for file in (file for source in sources for file in source.glob("*/*.yaml")):
        groups.setdefault(file.parent.name, set()).add(file.stem)
    return "\n".join(f"{name}: {', '.join(sorted(options))}" for name, options in sorted(groups.items()))


def compose(command: str, overrides: Sequence[str] = (), config_dir: Path | None = None) -> DictConfig:
    """Return the config that the command line of a command would give, without the section ``hydra``.

    This replaces Hydra's global config of the process, which the resolvers in the config need.

    Args:
        command: ``search``, ``predictor``, ``train`` or ``supernet``.
        overrides: Overrides in the form of the command line.
        config_dir: Additional folder of configs, like ``--config-dir``.
    """
    register()
    extra = [f"hydra.searchpath=[file://{config_dir.absolute()}]"] if config_dir is not None else []
    with initialize_config_dir(str(CONFIG_DIR), version_base=VERSION_BASE):
        config = hydra_compose(command, [*overrides, *extra], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    config = config.copy()
    with open_dict(config):
        del config["hydra"]
    return config


@contextmanager
def hydra_unchanged() -> Iterator[None]:
    """Restore what ``compose`` registers with Hydra and OmegaConf, so that an app of a user does not notice the block.

    These are the configs and the resolvers of the process, the version of Hydra's behavior, the name of the job, and
    the running app: Hydra composes no second config while an app runs.
    """
    Plugins.instance()  # They register their configs once in a process.
    store, version, running = ConfigStore.instance(), VersionBase.instance(), GlobalHydra.instance()
    before = _copied(store.repo), version.version_base, dict(BaseContainer._resolvers)
    app, running.hydra = running.hydra, None
    job = JobRuntime.instance()
    about_job = job.conf.copy()
    try:
        yield
    finally:
        store.repo, version.version_base, resolvers = before
        running.hydra, job.conf = app, about_job
        BaseContainer._resolvers.clear()
        BaseContainer._resolvers.update(resolvers)


def _copied(groups: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the groups of a config store with the same configs."""
    return {name: _copied(item) if isinstance(item, dict) else item for name, item in groups.items()}

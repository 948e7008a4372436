"""Names of the jobs of a sweep, and resolvers that give a job's config information about its sweep."""

import hashlib
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from seminas.errors import UserError
from seminas.storage.values import Json

SWEEP_FILE = "multirun.yaml"
"""Name of the file with the config of a sweep, in the sweep's folder."""
STUDY = "study"
"""Name of the folder of the study in the folder of a sweep of a user's Hydra app."""
LONGEST_NAME, LONGEST_TAG = 200, 64
"""Largest number of characters in the name of a folder, and in a W&B tag."""
_SWEPT = ("search.", "predictor.")
_SUBDIR = "hydra.sweep.subdir"
DEFAULT_SUBDIR = "${run_name:${hydra.job.override_dirname}}"
"""Value of ``hydra.sweep.subdir`` in ``conf/base.yaml``."""


def run_name(overrides: str) -> str:
    """Return the folder name of a job: its overrides, with ``-`` for characters that a file name cannot contain.

    A name that would be too long starts with the overrides of top-level keys, ``search`` and ``predictor``. It is cut
    off and ends with a digest of all overrides.
    """
    name = _as_file_name(overrides)
    if len(name) <= LONGEST_NAME:
        return name
    first = sorted(overrides.split(","), key=lambda o: not o.startswith(_SWEPT) and "." in o.split("=")[0])
    return f"{_as_file_name(','.join(first))[:190]}-{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"


def _as_file_name(text: str) -> str:
    return re.sub(r"[^\w.,=+-]+", "-", text).strip("-") or "run"


def num_jobs(config: DictConfig) -> int:
    """Return the number of jobs of a sweep: the number of combinations, or the number of trials of a study."""
    for key in ("n_trials", "max_queries"):
        if key in config.hydra.sweeper:
            return int(config.hydra.sweeper[key])
    return math.prod(_num_values_by_key(config).values())


def _num_values_by_key(config: Any) -> dict[str, int]:
    """Return the number of values of each key of a sweep. It is 1 for a key with the same value in all jobs."""
    # Interpolations of a job cannot be resolved here.
    hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)
    params = [f"{key}={value}" for key, value in (hydra["sweeper"].get("params") or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*params, *hydra["overrides"]["task"]])
    return {o.get_key_element(): _num_values(o) for o in overrides}


def _num_values(override: Override) -> int:
    if not override.is_sweep_override():
        return 1
    if override.is_interval_sweep():
        return sys.maxsize
    return len(list(override.sweep_string_iterator()))


def in_sweep() -> bool:
    """Return whether this process runs a job of a sweep."""
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    return hydra is not None and hydra.mode == RunMode.MULTIRUN


def side_by_side() -> bool:
    """Return whether other jobs of the sweep run at the same time. Such jobs must not draw on the same screen."""
    return in_sweep() and str(HydraConfig.get().runtime.choices.get("hydra/launcher")) != "basic"


def swept() -> list[str]:
    """Return the overrides of this job whose keys vary in its sweep. The list is empty outside a sweep."""
    if not in_sweep():
        return []
    hydra = HydraConfig.get()
    file = Path(hydra.sweep.dir) / SWEEP_FILE
    overrides = [str(o) for o in hydra.overrides.task]
    if not file.exists():  # Another sweeper than ours runs the sweep.
        return overrides
    varied = {key for key, number in _num_values_by_key(OmegaConf.load(file)).items() if number > 1}
    return [o for o in overrides if o.partition("=")[0] in varied]


def _group() -> str | None:
    return Path(HydraConfig.get().sweep.dir).name if swept() else None


def register_resolvers() -> None:
    """Register the resolvers ``${run_name:}``, ``${swept:}``, ``${sweep_job_name:}`` and ``${sweep_group:}``."""
    OmegaConf.register_new_resolver("run_name", run_name, replace=True)
    OmegaConf.register_new_resolver("swept", lambda: [o[:LONGEST_TAG] for o in swept()], replace=True)
    OmegaConf.register_new_resolver("sweep_job_name", lambda: ",".join(swept()) or None, replace=True)
    OmegaConf.register_new_resolver("sweep_group", _group, replace=True)


def quoted(text: str) -> str:
    """Return a text as a quoted value in Hydra's override grammar."""
    # In Hydra, a backslash is an escape only before a quote and at the end of the text.
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text)
    return f"'{escaped}'"


def override_value(value: Json) -> str:
    """Return a value as text in Hydra's override grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{override_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(override_value, value)) + "]"
    return quoted(str(value))


def job_names(config: Any, loader: Any, jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return the folder of each job of a sweep by ``hydra.sweep.subdir``, relative to the sweep's folder.

    Args:
        config: Config of the sweep that Hydra composed.
        loader: Hydra's config loader.
        jobs: Overrides of each job.

    Raises:
        UserError: Two jobs have the same folder.
    """
    sweep: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    form = sweep["subdir"]
    if form == DEFAULT_SUBDIR:
        parser, dirname = OverridesParser.create(), config.hydra.job.config.override_dirname
        names = [_default_name(parser, dirname, job) for job in jobs]
    else:
        names = [_composed_name(config, loader, job, number) for number, job in enumerate(jobs)]
    duplicate = next((name for name, number in Counter(names).items() if number > 1), None)
    if duplicate is not None:
        raise UserError(f"hydra.sweep.subdir={form}: gives several jobs the folder {duplicate}")
    return names


def _default_name(parser: OverridesParser, dirname: Any, job: Sequence[str]) -> str:
    """Return the folder of a job by ``DEFAULT_SUBDIR``, without composing the config of the job."""
    overrides = parser.parse_overrides([o for o in job if not o.startswith(("hydra.", "hydra/"))])
    keys = list(dirname.exclude_keys)
    return run_name(get_overrides_dirname(overrides, keys, dirname.item_sep, dirname.kv_sep))


def _composed_name(config: Any, loader: Any, job: Sequence[str], number: int) -> str:
    """Compose the config of a job, and return its folder by ``hydra.sweep.subdir``."""
    composed = loader.load_sweep_config(config, list(job))
    with open_dict(composed):
        composed.hydra.job.num, composed.hydra.job.id = number, f"job_id_for_{number}"
    return str(composed.hydra.sweep.subdir)


def pinned(job: Sequence[str], name: str) -> list[str]:
    """Return the overrides of a job with an additional override that sets its folder to ``name`` for any launcher."""
    return [*job, f"{_SUBDIR}={quoted(name)}"]


def pinned_name(job: Sequence[str]) -> str:
    """Return the folder that ``pinned`` set for a job."""
    (override,) = OverridesParser.create().parse_overrides(
        [o for o in job if o.startswith(f"{_SUBDIR}=")][-1:]
    )
    return str(override.value())

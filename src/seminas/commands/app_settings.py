"""Settings and space of a search in a user's Hydra app, checked before any job runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from seminas.config.compose import CONFIG_DIR
from seminas.config.swept import Swept, one_of, whole
from seminas.errors import UserError, config_error, first_line
from seminas.runs.metric import DIRECTIONS, Metric
from seminas.spaces.dictionary import DictionarySpace

KEY = "hydra.sweeper"
OBJECTIVE = "objective"
"""Name of a sweep's objective without ``hydra.sweeper.objectives``. Several ones are numbered from 0."""


@dataclass(frozen=True)
class SweepSettings:
    """Checked settings of the sweeper.

    Attributes:
        strategy: Name of a config in ``conf/strategy``.
        settings: Settings of the strategy that differ from its defaults.
        metrics: The objectives, one or several, in the order in which a job returns their values.
        seed: Seed of the strategy.
        max_queries: Largest number of jobs, over all processes of the sweep.
        n_jobs: Number of jobs that the launcher gets at a time.
        max_failures: The sweep ends if more jobs have failed. None means no limit.
    """

    strategy: str
    settings: dict[str, Any]
    metrics: tuple[Metric, ...]
    seed: int
    max_queries: int
    n_jobs: int
    max_failures: int | None

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> "SweepSettings":
        """Return the settings with the values of ``hydra.sweeper``.

        Raises:
            UserError: A value is not valid.
        """
        limit, settings = values["max_failures"], values["settings"]
        for key, kind, allowed in (
            ("params", Mapping, "a mapping from keys to sweeps"),
            ("space", str, "a YAML file"),
            ("settings", Mapping, "a mapping from settings of the strategy to values"),
        ):
            if not isinstance(values[key], kind | None):
                raise config_error(f"{KEY}.{key}", values[key], allowed)
        strategies = sorted(path.stem for path in (CONFIG_DIR / "strategy").glob("*.yaml"))
        return cls(
            strategy=one_of(f"{KEY}.strategy", values["strategy"], strategies),
            settings=dict(OmegaConf.to_container(OmegaConf.create(dict(settings or {})), resolve=True)),  # type: ignore[arg-type]
            metrics=_metrics(values["direction"], values["objectives"]),
            seed=whole(f"{KEY}.seed", values["seed"], 0),
            max_queries=whole(f"{KEY}.max_queries", values["max_queries"], 1),
            n_jobs=whole(f"{KEY}.n_jobs", values["n_jobs"], 1),
            max_failures=None if limit is None else whole(f"{KEY}.max_failures", limit, 0),
        )


def _metrics(direction: object, names: object) -> tuple[Metric, ...]:
    """Return the objectives of a sweep.

    Args:
        direction: A direction, or a list with the direction of each objective.
        names: Name of each objective. None numbers them.

    Raises:
        UserError: A direction or a name is not valid, or their numbers differ.
    """
    if isinstance(direction, Sequence) and not isinstance(direction, str):
        directions, shown = list(direction), f"[{', '.join(map(str, direction))}]"
        if not directions or any(one not in DIRECTIONS for one in directions):
            raise config_error(f"{KEY}.direction", shown, "maximize or minimize for each objective")
    else:
        directions = [one_of(f"{KEY}.direction", direction, DIRECTIONS)]
    number = len(directions)
    if names is None:
        names = [OBJECTIVE] if number == 1 else [f"{OBJECTIVE}_{i}" for i in range(number)]
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise config_error(f"{KEY}.objectives", names, "a list of names")
    shown = f"[{', '.join(map(str, names))}]"
    if len(names) != number or len(set(map(str, names))) != number:
        allowed = f"{number} distinct names, one for each of {KEY}.direction"
        raise config_error(f"{KEY}.objectives", shown, allowed)
    try:
        return tuple(Metric(name, one) for name, one in zip(names, directions, strict=True))
    except UserError as error:
        raise UserError(f"{KEY}.objectives={shown}: {error}") from error


def swept_space(swept: Swept, file: str | None, name: str) -> DictionarySpace:
    """Return the space of a sweep: the product of its swept overrides and of the positions in a file.

    Args:
        swept: Overrides of the sweep.
        file: YAML file with ``positions`` and, optionally, ``forbidden`` and ``constraints``. May be None.
        name: Name of the app.

    Raises:
        UserError: Nothing is swept, the file is not valid, a key has two positions, or the space has one architecture.
    """
    declared = _declared(file)
    positions = declared.get("positions", {})
    for key in positions:
        if key in swept.positions or key in swept.fixed:
            raise UserError(
                f"{KEY}.space={file}: has the position {key}, which is also an override; leave one out"
            )
    if not swept.positions and not positions:
        raise UserError(
            "hydra/sweeper=seminas: no override is swept; give one such as KEY=choice(3,5,7), KEY=range(2,7) or "
            f"KEY=interval(0.1,1), or {KEY}.space=FILE"
        )
    rules = {key: declared[key] for key in ("forbidden", "constraints") if declared.get(key) is not None}
    try:
        return DictionarySpace({**swept.positions, **positions}, **rules, name=name)
    except UserError as error:
        where = "hydra/sweeper=seminas" if file is None else f"{KEY}.space={file}"
        raise UserError(f"{where}: {error}") from error


def _declared(file: str | None) -> dict[str, Any]:
    """Return the content of a file that declares positions. Without a file, it is empty.

    Raises:
        UserError: The file cannot be read, or it declares no positions.
    """
    if file is None:
        return {}
    source = f"{KEY}.space={file}"
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror or first_line(error)})") from error
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UserError(f"{source}: is no YAML file ({first_line(error)})") from error
    if (
        not isinstance(content, dict)
        or not isinstance(content.get("positions"), dict)
        or not content["positions"]
    ):
        raise UserError(f"{source}: must have positions, a mapping from keys of the app to values")
    known = ("positions", "forbidden", "constraints", "name", "_target_")
    for key in content:
        if key not in known:
            raise UserError(f"{source}: has the key {key}, must be one of {', '.join(known[:3])}")
    return {**content, "positions": {str(key): value for key, value in content["positions"].items()}}

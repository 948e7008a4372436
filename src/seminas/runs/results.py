"""What ``result.json`` holds: one dataclass for each kind of run, one reader and one writer."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, TypedDict, get_args, get_origin, is_typeddict

from seminas.config.renamed import todays
from seminas.errors import UserError
from seminas.runs.archive import Record, read_history
from seminas.storage.files import as_json, parse_json, write_file
from seminas.storage.values import Json

VERSION = 2
"""Of the file. Version 1 is that of seminas 0.1, whose files state none."""


class Incumbent(TypedDict):
    """An evaluation that was the best so far: its place in the history, its accuracies."""

    index: int
    val_accuracy: float
    test_accuracy: float | None


class Measured(TypedDict):
    """An architecture whose validation accuracy a supernet has stated."""

    key: str
    architecture: Json
    val_accuracy: float


@dataclass(frozen=True)
class Result:
    """What all results hold.

    Attributes:
        space: Name of the space.
        seed: Of the run.
        wall_s: Seconds that the run took, in all its attempts.
        config: The run's config, resolved.
        num_resumed: How often it was gone on with after a stop.
        folder: The run folder; it is not in the file.
    """

    KIND: ClassVar[str] = ""

    space: str
    seed: int
    wall_s: float
    config: dict[str, Json]
    _: KW_ONLY
    num_resumed: int = 0
    folder: Path = field(default=Path(), compare=False)


@dataclass(frozen=True)
class SearchResult(Result):
    """The result of ``seminas-search``. Accuracies are fractions.

    Attributes:
        strategy, evaluator: Names of the options chosen.
        num_queries: Evaluations, of which ``num_failures`` failed.
        best_architecture: Of the highest validation accuracy, as its space writes it in JSON; ``best_key`` is its key.
        test_accuracy: Of the best architecture; None where it is not known.
        parameters: Trainable parameters of its network; None where it has none.
        incumbents: Each best so far.
        best_there_is: Highest validation and test accuracy of all candidates; None where they are not known.
        cost_s: Seconds that the evaluations took, in all.
    """

    KIND: ClassVar[str] = "search"

    strategy: str
    evaluator: str
    num_queries: int
    num_failures: int
    best_architecture: Json
    best_key: str
    best_val_accuracy: float
    test_accuracy: float | None
    parameters: int | None
    incumbents: list[Incumbent]
    best_there_is: dict[str, float] | None
    cost_s: float

    @property
    def history(self) -> list[Record]:
        """The evaluations of this result in order, read from the run folder."""
        return read_history(self.folder)[: self.num_queries]


@dataclass(frozen=True)
class PredictorResult(Result):
    """The result of ``seminas-predictor``.

    Attributes:
        model: Name of the predictor chosen.
        num_labeled, num_pseudo_labeled, num_ranked: N, M, and the architectures that were ranked.
        pseudo_label_ratio: M / N as asked for; a table may hold fewer.
        kendall_tau, spearman_rho: Rank correlations; None where all predictions are equal.
        top_k: ``top_K_regret`` and ``top_K_precision`` by name.
        fit_s: Seconds of the fit.
    """

    KIND: ClassVar[str] = "predictor"

    model: str
    num_labeled: int
    num_pseudo_labeled: int
    num_ranked: int
    kendall_tau: float | None
    spearman_rho: float | None
    fit_s: float
    top_k: dict[str, float]
    pseudo_label_ratio: float = 0.0


@dataclass(frozen=True)
class TrainingResult(Result):
    """The result of ``seminas-train``. Accuracies are fractions.

    Attributes:
        architecture, key: What was trained.
        epochs, steps: How long.
        val_accuracy, val_top5: Of the weights that are kept; None without validation images.
        test_accuracy, test_top5: Of the same weights; top 5 is None with five classes or fewer.
        skipped_images: Training images that could not be read.
        parameters, macs: Of the network; multiply-adds for one image.
    """

    KIND: ClassVar[str] = "training"

    architecture: Json
    key: str
    epochs: int
    steps: int
    val_accuracy: float | None
    val_top5: float | None
    test_accuracy: float
    test_top5: float | None
    skipped_images: int
    parameters: int
    macs: int


@dataclass(frozen=True)
class SupernetResult(Result):
    """The result of ``seminas-supernet``. Accuracies are fractions.

    Attributes:
        mean_val_accuracy: Of the architectures measured.
        measured: Each of them.
    """

    KIND: ClassVar[str] = "supernet"

    mean_val_accuracy: float
    measured: list[Measured]


KINDS: dict[str, type[Result]] = {
    kind.KIND: kind for kind in (SearchResult, PredictorResult, TrainingResult, SupernetResult)
}


def write_result(path: Path, result: Result) -> None:
    """Write a result, whole or not at all.

    Raises:
        UserError: It cannot be written.
    """
    values = asdict(result)
    config = values.pop("config")
    values.pop("folder")
    about = {"kind": result.KIND, "version": VERSION}
    write_file(path, as_json({**about, **values, "config": config}, indent=2))


def read_result(path: Path) -> Result | None:
    """Return the result in a file, None where there is no file.

    Raises:
        UserError: It is no result, or one of an unknown kind or version.
    """
    try:
        values = parse_json(path.read_bytes())
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        return _result(values, path)
    except FileNotFoundError:
        return None
    except KeyError as error:
        raise UserError(f"{path}: is no result (it has no {error.args[0]})") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is no result ({error})") from error


def _result(values: dict[str, Any], path: Path) -> Result:
    version = values.get("version", 1)
    if version not in (1, VERSION):
        raise UserError(
            f"{path}: is a result of version {version}, this seminas reads up to {VERSION}: update seminas"
        )
    if version == 1:
        values = _of_version_1(values)
    kind = KINDS.get(values.get("kind", ""))
    if kind is None:
        raise UserError(f"{path}: is a result of the unknown kind {values.get('kind')!r}")
    if not isinstance(values.get("config"), Mapping):
        raise ValueError("it has no config")
    values["config"] = todays(values["config"])
    arguments: dict[str, Any] = {}
    for known in fields(kind):
        if known.name == "folder":
            arguments["folder"] = path.parent
        elif known.name in values:
            arguments[known.name] = value = values[known.name]
            if not _is(value, known.type):
                raise ValueError(f"its {known.name} is {value!r}")
        elif known.default is MISSING:
            raise ValueError(f"it has no {known.name}")
    return kind(**arguments)


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value of JSON has the type that a field states."""
    if kind == Json:
        return True
    parts = get_args(kind)
    if is_typeddict(kind):
        return isinstance(value, dict) and all(
            n in value and _is(value[n], k) for n, k in kind.__annotations__.items()
        )
    if isinstance(kind, UnionType):
        return any(_is(value, part) for part in parts)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is(v, parts[0]) for v in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_is(v, parts[1]) for v in value.values())
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)


def _of_version_1(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a result of seminas 0.1 as those of today."""
    values = dict(values)
    if "kind" not in values:
        values["kind"] = "search" if "strategy" in values else "predictor"
    if values["kind"] == "predictor":
        names = [name for name in values if name.startswith("top_")]
        values["top_k"] = {name: values.pop(name) for name in names}
        model = values["config"].get("model", {})
        values["pseudo_label_ratio"] = float(model.get("pseudo_label_ratio") or 0.0)
    return values

"""Results of runs, their reader and their writer. Each kind of run has a dataclass for its ``result.json``."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from seminas.config.renamed import todays
from seminas.errors import UserError
from seminas.runs.records import Record, read_history
from seminas.storage.files import as_json, parse_json, write_file
from seminas.storage.typed import typed
from seminas.storage.values import Json

NOT_FINAL = ("interrupt", "close")
"""Ends of a search with which the same command goes on."""
VERSION = 2
"""Version of the file format. Version 1 is the format of seminas 0.1. Its files state no version."""


class Incumbent(TypedDict):
    """An evaluation with a higher validation accuracy than all evaluations before it in the history.

    Attributes:
        index: Position in the history, from 0.
        val_accuracy: Validation accuracy, a fraction.
        test_accuracy: Test accuracy, a fraction. None if it is not known.
    """

    index: int
    val_accuracy: float
    test_accuracy: float | None


class Measured(TypedDict):
    """An architecture that was measured with the weights of a supernet.

    Attributes:
        key: Name of the architecture in its space.
        architecture: Architecture in the JSON form of its space.
        val_accuracy: Validation accuracy, a fraction.
    """

    key: str
    architecture: Json
    val_accuracy: float


@dataclass(frozen=True)
class Result:
    """The fields that all results have.

    Attributes:
        space: Name of the search space.
        seed: Seed of the run.
        wall_s: Duration of all attempts of the run together, in seconds.
        config: Resolved config of the run.
        num_resumed: Number of times that the run was resumed.
        folder: Run folder. The file does not contain it.
    """

    KIND: ClassVar[str] = ""

    space: str
    seed: int
    wall_s: float
    config: dict[str, Json]
    _: KW_ONLY
    num_resumed: int = 0
    folder: Path = field(default=Path(), compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the same command does not go on with the run."""
        return True


@dataclass(frozen=True)
class SearchResult(Result):
    """The result of ``seminas-search``. Accuracies are fractions.

    Attributes:
        strategy, evaluator: Names of the strategy and the evaluator that were chosen.
        num_queries: Number of evaluations, including the failed ones.
        num_failures: Number of failed evaluations.
        best_architecture: Architecture with the highest validation accuracy, in the JSON form of its space.
        best_key: Key of the best architecture.
        best_val_accuracy: Validation accuracy of the best architecture.
        test_accuracy: Test accuracy of the best architecture. None if it is not known.
        parameters: Number of trainable parameters of the best architecture. None if it is not known.
        incumbents: Each evaluation with a higher validation accuracy than all evaluations before it, in order.
        best_there_is: Highest validation and test accuracy of all candidates, as far as they are known. None if none is
            known.
        cost_s: Cost of all evaluations together, in seconds.
        num_workers: Number of evaluations that ran at the same time, at most.
        makespan_s: Time from the start of the search to the end of its last evaluation, in seconds of the clock or of
            the simulated clock. None for runs of version 0.1.
        utilization: Fraction of the workers' time that they spent in evaluations, until ``makespan_s``.
        ended_by: What ended the search: ``max_queries`` (its plan), ``target_accuracy``, ``max_hours``, ``interrupt``
            (Ctrl-C), ``space`` if there are no more architectures, or ``close`` of a study.
        num_imported: Number of imported evaluations. They are no queries.
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
    _: KW_ONLY
    num_workers: int = 1
    makespan_s: float | None = None
    utilization: float | None = None
    ended_by: str = "max_queries"
    num_imported: int = 0

    @property
    def is_final(self) -> bool:
        """Whether the same command does not go on with the search."""
        return self.ended_by not in NOT_FINAL

    @property
    def history(self) -> list[Record]:
        """The evaluations of this result in order, read from the run folder."""
        return read_history(self.folder)[: self.num_queries]


@dataclass(frozen=True)
class PredictorResult(Result):
    """The result of ``seminas-predictor``.

    Attributes:
        model: Name of the predictor that was chosen.
        num_labeled: N, the number of labeled architectures.
        num_pseudo_labeled: M, the number of pseudo-labeled architectures.
        num_ranked: Number of architectures that the predictor ranked.
        kendall_tau, spearman_rho: Rank correlations. None if all predictions or all accuracies are equal.
        fit_s: Duration of the fit, in seconds.
        top_k: Values of ``top_K_regret`` and ``top_K_precision`` by name.
        pseudo_label_ratio: M / N in the config. A table may have too few architectures for this ratio.
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
        architecture: Trained architecture, in the JSON form of its space.
        key: Key of the architecture.
        epochs, steps: Length of the training in epochs and in optimizer steps.
        val_accuracy, val_top5: Validation accuracies of the weights that are kept. None without validation images.
            ``val_top5`` is also None with five classes or fewer.
        test_accuracy, test_top5: Test accuracies of the same weights. ``test_top5`` is None with five classes or fewer.
        skipped_images: Number of training images that could not be read.
        parameters: Number of trainable parameters of the network.
        macs: Number of multiply-adds for one image.
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
        mean_val_accuracy: Mean validation accuracy of the measured architectures.
        measured: Measured architectures with their accuracies.
    """

    KIND: ClassVar[str] = "supernet"

    mean_val_accuracy: float
    measured: list[Measured]


KINDS: dict[str, type[Result]] = {
    kind.KIND: kind for kind in (SearchResult, PredictorResult, TrainingResult, SupernetResult)
}


def write_result(path: Path, result: Result) -> None:
    """Write a result as JSON. A failed write leaves no partial file.

    Raises:
        UserError: The file cannot be written.
    """
    values = asdict(result)
    config = values.pop("config")
    values.pop("folder")
    about = {"kind": result.KIND, "version": VERSION}
    write_file(path, as_json({**about, **values, "config": config}, indent=2))


def read_result(path: Path) -> Result | None:
    """Return the result in a file, or None if the file does not exist.

    Raises:
        UserError: The file is no valid result, or the result has an unknown kind or version.
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


def has_final_result(path: Path) -> bool:
    """Return whether a file holds a result with which the same command does not go on.

    A sweep asks this for thousands of jobs. So only ``ended_by`` is read. A damaged result is an error of its reader.
    """
    if not path.exists():
        return False
    try:
        values = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return True
    return not (isinstance(values, dict) and values.get("ended_by") in NOT_FINAL)


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
            try:
                arguments[known.name] = typed(values[known.name], known.type)
            except ValueError as error:
                raise ValueError(f"its {known.name}: {error}") from error
        elif known.default is MISSING:
            raise ValueError(f"it has no {known.name}")
    return kind(**arguments)


def _of_version_1(values: dict[str, Any]) -> dict[str, Any]:
    """Convert the values of a result of seminas 0.1 to today's format."""
    values = dict(values)
    if "kind" not in values:
        values["kind"] = "search" if "strategy" in values else "predictor"
    if values["kind"] == "predictor":
        names = [name for name in values if name.startswith("top_")]
        values["top_k"] = {name: values.pop(name) for name in names}
        model = values["config"].get("model", {})
        values["pseudo_label_ratio"] = float(model.get("pseudo_label_ratio") or 0.0)
    return values

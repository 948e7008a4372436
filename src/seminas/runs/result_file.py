"""The reader and the writer of ``result.json``."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from seminas.config.renamed import todays
from seminas.errors import UserError
from seminas.runs.metric import ACCURACY, metric_of
from seminas.runs.results import (
    NOT_FINAL,
    FrontResult,
    PredictorResult,
    Result,
    SearchResult,
    SupernetResult,
    TrainingResult,
)
from seminas.runs.speech_results import SpeechResult, SpeechSupernetResult
from seminas.storage.files import as_json, parse_json, write_file
from seminas.storage.typed import typed

KINDS: dict[str, type[Result]] = {
    kind.KIND: kind
    for kind in (
        SearchResult,
        PredictorResult,
        TrainingResult,
        SpeechResult,
        SupernetResult,
        SpeechSupernetResult,
    )
}
NAMES_OF_ACCURACY = {
    "best_value": "best_val_accuracy",
    "test_value": "test_accuracy",
    "value": "val_accuracy",
}
"""Names in the file of a search for the validation accuracy. Other searches have the names of the fields."""
VERSION = 2
"""Version of the file format. Version 1 is the format of seminas 0.1. Its files state no version."""


def write_result(path: Path, result: Result) -> None:
    """Write a result as JSON. A failed write leaves no partial file.

    Raises:
        UserError: The file cannot be written.
    """
    values = asdict(result)
    config = values.pop("config")
    values.pop("folder")
    names = _file_names(type(result), config)
    values = _with_names(values, names)
    if isinstance(result, SearchResult):
        if not result.proxies_s:
            del values["proxies_s"]
        if not result.num_repeats:
            del values["num_repeats"], values["num_trainings"]
        for name in ("total_cost", "num_feasible"):
            if values[name] is None:
                del values[name]
        values["incumbents"] = [_with_names(incumbent, names) for incumbent in result.incumbents]
        if result.objectives is None:
            values = {
                name: value for name, value in values.items() if name not in FrontResult.__annotations__
            }
    about = {"kind": result.KIND, "version": VERSION}
    write_file(path, as_json({**about, **values, "config": config}, indent=2))


def _file_names(kind: type[Result], config: Mapping[str, Any]) -> dict[str, str]:
    """Return the names in the file of fields of a search for the validation accuracy that are named otherwise there.

    Raises:
        UserError: The config has an invalid metric.
    """
    return NAMES_OF_ACCURACY if kind is SearchResult and metric_of(config) == ACCURACY else {}


def _with_names(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return values with other names, in the same order."""
    return {names.get(name, name): value for name, value in values.items()}


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
    names = _file_names(kind, values["config"])
    own_names = {name: own for own, name in names.items()}
    if isinstance(values.get("incumbents"), list):
        incumbents = values["incumbents"]
        values["incumbents"] = [_with_names(i, own_names) if isinstance(i, dict) else i for i in incumbents]
    arguments: dict[str, Any] = {}
    for known in fields(kind):
        name = names.get(known.name, known.name)
        if name == "folder":
            arguments["folder"] = path.parent
        elif name in values:
            try:
                arguments[known.name] = typed(values[name], known.type)
            except ValueError as error:
                raise ValueError(f"its {name}: {error}") from error
        elif known.default is MISSING:
            raise ValueError(f"it has no {name}")
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

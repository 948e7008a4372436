"""The folder of a study: to whom it belongs, and its result."""

import json
from typing import Any

from seminas.config.check import changed_keys, flat
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.loop.outcome import search_result
from seminas.runs.archive import Archive
from seminas.runs.folder import CONFIG_FILE, RunFolder
from seminas.spaces.base import SearchSpace
from seminas.storage.values import Config


def refuse_another(folder: RunFolder, config: Config) -> None:
    """Refuse a folder that belongs to another config.

    Raises:
        UserError: The folder belongs to another study or run, or its config cannot be read.
    """
    recorded = folder.config()
    if recorded is None:
        return
    before, after = flat(recorded), flat(config)
    for key in changed_keys(recorded, config):
        raise UserError(
            f"{folder}: belongs to another config: {key} is {before.get(key)} in its {CONFIG_FILE}, and "
            f"{after.get(key)} in this study; choose another folder"
        )
    if json.dumps(recorded["space"]) != json.dumps(config["space"]):
        raise UserError(f"{folder}: has the positions of the space in another order; choose another folder")


def write_study_result(folder: RunFolder, config: Config, archive: Archive, space: SearchSpace[Any]) -> None:
    """Write the result of a study that has a best evaluation, for reports.

    Raises:
        UserError: The result cannot be written.
    """
    if archive.best is not None:
        side_by_side = max(question.number + 1 - question.known for question in archive.questions)
        no_tests: Evaluator[Any] = Evaluator()
        result = search_result(config, archive, space, no_tests, folder.timing(), side_by_side, "close")
        folder.write_result(result)

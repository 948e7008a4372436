"""Evaluator that runs a command of the user's own for each architecture."""

import os
import shlex
import shutil
from pathlib import Path

from seminas.config.own_training import CommandEvaluatorSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.command_trial import CommandTrial
from seminas.evaluators.own_training import OwnTrainingEvaluator, Reported
from seminas.evaluators.placeholders import OWN, Argument, read_argument
from seminas.evaluators.values import ARCHITECTURE, conditional_names, value_names
from seminas.spaces.base import A, SearchSpace

EVALUATIONS = "evaluations"
"""Folder in the run folder with the folder of each evaluation."""
KEY = "evaluator.command"
"""Dotted key of the command."""


class CommandEvaluator(OwnTrainingEvaluator[A]):
    """Evaluator that runs a command for each architecture, and reads a JSON object of metrics from its output.

    No shell runs the command. The command line is split first, and then the values are filled in. So a value is always
    a part of one argument.
    """

    def __init__(
        self, space: SearchSpace[A], seed: int, settings: CommandEvaluatorSettings, folder: Path | None = None
    ) -> None:
        """Initialize the evaluator. The worker processes start with the first evaluations.

        Args:
            space: Search space.
            seed: Seed of the run, for ``{seed}``.
            settings: Command, metric and settings of the engine.
            folder: Run folder, for the folder of each evaluation. None means temporary folders.

        Raises:
            UserError: The command is empty, its program does not exist, or a placeholder is unknown. Or the engine
                cannot start.
        """
        arguments = _arguments(settings.command, space)
        metrics = Reported("metric", settings.metric, settings)
        evaluations = None if folder is None else folder.absolute() / EVALUATIONS
        self._trial = CommandTrial(space, seed, arguments, metrics, evaluations, Path.cwd())
        super().__init__(self._trial, metrics, settings, folder)
        if settings.engine == "processes":
            cores = len(os.sched_getaffinity(0)) // self._engine.num_workers
            self._trial.environment = {"OMP_NUM_THREADS": str(max(1, cores))}


def _arguments(command: str, space: SearchSpace[A]) -> tuple[Argument, ...]:
    """Return the arguments of a command line, the first of which is its program.

    Raises:
        UserError: The command is empty, its program does not exist, or a placeholder is unknown.
    """
    for name in value_names(space):
        if name in OWN and name != ARCHITECTURE:
            raise UserError(f"space.positions.{name}: needs another name, {{{name}}} has a meaning in {KEY}")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"{KEY}={command}: cannot be split into arguments ({error})") from error
    if not words:
        raise config_error(KEY, repr(command), "a command, such as 'python train.py --depth {depth}'")
    names, conditional = value_names(space), conditional_names(space)
    arguments = tuple(read_argument(word, names, conditional, KEY) for word in words)
    program = arguments[0]
    if program.names:
        raise config_error(KEY, command, "a program and its arguments, and the program has no placeholder")
    if shutil.which(program.filled({})) is None:
        raise UserError(f"{KEY}={command}: there is no program {program.filled({})}")
    return arguments

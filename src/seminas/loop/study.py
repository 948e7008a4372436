"""Ask and tell: a search whose evaluations somebody else runs."""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Generic

from seminas.config.search import SearchSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.evaluation import checked, measured
from seminas.loop.objectives import completed
from seminas.loop.plan import make_plan
from seminas.loop.proposals import Asked, Proposals
from seminas.loop.questions import replay, store_question
from seminas.loop.study_folder import refuse_another, write_study_result
from seminas.runs.archive import Archive, MemoryArchive
from seminas.runs.folder import RunFolder
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.objectives import front_of
from seminas.runs.records import Question, Record
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.positions import Scalar
from seminas.storage.values import Config
from seminas.strategies.base import Strategy
from seminas.strategies.goals import Goals

PLANNED = 100
"""Number of evaluations for which a new study plans rounds. Each further plan is twice as long."""


@dataclass(frozen=True)
class Trial(Generic[A]):
    """An architecture to evaluate, from ``Study.ask``. It may be pickled and sent to other processes.

    Attributes:
        number: Number of the trial in its study, from 0.
        architecture: The architecture, a value of the space.
        key: Name of the architecture in its space.
        prediction: Value of the study's metric that the strategy predicts. None without a prediction.
        choices: Value at each position of a dictionary or a sequence space that counts. Empty for other spaces.
    """

    number: int
    architecture: A
    key: str
    prediction: float | None = None
    choices: dict[str, Scalar] = field(default_factory=dict, hash=False)


class AskTell(Generic[A]):
    """The loop of a study. ``ask`` gives architectures to evaluate, and ``tell`` takes their values."""

    def __init__(
        self,
        space: SearchSpace[A],
        strategy: Strategy[A],
        config: Config,
        folder: RunFolder | None,
        choices: Callable[[A], dict[str, Scalar]],
        metric: Metric = ACCURACY,
        metrics: Sequence[Metric] = (),
        goals: Goals[A] | None = None,
    ) -> None:
        """Begin a study, or continue the study in a folder.

        Args:
            space: Space of the candidates.
            strategy: A new strategy for this space.
            config: Config of the study, which the folder records.
            folder: Folder of the study. With None, the study is kept in memory only.
            choices: Function that returns the ``choices`` of a trial.
            metric: Metric whose values ``tell`` takes, and which the study optimizes.
            metrics: Further metrics that ``tell`` takes.
            goals: Several objectives. None in a study of one metric.

        Raises:
            UserError: The strategy takes one objective, the folder belongs to another study, another process holds it,
                or it cannot be written.
        """
        self._space, self._strategy, self._folder, self._choices = space, strategy, folder, choices
        self._proposals, self._metrics, self._goals = Proposals(strategy), metrics, goals
        if goals is not None:
            strategy.pursue(goals)
        self._unstored: Asked | None = None
        with ExitStack() as stack:
            self._archive: Archive = MemoryArchive(metric)
            earlier_s = 0.0
            if folder is not None:
                refuse_another(folder, config)
                stack.enter_context(folder.claim(config))
                earlier_s = folder.timing()["wall_s"]
                self._archive = stack.enter_context(closing(Archive(folder.path, metric)))
            self._started = time.monotonic() - earlier_s
            self._plan = replace(
                make_plan(SearchSettings(), space.size, strategy.round_sizes), total=space.size
            )
            self._planned = PLANNED
            strategy.start(self._plan.sizes(until=PLANNED))
            if goals is not None:
                self._archive.pursue(goals.objectives, self._plan.first)
            self._plan_for(len(self._archive))
            replay(self._archive, space, strategy, self._proposals, "this study; choose another folder")
            if folder is not None:
                stack.callback(write_study_result, folder, config, self._archive, space)
            self._end = weakref.finalize(self, stack.pop_all().close)
        self._open = {q.number: self._trial(q) for q in self._archive.open_questions()}
        self._waiting = dict(self._open)
        self._begun: dict[int, float] = {}

    def ask(self, n: int = 1) -> list[Trial[A]]:
        """Return architectures to evaluate. They are on disk before this returns, if the study has a folder.

        The strategy knows the values so far, and that all earlier trials are being evaluated. After a kill, the trials
        that have no value come first.

        Args:
            n: Number of architectures.

        Returns:
            ``n`` trials, or fewer if the strategy has no more architectures. The list is empty if the space is
            exhausted.

        Raises:
            UserError: ``n`` is no number from 1, the study is closed, or a question cannot be written.
        """
        self._check_not_closed()
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise config_error("n", n, "a whole number, at least 1")
        trials: dict[int, Trial[A]] = {}
        try:
            while len(trials) < n and (trial := self._next()) is not None:
                trials[trial.number] = trial
        except BaseException:
            self._waiting = trials | self._waiting
            raise
        self._begun |= dict.fromkeys(trials, self._now_s())
        return list(trials.values())

    def tell(
        self,
        trial: Trial[A],
        value: float | Mapping[str, float] | None = None,
        *,
        error: str | None = None,
        accuracy: float | None = None,
    ) -> None:
        """Take the value of a trial, or the reason why its evaluation failed.

        Trials may be told in any order. The evaluation is on disk before this returns, if the study has a folder. Its
        cost is the time since ``ask`` returned the trial. After an error, nothing has changed.

        Args:
            trial: Trial from ``ask`` of this study, also of an earlier process.
            value: Value of the study's metric, by default the validation accuracy, a fraction. Or a dictionary of this
                value and those of further metrics by name.
            error: Reason of a failure. Its first line is recorded.
            accuracy: Another name of ``value``.

        Raises:
            UserError: The trial is unknown or finished, a value is not valid, neither or both of value and error are
                given, the study is closed, or the evaluation cannot be written.
        """
        self._check_not_closed()
        number = self._number_of(trial)
        value = accuracy if value is None else value
        if (value is None) == (error is None):
            raise UserError(f"trial {number}: tell takes either a value or an error")
        metric = self._archive.metric
        evaluation = checked(measured(value, metric, 0.0), metric, self._metrics)
        opened = self._open[number]
        if self._goals is not None:
            evaluation = completed(evaluation, self._goals, opened.architecture)
        if error is None and evaluation.error is not None:
            raise UserError(f"trial {number}: {evaluation.error}")
        if error is not None and (not isinstance(error, str) or not error.strip()):
            raise config_error(f"trial {number}: error", repr(error), "a text")
        now_s = self._now_s()
        record = Record(
            index=len(self._archive),
            round=self._strategy.round,
            architecture=self._space.to_json(opened.architecture),
            key=opened.key,
            value=evaluation.value,
            cost_s=now_s - self._begun.get(number, now_s),
            prediction=opened.prediction,
            error=None if error is None else error.strip().splitlines()[0],
            number=number,
            ended_s=now_s,
            origin=self._archive.questions[number].origin,
            metrics=dict(evaluation.metrics),
        )
        self._plan_for(record.index + 1)
        self._archive.add(record)
        (score,) = self._archive.scores([record])
        self._proposals.tell(opened.architecture, score, record.metrics)
        for of_open in (self._open, self._waiting, self._begun):
            of_open.pop(number, None)
        if self._folder is not None and error is not None and len(error.strip().splitlines()) > 1:
            self._folder.add_traceback(f"evaluation {record.index}, {record.key}:\n{error}")

    @property
    def best(self) -> Record | None:
        """The finished evaluation with the best value, the first of equal ones. None without a success."""
        return self._archive.best

    @property
    def front(self) -> list[Record]:
        """The finished evaluations that no other one dominates. In a study of one metric, it is empty."""
        objectives = self._archive.objectives
        return [] if objectives is None else front_of(objectives, self._archive.records)[0]

    @property
    def history(self) -> list[Record]:
        """All finished evaluations, in the order in which they were told."""
        return list(self._archive.records)

    def trial_of(self, record: Record) -> Trial[A]:
        """Return the trial of a finished evaluation, for example of ``best``.

        Raises:
            UserError: The evaluation is not of this study.
        """
        if record.number is None or self._archive.records[record.index : record.index + 1] != [record]:
            raise UserError(f"evaluation {record.index}: is not of this study")
        return self._trial(self._archive.questions[record.number])

    def close(self) -> None:
        """Write the result into the folder, and unlock the folder. Without a folder, only end the study.

        A closed study accepts no further calls of ``ask`` and ``tell``. A program that ends closes its studies.

        Raises:
            UserError: The result cannot be written.
        """
        self._end()

    def __enter__(self) -> "AskTell[A]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> Trial[A] | None:
        """Return an earlier trial that has to be evaluated again, or a new one, or None if there is none."""
        if self._waiting:
            return self._waiting.pop(next(iter(self._waiting)))
        # A proposal that could not be stored comes again, because the strategy holds it for pending.
        asked = self._unstored = self._unstored or self._proposals.next()
        if asked is None:
            return None
        question = store_question(self._archive, self._space, asked, self._now_s())
        self._unstored = None
        return self._open.setdefault(question.number, self._trial(question))

    def _trial(self, question: Question) -> Trial[A]:
        architecture = self._space.from_json(question.architecture)
        choices = self._choices(architecture)
        return Trial(question.number, architecture, question.key, question.prediction, choices)

    def _number_of(self, trial: Trial[A]) -> int:
        """Return the number of an open trial.

        Raises:
            UserError: The trial is unknown or finished.
        """
        if not isinstance(trial, Trial):
            raise config_error("trial", repr(trial), "a Trial from ask")
        questions = self._archive.questions
        if not 0 <= trial.number < len(questions) or questions[trial.number].key != trial.key:
            raise UserError(f"trial {trial.number}, {trial.key}: is unknown to this study")
        if trial.number not in self._open:
            raise UserError(f"trial {trial.number}: is finished; tell each trial once")
        return trial.number

    def _plan_for(self, number: int) -> None:
        """Give the strategy further rounds, unless it has more than a number of evaluations. Planned rounds stay."""
        if number >= self._planned:
            self._planned = 2 * number
            self._strategy.sizes = self._plan.sizes(self._strategy.sizes or (), until=self._planned)

    def _now_s(self) -> float:
        """Return the time since the start of the study without the time between processes, in seconds."""
        return time.monotonic() - self._started

    def _check_not_closed(self) -> None:
        if not self._end.alive:
            raise UserError("the study is closed; make it again with the same folder")

"""Results of evaluations."""

import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from seminas.runs.metric import ACCURACY, Metric, plain_number


@dataclass(frozen=True)
class Evaluation:
    """Result of one evaluation. A strategy receives only the value of the objective.

    Attributes:
        value: Value of the evaluator's ``metric``, by default the validation accuracy, a fraction. None means that the
            evaluation failed.
        cost_s: Duration of the evaluation in seconds. For a table, cost of the evaluation according to the table.
        error: Reason of a failure, in one line. None without a failure.
        traceback: Whole traceback of a failure. None if no exception caused a failure.
        metrics: Values of the evaluator's further metrics by name. Some may be missing.
        cost: Cost of an evaluation at a fidelity in full trainings. None means ``Evaluator.cost_of``.
        lacks_metric: Whether it failed because it gave no metric of the name that the search needs. This may be an
            error of the config. So a search ends with such an evaluation if no earlier one has succeeded.
    """

    value: float | None
    cost_s: float
    error: str | None = None
    traceback: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    cost: float | None = None
    lacks_metric: bool = False

    @property
    def val_accuracy(self) -> float | None:
        """The value, where the metric is the validation accuracy."""
        return self.value


def failed(error: Exception, cost_s: float) -> Evaluation:
    """Return a failed evaluation for an exception and a duration in seconds."""
    return Evaluation(None, cost_s, one_line(error), whole_traceback(error))


def whole_traceback(error: BaseException) -> str:
    """Return the traceback of an exception, in the form that Python prints."""
    return "".join(traceback.format_exception(error))


def measured(returned: object, metric: Metric, cost_s: float) -> Evaluation:
    """Return the evaluation for the result of a user's function. ``checked`` finds invalid values in it.

    Args:
        returned: Value of the metric, or a dictionary from names to the values of the metric and of further ones.
        metric: Metric of the evaluator.
        cost_s: Duration of the evaluation in seconds.
    """
    further: dict[str, float] = {}
    if isinstance(returned, Mapping):
        further = dict(returned)
        if metric.name not in further:
            names = ", ".join(map(str, further)) or "no metric"
            error = f"{metric.name}: is missing, the evaluation gave {names}"
            return Evaluation(None, cost_s, error, lacks_metric=True)
        returned = further.pop(metric.name)
    if returned is None:
        return Evaluation(None, cost_s, f"{metric.name}=None: must be {metric.allowed}")
    return Evaluation(returned, cost_s, metrics=further)  # type: ignore[arg-type]  # checked() checks the value.


def checked(evaluation: Evaluation, metric: Metric = ACCURACY, further: Sequence[Metric] = ()) -> Evaluation:
    """Return an evaluation with plain numbers.

    If the value or a further metric is not valid, a metric is not declared, or the cost is not a finite number of
    seconds, the result is a failed evaluation.

    Args:
        evaluation: Answer of the evaluator.
        metric: Metric of the evaluator.
        further: Further metrics that the evaluator declares.
    """
    evaluation = with_cost(evaluation)
    value, error = metric.checked(evaluation.value), evaluation.error
    if evaluation.value is not None and value is None:
        error = error or f"{metric.name}={_shown(evaluation.value)}: must be {metric.allowed}"
    if value is None:
        error = error or f"the evaluator gave neither a value of {metric.name} nor a reason"
    metrics, wrong = checked_metrics(evaluation.metrics, further)
    error = error or wrong
    if error is not None:
        return replace(evaluation, value=None, error=error, metrics={})
    return replace(evaluation, value=value, metrics=metrics)


def checked_metrics(
    values: Mapping[str, object], declared: Sequence[Metric]
) -> tuple[dict[str, float], str | None]:
    """Return further metrics as plain numbers, and what is wrong with them in one line, or None.

    Args:
        values: Values by name.
        declared: Further metrics that the evaluator or the study declares.
    """
    metrics: dict[str, float] = {}
    known = {metric.name: metric for metric in declared}
    for name, value in values.items():
        if name not in known:
            return {}, f"{name}: is not among the declared metrics, {', '.join(known) or 'which are none'}"
        number = known[name].checked(value)
        if number is None:
            return {}, f"{name}={_shown(value)}: must be {known[name].allowed}"
        metrics[name] = number
    return metrics, None


def _shown(value: object) -> str:
    """Return the representation of a value in one line, at most 80 characters."""
    return " ".join(repr(value).split())[:80]


def with_cost(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation with a valid cost. If the cost is not valid, the evaluation has failed and costs nothing."""
    cost = plain_number(evaluation.cost_s)
    if cost is not None and 0 <= cost < math.inf:
        return replace(evaluation, cost_s=cost)
    error = evaluation.error or f"cost_s={evaluation.cost_s!r}: must be seconds, a finite number from 0"
    return replace(evaluation, value=None, cost_s=0.0, error=error)


def one_line(error: Exception) -> str:
    """Return the type of an exception and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]

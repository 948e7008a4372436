"""Results of evaluations."""

import math
import traceback
from dataclasses import dataclass, replace
from numbers import Real


@dataclass(frozen=True)
class Evaluation:
    """Result of one evaluation. A strategy receives only the validation accuracy.

    Attributes:
        val_accuracy: Validation accuracy, a fraction. None means that the evaluation failed.
        cost_s: Duration of the evaluation in seconds. For a table, cost of the evaluation according to the table.
        error: Reason of a failure, in one line. None without a failure.
        traceback: Whole traceback of a failure. None if no exception caused a failure.
    """

    val_accuracy: float | None
    cost_s: float
    error: str | None = None
    traceback: str | None = None


def failed(error: Exception, cost_s: float) -> Evaluation:
    """Return a failed evaluation for an exception and a duration in seconds."""
    return Evaluation(None, cost_s, one_line(error), whole_traceback(error))


def whole_traceback(error: BaseException) -> str:
    """Return the traceback of an exception, in the form that Python prints."""
    return "".join(traceback.format_exception(error))


def checked(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation with plain numbers.

    If the accuracy is not a fraction, or the cost is not a finite number of seconds, the result is a failed evaluation.
    """
    value, cost = _number(evaluation.val_accuracy), _number(evaluation.cost_s)
    error = evaluation.error
    if cost is None or not 0 <= cost < math.inf:
        error = error or f"cost_s={evaluation.cost_s!r}: must be seconds, a finite number from 0"
        cost = 0.0
    if evaluation.val_accuracy is not None and (value is None or not 0 <= value <= 1):
        error = error or f"val_accuracy={evaluation.val_accuracy!r}: must be a number from 0 to 1"
    if value is None:
        error = error or "the evaluator gave neither an accuracy nor a reason"
    return replace(evaluation, val_accuracy=value if error is None else None, cost_s=cost, error=error)


def fraction(value: object) -> float | None:
    """Return a number from 0 to 1 as a float, or None for other values. NumPy numbers are also allowed."""
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _number(value: object) -> float | None:
    """Return a number as a float, or None for other values. NumPy numbers are also allowed."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def one_line(error: Exception) -> str:
    """Return the type of an exception and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]

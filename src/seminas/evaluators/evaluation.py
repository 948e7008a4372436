"""The outcome of an evaluation."""

import math
import traceback
from dataclasses import dataclass, replace
from numbers import Real


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one evaluation: all that a search ever sees of an architecture.

    Attributes:
        val_accuracy: A fraction, None where the evaluation failed.
        cost_s: Seconds that it took, or that the training behind a table's entry took.
        error: Why it failed, in one line.
        traceback: The whole traceback of the failure.
    """

    val_accuracy: float | None
    cost_s: float
    error: str | None = None
    traceback: str | None = None


def failed(error: Exception, cost_s: float) -> Evaluation:
    """Return the evaluation that ended with an exception."""
    return Evaluation(None, cost_s, one_line(error), whole_traceback(error))


def whole_traceback(error: BaseException) -> str:
    """Return an exception's traceback as Python prints it."""
    return "".join(traceback.format_exception(error))


def checked(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation in plain numbers; one whose accuracy is no fraction, or whose cost is none, has failed."""
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
    """Return a number from 0 to 1, also one of NumPy's, as a float; None for anything else."""
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _number(value: object) -> float | None:
    """Return a number, also one of NumPy's, as a float; None for anything else."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def one_line(error: Exception) -> str:
    """Return an exception's type and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]

"""The outcome of an evaluation."""

import traceback
from dataclasses import dataclass, replace


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
    """Return an evaluation; one whose accuracy is no fraction has failed."""
    value = evaluation.val_accuracy
    if value is None or (isinstance(value, int | float) and 0 <= value <= 1):
        return evaluation
    error = f"val_accuracy={value!r}: must be a number from 0 to 1"
    return replace(evaluation, val_accuracy=None, error=error)


def one_line(error: Exception) -> str:
    """Return an exception's type and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]

"""What an evaluation gave."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gave: all that a search ever sees of an architecture.

    Attributes:
        val_accuracy: A fraction, None where the evaluation failed.
        cost_s: Seconds that it took (of the benchmark's training, where it comes from a table).
        error: Why it failed, in one line.
    """

    val_accuracy: float | None
    cost_s: float
    error: str | None = None


def failed(error: Exception, cost_s: float) -> Evaluation:
    """Return the evaluation that ended with an exception, which it keeps in one line."""
    return Evaluation(None, cost_s, one_line(error))


def one_line(error: Exception) -> str:
    """Return an exception's type and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]

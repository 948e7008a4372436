"""Parts of results that are objects in ``result.json``."""

from typing import TypedDict

from seminas.runs.metric import Metric
from seminas.storage.values import Json


class Incumbent(TypedDict):
    """An evaluation with a better value than all evaluations before it in the history.

    Attributes:
        index: Position in the history, from 0.
        value: Value of the search's metric, by default the validation accuracy, a fraction.
        test_value: The same on the test data. None if it is not known.
    """

    index: int
    value: float
    test_value: float | None


class FrontMember(TypedDict):
    """An evaluation that no other one dominates: none is at least as good in all objectives and better in one.

    Attributes:
        index: Position in the history, from 0. Imported evaluations have negative positions.
        architecture: Architecture in the JSON form of its space.
        key: Name of the architecture in its space.
        values: Value of each objective by name.
        test_values: Values on the test data by name, such as ``test_accuracy``, as far as they are known.
    """

    index: int
    architecture: Json
    key: str
    values: dict[str, float]
    test_values: dict[str, float]


class FrontResult(TypedDict):
    """The fields of a ``SearchResult`` that only a search with several objectives has."""

    objectives: list[Metric]
    pareto: list[FrontMember]
    hypervolume: float
    reference: dict[str, float]


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

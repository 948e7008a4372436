"""An experiment framework for semi-supervised neural architecture search (SemiNAS).

``seminas.search(…)`` runs a search. ``seminas.train(…)`` trains one network to the end. ``seminas.load_run(folder)``
reads the result of a run. ``seminas.Study(space)`` is for a loop of your own: it proposes architectures and takes their
accuracies. Your own space derives from ``SearchSpace``, ``EnumerableSpace`` or ``SequenceSpace``. Your own evaluator
derives from ``Evaluator``, and your own strategy from ``Strategy``. A ``UserError`` explains in one line what you must
change.

Python imports each name when you first use it. It imports PyTorch only when a search or a training needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seminas.commands.api import load_run, search, train
    from seminas.commands.study import Study
    from seminas.errors import UserError
    from seminas.evaluators.base import Evaluator
    from seminas.evaluators.evaluation import Evaluation
    from seminas.loop.study import Trial
    from seminas.runs.metric import Metric
    from seminas.runs.records import Record
    from seminas.runs.results import PredictorResult, SearchResult, SupernetResult, TrainingResult
    from seminas.runs.speech_results import SpeechResult, SpeechSupernetResult
    from seminas.spaces.base import EnumerableSpace, SearchSpace
    from seminas.spaces.sequence import SequenceSpace
    from seminas.strategies.base import Proposal, Strategy

    __version__: str

__all__ = [
    "EnumerableSpace",
    "Evaluation",
    "Evaluator",
    "Metric",
    "PredictorResult",
    "Proposal",
    "Record",
    "SearchResult",
    "SearchSpace",
    "SequenceSpace",
    "SpeechResult",
    "SpeechSupernetResult",
    "Strategy",
    "Study",
    "SupernetResult",
    "TrainingResult",
    "Trial",
    "UserError",
    "__version__",
    "load_run",
    "search",
    "train",
]
_MODULES = {
    "seminas.commands.api": ("load_run", "search", "train"),
    "seminas.commands.study": ("Study",),
    "seminas.errors": ("UserError",),
    "seminas.evaluators.base": ("Evaluator",),
    "seminas.evaluators.evaluation": ("Evaluation",),
    "seminas.loop.study": ("Trial",),
    "seminas.runs.archive": ("Record",),
    "seminas.runs.metric": ("Metric",),
    "seminas.runs.results": (
        "PredictorResult",
        "SearchResult",
        "SupernetResult",
        "TrainingResult",
    ),
    "seminas.runs.speech_results": ("SpeechResult", "SpeechSupernetResult"),
    "seminas.spaces.base": ("EnumerableSpace", "SearchSpace"),
    "seminas.spaces.sequence": ("SequenceSpace",),
    "seminas.strategies.base": ("Proposal", "Strategy"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("seminas")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Settings of the evaluator that trains, and the numbers of epochs after which it measures."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.evaluators import EngineSettings
from seminas.config.fidelities import levels_of
from seminas.config.fields import setting
from seminas.config.recipe import Recipe


@dataclass
class TrainingEvaluatorSettings(EngineSettings):
    """Real training of each architecture on the images or the speech of ``data``, by ``data.recipe``.

    Attributes:
        checkpoint_every_s: Smallest time between two checkpoints of a training, in seconds. They are written at the end
            of an epoch. A training that was killed or preempted continues from its checkpoint.
        fidelities: Numbers of epochs after which a search with fidelities can measure an architecture, increasing. The
            last one is ``data.recipe.epochs``. Null means an eighth, a fourth, a half and all of these epochs.
        cooldown: Whether a shorter training ends with the decay of ``recipe.schedule=warmup_stable_decay``, as a
            training of so few epochs does. A longer training goes on from the weights before this decay. Otherwise a
            shorter training is measured in the middle of the full schedule. Other schedules have no such decay.
        max_checkpoint_gb: Largest size of all checkpoints of shorter trainings together, in GB (10^9 bytes). Beyond
            it, the checkpoints of the architectures with the lowest accuracies of their level are removed. Such an
            architecture begins again if it is promoted. Null means no limit.
    """

    KEY: ClassVar[str] = "evaluator"
    TRAINS_AGAIN: ClassVar[bool] = True

    _target_: str = "seminas.evaluators.training.TrainingEvaluator"
    checkpoint_every_s: float = setting(300.0, at_least=0, may_change=True, unit="seconds")
    fidelities: list[int] | None = setting(None, at_least=1, unit="epochs")
    cooldown: bool = setting(True)
    max_checkpoint_gb: float | None = setting(10.0, at_least=0, may_change=True, unit="GB")

    def levels(self, recipe: Recipe) -> tuple[int, ...]:
        """Return the numbers of epochs after which architectures are measured. The last one is a full training.

        Raises:
            UserError: ``fidelities`` is no increasing list that ends with the epochs of the recipe.
        """
        full = recipe.epochs
        return levels_of(self.fidelities, full, f"{self.KEY}.fidelities", f"data.recipe.epochs={full}")

"""Further trainings of an architecture that has been trained."""

from dataclasses import dataclass
from typing import Generic

from seminas.spaces.base import A


@dataclass(frozen=True)
class Retraining(Generic[A]):
    """A further training of an architecture, with other random numbers than the trainings before it.

    Attributes:
        architecture: The architecture.
        number: Number of earlier trainings. The second training has number 1.
    """

    architecture: A
    number: int = 1

"""Training of a supernet of text-to-speech networks in a folder, and measurement of its architectures."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch

from seminas.runs.metric import Metric
from seminas.runs.recordings import Recording
from seminas.spaces.capabilities import HasSpeechSupernet, require
from seminas.spaces.cost import count_parameters
from seminas.training.data.loading import derived_seed
from seminas.training.devices import mixed_precision
from seminas.training.paths import Paths
from seminas.training.speech.batches import Batch
from seminas.training.speech.data import SpeechData, make_speech
from seminas.training.speech.module import SpeechSupernetModule, measures
from seminas.training.speech.rates import further_metrics, objective_metric
from seminas.training.speech.recordings import recordings_of
from seminas.training.supernet import SupernetJob


class SpeechSupernetJob(SupernetJob):
    """A supernet of text-to-speech networks in a folder.

    ``section`` is the section ``data.speech`` of the config. The metric is the measure that ``data.speech.objective``
    names, of decoded validation utterances. Layers have no BatchNorm, so ``calibrate`` changes nothing.
    """

    @property
    def metric(self) -> Metric:
        """See the base class."""
        return objective_metric(self.section["objective"])

    @property
    def metrics(self) -> Sequence[Metric]:
        """See the base class. The other measures of attention, and the loss of the frames."""
        return further_metrics(self.section["objective"])

    def data(self) -> SpeechData:
        """See the base class."""
        return make_speech(self.section, self.seed)

    def supernet(self, data: SpeechData) -> Any:
        """See the base class."""
        space: HasSpeechSupernet[Any] = require(self.space, HasSpeechSupernet, "supernet")
        return space.build_speech_supernet(len(data.symbols), **self.recipe.networks.get(self.space.name, {}))

    def module_of(self, network: Any, paths: Paths, data: SpeechData) -> pl.LightningModule:
        """See the base class."""
        return SpeechSupernetModule(network, paths, data.settings, self.recipe, self.seed)

    def num_parameters(self, architecture: Any, data: SpeechData) -> int:
        """See the base class."""
        return count_parameters(self.space.build_speech_network(architecture, len(data.symbols)))

    def values(
        self, architectures: Sequence[Any], gpu: int = 0, number: int | None = None
    ) -> list[dict[str, float]]:
        """See the base class. The pre-net's dropout is the same for all architectures.

        All validation sentences are read, whatever ``number`` is.
        """
        device = self.device(gpu)
        data, network = self._trained(device)
        batches = [Batch(*(part.to(device) for part in batch)) for batch in data.share("val")]
        found = []
        with mixed_precision(self.trainer, device):
            for architecture in architectures:
                path = network.standalone(self.space.path(architecture)).eval()
                found.append(self._mean(path, batches, data))
        return found

    def recordings(self, architectures: Sequence[Any]) -> list[Recording]:
        """See the base class. Each architecture speaks some validation sentences."""
        data, network = self._trained(self.device(0))
        return [
            recording
            for a in architectures
            for recording in recordings_of(
                network.standalone(self.space.path(a)).eval(), data, self.space.key(a), self.space.to_json(a)
            )
        ]

    def _trained(self, device: torch.device) -> tuple[SpeechData, Any]:
        """Return the corpus, and the supernet with its current weights in evaluation mode."""
        data = self.data()
        network: Any = self.module(data).network
        return data, network.to(device).eval()

    def _mean(self, network: Any, batches: Sequence[Batch], data: SpeechData) -> dict[str, float]:
        """Return the mean of each metric over the utterances of all batches."""
        names = [metric.name for metric in (self.metric, *self.metrics)]
        columns: dict[str, list[torch.Tensor]] = {name: [] for name in names}
        for number, batch in enumerate(batches):
            seed = derived_seed(self.seed, "val", number)
            values = measures(network, batch, data.settings, seed)
            for name in names:
                columns[name].append(values[name.removeprefix("val_")].cpu())
        return {name: float(torch.cat(column).mean()) for name, column in columns.items()}

"""One training of a text-to-speech architecture, as the training evaluator makes it in a worker process."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seminas.evaluators.trial import Trial
from seminas.runs.metric import Metric
from seminas.runs.recordings import write_recordings
from seminas.spaces.base import SearchSpace
from seminas.spaces.capabilities import BuildsSpeechNetworks
from seminas.spaces.exact import ExactCosts, exact_costs
from seminas.training.speech.data import SpeechData, make_speech
from seminas.training.speech.rates import further_metrics, objective_metric

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from torch import nn


class SpeechTrial(Trial):
    """Object that trains text-to-speech networks. The metric is the measure that ``data.speech.objective`` names."""

    capability = BuildsSpeechNetworks

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        """See the base class."""
        return objective_metric(self._section["objective"])

    @property
    def metrics(self) -> Sequence[Metric]:  # type: ignore[override]
        """See the base class."""
        return further_metrics(self._section["objective"])

    @cached_property
    def data(self) -> SpeechData:
        """See the base class."""
        return make_speech(self._section, self._seed)

    def data_for(self, seed: int) -> SpeechData:
        """See the base class. Lightning tells the data module its rank and the epoch of a checkpoint."""
        return self.data.seeded(seed)

    def batches(self, data: Any, split: str) -> Any:
        """See the base class. The trainer asks the data module itself."""
        return data

    def network(self, architecture: Any) -> "nn.Module":
        """See the base class."""
        network: nn.Module = self._space.build_speech_network(
            architecture, len(self.data.symbols), **self.skeleton
        )
        return network

    def module(self, architecture: Any, seed: int) -> "pl.LightningModule":
        """See the base class."""
        from seminas.training.speech.module import SpeechModule

        return SpeechModule(self.network(architecture), self.data.settings, self._recipe, seed)

    @property
    def gradient_clip(self) -> float | None:
        """See the base class."""
        return self._recipe.gradient_clip

    def values(self, measured: Mapping[str, float], splits: Sequence[str]) -> dict[str, float]:
        """See the base class. Further metrics are of validation utterances."""
        objective = self._section["objective"]
        values = {split: measured[f"{split}_{objective}"] for split in ("val", "test") if split in splits}
        further = {metric.name: measured[metric.name] for metric in self.metrics} if "val" in splits else {}
        return {**values, **further}

    def record(self, architecture: Any, module: Any, data: SpeechData) -> None:
        """See the base class. Write recordings of validation sentences into the run folder, if there is one."""
        from seminas.training.speech.recordings import recordings_of

        if self._folder is not None:
            key, as_json = self._space.key(architecture), self._space.to_json(architecture)
            write_recordings(self._folder.parent, recordings_of(module.network.eval(), data, key, as_json))

    def costs(self, space: SearchSpace[Any]) -> ExactCosts[Any]:
        """See the base class."""
        return exact_costs(space)

    def check(self, architecture: Any) -> None:
        """See the base class. Each device must have a batch."""
        super().check(architecture)
        self.data.check_batches(self._num_devices)

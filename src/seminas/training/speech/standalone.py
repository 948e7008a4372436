"""Training of one text-to-speech network on each rank of ``seminas-train``."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch import nn

from seminas.runs.recordings import write_recordings
from seminas.runs.speech_results import SpeechResult
from seminas.training.export import export_weights
from seminas.training.speech.data import SpeechData, make_speech
from seminas.training.speech.description import Description
from seminas.training.speech.module import MEASURES, SpeechModule
from seminas.training.speech.recordings import recordings_of
from seminas.training.standalone import StandaloneJob


class SpeechJob(StandaloneJob):
    """The training of one text-to-speech network in a folder."""

    @property
    def monitor(self) -> str:
        """See the base class."""
        return f"val_{self.config['data']['speech']['objective']}"

    @property
    def final(self) -> Sequence[str]:
        """See the base class."""
        return [f"{split}_{name}" for split in ("val", "test") for name in MEASURES]

    def data(self) -> SpeechData:
        """See the base class."""
        return make_speech(self.config["data"]["speech"], self.seed)

    def has_validation(self, data: SpeechData) -> bool:
        """See the base class. Speech always has a validation split."""
        return True

    def network(self, data: SpeechData) -> nn.Module:
        """See the base class."""
        skeleton = self.recipe.networks.get(self.space.name, {})
        network: nn.Module = self.space.build_speech_network(  # type: ignore[attr-defined]
            self.architecture, len(data.symbols), **skeleton
        )
        return network

    def module(self, network: nn.Module, data: SpeechData) -> pl.LightningModule:
        """See the base class."""
        return SpeechModule(network, data.settings, self.recipe, self.seed)

    def record(self, network: Any, data: SpeechData) -> None:
        """See the base class. Write recordings of validation sentences."""
        key, architecture = self.space.key(self.architecture), self.space.to_json(self.architecture)
        write_recordings(self.folder, recordings_of(network.eval(), data, key, architecture))

    def finish(
        self, trainer: pl.Trainer, network: Any, data: SpeechData, measured: Mapping[str, float]
    ) -> SpeechResult:
        """See the base class. ``network.json`` has all that speaking needs, and the weights are beside it."""
        train = data.splits["train"]
        lengths = {"phonemes": [len(u.phonemes) for u in train], "frames": [len(u.mel) for u in train]}
        mean = {name: round(sum(numbers) / len(numbers)) for name, numbers in lengths.items()}
        result = SpeechResult(
            **self.about(trainer, network),
            objective=data.settings.objective,
            val={name: float(measured[f"val_{name}"]) for name in MEASURES},
            test={name: float(measured[f"test_{name}"]) for name in MEASURES},
            skipped=data.skipped,
            unknown_phonemes=data.unknown,
            macs=self.space.macs(self.architecture, **mean),  # type: ignore[attr-defined]
        )
        Description(
            space=result.space,
            architecture=result.architecture,
            key=result.key,
            parameters=result.parameters,
            macs=result.macs,
            space_config=self.config["space"],
            networks=self.recipe.networks,
            symbols=list(data.symbols.names),
            speech=self.config["data"]["speech"],
            frames_per_phoneme=max(
                f / p for f, p in zip(lengths["frames"], lengths["phonemes"], strict=True)
            ),
            val=result.val,
            test=result.test,
        ).write(self.folder)
        export_weights(self.folder, network.cpu())
        return result

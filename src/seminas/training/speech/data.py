"""Lightning data module of a speech corpus in three splits, and the corpora that a config can name."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seminas.config.build import build
from seminas.config.speech import EspeakSettings, LJSpeechSettings, SpeechSettings
from seminas.errors import UserError, config_error
from seminas.training.data.loading import TrainLoader
from seminas.training.speech.batches import FramePosition, Spoken, collated
from seminas.training.speech.cached import Symbols, Unusable, Utterance, utterances
from seminas.training.speech.corpus import Transcript, make_corpus, read_transcripts

log = logging.getLogger(__name__)
SPLITS = ("test", "val", "train")
"""The splits in the order in which the draw fills them."""
EVAL_BATCH = 40
"""Number of utterances in a batch of an evaluation."""


class SpeechData(pl.LightningDataModule):
    """Utterances in the splits ``train``, ``val`` (for a search and the choice of a checkpoint) and ``test``.

    Attributes:
        settings: Settings of the corpus.
        splits: Utterances of each split.
        symbols: Phonemes of the training utterances.
        skipped: Number of utterances that cannot be used, by reason.
        unknown: Number of phonemes of the other splits that no training utterance has, and that are left out.
        unit: Name of the items of a batch, for the display of progress.
        seed: Seed of the order of the training utterances.
    """

    unit = "utterances"

    def __init__(
        self,
        splits: Mapping[str, Sequence[Utterance]],
        settings: SpeechSettings,
        skipped: Mapping[str, int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.splits = {name: list(split) for name, split in splits.items()}
        self.settings, self.seed, self.skipped = settings, seed, dict(skipped or {})
        self.symbols = Symbols.of(self.splits["train"])
        self._spoken: dict[str, Spoken] = {}
        self.unknown = 0
        self._train_position: FramePosition | None = None
        self._restored_epoch = 0
        for name, split in self.splits.items():
            encoded = [self.symbols.encode(utterance.phonemes) for utterance in split]
            self.unknown += sum(len(unknown) for _, unknown in encoded)
            self._spoken[name] = Spoken(
                [torch.tensor(known) for known, _ in encoded], [utterance.mel for utterance in split]
            )

    def seeded(self, seed: int) -> "SpeechData":
        """Return the same utterances for a training with another seed."""
        return SpeechData(self.splits, self.settings, self.skipped, seed)

    @property
    def batches_per_epoch(self) -> int:
        """Number of training batches of each process in an epoch."""
        return len(self._position())

    def check_batches(self, num_processes: int) -> None:
        """Check that each process has a batch.

        Raises:
            UserError: There are fewer batches than processes.
        """
        frames = self._frames()
        number = len(FramePosition(frames, self.settings.batch_frames, self.seed))
        if number < num_processes:
            raise config_error(
                "data.speech.batch_frames",
                f"{self.settings.batch_frames} on {num_processes} processes",
                f"smaller, for a batch of the {sum(frames)} training frames for each process",
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches of this process. After a restart they continue at the checkpoint's position."""
        self.check_batches(self._rank_and_number()[1])
        self._train_position = position = self._position()
        # Lightning restores a loader's position only in the middle of an epoch. At the end of an epoch, its own number
        # of finished epochs is one less.
        current = 0 if self.trainer is None else self.trainer.current_epoch
        position.epoch = max(current, self._restored_epoch)
        return TrainLoader(self._spoken["train"], position, batch_sampler=position, collate_fn=collated)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of finished epochs for a checkpoint."""
        return {"epoch": 0 if self._train_position is None else self._train_position.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of finished epochs. Lightning calls this before it asks for the training batches."""
        self._restored_epoch = int(state_dict["epoch"])

    def val_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the validation utterances, in order."""
        return self.share("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the test utterances, in order."""
        return self.share("test")

    def share(self, split: str) -> DataLoader[Any]:
        """Return this process's share of a split, in order. The shares of all processes have the same length."""
        rank, number = self._rank_and_number()
        length = -(-len(self._spoken[split]) // number)
        indices = [i * number + rank for i in range(length)]
        return DataLoader(self._spoken[split], EVAL_BATCH, sampler=indices, collate_fn=collated)

    def _frames(self) -> list[int]:
        return [len(utterance.mel) for utterance in self.splits["train"]]

    def _position(self) -> FramePosition:
        return FramePosition(self._frames(), self.settings.batch_frames, self.seed, *self._rank_and_number())

    def _rank_and_number(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def make_speech(section: Mapping[str, Any], seed: int) -> SpeechData:
    """Return the corpus of the section ``data.speech`` of a config.

    Args:
        section: The section.
        seed: Seed of the order of the training utterances.

    Raises:
        UserError: A value is wrong, or the corpus or a library is missing.
    """
    made: SpeechData = build(section, "data.speech", seed=seed)
    return made


def ljspeech(settings: LJSpeechSettings, seed: int = 0) -> SpeechData:
    """Return a corpus in the layout of LJSpeech.

    Raises:
        UserError: The folder is no such corpus, too few utterances can be used, or a library is missing.
    """
    root = Path(settings.root).expanduser()
    return _split(read_transcripts(root), settings, seed)


def espeak(settings: EspeakSettings, seed: int = 0) -> SpeechData:
    """Return a corpus that espeak-ng speaks. It is made once.

    Raises:
        UserError: There is no espeak-ng or no such voice, or the corpus cannot be written.
    """
    return _split(read_transcripts(make_corpus(settings)), settings, seed)


def _split(transcripts: Sequence[Transcript], settings: SpeechSettings, seed: int) -> SpeechData:
    """Draw the splits from the utterances that can be used."""
    order = torch.randperm(len(transcripts), generator=torch.Generator().manual_seed(settings.split_seed))
    wanted = {"test": settings.num_test, "val": settings.num_val, "train": settings.num_train}
    splits: dict[str, list[Utterance]] = {name: [] for name in SPLITS}
    skipped: Counter[str] = Counter()
    for item in utterances([transcripts[i] for i in order.tolist()], settings):
        if isinstance(item, Unusable):
            skipped[item.reason] += 1
            continue
        open_split = next((n for n in SPLITS if wanted[n] is None or len(splits[n]) < (wanted[n] or 0)), None)
        if open_split is None:
            break
        splits[open_split].append(item)
    if skipped:
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(skipped.items()))
        log.warning("%d utterances are left out: %s", sum(skipped.values()), reasons)
    for name in SPLITS:
        number, found = wanted[name] or 1, len(splits[name])
        if found < number:
            reasons = "".join(f", {n} left out for {reason}" for reason, n in sorted(skipped.items()))
            raise UserError(
                f"data.speech.num_{name}={wanted[name]}: only {found} of {len(transcripts)} utterances are left"
                f"{reasons}"
            )
    return SpeechData(splits, settings, skipped, seed)

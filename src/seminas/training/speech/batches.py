"""Batches of utterances with about equal numbers of frames."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, Sampler

from seminas.training.data.loading import derived_seed


class Batch(NamedTuple):
    """A batch of n utterances.

    Attributes:
        phonemes: Symbols ``[n, s]``, 0 where there is none.
        lengths: Number of phonemes of each utterance, ``[n]``.
        mel: Frames ``[n, t, NUM_MELS]``, zero where there is none.
        mel_lengths: Number of frames of each utterance, ``[n]``.
        counts: Whether each utterance counts in an evaluation, ``[n]``. One that pads a process's share does not.
    """

    phonemes: Tensor
    lengths: Tensor
    mel: Tensor
    mel_lengths: Tensor
    counts: Tensor


def collated(items: Sequence[tuple[Tensor, Tensor, bool]]) -> Batch:
    """Return a batch of pairs of symbols ``[s]`` and frames ``[t, NUM_MELS]``."""
    symbols, mels, counts = zip(*items, strict=True)
    return Batch(
        pad_sequence(list(symbols), batch_first=True),
        torch.tensor([len(s) for s in symbols]),
        pad_sequence(list(mels), batch_first=True),
        torch.tensor([len(m) for m in mels]),
        torch.tensor(counts),
    )


class Spoken(Dataset[tuple[Tensor, Tensor, bool]]):
    """Utterances as symbols and frames. An index beyond their number pads a share: it does not count."""

    def __init__(self, symbols: Sequence[Tensor], mels: Sequence[Tensor]) -> None:
        self.symbols, self.mels = list(symbols), list(mels)

    def __len__(self) -> int:
        return len(self.mels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, bool]:
        """Return the symbols ``[s]``, the frames ``[t, NUM_MELS]``, and whether the utterance counts."""
        return (
            self.symbols[index % len(self)],
            self.mels[index % len(self)],
            index < len(self),
        )


class FramePosition(Sampler[list[int]]):
    """Sampler of one process that starts at the current position of the training.

    Utterances of similar length share a batch. A random factor of each utterance and epoch varies its neighbours. Each
    epoch has the same number of batches, and each batch has at most ``batch_frames`` frames.

    Attributes:
        epoch: Number of finished epochs.
        done: Number of finished batches in the current epoch.
    """

    def __init__(
        self, frames: Sequence[int], batch_frames: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        """Make the sampler.

        Args:
            frames: Number of frames of each utterance.
            batch_frames: Largest number of frames in a batch, at least twice the longest utterance.
            seed: Seed of the order.
            rank, world_size: This process's number, and the number of processes. They take the batches in turns.
        """
        self._frames = torch.tensor(frames)
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._number = -(-sum(frames) // (batch_frames - max(frames)))
        self.epoch = self.done = 0

    def __len__(self) -> int:
        return self._number // self._world_size

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the remaining batches of the epoch as lists of indices."""
        generator = torch.Generator().manual_seed(derived_seed(self._seed, "order", self.epoch))
        jitter = 1 + 0.2 * torch.rand(len(self._frames), generator=generator)
        order = (self._frames * jitter).argsort(stable=True)
        middles = self._frames[order].cumsum(0) - self._frames[order] / 2
        batch_of = (middles * self._number / self._frames.sum()).long().clamp(max=self._number - 1)
        batches = [order[batch_of == i].tolist() for i in range(self._number)]
        turns = torch.randperm(self._number, generator=generator).tolist()
        for step in range(self.done, len(self)):
            i = turns[step * self._world_size + self._rank]
            # A batch may be empty if the longest utterances fill half of a batch. The one before is not.
            yield batches[i] or batches[i - 1]

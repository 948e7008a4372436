"""Mel frames of a recording, and a recording of mel frames (Griffin and Lim, 1984)."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seminas.config.speech import SpeechSettings
from seminas.errors import UserError, first_line
from seminas.spaces.tts.network import NUM_MELS
from seminas.storage.files import write_file

FLOOR = 1e-5
"""Smallest magnitude before the logarithm."""
MEAN, DEVIATION = -5.0, 2.5
"""Mean and deviation of the logarithms, so that the frames of speech are about standard. They are constants, so that
frames of different corpora are comparable."""
ITERATIONS = 60
"""Number of iterations of Griffin-Lim, as in the paper."""
OVERLAP = 4
"""Least number of frames in a window for Griffin-Lim. With two frames, words are hard to hear."""


def audio_libraries() -> tuple[Any, Any]:
    """Return the modules ``torchaudio`` and ``soundfile``.

    Raises:
        UserError: One of them is not installed.
    """
    try:
        import soundfile
        import torchaudio
    except (ImportError, OSError) as error:
        raise UserError(
            f"speech needs torchaudio and soundfile (pip install 'seminas[speech]'): {first_line(error)}"
        ) from error
    return torchaudio, soundfile


class MelFrames:
    """Conversion between recordings and mel frames.

    A frame has the normalised logarithms of the magnitudes in ``NUM_MELS`` bins.
    """

    def __init__(self, settings: SpeechSettings) -> None:
        """Make the conversion of a corpus.

        Raises:
            UserError: A library is not installed.
        """
        self._torchaudio, self._soundfile = audio_libraries()
        self._settings = settings
        self._filters = {
            "n_mels": NUM_MELS,
            "sample_rate": settings.sample_rate,
            "f_min": settings.low_hz,
            "f_max": settings.high_hz,
            "norm": "slaney",
            "mel_scale": "slaney",
        }
        self._mel = self._torchaudio.transforms.MelSpectrogram(
            n_fft=settings.window, hop_length=settings.hop, power=1.0, **self._filters
        )

    def read(self, path: Path) -> Tensor:
        """Return the samples of a recording, mono and at the sample rate of the settings, ``[samples]``.

        Raises:
            OSError: The file is missing, or is no recording.
        """
        try:
            samples, rate = self._soundfile.read(path, dtype="float32", always_2d=True)
        except (RuntimeError, OSError) as error:  # soundfile's own errors are RuntimeErrors.
            raise OSError(f"{path}: {first_line(error)}") from error
        mono = torch.from_numpy(samples.mean(axis=1))
        if not len(mono) or not bool(torch.isfinite(mono).all()):
            raise OSError(f"{path}: has no samples, or some that are no numbers")
        if rate != self._settings.sample_rate:
            mono = self._torchaudio.functional.resample(mono, rate, self._settings.sample_rate)
        return mono

    def frames(self, samples: Tensor) -> Tensor:
        """Return the frames ``[t, NUM_MELS]`` of samples ``[n]``."""
        short = self._settings.window - len(samples)
        if short > 0:
            samples = torch.nn.functional.pad(samples, (0, short))
        mel: Tensor = self._mel(samples)
        return ((mel.clamp(min=FLOOR).log() - MEAN) / DEVIATION).T.contiguous()

    def samples(self, frames: Tensor) -> NDArray[np.float32]:
        """Return samples from -1 to 1 of frames ``[t, NUM_MELS]`` by Griffin-Lim.

        If the frames are too far apart for Griffin-Lim, interpolated frames come between them. The same frames give the
        same samples.
        """
        settings = self._settings
        least = -(-OVERLAP * settings.hop // settings.window)
        times = next(n for n in range(least, settings.hop + 1) if settings.hop % n == 0)
        hop = settings.hop // times
        inverse = self._torchaudio.transforms.InverseMelScale(
            n_stft=settings.window // 2 + 1, driver="gelsd", **self._filters
        )
        griffin_lim = self._torchaudio.transforms.GriffinLim(
            n_fft=settings.window, hop_length=hop, n_iter=ITERATIONS, power=1.0
        )
        logarithms = frames.detach().float().cpu().T * DEVIATION + MEAN
        if times > 1:
            between = torch.nn.functional.interpolate(logarithms[None], scale_factor=times, mode="linear")
            logarithms = between[0]
        magnitudes = logarithms.exp()
        # Griffin-Lim needs as many frames as a window is long. Silence is added, and cut off again.
        silence = max(1, settings.window // hop + 2 - magnitudes.shape[1])
        magnitudes = torch.nn.functional.pad(magnitudes, (0, silence))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            wave: Tensor = griffin_lim(inverse(magnitudes).clamp(min=0) ** settings.sharpening)
        wave = wave[: len(frames) * settings.hop]
        samples: NDArray[np.float32] = (0.9 * wave / wave.abs().max().clamp(min=FLOOR)).numpy()
        return samples

    def write(self, path: Path, samples: NDArray[np.float32]) -> None:
        """Write samples as a WAV file of 16 bits.

        Raises:
            UserError: The file cannot be written.
        """
        write_file(path, self.encoded(samples, "WAV"))

    def encoded(self, samples: NDArray[np.float32], kind: str) -> bytes:
        """Return samples as a file of 16 bits. ``kind`` is the format, ``WAV`` or ``FLAC``."""
        data = BytesIO()
        self._soundfile.write(data, samples, self._settings.sample_rate, "PCM_16", format=kind)
        return data.getvalue()

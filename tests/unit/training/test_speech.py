"""Test corpora, features, batches and measures of speech."""

import logging
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seminas.config.speech import EspeakSettings, SpeechSettings
from seminas.errors import UserError
from seminas.spaces.tts.network import Spoken
from seminas.training.speech import corpus as corpora
from seminas.training.speech import espeak as binding
from seminas.training.speech.batches import Batch, FramePosition, collated
from seminas.training.speech.cached import Symbols
from seminas.training.speech.data import SpeechData, espeak, ljspeech
from seminas.training.speech.features import MelFrames
from seminas.training.speech.loss import guide, losses
from seminas.training.speech.rates import (
    diagonal_focus_rate,
    focus_rate,
    most_diagonal,
    phoneme_coverage,
    rates_in,
    rates_of,
)
from seminas.training.speech.recognition import GrammarRecogniser, heard, word_error_rate
from seminas.training.speech.sentences import NUM_SENTENCES, sentences
from spoken import CORPUS, made_folder


def test_phonemes_are_those_of_espeak() -> None:
    assert "".join(binding.phonemes("Lucy bought seven beds", "en-us")) == "lˈuːsi bˈɔːt sˈɛvən bˈɛdz</s>"
    assert binding.phonemes("Stop, now.", "en-us").count(",") == 1
    assert binding.phonemes("... !", "en-us") == []


def test_the_corpus_is_made_once_and_is_the_same(corpus: SpeechData, tmp_path: Path) -> None:
    again = espeak(EspeakSettings(**CORPUS, root=str(tmp_path / "made")))
    assert (tmp_path / "made" / "metadata.csv").read_text().count("\n") == 32
    for split, size in (("train", 24), ("val", 4), ("test", 4)):
        assert [u.text for u in again.splits[split]] == [u.text for u in corpus.splits[split]]
        assert len(again.splits[split]) == size
        for one, other in zip(again.splits[split], corpus.splits[split], strict=True):
            assert torch.equal(one.mel, other.mel)
    texts = [u.text for split in corpus.splits.values() for u in split]
    assert len(set(texts)) == len(texts)  # No sentence is in two splits.
    with pytest.raises(UserError, match="holds something else than this corpus"):
        espeak(EspeakSettings(**CORPUS, root=str(tmp_path / "made"), corpus_seed=1))


def test_features_are_computed_once(
    corpus: SpeechData,
    speech_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A damaged file of the cache is made again."""

    def fails(*arguments: Any) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(MelFrames, "read", fails)
        espeak(EspeakSettings(**CORPUS))
    (file,) = (
        f
        for f in (speech_cache / "speech" / "features").iterdir()
        if f.stat().st_mtime == min(g.stat().st_mtime for g in f.parent.iterdir())
    )
    whole = file.read_bytes()
    # A file of its own, because the corpus has the whole file mapped into memory.
    broken = tmp_path / "broken"
    broken.write_bytes(whole[: len(whole) // 2])
    broken.replace(file)
    with caplog.at_level(logging.WARNING):
        again = espeak(EspeakSettings(**CORPUS))
    assert "is damaged and made again" in caplog.text
    assert torch.equal(again.splits["val"][0].mel, corpus.splits["val"][0].mel)
    assert file.read_bytes() == whole


def test_wrong_recordings_are_counted_and_others_are_converted(
    corpus: SpeechData,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = made_folder(corpus, tmp_path / "root")
    wavs = tmp_path / "root" / "wavs"
    before = ljspeech(settings)
    assert before.skipped == {}
    samples, rate = soundfile.read(wavs / "S00000.wav")
    mono = MelFrames(settings).read(wavs / "S00000.wav")
    soundfile.write(wavs / "S00000.wav", np.stack([samples, samples], axis=1), rate)
    assert torch.allclose(MelFrames(settings).read(wavs / "S00000.wav"), mono, atol=1e-4)
    soundfile.write(wavs / "S00001.wav", samples, 44_100)
    assert abs(len(MelFrames(settings).read(wavs / "S00001.wav")) - len(samples) // 2) <= 1
    (wavs / "S00002.wav").unlink()
    (wavs / "S00003.wav").write_bytes(b"RIFF")
    soundfile.write(wavs / "S00004.wav", np.zeros(settings.sample_rate * 10), settings.sample_rate)
    metadata = (tmp_path / "root" / "metadata.csv").read_text()
    lines = metadata.splitlines()
    lines[5] = "S00005||"
    lines[6] = "S00006|...|..."
    (tmp_path / "root" / "metadata.csv").write_text("\n".join(lines))
    with caplog.at_level(logging.WARNING):
        data = ljspeech(settings)
    counted = {"missing or broken WAV": 2, "too long": 1, "empty transcript": 1, "no phonemes": 1}
    assert data.skipped == counted
    assert "5 utterances are left out: 1 empty transcript" in caplog.text
    assert sum(map(len, data.splits.values())) == 27


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        (None, "metadata.csv cannot be read"),
        ("", "has no utterance"),
        ("S1\n", "line 1 must be ID|text"),
        ("../x|text\n", "line 1 must be ID|text"),
        ("S1|a\nS1|b\n", "line 2: S1 is there twice"),
        ("S1|one two\n", "only 0 of 1 utterances are left, 1 left out for missing or broken WAV"),
    ],
)
def test_a_folder_that_is_no_corpus_is_refused_in_one_line(
    metadata: str | None,
    line: str,
    corpus: SpeechData,
    tmp_path: Path,
) -> None:
    from seminas.config.speech import LJSpeechSettings

    if metadata is not None:
        (tmp_path / "metadata.csv").write_text(metadata)
    with pytest.raises(UserError) as error:
        ljspeech(LJSpeechSettings(root=str(tmp_path), num_val=1, num_test=1))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_settings_are_refused(corpus: SpeechData, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, line in (
        ({"voices": ["en-us", "nobody"]}, "data.speech.voices=nobody: must be a voice of espeak-ng"),
        ({"language": "nobody"}, "data.speech.language=nobody: must be a voice"),
        ({"num_train": NUM_SENTENCES}, f"there are {NUM_SENTENCES} sentences"),
    ):
        with pytest.raises(UserError, match=line):
            espeak(EspeakSettings(**{**CORPUS, **wrong}))
    for wrong, line in (
        ({"hop": 2048}, "data.speech.hop=2048: must be at most"),
        ({"high_hz": 20_000}, "data.speech.high_hz=20000"),
        ({"batch_frames": 10}, "data.speech.batch_frames=10: must be at least twice"),
        ({"speeds": []}, "data.speech.speeds"),
    ):
        with pytest.raises(UserError, match=line):
            EspeakSettings(**wrong)
    binding._library.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"speech needs espeak-ng \(pip install 'seminas\[speech\]'\)"):
        binding.phonemes("a", "en-us")
    binding._library.cache_clear()


def test_a_corpus_that_was_killed_while_it_was_made_is_made_again(
    speech_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def killed(path: Path, data: bytes) -> None:
        assert len(list(path.parent.rglob("*.wav"))) == 32
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(corpora, "write_file", killed)
        espeak(EspeakSettings(**CORPUS, root=str(tmp_path / "made")))
    assert not (tmp_path / "made").exists()
    assert len(espeak(EspeakSettings(**CORPUS, root=str(tmp_path / "made"))).splits["train"]) == 24


def test_unknown_phonemes_are_left_out_and_counted(corpus: SpeechData) -> None:
    symbols = Symbols(("a", "b"))
    assert symbols.encode(["b", "x", "a"]) == ([2, 1], ["x"])
    with pytest.raises(UserError, match="has no phonemes that the network knows"):
        symbols.of_text("zzz", "en-us", 10)
    with pytest.raises(UserError, match="phonemes: must be at most 3"):
        corpus.symbols.of_text("lucy got two beds", "en-us", 3)
    assert corpus.unknown >= 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(2, 100), min_size=3, max_size=60), st.integers(1, 3), st.integers(0, 5))
def test_each_epoch_has_each_utterance_once_in_batches_of_bounded_size(
    frames: list[int], world_size: int, epoch: int
) -> None:
    ranks = [FramePosition(frames, 250, 7, rank, world_size) for rank in range(world_size)]
    seen = []
    for sampler in ranks:
        sampler.epoch = epoch
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert all(batch and sum(frames[i] for i in batch) <= 250 for batch in batches)
        seen += [i for batch in batches for i in batch]
    assert len(set(seen)) == len(seen)
    whole = FramePosition(frames, 250, 7)
    whole.epoch = epoch
    if len(whole) % world_size == 0:
        assert sorted(seen) == list(range(len(frames)))
        assert sorted(map(sorted, whole)) == sorted(sorted(b) for sampler in ranks for b in sampler)
    late = FramePosition(frames, 250, 7)
    late.epoch, late.done = epoch, len(late) // 2
    assert list(late) == list(whole)[late.done :]


def test_rates_of_known_attention() -> None:
    diagonal = torch.eye(10).repeat_interleave(4, dim=0)
    uniform = torch.full((40, 10), 0.1)
    for rate in (diagonal_focus_rate, focus_rate, phoneme_coverage):
        assert rate(diagonal) == pytest.approx(1.0)
        assert rate(uniform) < 0.5
    assert float(focus_rate(uniform)) == pytest.approx(0.1)
    assert float(phoneme_coverage(uniform)) == pytest.approx(0.1)
    # Frame f and phoneme p are in the band if |f - 4p| <= 8.
    inside = sum(abs(f - 4 * p) <= 8 for f in range(40) for p in range(10))
    assert diagonal_focus_rate(uniform) == pytest.approx(inside / 400)
    first = torch.zeros(1000, 10)
    first[:, 0] = 1
    assert diagonal_focus_rate(first) == pytest.approx(0.051)  # The band has at most 50 frames.
    assert phoneme_coverage(first) == pytest.approx(0.1)
    assert torch.equal(most_diagonal([uniform[None], torch.stack([uniform, diagonal])]), diagonal)
    padded = torch.zeros(1, 1, 45, 12)
    padded[0, 0, :40, :10] = diagonal
    spoken = Spoken(torch.zeros(1, 45, 80), torch.zeros(1, 45), [padded], torch.tensor([40]))
    (found,) = rates_of(spoken, torch.tensor([10]))
    assert set(found.values()) == {1.0}


def test_losses_ignore_frames_that_do_not_exist() -> None:
    mels = [torch.ones(4, 80), torch.ones(2, 80)]
    batch = collated([(torch.tensor([1, 2]), mels[0], True), (torch.tensor([1]), mels[1], True)])
    predicted = torch.full((2, 4, 80), 3.0)
    stop = torch.full((2, 4), -20.0)
    stop[0, 3] = stop[1, 1] = 20.0
    attention = torch.zeros(2, 1, 4, 2)
    attention[..., 0] = 1
    right = losses(Spoken(predicted, stop, [attention], batch.mel_lengths), batch, 5.0)
    assert (float(right.mel), float(right.stop)) == (pytest.approx(4.0), pytest.approx(0.0, abs=1e-6))
    assert float(guide(Spoken(predicted, stop, [attention], batch.mel_lengths), batch)) > 0
    predicted[1, 2:], stop[1, 2:] = 99, 99
    padding = losses(Spoken(predicted, stop, [attention], batch.mel_lengths), batch, 5.0)
    assert (padding.mel, padding.stop) == (right.mel, right.stop)
    stop[1, 1] = -1.0
    missed = losses(Spoken(predicted, stop, [attention], batch.mel_lengths), batch, 5.0)
    assert float(missed.stop) == pytest.approx(5 * float(torch.nn.functional.softplus(torch.tensor(1.0))) / 6)
    assert isinstance(batch, Batch)


def test_a_recogniser_hears_what_espeak_says() -> None:
    texts = sentences(12, 3)
    recogniser = GrammarRecogniser()
    said = [(text, heard(*binding.speak(text, "en-us", 160), recogniser)) for text in texts]
    silence = [(text, heard(np.zeros(16_000, dtype=np.float32), 16_000, recogniser)) for text in texts[:1]]
    assert word_error_rate(said) < 0.5 < word_error_rate(silence)
    assert word_error_rate([("a b", "a c"), ("a b", "a b")]) == 0.25


def test_a_recogniser_hears_what_frames_far_apart_say(corpus: SpeechData) -> None:
    conversion, recogniser = MelFrames(corpus.settings), GrammarRecogniser()
    assert corpus.settings.hop == corpus.settings.window // 2
    said = [
        (u.text, heard(conversion.samples(u.mel), corpus.settings.sample_rate, recogniser))
        for split in ("val", "test")
        for u in corpus.splits[split]
    ]
    assert word_error_rate(said) < 0.05


def test_frames_become_a_recording_of_the_same_frames(corpus: SpeechData) -> None:
    frames = corpus.splits["test"][0].mel
    conversion = MelFrames(corpus.settings)
    samples = conversion.samples(frames)
    assert np.array_equal(samples, conversion.samples(frames))
    again = conversion.frames(torch.from_numpy(samples))[: len(frames)]
    loudness = (again - frames).mean()
    assert (again - frames - loudness).abs().mean() < 0.25
    assert SpeechSettings().sharpening == 1.5
    for number in (1, 2, 5):
        assert len(conversion.samples(frames[:number])) == number * corpus.settings.hop


def test_a_network_that_has_diverged_has_no_rates() -> None:
    assert all(math.isnan(rate) for rate in rates_in(torch.full((6, 4), torch.nan)).values())


def test_no_batch_is_empty_if_two_utterances_fill_it() -> None:
    position = FramePosition([1, 100, 100], 200, seed=0)
    for position.epoch in range(5):
        assert all(list(position))

"""``seminas speak`` and ``seminas intelligibility``: speech of a trained network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seminas.commands.errors import user_errors
from seminas.errors import UserError, first_line

if TYPE_CHECKING:
    from seminas.training.speech.voice import Vocoder, Voice

Run = Annotated[Path, typer.Argument(help="Finished run folder of seminas-train on speech.")]
VocoderName = Annotated[
    str | None,
    typer.Option("--vocoder", help="Class or function that makes a vocoder. [default: Griffin-Lim]"),
]


@user_errors
def speak(
    run: Run,
    text: Annotated[str, typer.Argument(help="Text to speak.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="WAV file to write.")] = Path("speech.wav"),
    figure: Annotated[
        Path | None, typer.Option(help="Picture to write. [default: the WAV file's name with .png]")
    ] = None,
    vocoder: VocoderName = None,
) -> None:
    """Speak a text: write a WAV file, and a picture of its mel frames and its alignment."""
    from seminas.loop.drawing import save_figure
    from seminas.training.speech.pictures import draw_spoken

    voice, made = _voice(run, vocoder)
    picture = out.with_suffix(".png") if figure is None else figure
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--figure={picture}: must end in .png, .svg or .pdf")
    said = voice.say(text)
    voice.mel_frames.write(out, made(said.mel))
    rates = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in said.rates.items())
    save_figure(
        draw_spoken(said.mel.numpy(), said.attention.numpy(), said.phonemes, f"{text}\n{rates}"), picture
    )
    if said.unknown:
        print(f"left out, because no training utterance has them: {' '.join(said.unknown)}")
    if not said.stopped:
        print("the network did not end the speech itself; it was cut off")
    seconds = len(said.mel) * voice.settings.hop / voice.settings.sample_rate
    print(f"{out}: {seconds:.2f} s, {rates}")


@user_errors
def intelligibility(
    run: Run,
    split: Annotated[str, typer.Option(help="Split of the corpus: val or test.")] = "test",
    recogniser: Annotated[
        str | None,
        typer.Option(help="Class of a recogniser. [default: PocketSphinx with the grammar of data=espeak]"),
    ] = None,
    vocoder: VocoderName = None,
) -> None:
    """Print the word error rate of a recogniser that listens to the network, and to the true frames."""
    from seminas.training.speech.data import make_speech
    from seminas.training.speech.recognition import GrammarRecogniser, heard, word_error_rate
    from seminas.training.speech.voice import heard_texts

    if split not in ("val", "test"):
        raise UserError(f"--split={split}: must be val or test")
    config = _config(run)
    target = str(config["data"]["speech"].get("_target_"))
    if recogniser is None and not target.endswith(".espeak"):
        raise UserError("--recogniser: must be set for other texts than those of data=espeak")
    voice, made = _voice(run, vocoder)
    listener: Any = GrammarRecogniser() if recogniser is None else _made(recogniser, "--recogniser")
    utterances = make_speech(config["data"]["speech"], 0).splits[split]
    rate = voice.settings.sample_rate
    pairs = heard_texts(voice, [u.text for u in utterances], listener, made)
    true = [(u.text, heard(made(u.mel), rate, listener)) for u in utterances]
    wrong = sum(text != words for text, words in pairs)
    print(f"word error rate of the network: {word_error_rate(pairs):.3f}")
    print(f"word error rate of the true frames: {word_error_rate(true):.3f}")
    print(f"sentences with an error: {wrong} of {len(pairs)} ({split})")


def _voice(run: Path, vocoder: str | None) -> "tuple[Voice, Vocoder]":
    """Return the network of a run folder, and the vocoder.

    Raises:
        UserError: The folder holds no trained text-to-speech network, or the vocoder cannot be made.
    """
    from seminas.commands.space import import_path
    from seminas.runs.folder import RunFolder
    from seminas.training.speech.voice import Voice

    import_path([*RunFolder(run).import_paths(), Path.cwd()])
    voice = Voice(run)
    made: Vocoder = voice.mel_frames.samples if vocoder is None else _made(vocoder, "--vocoder")
    return voice, made


def _config(run: Path) -> Any:
    """Return the config of a finished run on speech.

    Raises:
        UserError: The folder holds no such run.
    """
    from seminas.runs.folder import RunFolder
    from seminas.runs.speech_results import SpeechResult

    result = RunFolder(run).result()
    if not isinstance(result, SpeechResult):
        raise UserError(f"{run}: is no finished run of seminas-train on speech")
    return result.config


def _made(name: str, key: str) -> Any:
    """Import a class or function by its name, and call it.

    Raises:
        UserError: It cannot be imported, or its call raises an exception.
    """
    from seminas.config.build import imported

    target = imported(name, key)
    try:
        return target()
    except Exception as error:  # A user's own code may raise anything.
        raise UserError(f"{key}={name}: cannot be made ({first_line(error)})") from error

"""Phonemes and speech by espeak-ng, whose library the package ``espeakng-loader`` brings.

The library is in C and has one global state. So a process loads it once, and holds a lock for each call.
"""

import ctypes
import re
import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, first_line

WORD, CLAUSE, END = " ", ",", "</s>"
"""Symbols between two words, between two clauses, and at the end of a sentence."""
_SYNCHRONOUS, _UTF8, _IPA, _RATE = 2, 1, 0x02, 1
"""Constants of ``speak_lib.h``: output to a callback, encoding, kind of phonemes, parameter of the speed."""
_SEPARATOR = "_"
_lock = threading.Lock()
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@cache
def _library() -> tuple[Any, int]:
    """Return the library and its sample rate.

    Raises:
        UserError: The library is missing, or cannot be loaded.
    """
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), 0)
    except (ImportError, OSError, AttributeError) as error:
        raise UserError(
            f"speech needs espeak-ng (pip install 'seminas[speech]'): {first_line(error)}"
        ) from error
    if rate <= 0:
        raise UserError("speech needs espeak-ng, whose data cannot be read (reinstall espeakng-loader)")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return library, int(rate)


def fix_seed() -> None:
    """Fix the seed of espeak-ng's random numbers. Versions before 1.52 have no seed.

    Raises:
        UserError: There is no espeak-ng.
    """
    library, _ = _library()
    if hasattr(library, "espeak_ng_SetRandSeed"):
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))


def check_voice(voice: str, key: str) -> None:
    """Check that espeak-ng has a voice.

    Raises:
        UserError: There is no such voice, or no espeak-ng.
    """
    library, _ = _library()
    with _lock:
        _set_voice(library, voice, key)


def _set_voice(library: Any, voice: str, key: str) -> None:
    """Choose the voice of the next texts. The caller holds the lock.

    Raises:
        UserError: There is no such voice.
    """
    if library.espeak_SetVoiceByName(voice.encode()):
        raise UserError(f"{key}={voice}: must be a voice of espeak-ng, such as en-us or en-us+f3")


def phonemes(text: str, language: str) -> list[str]:
    """Return the phonemes of a text in IPA, with stress marks, and symbols for the ends of words and clauses.

    Raises:
        UserError: There is no such language, or no espeak-ng.
    """
    library, _ = _library()
    found: list[str] = []
    with _lock:
        _set_voice(library, language, "data.speech.language")
        if not any(character.isalnum() for character in text):
            return []  # espeak-ng would speak the names of the punctuation marks.
        rest = ctypes.pointer(ctypes.c_char_p(text.encode()))
        while rest.contents.value is not None:
            clause = library.espeak_TextToPhonemes(rest, _UTF8, _IPA | ord(_SEPARATOR) << 8) or b""
            # espeak-ng marks words of another language, such as "(fr)".
            words = re.sub(r"\([a-z-]+\)", "", clause.decode()).split()
            spoken = [[p for p in word.split(_SEPARATOR) if p] for word in words]
            for i, word in enumerate(word for word in spoken if word):
                found += [*([CLAUSE] if i == 0 and found else [WORD] if i else []), *word]
    return [*found, END] if found else []


def speak(text: str, voice: str, speed: int) -> tuple[NDArray[np.float32], int]:
    """Return a text spoken by espeak-ng as samples from -1 to 1, without silence at its ends, and the sample rate.

    Args:
        text: Text to speak.
        voice: Voice of espeak-ng.
        speed: Words per minute.

    Raises:
        UserError: There is no such voice, or no espeak-ng.
    """
    library, rate = _library()
    pieces: list[NDArray[np.int16]] = []

    def collect(samples: Any, number: int, events: Any) -> int:
        if samples and number > 0:
            pieces.append(np.ctypeslib.as_array(samples, (number,)).astype(np.int16))
        return 0

    callback = _Callback(collect)
    data = text.encode()
    with _lock:
        _set_voice(library, voice, "data.speech.voices")
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetParameter(_RATE, speed, 0)
        library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    samples = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)
    loud = np.flatnonzero(np.abs(samples) > 200)
    if len(loud):
        samples = samples[max(0, loud[0] - rate // 40) : loud[-1] + rate // 40]
    return samples.astype(np.float32) / np.float32(2**15), rate

"""Process that speaks sentences into WAV files: ``python -m seminas.training.speech.speaking``.

espeak-ng draws random numbers, and keeps a place in its recorded noise that moves with each sentence. Only in a fresh
process with a set seed do the same sentences sound the same. The process reads JSON from its standard input: a list of
path, text, voice and speed.
"""

import json
import sys

from seminas.errors import UserError
from seminas.training.speech.espeak import fix_seed, speak


def main() -> int:
    """Speak the sentences, and return the exit status: 2 after an error, whose message is the last line of stderr."""
    import soundfile

    try:
        fix_seed()
        for path, text, voice, speed in json.load(sys.stdin):
            samples, rate = speak(text, voice, speed)
            soundfile.write(path, samples, rate, "PCM_16")
    except (UserError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

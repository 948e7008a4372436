"""Sentences of a small vocabulary, as in matrix sentence tests of hearing, and their grammar."""

from itertools import product

import numpy as np

SLOTS = (
    ("peter", "kathy", "lucy", "alan", "rachel", "barry", "thomas", "steven", "nina", "hannah"),
    ("got", "sees", "bought", "gives", "sold", "likes", "has", "kept", "wins", "wants"),
    ("two", "three", "four", "six", "seven", "eight", "nine", "twelve", "twenty", "sixty"),
    ("rings", "spoons", "tables", "flowers", "shoes", "beds", "mugs", "chairs", "boxes", "houses"),
)
"""The words of each of the four places of a sentence: name, verb, number, noun."""
NUM_SENTENCES = int(np.prod([len(words) for words in SLOTS]))


def sentences(number: int, seed: int) -> list[str]:
    """Return distinct sentences, drawn by a seed. There are ``NUM_SENTENCES``."""
    every = list(product(*SLOTS))
    return [" ".join(every[i]) for i in np.random.default_rng(seed).permutation(len(every))[:number]]


def speaker(sentence: str, num_voices: int, num_speeds: int) -> tuple[int, int]:
    """Return the number of the voice and the number of the speed of a sentence. They follow from its name."""
    name = SLOTS[0].index(sentence.split()[0])
    return name % num_voices, name // num_voices % num_speeds


def grammar() -> str:
    """Return the grammar of all sentences in JSGF, for a recogniser."""
    places = " ".join(f"( {' | '.join(words)} )" for words in SLOTS)
    return f"#JSGF V1.0;\ngrammar sentences;\npublic <sentence> = {places};\n"

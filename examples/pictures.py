"""Write a folder of small pictures for a classifier: circles, crosses, lines and squares.

Run ``python examples/pictures.py FOLDER``.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("circle", "cross", "line", "square")
SIDE = 32


def picture(kind: str, rng: np.random.Generator) -> Image.Image:
    """Draw a shape in a random colour at a random place on a dark, noisy ground."""
    pixels = rng.integers(0, 70, (SIDE, SIDE, 3))
    color = rng.integers(140, 256, 3)
    r = int(rng.integers(5, 9))
    y, x = rng.integers(r + 1, SIDE - r - 1, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    dy, dx = abs(rows - y), abs(columns - x)
    shapes = {
        "circle": abs(np.hypot(dy, dx) - r) < 1.5,
        "cross": (np.minimum(dy, dx) < 1.5) & (np.maximum(dy, dx) <= r),
        "line": (dy < 1.5) & (dx <= r),
        "square": (np.maximum(dy, dx) <= r),
    }
    pixels[shapes[kind]] = color
    return Image.fromarray(pixels.astype(np.uint8))


def write_pictures(root: Path, train: int = 40, val: int = 15) -> Path:
    """Write ``train`` and ``val`` pictures of each class; returns the folder."""
    for split, number in (("train", train), ("val", val)):
        for k, kind in enumerate(CLASSES):
            rng = np.random.default_rng([k, number])
            folder = root / split / kind
            folder.mkdir(parents=True)
            for i in range(number):
                picture(kind, rng).save(folder / f"{i}.png")
    return root


if __name__ == "__main__":
    print(write_pictures(Path(sys.argv[1]), train=400, val=100))

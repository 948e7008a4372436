"""A loop of your own: seminas proposes the settings of a small network, and this script measures them.

Run ``python examples/ask_tell.py``. If you give it a folder, it goes on after a kill:
``python examples/ask_tell.py runs/mine``.
"""

import math
import sys

import seminas

SPACE = {
    "kernel": [3, 5, 7],
    "width": [16, 32, 64, 128],
    "depth": [2, 4, 6, 8],
    "activation": ["relu", "gelu", None],
}


def measure(kernel, width, depth, activation):
    """Stand-in for a training: an accuracy from 0 to 1, which falls with too large a network."""
    size = math.log2(width) + depth / 2
    if size > 10:
        raise MemoryError(f"width {width} and depth {depth} are too large")
    bonus = {"relu": 0.02, "gelu": 0.03, None: 0.0}[activation]
    return 0.9 + bonus - 0.01 * abs(size - 8) - 0.005 * abs(kernel - 5)


def main(folder=None):
    with seminas.Study(SPACE, strategy="evolution", seed=0, folder=folder) as study:
        while len(study.history) < 60:
            for trial in study.ask(4):
                try:
                    accuracy = measure(**trial.choices)
                except MemoryError as error:
                    study.tell(trial, error=str(error))
                else:
                    study.tell(trial, accuracy)
        best = study.best
        print(f"best of {len(study.history)}: {best.val_accuracy:.4f} with {study.trial_of(best).choices}")


if __name__ == "__main__":
    main(*sys.argv[1:])

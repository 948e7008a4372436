"""Your own space and evaluator: the widths of a perceptron that classifies handwritten digits."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from seminas.evaluators.base import Evaluator
from seminas.spaces.base import EnumerableSpace

WIDTHS = (4, 8, 16, 32)


class Widths(EnumerableSpace[tuple[int, ...]]):
    """Three hidden layers with four possible widths each: 64 architectures."""

    name, num_tokens, max_length, size = "widths", 1 + len(WIDTHS), 3, len(WIDTHS) ** 3

    def at(self, indices):
        return [tuple(WIDTHS[i // 4**layer % 4] for layer in range(3)) for i in np.asarray(indices).tolist()]

    def encode(self, architectures):
        return np.array([[1 + WIDTHS.index(w) for w in a] for a in architectures]).reshape(-1, 3)


class Perceptron(Evaluator[tuple[int, ...]]):
    """Trains scikit-learn's perceptron."""

    def evaluate_one(self, architecture):
        images, labels = load_digits(return_X_y=True)
        train_x, val_x, train_y, val_y = train_test_split(images, labels, train_size=600, random_state=0)
        model = MLPClassifier(architecture, learning_rate_init=0.01, tol=1e-2, random_state=0)
        return model.fit(train_x, train_y).score(val_x, val_y)

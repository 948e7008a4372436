"""Your own script: it trains a perceptron on handwritten digits, and prints its accuracy and its loss as JSON.

A search in this folder: seminas-search --config-dir . experiment=perceptron
"""

import argparse
import json

from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=16)
parser.add_argument("--depth", type=int, default=1)
parser.add_argument("--activation", default="relu")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

images, labels = load_digits(return_X_y=True)
train_x, val_x, train_y, val_y = train_test_split(images / 16, labels, train_size=600, random_state=0)
model = MLPClassifier(
    [arguments.width] * arguments.depth,
    activation=arguments.activation,
    learning_rate_init=0.01,
    tol=1e-2,
    random_state=arguments.seed,
)
model.fit(train_x, train_y)
val_loss = log_loss(val_y, model.predict_proba(val_x))
print(json.dumps({"val_acc": model.score(val_x, val_y), "val_loss": val_loss}))

"""Prediction of how long an evaluation takes, so that the last evaluations of a search end at about the same time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from seminas.runs.records import Record
from seminas.spaces.base import SearchSpace

LEAST_RECORDS = 8
"""Number of successful evaluations below which nothing is predicted."""


def predicted_seconds(
    space: SearchSpace, records: Sequence[Record], architectures: Sequence[Any]
) -> NDArray[np.float64]:
    """Return the predicted duration of the evaluation of each architecture in seconds, ``[n]``.

    The prediction is a ridge regression of the logarithm of the costs on the features of the space. With few records,
    all predictions are 0.
    """
    from sklearn.linear_model import RidgeCV

    known = [record for record in records if record.val_accuracy is not None and record.cost_s > 0]
    if len(known) < LEAST_RECORDS or not len(architectures):
        return np.zeros(len(architectures))
    measured = space.features([space.from_json(record.architecture) for record in known])
    with threadpool_limits(1):
        model = RidgeCV(np.logspace(-1, 3, 9)).fit(measured, np.log([record.cost_s for record in known]))
        seconds: NDArray[np.float64] = np.exp(model.predict(space.features(list(architectures))))
    return seconds

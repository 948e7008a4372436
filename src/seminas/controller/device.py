"""The device of the controller's networks."""

import torch

from seminas.config.controller import ControllerSettings
from seminas.errors import config_error


def check_device(settings: ControllerSettings) -> None:
    """Check that this machine has the device.

    Raises:
        UserError: ``device`` is ``cuda``, and there is no GPU.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise config_error("controller.device", "cuda", "auto or cpu on a machine without a GPU")


def chosen_device(settings: ControllerSettings, num_labels: int) -> torch.device:
    """Return the device for a fit on a number of labels and pseudo-labels."""
    is_large = settings.device == "auto" and num_labels > settings.gpu_from and torch.cuda.is_available()
    return torch.device("cuda" if settings.device == "cuda" or is_large else "cpu")

"""Zero-cost proxies of one network: numbers that need no training and no image.

The images are standard normal noise. Higher values tend to mean higher accuracies. All proxies are on a logarithmic
scale, so that a linear model can read them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seminas.spaces.cost import count_parameters

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Modules whose weights SynFlow reads, and whose multiply-adds count."""
PIECEWISE_LINEAR = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardtanh)
"""Activations whose linear regions NASWOT counts."""
SMALLEST, LARGEST = 1e-30, float(np.finfo(np.float64).max)
"""Smallest and largest SynFlow score. A network without a path from input to output has the score 0."""
RIDGE = 1e-2
"""Added to the eigenvalues of the correlations of ``jacobian``, so that the logarithm is finite."""
SAME = 1e-3
"""Added to the diagonal of NASWOT's kernel, relative to the number of units, so that the logarithm is finite."""
VERSION = 1
"""Version of the definitions in this file. A cache of proxies states it."""


class LackError(ValueError):
    """A network lacks the activations or the weights of a proxy."""


def measured(network: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Return the proxies of a network with random weights. The weights do not change, but BatchNorm statistics do.

    Args:
        network: Network that maps ``images`` to logits ``[n, classes]``.
        images: Noise, ``[n, channels, height, width]``. At least two images.
        names: Names of proxies, see ``seminas.config.proxies.PROXIES``.

    Raises:
        LackError: The network lacks the activations or the weights of a proxy. The message says which.
    """
    values: dict[str, float] = {}
    # Order: ``synflow`` needs BatchNorm statistics of a new network, and a forward pass of the others changes them.
    for measure, wanted in MEASURES.items():
        if any(name in wanted for name in names):
            values |= measure(network, images, names)
    values["parameters"] = float(np.log(max(1, count_parameters(network))))
    return {name: values[name] for name in names}


def _linear(network: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Return the logarithms of SynFlow's score (Tanaka et al., NeurIPS 2020) and of the number of multiply-adds.

    The score is the sum of θ ∂R/∂θ over all weights θ (equation 1). R is the sum of the logits for an image of ones, if
    each parameter has its absolute value and BatchNorm does nothing. So R sums the products of the weights on all
    paths.
    """
    layers = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    if not layers:
        raise LackError("synflow and macs need a convolution or a linear layer, and the network has none")
    weights = [layer.weight for layer in layers]
    parameters = [parameter.detach() for parameter in network.parameters()]
    before = [parameter.clone() for parameter in parameters]
    macs = [0]

    def count(layer: Any, inputs: Any, output: Tensor) -> None:
        macs[0] += layer.weight.numel() * output[0].numel() // layer.weight.shape[0]

    torch._foreach_abs_(parameters)
    with _hooked(layers, count):
        score = _flow(network, weights, torch.ones_like(images[:1]))
    if not np.isfinite(score):  # The products of a deep network's weights may be too large for 32 bits.
        network.double()
        score = _flow(network, [layer.weight for layer in layers], torch.ones_like(images[:1]).double())
        network.to(images.dtype)
    with torch.no_grad():
        torch._foreach_copy_([parameter.detach() for parameter in network.parameters()], before)
    score = score if np.isfinite(score) else LARGEST
    return {"synflow": float(np.log(max(score, SMALLEST))), "macs": float(np.log(max(1, macs[0])))}


def _flow(network: nn.Module, weights: Sequence[Tensor], ones: Tensor) -> float:
    """Return SynFlow's score of a network whose parameters have their absolute values."""
    total = network.eval()(ones).sum()
    gradients = torch.autograd.grad(total, weights, allow_unused=True) if total.requires_grad else ()
    with torch.no_grad():
        flows = [(w * g).sum() for w, g in zip(weights, gradients, strict=False) if g is not None]
        return float(torch.stack(flows).double().sum()) if flows else 0.0


def _nonlinear(network: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Return NASWOT's score and ``jacobian``, from one forward and one backward pass with BatchNorm of the batch.

    NASWOT (Mellor et al., ICML 2021, equations 1 and 2): the logarithm of the determinant of the kernel whose entry is
    the number of units that are on or off for both of two images. ``jacobian`` (the first version of the same paper,
    arXiv 2006.04647v1; ``jacob_cov`` of Abdelfattah et al., ICLR 2021): how little the gradients of the logits with
    respect to two images correlate. The value is the sum of the logarithms of the eigenvalues of their correlations.
    """
    patterns: list[Tensor] = []
    activations = [module for module in network.modules() if isinstance(module, PIECEWISE_LINEAR)]
    if not activations and "naswot" in names:
        raise LackError("naswot needs an activation such as ReLU, and the network has none")
    for module in network.train().modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    learned = [p for p in network.parameters() if p.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    inputs = images.clone().requires_grad_()
    with _hooked(activations, lambda module, x, output: patterns.append((output > 0).flatten(1))):
        logits = network(inputs)
    gradients = torch.autograd.grad(logits.sum(), inputs)[0] if logits.requires_grad else None
    for parameter in learned:
        parameter.requires_grad_(True)
    jacobian = torch.zeros_like(images) if gradients is None else gradients
    rows = jacobian.flatten(1).double().cpu().numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.nan_to_num(np.corrcoef(rows), nan=1.0)
    eigenvalues = np.linalg.eigvalsh(correlations).clip(min=0)
    values = {"jacobian": float(np.log(eigenvalues + RIDGE).sum())}
    if patterns:
        signs = torch.cat(patterns, dim=1).to(images.dtype) * 2 - 1
        equal = ((signs @ signs.T + signs.shape[1]) / 2).double().cpu().numpy()
        equal[np.diag_indices_from(equal)] += SAME * signs.shape[1]
        values["naswot"] = float(np.linalg.slogdet(equal)[1])
    return values


@contextmanager
def _hooked(modules: Sequence[nn.Module], hook: Callable[[Any, Any, Tensor], None]) -> Iterator[None]:
    """Call a hook after each forward pass of the modules, during a block."""
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


MEASURES: Mapping[Callable[[nn.Module, Tensor, Sequence[str]], dict[str, float]], tuple[str, ...]] = {
    _linear: ("synflow", "macs"),
    _nonlinear: ("naswot", "jacobian"),
}
"""Proxies of each measurement, in the order in which they must run."""

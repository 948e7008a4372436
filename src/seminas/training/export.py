"""Export of a trained network: a JSON description, weights as safetensors, and ONNX."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seminas.errors import UserError
from seminas.storage.files import write_file, write_json


def check_exports(formats: Sequence[str]) -> None:
    """Check that the packages of all export formats are installed.

    Raises:
        UserError: A package is missing. The message names it.
    """
    if "onnx" in formats:
        try:
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise UserError(
                "export: onnx needs the package onnxscript (pip install 'seminas[onnx]')"
            ) from error


def export(
    folder: Path,
    network: nn.Module,
    image_shape: tuple[int, ...],
    description: dict[str, Any],
    formats: Sequence[str],
) -> None:
    """Write a trained network into a folder.

    Args:
        folder: Folder for ``network.json``, ``network.safetensors`` and ``network.onnx``.
        network: Trained network on the CPU.
        image_shape: Shape of an image, ``[c, h, w]``.
        description: Contents of ``network.json``.
        formats: Formats to write: ``safetensors``, ``onnx``.
    """
    network = network.eval()
    write_json(folder / "network.json", description, indent=2)
    if "safetensors" in formats:
        export_weights(folder, network)
    if "onnx" in formats:
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *image_shape),),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
        assert program is not None
        program.save(str(folder / "network.onnx"))


def export_weights(folder: Path, network: nn.Module) -> None:
    """Write the weights of a network on the CPU to ``network.safetensors`` in a folder."""
    from safetensors.torch import save

    # A module may have two names, as in cells of NAS-Bench-101 whose input leads to the output. Each gets a copy.
    weights = network.state_dict()
    copied = {k: v.clone(memory_format=torch.contiguous_format) for k, v in weights.items()}
    write_file(folder / "network.safetensors", save(copied))


def digest(network: nn.Module) -> str:
    """Return the SHA-256 digest of a network's parameters. All ranks have the same digest."""
    sha256 = hashlib.sha256()
    for parameter in network.parameters():
        sha256.update(parameter.detach().float().cpu().numpy().tobytes())
    return sha256.hexdigest()

"""Writing a trained network: its weights as safetensors, a description as JSON, and ONNX."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seminas.errors import UserError
from seminas.storage.files import write_file, write_json


def check_exports(formats: Sequence[str]) -> None:
    """Refuse a format whose package is not installed.

    Raises:
        UserError: It names the package.
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
        folder: ``network.json`` is written there, and ``network.safetensors`` and ``network.onnx`` as asked.
        network: On the CPU.
        image_shape: ``[c, h, w]``.
        description: What ``network.json`` holds.
        formats: Some of ``safetensors`` and ``onnx``.
    """
    from safetensors.torch import save

    network = network.eval()
    write_json(folder / "network.json", description, indent=2)
    if "safetensors" in formats:
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        write_file(folder / "network.safetensors", save(weights))
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


def digest(network: nn.Module) -> str:
    """Return the SHA-256 of a network's parameters, which is the same on every rank."""
    sha256 = hashlib.sha256()
    for parameter in network.parameters():
        sha256.update(parameter.detach().float().cpu().numpy().tobytes())
    return sha256.hexdigest()

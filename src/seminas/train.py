"""One network to the end: ``seminas-train``."""

import contextlib
import hashlib
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
import numpy as np
from omegaconf import DictConfig, OmegaConf

from seminas.app import (
    CONFIG_DIR,
    build,
    build_loggers,
    claim,
    closing_loggers,
    given_architecture,
    lock,
    read_result,
    run_job,
    settings,
    side_by_side,
    start,
    write_result,
)
from seminas.errors import UserError, config_error
from seminas.files import write_file
from seminas.processes import is_first_rank
from seminas.sweep import register_resolvers

if TYPE_CHECKING:
    import torch

    from seminas.spaces.base import SearchSpace
    from seminas.training.classifier import Classifier
    from seminas.training.images import Images
    from seminas.training.run import TrainerSettings

log = logging.getLogger(__name__)
EXPORTS = ("safetensors", "onnx")


def run(config: DictConfig, folder: Path) -> float:
    """Train the network of a config in a folder, or go on with the one there.

    Returns:
        Validation accuracy of the checkpoint kept, of test where nothing is held out for validation; a fraction. 0 on
        every rank but the first.

    Raises:
        UserError: The config or the folder will not do, or a process failed.
    """
    from seminas.training.data import images_of, seeded
    from seminas.training.launch import launch
    from seminas.training.run import TrainerSettings, num_local_processes

    finished = read_result(folder)
    if finished is None:
        trainer_settings = settings(config, "trainer", TrainerSettings)
        _architecture(build(config, "space"), config)
        _check_exports(config.export)
        recipe = build(config, "recipe")
        seeded(images_of(config), config.seed, recipe.augmentation)
        resolved = claim(folder, config)
        # Of ranks that Slurm or torchrun started, one holds the folder for all.
        with lock(folder) if is_first_rank() else contextlib.nullcontext():
            num_processes = num_local_processes(trainer_settings)
            arguments = (resolved, folder, side_by_side())
            if num_processes > 1:
                launch(train, arguments, num_processes, folder / "logs")
            else:
                train(*arguments)
        if not is_first_rank():
            return 0.0
        finished = read_result(folder)
        if finished is None:
            raise UserError(f"{folder}: training ended before its end; the same command goes on")
    else:
        claim(folder, config)
    if not side_by_side():
        _print_result(finished, folder)
    accuracy = finished["val_accuracy"]
    return float(finished["test_accuracy"] if accuracy is None else accuracy)


def train(resolved: dict[str, Any], folder: Path, quiet: bool) -> None:
    """Train on this process; the first one writes the result."""
    import torch

    from seminas.networks.cost import count_macs, count_parameters
    from seminas.training.classifier import Classifier
    from seminas.training.data import images_of, seeded
    from seminas.training.run import TrainerSettings, last_checkpoint, make_trainer

    started = time.perf_counter()
    config = OmegaConf.create(resolved)
    trainer_settings = settings(config, "trainer", TrainerSettings)
    space, recipe = build(config, "space"), build(config, "recipe")
    architecture = _architecture(space, config)
    images = seeded(images_of(config), config.seed, recipe.augmentation)
    torch.manual_seed(config.seed)
    skeleton = recipe.networks.get(space.name, {})
    try:
        network = space.build_network(architecture, images.num_classes, images.in_channels, **skeleton)
    except NotImplementedError as error:
        raise UserError(f"space={space.name}: {error}") from error
    module = Classifier(network, images.num_classes, recipe, config.seed)
    validated = len(images.sources["val"]) > 0
    loggers = build_loggers(config, folder)
    trainer = make_trainer(
        trainer_settings,
        folder,
        recipe,
        loggers,
        monitor="val_accuracy" if validated else None,
        quiet=quiet,
        limit_val_batches=1.0 if validated else 0,
    )
    with closing_loggers(loggers):
        trainer.fit(module, datamodule=images, ckpt_path=last_checkpoint(folder), weights_only=True)
    log.info("parameters after step %d: SHA-256 %s", trainer.global_step, digest(network))
    measured = _measured(module, images, trainer_settings, folder, validated)
    if not trainer.is_global_zero:
        return
    shape = images.image_shape
    result = {
        "kind": "training",
        "space": space.name,
        "architecture": space.to_json(architecture),
        "key": space.key(architecture),
        "seed": config.seed,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "val_accuracy": measured.get("val_accuracy"),
        "val_top5": measured.get("val_top5"),
        "test_accuracy": measured["test_accuracy"],
        "test_top5": measured.get("test_top5"),
        "skipped_images": images.num_skipped,
        "parameters": count_parameters(network),
        "macs": count_macs(network.cpu(), shape),
        "wall_s": time.perf_counter() - started,
        "config": resolved,
    }
    export(folder, network, shape, images, result, resolved["export"])
    write_result(folder, result)


def digest(network: "torch.nn.Module") -> str:
    """Return the SHA-256 of a network's parameters, which is the same on every rank."""
    whole = hashlib.sha256()
    for parameter in network.parameters():
        whole.update(parameter.detach().float().cpu().numpy().tobytes())
    return whole.hexdigest()


def _measured(
    module: "Classifier", images: "Images", settings: "TrainerSettings", folder: Path, validated: bool
) -> dict[str, Any]:
    """What the weights that are kept reach: those that were the best on the validation images, or the last."""
    import torch

    from seminas.training.run import BEST, LAST, evaluating_trainer

    kept = torch.load(folder / "checkpoints" / (BEST if validated else LAST), "cpu", weights_only=True)
    module.load_state_dict(kept["state_dict"])
    trainer = evaluating_trainer(settings, folder)
    measured: dict[str, Any] = {}
    if validated:
        measured |= dict(trainer.validate(module, images, verbose=False)[0])
    return measured | dict(trainer.test(module, images, verbose=False)[0])


def export(
    folder: Path,
    network: "torch.nn.Module",
    shape: tuple[int, ...],
    images: "Images",
    result: dict[str, Any],
    kinds: list[str],
) -> None:
    """Write a trained network: its weights as ``network.safetensors``, what it is as ``network.json``, and as ONNX.

    Args:
        folder: Where.
        network: On the CPU.
        shape: Of an image, ``[c, h, w]``.
        images: What it was trained on.
        result: What is said of it.
        kinds: Of ``EXPORTS``.
    """
    import torch
    from safetensors.torch import save

    network = network.eval()
    about = {name: result[name] for name in ("space", "architecture", "key", "parameters", "macs")}
    about |= {"space_config": result["config"]["space"], "networks": result["config"]["recipe"]["networks"]}
    about |= {"num_classes": images.num_classes, "image": list(shape), "classes": images.classes}
    about |= {name: result[name] for name in ("val_accuracy", "test_accuracy")}
    write_file(folder / "network.json", json.dumps(about, indent=2).encode() + b"\n")
    if "safetensors" in kinds:
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        write_file(folder / "network.safetensors", save(weights))
    if "onnx" in kinds:
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *shape),),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
        assert program is not None
        program.save(str(folder / "network.onnx"))


def _architecture(space: "SearchSpace[Any]", config: DictConfig) -> Any:
    """The architecture that the config names, drawn by the seed where it names none."""
    given, source = config.architecture, config.architecture_from
    if given is not None and source is not None:
        raise UserError("architecture_from: architecture is set as well, one of them will do")
    if given is None and source is None:
        return space.sample(1, np.random.default_rng(config.seed))[0]
    key = "architecture" if source is None else "architecture_from"
    try:
        if source is not None:
            if not Path(str(source)).exists():
                raise ValueError("there is no such run folder or file")
            return given_architecture(str(source), space)
        if not isinstance(given, str):
            return space.from_json(OmegaConf.to_container(given) if OmegaConf.is_config(given) else given)
        return given_architecture(given, space)
    except ValueError as error:
        raise UserError(f"{key}={given or source}: {error}") from error


def _check_exports(kinds: Any) -> None:
    for kind in kinds:
        if kind not in EXPORTS:
            raise config_error("export", list(kinds), f"some of {', '.join(EXPORTS)}")
    if "onnx" in kinds:
        try:
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise UserError(
                "export: onnx needs the package onnxscript (pip install 'seminas[onnx]')"
            ) from error


def _print_result(result: dict[str, Any], folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"{result['space']} {result['key']}", show_header=False)
    for title, name in (
        ("validation accuracy", "val_accuracy"),
        ("test accuracy", "test_accuracy"),
        ("test accuracy, top 5", "test_top5"),
    ):
        if result[name] is not None:
            shown.add_row(title, f"{100 * result[name]:.2f}%")
    shown.add_row("parameters", f"{result['parameters']:,}")
    shown.add_row("MACs", f"{result['macs']:,}")
    shown.add_row("skipped images", str(result["skipped_images"]))
    shown.add_row("epochs", str(result["epochs"]))
    shown.add_row("folder", str(folder))
    Console().print(shown)


register_resolvers()


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="train")
def _entry(config: DictConfig) -> float:
    return run_job(run, config)


def main() -> None:
    """Entry point of ``seminas-train``."""
    start(_entry)

"""Measurement of the rank correlation between a supernet's accuracies and standalone accuracies.

python measurements/correlation.py -o correlation.csv
"""

import csv
import logging
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from scipy.stats import kendalltau, spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from pictures import write_pictures
from training import RECIPE, bare_trainer

from seminas.config.data import FolderSettings
from seminas.config.spaces import MobileNetSettings
from seminas.config.trainer import TrainerSettings
from seminas.spaces.mobilenet import MobileNet
from seminas.training.classifier import Classifier
from seminas.training.data.make import seeded_images
from seminas.training.supernet import SupernetJob


def correlation(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV of what was measured; goes on where it ends.")
    ],
    number: Annotated[int, typer.Option(help="Architectures.")] = 20,
    epochs: Annotated[int, typer.Option(help="Of each standalone training.")] = 3,
    steps: Annotated[int, typer.Option(help="Of the supernet, on these architectures.")] = 1500,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
) -> None:
    """Measure architectures with a supernet and by standalone training, on the pictures of examples/pictures.py."""
    torch.set_num_threads(1)
    space = MobileNet(MobileNetSettings(image=[3, 32, 32], num_classes=4, factor=0.25))
    with tempfile.TemporaryDirectory() as folder:
        root = write_pictures(Path(folder) / "pictures", 400, 250)
        images = {"_target_": FolderSettings._target_, "root": str(root), "batch_size": 32, "resolution": 32}
        images |= {"resize": 32, "num_validation": 400, "num_calibration": 100, "num_workers": 0}
        settings = TrainerSettings(accelerator="cpu", devices=1)
        architectures = space.sample(number, np.random.default_rng(seed))
        job = SupernetJob(space, images, RECIPE, settings, out.with_suffix(".supernet"), seed)
        job.pool = architectures  # Like a search, train only the proposed architectures.
        if job.step() < steps:
            job.train(steps)
        by_kind = {"calibrated": job.accuracies(architectures)}
        by_kind["as trained"] = replace(job, calibrate=False).accuracies(architectures)
        rows = list(csv.DictReader(out.open())) if out.exists() else []
        recipe = replace(RECIPE, epochs=epochs, schedule="cosine", warmup_epochs=1)
        for i in range(len(rows), number):
            data = seeded_images(images, seed, "flip")
            torch.manual_seed(seed)
            module = Classifier(space.build_network(architectures[i], 4, 3), 4, recipe, seed)
            trainer = bare_trainer(max_epochs=epochs, devices=1, limit_val_batches=0)
            trainer.fit(module, datamodule=data)
            measured = trainer.test(module, data, verbose=False)[0]["test_accuracy"]
            values = {name: f"{accuracies[i]:.4f}" for name, accuracies in by_kind.items()}
            rows.append({"key": space.key(architectures[i]), **values, "standalone": f"{measured:.4f}"})
            with out.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    standalone = [float(row["standalone"]) for row in rows]
    for name in by_kind:
        by_supernet = [float(row[name]) for row in rows]
        tau, rho = kendalltau(by_supernet, standalone), spearmanr(by_supernet, standalone)
        mean = f"mean accuracy {np.mean(by_supernet):.3f}"
        print(
            f"{name}: Kendall tau {tau.statistic:.3f} (p {tau.pvalue:.2g}), Spearman {rho.statistic:.3f}, {mean}"
        )
    print(
        f"standalone: mean accuracy {np.mean(standalone):.3f}, {min(standalone):.3f} to {max(standalone):.3f}"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    typer.run(correlation)

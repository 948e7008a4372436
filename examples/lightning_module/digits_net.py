"""Your own LightningModule and LightningDataModule: a small convolutional network on handwritten digits.

A search in this folder: seminas-search --config-dir . experiment=digits_net
"""

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Digits(pl.LightningDataModule):
    """1,797 images of 8 x 8 pixels, of which 360 are for validation."""

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        images, labels = load_digits(return_X_y=True)
        images = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        data = TensorDataset(images, torch.tensor(labels))
        self.train, self.val = random_split(data, [1437, 360], torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, self.batch_size)


class Net(pl.LightningModule):
    """``depth`` convolutions of ``width`` channels. A batch for training moves by up to ``shift`` pixels."""

    def __init__(
        self, kernel: int, depth: int, width: int, learning_rate: float = 0.01, shift: int = 0
    ) -> None:
        super().__init__()
        self.learning_rate, self.shift = learning_rate, shift
        layers = []
        for i in range(depth):
            layers += [nn.Conv2d(width if i else 1, width, kernel, padding="same"), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        by = torch.randint(-self.shift, self.shift + 1, (2,)).tolist()
        return nn.functional.cross_entropy(self.net(images.roll(by, (2, 3))), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        scores = self.net(images)
        self.log("val_acc", (scores.argmax(1) == labels).float().mean())
        self.log("val_loss", nn.functional.cross_entropy(scores, labels))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.learning_rate)

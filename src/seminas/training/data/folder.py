"""Images in folders, a folder for each class: ImageNet, or anybody's."""

from pathlib import Path

from PIL import Image
from torchvision.datasets import ImageFolder

from seminas.config.data import FolderSettings
from seminas.errors import UserError
from seminas.training.data.images import Images, held_out
from seminas.training.data.transforms import MODES, Transforms


class Folder:
    """The images of one split: ``root/split/class/file``."""

    def __init__(self, root: Path, split: str, channels: int) -> None:
        """Find the files.

        Raises:
            UserError: The folder is not there, or a class of it holds no image.
        """
        self._mode = MODES[channels]
        folder = root / split
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder; images belong into {folder}/CLASS/")
        try:
            files = ImageFolder(str(folder))
        except FileNotFoundError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{folder}: {reason[0].lower()}{reason[1:].rstrip('.')}") from error
        self.classes = files.classes
        self.paths = [path for path, _ in files.samples]
        self.labels: list[int] = [label for _, label in files.samples]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return an image's path."""
        path: str = self.paths[index]
        return path

    def image(self, index: int) -> Image.Image:
        """Read an image; grey, palette and transparent ones are converted.

        Raises:
            OSError: The file is no image, or is cut off.
        """
        with Image.open(self.paths[index]) as image:
            return image.convert(self._mode)


def image_folder(settings: FolderSettings, augmentation: str, seed: int) -> Images:
    """Return the images of a folder with ``train/CLASS/`` and ``val/CLASS/``.

    Args:
        settings: The folder, sizes and splits.
        augmentation: See ``Recipe.augmentation``.
        seed: Of the order and the augmentation.

    Raises:
        UserError: A split is missing or empty, there is one class only, or the classes differ between the splits.
    """
    root = Path(settings.root).expanduser()
    train, test = (Folder(root, split, settings.channels) for split in ("train", "val"))
    if len(train.classes) < 2:
        raise UserError(f"{root / 'train'}: holds one class only, {train.classes[0]}")
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))[0]
        raise UserError(f"{root}: class {odd} is in one of train and val only")
    splits = held_out(train, settings.num_validation, settings.num_calibration, settings.split_seed)
    transforms = Transforms.of(settings, augmentation)
    return Images({**splits, "test": test}, len(train.classes), settings, transforms, seed)

"""Images in folders, with one folder for each class, such as ImageNet."""

from pathlib import Path

from PIL import Image
from torchvision.datasets import ImageFolder

from seminas.config.data import FolderSettings
from seminas.errors import UserError
from seminas.training.data.images import Images, held_out
from seminas.training.data.transforms import MODES, Transforms


class Folder:
    """The images of one split, in files ``root/split/class/file``."""

    def __init__(self, root: Path, split: str, channels: int) -> None:
        """List the image files.

        Args:
            root: Folder of all splits.
            split: Name of the split's folder in ``root``.
            channels: Number of image channels, 1 or 3.

        Raises:
            UserError: The split's folder is missing, or a class has no images.
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
        """Return the path of an image."""
        path: str = self.paths[index]
        return path

    def image(self, index: int) -> Image.Image:
        """Read an image, and convert it to gray or RGB.

        Raises:
            OSError: The file is not an image, or is incomplete.
        """
        with Image.open(self.paths[index]) as image:
            return image.convert(self._mode)


def image_folder(settings: FolderSettings, augmentation: str, seed: int) -> Images:
    """Return the images of a folder with ``train/CLASS/`` and ``val/CLASS/``.

    Args:
        settings: Settings of the folder, the image sizes and the splits.
        augmentation: Name of the augmentation, see ``Recipe.augmentation``.
        seed: Seed of the order and the augmentation of training images.

    Raises:
        UserError: A split is missing or empty, the folder has only one class, or the splits have different classes.
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

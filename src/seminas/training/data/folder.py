"""Images in folders, with one folder for each class, such as ImageNet."""

import warnings
from pathlib import Path

from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from seminas.config.data import FolderSettings
from seminas.errors import UserError
from seminas.training.data.images import Images, held_out, held_out_by_class
from seminas.training.data.transforms import Transforms, read_image


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
        self._channels = channels
        folder = root / split
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder; images belong into {folder}/CLASS/")
        try:
            files = _VisibleFiles(str(folder), is_valid_file=_is_image)
        except FileNotFoundError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{folder}: {reason[0].lower()}{reason[1:].rstrip('.')}") from error
        self.classes = files.classes
        self.paths = [path for path, _ in files.samples]
        self.labels: list[int] = [label for _, label in files.samples]
        nested = sorted({self.classes[i] for path, i in files.samples if Path(path).parent.parent != folder})
        if nested:
            warnings.warn(
                f"{folder}: images of {len(nested)} of {len(self.classes)} classes lie in folders below their class "
                f"folder, such as {nested[0]}; a class is a folder directly in {folder}",
                stacklevel=2,
            )

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
        return read_image(self.paths[index], self._channels)


class _VisibleFiles(ImageFolder):  # type: ignore[misc]
    """Classes and images whose names do not begin with a dot, as those of ``.ipynb_checkpoints`` do."""

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Return the names of the classes, and the number of each."""
        names = sorted(p.name for p in Path(directory).iterdir() if p.is_dir() and not p.name.startswith("."))
        if not names:
            raise FileNotFoundError("there is no folder of a class in it")
        return names, {name: i for i, name in enumerate(names)}


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMG_EXTENSIONS) and not any(
        part.startswith(".") for part in Path(path).parts[-2:]
    )


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
        raise UserError(f"{root / 'train'}: holds one class only, {train.classes[0]}; two are the least")
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))[0]
        raise UserError(f"{root}: class {odd} is in one of train and val only")
    draw = held_out_by_class if settings.stratify else held_out
    splits = draw(train, settings.num_validation, settings.num_calibration, settings.split_seed)
    transforms = Transforms.of(settings, augmentation)
    return Images({**splits, "test": test}, len(train.classes), settings, transforms, seed)

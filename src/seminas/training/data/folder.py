"""Images in folders, a folder for each class: ImageNet, or anybody's."""

import warnings
from pathlib import Path

from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from seminas.config.data import FolderSettings
from seminas.errors import UserError
from seminas.training.data.images import Images, held_out, held_out_by_class
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
    draw = held_out_by_class if settings.stratify else held_out
    splits = draw(train, settings.num_validation, settings.num_calibration, settings.split_seed)
    transforms = Transforms.of(settings, augmentation)
    return Images({**splits, "test": test}, len(train.classes), settings, transforms, seed)

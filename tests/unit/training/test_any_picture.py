"""Whatever an image folder holds, it gives images, or one clear line. Files that are no images are left out."""

import io
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from seminas.config.data import FolderSettings
from seminas.errors import UserError
from seminas.training.data.folder import Folder, image_folder
from seminas.training.data.transforms import read_image


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


WHOLE = {form: encoded(form) for form in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw the bytes of an image with a few changes, or cut off."""
    data = bytearray(draw(st.sampled_from(list(WHOLE.values()))))
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[place] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(max_examples=600, deadline=None)
@given(data=st.binary(max_size=60) | damaged())
@example(data=WHOLE["PNG"])
@example(data=b"\x89PNG\r\n\x1a\n" + bytes(60))
def test_any_bytes_are_an_image_or_an_os_error(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for channels, mode in ((1, "L"), (3, "RGB")):
            try:
                image = read_image(io.BytesIO(data), channels)
            except OSError as error:
                assert str(error)
            else:
                assert image.mode == mode and image.width > 0


def test_a_whole_image_is_read() -> None:
    for data in WHOLE.values():
        assert read_image(io.BytesIO(data), 3).size == (7, 9)


NAMES = st.sampled_from(
    ["a", "b", ".hidden", "a.png", "a.PNG", "x y.jpg", "é.png", "notes.txt", "-", "#", "..a"]
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map(tuple), st.sampled_from([WHOLE["PNG"], b"", b"x"]), max_size=6
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(train=TREES, val=TREES)
def test_any_tree_is_a_data_set_or_one_line(
    tmp_path: Path, train: dict[tuple[str, ...], bytes], val: dict
) -> None:  # type: ignore[type-arg]
    root = tmp_path / "pictures"
    shutil.rmtree(root, ignore_errors=True)
    for split, files in (("train", train), ("val", val)):
        for parts, data in files.items():
            path = root.joinpath(split, *parts)
            if not any(folder.is_file() for folder in path.parents) and not path.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    settings = FolderSettings(root=str(root), batch_size=2, resolution=8, num_validation=0, num_calibration=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            images = image_folder(settings, "flip", 0)
        except UserError as error:
            assert str(root) in str(error) or "data.images" in str(error)
            assert "\n" not in str(error)
        else:
            assert images.num_classes >= 2


def test_only_visible_images_in_class_folders_count(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/.2.png", "dog/1.png", ".ipynb_checkpoints/1.png", "dog/notes.txt"):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WHOLE["PNG"])
    folder = Folder(tmp_path, "train", 3)
    assert folder.classes == ["cat", "dog"] and len(folder) == 2
    with pytest.raises(UserError, match="val: there is no such folder"):
        Folder(tmp_path, "val", 3)

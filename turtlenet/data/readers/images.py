"""Folders of images, one folder a class, decoded only when they are asked for."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from turtlenet.data.about import VALIDATION
from turtlenet.data.pixels import size_text
from turtlenet.data.readers.files import check_inside
from turtlenet.errors import DataError, one_line

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm"}
# Others that Pillow knows are no pictures alone: one is a program for Ghostscript.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM")
UNREAD = frozenset(
    (
        *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".jfif", ".jpe", ".svg", ".psd", ".exr"),
        *(".hdr", ".ico", ".icns", ".tga", ".pcx", ".pnm", ".pbm", ".pfm", ".dcm", ".raw", ".dng", ".nef", ".cr2"),
        *(".cr3", ".arw", ".orf", ".rw2", ".raf"),
    )
)
"""What other images are called: to leave them out would score fewer than there are."""
_PARTS = ("train", "test")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class EncodedImages:
    """Encoded images as one uint8 array `(N, height, width[, channels])`; a slice decodes only its own images.

    Args:
        opened: Gives the file of an image by its number: a path, or an open stream.
        count: How many images there are, at least one.
        shape: Shape to bring every image to, `(height, width)` for gray or `(height, width, channels)` with 1, 3 or 4
            channels. Sizes are changed with bilinear filtering. `None`, and a flat shape, keep those of the first
            image.
        name: What messages call the images.

    Raises:
        DataError: A shape that no image has, or a first image that is none.
    """

    dtype = np.dtype(np.uint8)
    pictures = True
    """Whether these are gray levels for certain, whatever their values."""

    def __init__(self, opened: Callable[[int], Any], count: int, shape: tuple[int, ...] | None, name: str):
        self._opened, self._name = opened, name
        if shape is None or len(shape) == 1:
            shape = self._decoded(0, None).shape
        if len(shape) not in (2, 3) or (shape[2:] or (1,))[0] not in MODES:
            raise DataError(
                "Expected a model of images, height x width or height x width x channels (1, 3 or 4), for "
                f"{name}; got {size_text(shape)}."
            )
        self.shape = (count, *shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        places = np.arange(len(self))[index]
        out = np.empty((len(places), *self.shape[1:]), "u1")
        for row, place in enumerate(places):
            out[row] = self._decoded(int(place), self.shape[1:])
        return out

    def _decoded(self, place: int, shape: tuple[int, ...] | None) -> np.ndarray:
        file = self._opened(place)
        return _decode(file, shape, str(file) if isinstance(file, Path) else f"image {place} of {self._name}")


class ImageFiles(EncodedImages):
    """Image files as one array, see `EncodedImages`.

    Args:
        files: The image files, at least one.
        shape: Shape to bring every image to.
    """

    def __init__(self, files: list[Path], shape: tuple[int, ...] | None):
        super().__init__(files.__getitem__, len(files), shape, "a folder of images")


def read_image_folder(
    path: Path, shape: tuple[int, ...] | None, num_classes: int | None, known: Sequence[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The images of `path/<class>/*` or of `path/train/<class>/*`, `path/test/<class>/*` and `path/val/<class>/*`.

    The last may be all there is. Classes are numbered in the order of their sorted names, over all parts together, or
    in that of `known` names.

    Returns:
        Arrays by name, as `assemble` takes them, and the names of the classes; `None` if `path` holds no such folders.

    Raises:
        DataError: Another number of class folders than `num_classes`, or folders without images.
    """
    parts = {f"_{part}": path / part for part in _PARTS if _folders(path / part)}
    # Beside others than those it is the folder of a class.
    alone = {folder.name for folder in _folders(path)} <= set(VALIDATION)
    parts |= {f"_{part}": path / part for part in VALIDATION if (parts or alone) and _folders(path / part)}
    parts = parts or {"": path}
    _check_case(path)
    classes = sorted({folder.name for part in parts.values() for folder in _folders(part)})
    if not classes:
        return None
    if known:
        strange = next((name for name in classes if name not in known), None)
        if strange is not None:
            raise DataError(f"Expected folders of the classes {', '.join(known)[:80]} in {path}; got {strange}.")
        classes = list(known)
    if num_classes not in (None, len(classes)):
        raise DataError(
            f"Wrong number of classes: expected {num_classes} class folders in {path}; got {len(classes)}, "
            f"from {classes[0]} to {classes[-1]}."
        )
    _check_read([part / name for part in parts.values() for name in classes])
    arrays: dict[str, Any] = {}
    for suffix, part in parts.items():
        found = [(file, label) for label, name in enumerate(classes) for file in _images(part / name)]
        for file, _ in found:
            check_inside(file, path)
            if not file.is_file():
                # Reading from a pipe would wait for whoever writes to it.
                raise DataError(f"Expected an image in {file}; it is no file.")
        if not found:
            raise DataError(
                f"Expected images in the class folders of {part}; got none ({', '.join(sorted(SUFFIXES))})."
            )
        arrays["x" + suffix] = ImageFiles([file for file, _ in found], shape)
        arrays["y" + suffix] = np.array([label for _, label in found], np.int32)
    return arrays, tuple(classes)


def _folders(path: Path) -> list[Path]:
    # Hidden folders belong to tools, not to the data, as does what macOS puts beside them into an archive.
    items = path.iterdir() if path.is_dir() else ()
    return [item for item in items if item.is_dir() and item.name[0] != "." and item.name != "__MACOSX"]


def _check_case(path: Path) -> None:
    """Refuses `Train` and `Test`, which would be two classes.

    Raises:
        DataError: Folders that are called so, but for the case of their letters.
    """
    meant = sorted(each.name for each in _folders(path) if each.name not in _PARTS and each.name.lower() in _PARTS)
    if meant and any(_folders(path / name) for name in meant):
        raise DataError(
            f"Expected the folders of the parts as train and test in {path}; got {', '.join(meant)}: rename to "
            f"{', '.join(name.lower() for name in meant)}."
        )


def _check_read(folders: Sequence[Path]) -> None:
    """Refuses class folders with images of a format that is not read: nothing is left out in silence.

    Raises:
        DataError: There are some, with their number and the first.
    """
    unread = [file for folder in folders for file in sorted(folder.glob("*")) if _is_unread(file)]
    if unread:
        more = f" and {len(unread) - 1:,} more" if len(unread) > 1 else ""
        raise DataError(
            f"Expected images of {', '.join(sorted(SUFFIXES))}; got {unread[0]}{more} of other formats: convert them, "
            "or take them out."
        )


def _is_unread(file: Path) -> bool:
    return file.suffix.lower() in UNREAD and file.name[0] != "." and file.is_file()


def _images(path: Path) -> list[Path]:
    return sorted(file for file in path.glob("*") if file.suffix.lower() in SUFFIXES and file.name[0] != ".")


@contextmanager
def _no_bomb(module: Any) -> Iterator[None]:
    """Refuses an image of more pixels than Pillow takes for sane, of which it only warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", module.DecompressionBombWarning)
        yield


def _decode(file: Path | IO[bytes], shape: tuple[int, ...] | None, name: str) -> np.ndarray:
    """One image as uint8 of this shape, or of its own in gray or RGB; messages call it by its name."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("Expected Pillow for a folder of images; it is not installed: pip install pillow.") from None
    try:
        with _no_bomb(Image), Image.open(file, formats=FORMATS) as opened:
            image: Image.Image = opened
            if image.mode[0] == "I":
                # Pillow would cut 16-bit gray off at 255.
                image = Image.fromarray(np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8))
            if image.mode == "P":
                # A palette may hold transparency, which only RGBA takes over without a warning.
                image = image.convert("RGBA")
            if shape is None:
                return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
            image = image.convert(MODES[(shape[2:] or (1,))[0]])
            if image.size != (shape[1], shape[0]):
                image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
            return np.asarray(image).reshape(shape)
    except Exception as error:  # A damaged image fails in as many ways as there are formats.
        raise DataError(f"Expected an image in {name}; got: {one_line(error)}.") from None

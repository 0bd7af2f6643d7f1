"""Data files decide nothing: no link out of them, no pipe, no program, no claim that they cannot keep."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest

from turtlenet import data
from turtlenet.errors import DataError

X, Y = np.zeros((6, 4, 4), "uint8"), np.arange(6) % 3


def pictures(folder):
    from PIL import Image

    for name in "abc":
        (folder / name).mkdir(parents=True)
        Image.fromarray(X[0]).save(folder / name / "0.png")
    return folder


@pytest.mark.parametrize("what", ["file", "class", "pipe"])
def test_a_folder_of_images_shows_its_own(what, tmp_path) -> None:
    folder, other = pictures(tmp_path / "pets"), pictures(tmp_path / "other")
    data.load(str(folder), shape=(4, 4, 1))
    if what == "class":
        (folder / "d").symlink_to(other / "a")
    elif what == "file":
        (folder / "a" / "1.png").symlink_to(other / "a" / "0.png")
    else:
        os.mkfifo(folder / "a" / "1.png")
    with pytest.raises(DataError, match="is no file" if what == "pipe" else "is a link to somewhere else"):
        data.load(str(folder), shape=(4, 4, 1))


def test_a_link_within_the_folder_and_one_to_it_are_fine(tmp_path) -> None:
    folder = pictures(tmp_path / "pets")
    (folder / "a" / "1.png").symlink_to(folder / "a" / "0.png")
    (tmp_path / "link").symlink_to(folder)
    assert len(data.load(str(tmp_path / "link"), shape=(4, 4, 1)).whole) == 4


def test_a_program_for_ghostscript_is_no_image(tmp_path) -> None:
    folder = pictures(tmp_path / "pets")
    (folder / "a" / "0.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match="Expected an image in"):
        data.load(str(folder), shape=(4, 4, 1)).whole.check()


def test_an_image_of_a_billion_pixels_is_refused_unread(tmp_path) -> None:
    folder = pictures(tmp_path / "pets")
    path = folder / "a" / "0.png"
    content = bytearray(path.read_bytes())
    place = content.index(b"IHDR")
    struct.pack_into(">II", content, place + 4, 40_000, 40_000)
    import zlib

    struct.pack_into(">I", content, place + 17, zlib.crc32(content[place : place + 17]))
    path.write_bytes(content)
    with pytest.raises(DataError, match="pixels"):
        data.load(str(folder), shape=(4, 4, 1)).whole.check()


@pytest.mark.parametrize("what", ["link", "pipe", "archive"])
def test_a_folder_of_arrays_shows_its_own(what, tmp_path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    np.save(folder / "y.npy", Y)
    if what == "link":
        np.save(tmp_path / "x.npy", X)
        (folder / "x.npy").symlink_to(tmp_path / "x.npy")
    elif what == "pipe":
        os.mkfifo(folder / "x.npy")
    else:
        np.savez(folder / "x.npz", X)
        (folder / "x.npz").rename(folder / "x.npy")
    with pytest.raises(DataError, match="link to somewhere else|something else|got an archive"):
        data.load(str(folder))


def claiming(shape):
    """The bytes of a `.npy` of four numbers that claims more."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(16)


@pytest.mark.parametrize("shape", [(10**6, 10**6), (2**62, 4), (500,)])
@pytest.mark.parametrize("kind", [".npz", "/"])
def test_a_claim_is_refused_before_room_is_made(kind, shape, tmp_path) -> None:
    if kind == "/":
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "x.npy").write_bytes(claiming(shape))
        np.save(tmp_path / "set" / "y.npy", Y)
    else:
        with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
            archive.writestr("x.npy", claiming(shape))
            archive.writestr("y.npy", claiming((4,)))
    with pytest.raises(DataError, match="it claims"):
        data.load(str(tmp_path / ("set" if kind == "/" else "set.npz")))

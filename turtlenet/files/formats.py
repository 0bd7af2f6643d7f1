"""Says what a file is that is not what was asked for, and what to do about it: known by its bytes, never executed."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["this_is", "what_is"]

_HEAD = 4096
_SAVE = "in the program that wrote it, save the Keras model with model.save('model.keras')"
_OTHERS = "turtlenet loads Keras models"
_PICKLE = f"turtlenet runs no pickles; {_SAVE}, or arrays with numpy.savez"
_TORCH = f"a PyTorch file: {_OTHERS}; build the same net in Keras and copy the weights"
_UNPACK = "unpack it and give the file in it"

_OLD_PICKLE = rb"[(\]}]?([ld]?p\d|c(__builtin__|builtins|copy_reg|numpy|sklearn)[\w.]*\n)"

# What a file begins with, at an offset.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs.github.com/spec/", "a Git LFS pointer: `git lfs pull` fetches the file itself"),
    (0, b"version https://hawser.github.com/spec/", "a Git LFS pointer: `git lfs pull` fetches the file itself"),
    (0, b"/annex/objects/", "a git-annex pointer: `git annex get` fetches the file itself"),
    (0, b"outs:\n- ", "a DVC pointer: `dvc pull` fetches the file itself"),
    (0, b"\x1f\x8b", f"a gzip archive: {_UNPACK} (gunzip, or tar xzf)"),
    (0, b"BZh", f"a bzip2 archive: {_UNPACK}"),
    (0, b"\xfd7zXZ\x00", f"an xz archive: {_UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"a Zstandard archive: {_UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7-Zip archive: {_UNPACK}"),
    (0, b"Rar!\x1a\x07", f"a RAR archive: {_UNPACK}"),
    (257, b"ustar", f"a tar archive: {_UNPACK}"),
    (0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", _TORCH),
    (4, b"TFL3", f"a TensorFlow Lite model: {_OTHERS}; give the model that it was converted from"),
    (0, b"\x93NUMPY", "a NumPy array (.npy), not a model"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes a model in"),
    (0, b"\x00\x05\x16\x07", "a macOS resource file ('._' before its name): give the file itself"),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"\x7fELF", "a program"),
)


def what_is(path: Path) -> str | None:
    """What a file is, in some words, with a colon before what to do about it where something can be done.

    Args:
        path: The file, which is read in its first and last bytes only.

    Returns:
        Such as "a Git LFS pointer: `git lfs pull` fetches the file itself"; None where it cannot be told.
    """
    try:
        if not path.is_file():
            return None
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(0, size - 48))
            tail = file.read(48)
    except OSError:
        return None
    if not head:
        return "an empty file: fetch or copy it again"
    for offset, mark, words in _SIGNATURES:
        if head[offset : offset + len(mark)] == mark:
            return words
    for look in _LOOKS:
        if found := look(path, head, tail):
            return found
    return None


def this_is(path: Path) -> str:
    """What a file is, to end a message with: `: this is ...`; empty where it cannot be told."""
    found = what_is(path)
    return f": this is {found}" if found else ""


def _zip(path: Path, head: bytes, tail: bytes) -> str | None:
    if head[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return "a zip archive that is damaged or cut short: fetch or copy it again"
    bare = [name.replace("\\", "/") for name in names]
    if any(name.rpartition("/")[2] in ("data.pkl", "constants.pkl") for name in bare):
        return _TORCH
    if bare and all(name.endswith(".npy") for name in bare):
        return "an archive of NumPy arrays (.npz): data, not a model"
    if any(name.endswith("saved_model.pb") for name in bare):
        return "a zipped SavedModel: unpack it and give the folder"
    if any(name in bare for name in ("xl/workbook.xml", "xl/workbook.bin")):
        return "an Excel workbook: save the sheet as CSV in UTF-8"
    inside = next((name for name in bare if name.lower().endswith((".h5", ".hdf5", ".keras", "config.json"))), None)
    if inside:
        return f"a zip archive that holds {inside[:80]!r}: {_UNPACK}"
    return "a zip archive of other files" if names else "an empty zip archive"


def _safetensors(path: Path, head: bytes, tail: bytes) -> str | None:
    length = int.from_bytes(head[:8], "little")
    if len(head) > 8 and head[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8:
        return "a safetensors file: weights without a Keras model; build the model in Keras and copy the weights"
    return None


def _pickle(path: Path, head: bytes, tail: bytes) -> str | None:
    old = tail[-1:] == b"." and re.match(_OLD_PICKLE, head)
    if (head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")) or old:
        named = b"joblib" in head
        return f"a {'joblib' if named else 'pickle'} file: {_PICKLE}"
    if head[:1] == b"x" and len(head) > 1 and head[1] in (0x01, 0x9C, 0xDA):
        return f"a compressed file, as joblib writes: {_PICKLE}"
    return None


def _tensorflow(path: Path, head: bytes, tail: bytes) -> str | None:
    if tail[-8:] == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb" or re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        return f"a part of a TensorFlow checkpoint: {_SAVE}"
    if head.startswith(b"model_checkpoint_path:"):
        return f"the index of TensorFlow checkpoints: {_SAVE}"
    if head[:3] == b"\x08\x01\x12" or path.name == "saved_model.pb":
        return "a part of a SavedModel: give its folder"
    # A graph is a list of nodes, each of which begins with its name and its operation.
    if re.match(rb"\x0a.{1,2}\x0a.[\w./-]+\x12.[A-Z]\w+", head, re.DOTALL):
        return f"a frozen TensorFlow graph: it says no layers; {_SAVE}"
    return None


def _onnx(path: Path, head: bytes, tail: bytes) -> str | None:
    # The version of the format, and then the producer, its version, a domain, the graph or the operators.
    if len(head) > 2 and head[0] == 8 and 2 <= head[1] <= 30 and head[2] in (0x12, 0x1A, 0x22, 0x3A, 0x42):
        return f"an ONNX model: {_OTHERS}; give the model that it was exported from"
    return None


def _text(path: Path, head: bytes, tail: bytes) -> str | None:
    try:
        # A character may be cut in two at the end of what was read.
        text = head.decode("utf-8-sig", "strict" if len(head) < _HEAD else "ignore")
    except ValueError:
        return None
    if "\x00" in text or sum(not (each.isprintable() or each.isspace()) for each in text) > len(text) // 50:
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "<head", "<body")):
        return "a web page: download the file that it links to (on GitHub, the raw file)"
    if start.startswith("{") or re.match(r"\[\s*\{", start):
        return _json(text)
    if re.search(r"^\s*class_name:", text, re.MULTILINE) and re.search(r"^\s*config:", text, re.MULTILINE):
        return "a model's description in YAML, without weights: pass it as --architecture, with a file of weights"
    return "a text file" if text.strip() else "a file of blanks"


def _json(text: str) -> str:
    words = {word for word in ("class_name", "config", "modelTopology", "nbformat", "cells") if f'"{word}"' in text}
    if "modelTopology" in words:
        return "a TensorFlow.js model: convert it with tensorflowjs_converter --input_format tfjs_layers_model"
    if {"class_name", "config"} <= words:
        return "a model's description in JSON, without weights: pass it as --architecture, with a file of weights"
    if {"nbformat", "cells"} & words and text.lstrip().startswith("{") and '"cell_type"' in text:
        return "a Jupyter notebook: run it, and give the file that it saves"
    return "a JSON file"


_LOOKS: tuple[Callable[[Path, bytes, bytes], str | None], ...] = (
    _zip,
    _safetensors,
    _pickle,
    _tensorflow,
    _onnx,
    _text,
)

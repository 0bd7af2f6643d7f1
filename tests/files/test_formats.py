"""A file that is not what was asked for is named by its bytes."""

import gzip
import json
import pickle
import zipfile

import numpy as np
import pytest

from turtlenet.files.formats import this_is, what_is

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LFS, "a Git LFS pointer: `git lfs pull`"),
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html></html>", "a web page"),
        (pickle.dumps({"a": 1}), "a pickle file"),
        (pickle.dumps({"joblib": 1}), "a joblib file"),
        (gzip.compress(b"x", mtime=0), "a gzip archive"),
        (b"\x1c\x00\x00\x00TFL3\x00", "a TensorFlow Lite model"),
        (b"\x08\x08\x12\x07pytorch\x1a\x011", "an ONNX model"),
        (b"\x08\x01\x12\x10", "a part of a SavedModel"),
        (b"\x0a\x10\x0a\x01x\x12\x0bPlaceholder", "a frozen TensorFlow graph"),
        (b"\x00" * 40 + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a part of a TensorFlow checkpoint"),
        ((2).to_bytes(8, "little") + b"{}", "a safetensors file"),
        (json.dumps({"class_name": "Sequential", "config": []}).encode(), "a model's description in JSON"),
        (b"class_name: Sequential\nconfig:\n- a\n", "a model's description in YAML"),
        (b'{"modelTopology": {}}', "a TensorFlow.js model"),
        (b"x y", "a text file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    ],
)
def test_what_is(content, words, tmp_path):
    (tmp_path / "m.h5").write_bytes(content)
    found = what_is(tmp_path / "m.h5")
    assert found is None if words is None else found.startswith(words)


def test_archives(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(1))
    assert "NumPy arrays" in this_is(tmp_path / "a.npz")
    for name, words in [("m/data.pkl", "PyTorch"), ("m/m.h5", "that holds 'm/m.h5'"), ("a.txt", "other files")]:
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
            archive.writestr(name, "")
        assert words in this_is(tmp_path / "m.zip")
    assert this_is(tmp_path) == ""

"""Packages that turtlenet is installed without: the frameworks among them."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from turtlenet.errors import SettingError
from turtlenet.optional import check_backend


@pytest.mark.parametrize("backend, package", [("torch", "turtlenet[torch]"), ("tensorflow", "tensorflow")])
def test_a_backend_that_is_not_installed(monkeypatch, backend, package):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match="it is not installed") as found:
        check_backend()
    assert str(found.value) == (
        f"Expected {backend} for the Keras backend that KERAS_BACKEND names; it is not installed: pip install "
        f"'{package}', or choose another by KERAS_BACKEND."
    )


@pytest.mark.parametrize("content, named", [('{"backend": "theano"}', "theano"), ("{", None), ('["theano"]', None)])
def test_what_the_file_of_keras_says(monkeypatch, tmp_path, content, named):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    check_backend()
    (tmp_path / "keras.json").write_text(content)
    if named is None:
        check_backend()
        return
    with pytest.raises(SettingError, match=f"got {named!r} by .*keras.json"):
        check_backend()


@pytest.mark.parametrize("code", ["tn.load_model('model.h5')", "import turtlenet.classifier", "import keras"])
def test_python_says_it_in_one_line_before_keras_is_imported(code):
    environment = {**os.environ, "KERAS_BACKEND": "theano", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"import turtlenet as tn; {code}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    expected = "turtlenet.errors.SettingError: Expected the Keras backend tensorflow, jax or torch; got 'theano' by"
    assert done.stderr.splitlines()[-1] == f"{expected} KERAS_BACKEND."

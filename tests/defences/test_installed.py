"""A defence that another package installed loads back after `import turtlenet`, in plain Keras too."""

import subprocess
import sys

import pytest

CODE = '''
from turtlenet.defences import Defence


class Half(Defence):
    """Halves pixels."""

    def defend(self, x):
        return self.pixels(self.unit(x) / 2)
'''
SAVE = """
import keras, turtlenet as tn
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
tn.save_model(tn.wrap(model, "half"), "m.h5")
"""
LOAD = """
import turtlenet, keras
plain, ours = keras.models.load_model("m.h5"), turtlenet.load_model("m.h5")
print(type(plain.layers[1]).__module__, type(ours.layers[1]).__name__)
"""


@pytest.mark.slow
def test_it_loads_back(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "halving-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: halving\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[turtlenet.defences]\nhalf = halving:Half\n")
    (tmp_path / "halving.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    path = ":".join(sys.path)
    for code in (SAVE, LOAD):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={**__import__("os").environ, "PYTHONPATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "halving Half"

"""On JAX everything works where TensorFlow is not installed."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CODE = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tf_keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import keras, numpy as np
import turtlenet as tn

model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(3, 3), keras.layers.Flatten(),
                          keras.layers.Dense(4, activation="softmax")])
random = np.random.default_rng(0)
x, y = random.uniform(size=(16, 6, 6, 1)).astype("float32"), random.integers(0, 4, 16)
moved = tn.attack(model, x, y, "pgd:steps=2", eps=0.1)
hardened = tn.train(model, (x, y), attack="pgd:steps=1", eps=0.1, epochs=1, batch_size=8, tell=lambda line: None)
tn.save_model(hardened, "model.keras")
report = tn.evaluate("model.keras", (x, y), attacks=["fgsm"], eps=0.1, curve=0)
change = max(abs(a - b).max() for a, b in zip(model.get_weights(), hardened.get_weights()))
names = [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
robust = [row.accuracy for row in report.attacks]
print(json.dumps({"moved": float(abs(moved - x).max()), "change": float(change), "robust": robust, "names": names}))
"""


@pytest.mark.slow
def test_attack_train_save_load_and_evaluate(tmp_path):
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["names"] == []
    assert found["moved"] == pytest.approx(0.1, abs=1e-5)
    assert found["change"] > 0
    assert len(found["robust"]) == 1 and 0 <= found["robust"][0] <= 1

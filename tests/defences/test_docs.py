"""The example of docs/defences.md is what it says."""

import re
from pathlib import Path

import numpy as np
from keras import ops

from turtlenet import models
from turtlenet.defences import defences

PAGE = Path(__file__).parents[2] / "docs" / "defences.md"


def test_a_defence_of_ones_own(demo_path, digits, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(defences, "_factories", dict(defences._factories))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(code, {"__name__": "example"})
    model = models.wrap(models.load(demo_path), ["rounding:levels=3"])
    x, _ = digits.test.batch(slice(0, 4))
    np.testing.assert_allclose(ops.convert_to_numpy(model.layers[1](x)), np.round(x * 2) / 2, atol=1e-6)
    assert model.layers[1].masks
    low, high = x * 0.8, x * 0.8 + 0.2
    known = models.classifier(model).entrance.reachable(*map(ops.convert_to_tensor, (low, high)))
    inputs = model.layers[1].preimage(known.nearest(1.0 - low), *map(ops.convert_to_tensor, (low, low, high)))
    wanted = np.clip(np.round(2 - 2 * low) / 2, known.lowest, known.highest)
    np.testing.assert_allclose(model.layers[1](inputs), wanted)
    models.save(model, tmp_path / "m.h5")
    assert str(models.load(tmp_path / "m.h5").layers[1]) == "rounding:levels=3"


def test_the_table_has_every_defence() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert listed == set(defences.names())

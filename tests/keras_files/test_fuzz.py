"""Whatever stands in a file: a model with the numbers of the file comes out, or one line that says why not.

`python -m tests.keras_files.fuzz 600 0` looks for longer.
"""

import json
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.keras_files.fuzz import broken, judge, seeds
from turtlenet.models import load

DRAWS = st.randoms(use_true_random=False)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    (
        "class_name",
        "config",
        "layers",
        "name",
        "module",
        "inbound_nodes",
        "input_layers",
        "output_layers",
        "batch_shape",
    )
) | st.text(max_size=4)
KINDS = st.sampled_from(("Sequential", "Functional", "Model", "Dense", "InputLayer", "Lambda", "Merge", "TFOpLambda"))
JSON = st.recursive(
    SCALARS | KINDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.fixed_dictionaries({"class_name": KINDS, "config": inner})
        | st.fixed_dictionaries({"class_name": KINDS, "config": st.fixed_dictionaries({"layers": st.lists(inner)})})
    ),
    max_leaves=20,
)


def patiently(count):
    """The same examples on every machine, without a clock."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=slow, database=None)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("kind", ["config", "training", "bytes"])
def test_damaged_files(kind, files):
    count = {"config": 100, "training": 30, "bytes": 70}[kind]

    @patiently(count)
    @given(DRAWS, st.integers(0, len(files) - 1))
    def keeps_its_promise(draw, which):
        path, text, weights = files[which]
        judge(broken(path, text, draw, kind), weights if kind != "bytes" else None)

    keeps_its_promise()


def test_any_description(tmp_path):
    @patiently(100)
    @given(JSON, st.sampled_from(("1.2.2", "2.2.4", "2.15.0", "3.15.1", "x")), st.booleans())
    def keeps_its_promise(config, version, zipped):
        path = tmp_path / "any"
        if zipped:
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("config.json", json.dumps(config))
                file.writestr("metadata.json", json.dumps({"keras_version": version}))
                file.writestr("model.weights.h5", b"")
        else:
            with h5py.File(path, "w") as file:
                file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), version
                file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
        judge(path)

    keeps_its_promise()


def test_any_bytes(tmp_path):
    @patiently(100)
    @given(st.sampled_from((b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06")), st.binary(max_size=300))
    def keeps_its_promise(start, rest):
        (tmp_path / "any").write_bytes(start + rest)
        assert judge(tmp_path / "any") is None

    keeps_its_promise()


def test_what_is_not_damaged_loads(files):
    """Otherwise all of the above would be easy."""
    for path, _, weights in files:
        assert judge(path, weights) is not None
        assert load(path).built

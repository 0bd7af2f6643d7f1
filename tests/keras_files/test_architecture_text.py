"""Descriptions in JSON and YAML: plain data only, of a size that a model has."""

import pytest

from turtlenet.errors import ModelError
from turtlenet.keras_files.architecture_text import read_architecture

TEXT = """class_name: Sequential
config:
- class_name: Dense
  config: {batch_input_shape: !!python/tuple [null, 4], name: !!python/unicode 'd', output_dim: !!python/long '3'}
  day: 2020-01-01
keras_version: 1.2.2
"""


def test_plain_data_of_python(tmp_path):
    (tmp_path / "m.yaml").write_text(TEXT)
    found = read_architecture(tmp_path / "m.yaml")
    layer = {"batch_input_shape": [None, 4], "name": "d", "output_dim": 3}
    listed = [{"class_name": "Dense", "config": layer, "day": "2020-01-01"}]
    assert found == {"class_name": "Sequential", "config": listed, "keras_version": "1.2.2"}


def test_an_alias_is_a_copy(tmp_path):
    (tmp_path / "m.yaml").write_text("a: &x [1]\nb: *x\n")
    found = read_architecture(tmp_path / "m.yaml")
    assert found == {"a": [1], "b": [1]} and found["a"] is not found["b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{after}: &{after} [{','.join(['*' + before] * 10)}]\n"
            for before, after in zip("abcdefgh", "bcdefghi", strict=True)
        ), "stands for more than 500,000 values"),
        ("[" * 50_000, "nests too deep"),
        ("a: " + "[" * 200 + "]" * 200, "nests deeper than 120"),
        ("a: !!python/object/apply:os.system ['true']", "nothing of it was executed"),
        ("a: !!python/name:os.system", "nothing of it was executed"),
        ("a: &x [*x]", "stands within what it names"),
        ("- 1", "got a list"),
        ("a: [", "Expected an architecture in YAML"),
        ("{", "Expected an architecture in JSON"),
    ],
)  # fmt: skip
def test_refused(text, words, tmp_path):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ModelError, match=words) as caught:
        read_architecture(tmp_path / "m.yaml")
    assert "\n" not in str(caught.value)

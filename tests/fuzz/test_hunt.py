"""Some damaged files of each kind are opened or refused in one line; `make fuzz` looks at many more."""

import random

import pytest

from tests.fuzz.doors import DOORS, make
from tests.fuzz.hunt import NAMES, changed
from tests.fuzz.worker import opened


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genuine")
    make(folder)
    return folder


def test_every_kind_has_a_door() -> None:
    assert set(DOORS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(name, genuine) -> None:
    path = genuine / name
    whole = path.read_bytes()
    assert opened(name, path) == ""
    try:
        for seed in range(12):
            path.write_bytes(changed(name, whole, random.Random(seed)))
            assert opened(name, path) == "", seed
        path.write_bytes(b"")
        assert opened(name, path) == ""
    finally:
        path.write_bytes(whole)


def test_what_is_no_refusal_is_found(genuine, monkeypatch) -> None:
    def careless(path):
        raise KeyError("x")

    monkeypatch.setitem(DOORS, "secret.key", (careless,))
    assert opened("secret.key", genuine / "secret.key").startswith("KeyError: 'x' at ")

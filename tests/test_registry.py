"""Specs are read, wrong ones are refused with the near name."""

from dataclasses import dataclass
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turtlenet.errors import SpecError
from turtlenet.registry import Registry, enclosed, parse_spec, parse_value


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A thing."""

    steps: int = 3
    size: float = 0.5
    loud: bool = False
    name: str = "x"
    fixed: object = None


@pytest.fixture
def things() -> Registry[Thing]:
    registry: Registry[Thing] = Registry("thing", "turtlenet.things")
    registry.register("thing")(Thing)
    return registry


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.1", 0.1), ("8/255", 8 / 255), ("true", True), ("False", False), ("word", "word"), ("1/0", "1/0")],
)
def test_values(text, value) -> None:
    read = parse_value(text)
    assert read == value and type(read) is type(value)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.integers() | st.booleans(), max_size=5))
def test_specs_are_read_back(settings) -> None:
    text = "name" + (":" + ",".join(f"{key}={value}" for key, value in settings.items()) if settings else "")
    assert parse_spec(text)[:2] == ("name", settings)


@given(st.text(max_size=20))
def test_any_text_is_a_spec_or_one_clear_line(text) -> None:
    try:
        spec = parse_spec(text)
    except SpecError as error:
        assert "\n" not in str(error)
    else:
        assert spec.name


def test_building(things) -> None:
    assert things.build("thing") == Thing()
    assert things.build("thing:steps=5,loud=true,size=1,name=7") == Thing(steps=5, loud=True, size=1.0, name="7")
    assert things.build("thing:steps=5", {"steps": 9, "size": 2.0, "unknown": 1}) == Thing(steps=5, size=2.0)
    assert things.build("thing", fixed=things).fixed is things
    assert things.build("tests.test_registry:Thing") == Thing()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("thin", "Unknown thing 'thin'. Did you mean 'thing'?"),
        ("THING", "Unknown thing 'THING'. Did you mean 'thing'?"),
        ("thing:step=5", "Unknown setting 'step' of thing 'thing'. Did you mean 'steps'?"),
        ("thing:steps=many", "must be int; got 'many'"),
        ("thing:steps=1.5", "must be int; got 1.5"),
        ("thing:loud=3", "must be bool; got 3"),
        ("thing:", "Expected `name`"),
        ("", "Expected `name`"),
        ("thing:steps", "Expected `key=value`"),
        ("thing:steps=1,steps=2", "came twice"),
        ("thing:fixed=1", "Unknown setting 'fixed'"),
        ("no.such.module:Name", "Expected a module to import"),
        ("tests.test_registry:Nothing", "which it lacks"),
    ],
)
def test_refusals(things, spec, words) -> None:
    with pytest.raises(SpecError) as caught:
        things.build(spec, fixed=None)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_is_taken_once(things) -> None:
    things.register("thing")(Thing)
    with pytest.raises(SpecError, match="already stands for"):
        things.register("thing")(dict)


def test_entry_points_add_names(things, monkeypatch) -> None:
    entry = metadata.EntryPoint("other", "tests.test_registry:Thing", "turtlenet.things")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == "turtlenet.things" else [])
    assert things.names() == ["other", "thing"]
    assert things.build("other:steps=4") == Thing(steps=4)


def test_a_value_in_parentheses_is_a_text() -> None:
    spec = parse_spec("worst:attacks=(pgd:steps=3,start=none;noise),path=(a,b.key),size=(3)")
    assert spec.settings == {"attacks": "pgd:steps=3,start=none;noise", "path": "a,b.key", "size": "3"}
    assert parse_spec(f"one:path={enclosed('a,b=(c).key')}").settings == {"path": "a,b=(c).key"}
    assert parse_spec(f"one:path={enclosed('1/2')},n={enclosed(3)}").settings == {"path": "1/2", "n": 3}


@pytest.mark.parametrize("text", ["one:path=(a,b", "one:path=a),b=3"])
def test_a_lonely_parenthesis_is_refused(text) -> None:
    with pytest.raises(SpecError, match="Expected parentheses in pairs"):
        parse_spec(text)


class Holder:
    """Takes the path of a key, and a number."""

    def __init__(self, key: str = "", size: float = 0.0, either: str | int = ""):
        self.key, self.size, self.either = key, size, either


def test_a_text_stays_as_it_was_written() -> None:
    family: Registry[Holder] = Registry("holder", "turtlenet.nothing")
    family.register("holder")(Holder)
    for text in ("1/2", "007", "1e3", "true", "keys/my.key"):
        assert family.build(f"holder:key={text}").key == text
        assert family.build(f"holder:key=({text})").key == text
    assert family.build("holder:key=(a,b.key)").key == "a,b.key"
    assert family.build("holder:size=1/2").size == 0.5
    assert family.build("holder:either=7").either == 7


def test_an_import_path_has_settings_too(things) -> None:
    assert things.build("tests.test_registry:Thing:steps=5,loud=true") == Thing(steps=5, loud=True)
    assert things.factory_of("tests.test_registry:Thing:steps=5") is Thing
    assert things.is_import_path("tests.test_registry:Thing:steps=5") and not things.is_import_path("thing:steps")
    with pytest.raises(SpecError, match="Unknown setting 'step'"):
        things.build("tests.test_registry:Thing:step=5")

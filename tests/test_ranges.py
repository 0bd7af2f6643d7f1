"""Ranges that fields declare: what is in them, and the line that refuses the rest."""

from dataclasses import dataclass

import pytest

from turtlenet.errors import SettingError, SpecError
from turtlenet.ranges import Range, check_ranges, count, number, one_of, share


@dataclass(frozen=True, kw_only=True)
class Plan:
    epochs: int = count(20, low=1, help="Passes over the data.")
    restarts: int = count(1, low=1, high=10_000)
    rate: float = number(1e-3, above=0)
    momentum: float = number(0.9, low=0, below=1)
    rho: float = number(0.75, above=0, high=1, note="a share")
    warmup: float | None = share(None, "Share of the run.", note="a share of the run")
    start: str = one_of("random", ("none", "random"), of=" of a plan")

    def __post_init__(self) -> None:
        check_ranges(self)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, "Expected epochs >= 1; got 0."),
        ({"restarts": 10_001}, "Expected restarts from 1 to 10,000; got 10001."),
        ({"rate": 0.0}, "Expected rate > 0; got 0.0."),
        ({"rate": float("inf")}, "Expected rate > 0; got inf."),
        ({"rate": float("nan")}, "Expected rate > 0; got nan."),
        ({"momentum": 1}, "Expected momentum in [0, 1); got 1."),
        ({"rho": 0}, "Expected rho in (0, 1], a share; got 0."),
        ({"warmup": 1.5}, "Expected warmup from 0 to 1, a share of the run; got 1.5."),
    ],
)
def test_a_number_out_of_its_range_is_one_line(settings, words) -> None:
    with pytest.raises(SettingError) as caught:
        Plan(**settings)
    assert str(caught.value) == words


def test_an_unknown_word_is_one_line() -> None:
    with pytest.raises(SpecError) as caught:
        Plan(start="randon")
    assert str(caught.value) == "Unknown start 'randon' of a plan. Did you mean 'random'?"


def test_a_field_has_its_default_its_help_and_its_range() -> None:
    assert Plan() == Plan(epochs=20, rho=0.75, warmup=None, start="random")
    field = Plan.__dataclass_fields__["epochs"]
    assert field.metadata["help"] == "Passes over the data." and str(field.metadata["range"]) == ">= 1"
    assert str(Range(choices=("a", "b", "c"))) == "a, b or c" and str(Range(choices=("a",))) == "a"

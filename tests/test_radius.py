"""What a radius means, however it was written, and the usual one for each layout of an input."""

import numpy as np
import pytest

from turtlenet import balls, radius
from turtlenet.errors import SettingError, SpecError
from turtlenet.settings import recipes, suites


@pytest.fixture
def refusal():
    def message(kind, call, *args):
        with pytest.raises(kind) as caught:
            call(*args)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return message


UNIT, BYTES, SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)


@pytest.mark.parametrize(
    ("eps", "bounds", "meant"),
    [
        (0.3, UNIT, 0.3),
        (8, BYTES, 8.0),
        (np.float32(0.5), UNIT, 0.5),
        ("0.3", UNIT, 0.3),
        ("8/255", UNIT, 8 / 255),
        ("8px", UNIT, 8 / 255),
        ("8px", BYTES, 8.0),
        ("8 px", SIGNED, 16 / 255),
        (" 0.5px ", BYTES, 0.5),
        ("3%", UNIT, 0.03),
        ("3%", BYTES, 7.65),
        ("3 %", SIGNED, 0.06),
    ],
)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_every_form_of_a_radius(eps, bounds, meant, norm):
    assert radius.resolved(eps, norm, bounds) == pytest.approx(meant, rel=1e-12)


@pytest.mark.parametrize("eps", ["px", "8pixels", "%", "much", "", "1/0", "8px%", True, [1], None, "0x3", 3j])
def test_what_is_no_radius(eps, refusal):
    words = refusal(SettingError, radius.parsed, eps)
    assert words.startswith("Expected eps in input units (0.3, 8/255), gray levels of 255 (8px) or a share of the")
    assert words.endswith(f"; got {eps!r}.")


@pytest.mark.parametrize("eps", [-1, "-8px", "-3%", "nan", float("nan"), float("inf"), "infpx", "nan%"])
def test_radii_that_are_no_length(eps, refusal):
    assert refusal(SettingError, radius.parsed, eps) == (
        f"Expected eps >= 0, a finite radius in input units; got {eps}."
    )


def test_numbers_of_values_have_no_unit(refusal):
    assert radius.resolved("20", "l0", UNIT) == 20
    assert refusal(SettingError, radius.resolved, "8px", "0", UNIT) == (
        "Expected eps of l0 as a number of values, such as 20; got 8px."
    )


@pytest.mark.parametrize(
    ("shape", "linf", "why"),
    [
        ((28, 28, 1), 0.3, "gray images (28x28x1, channels last)"),
        ((1, 28, 28), 0.3, "gray images (1x28x28, channels first)"),
        ((28, 28), 0.3, "gray images (28x28)"),
        ((784,), 0.3, "flat gray images (28x28)"),
        ((60,), 0.3, "vectors (60)"),
        ((32, 32, 3), 8 / 255, "color images (32x32x3, channels last)"),
        ((3, 32, 32), 8 / 255, "color images (3x32x32, channels first)"),
        ((3072,), 8 / 255, "flat color images (32x32x3)"),
        ((8, 8, 12), 8 / 255, "inputs of 8x8x12"),
    ],
)
def test_the_usual_radius_belongs_to_what_an_image_is(shape, linf, why):
    assert radius.usual(shape, balls.Linf.usual, UNIT) == (linf, f"the usual one for {why}")
    assert radius.usual(shape, balls.Linf.usual, BYTES)[0] == linf * 255
    assert radius.usual(shape, balls.L2.usual, UNIT)[0] == (2.0 if linf == 0.3 else 0.5)


@pytest.mark.parametrize(
    ("norm", "eps", "words"),
    [
        ("linf", 8.0, "8 gray levels of 255, 3.14 % of the range"),
        ("linf", 1.0, "1 gray level of 255, 0.392 % of the range"),
        ("l2", 255.0, "12.8 gray levels of 255, 5 % of the range a pixel in the root mean square"),
        ("l1", 400.0, "1 gray level of 255, 0.392 % of the range a pixel on average"),
        ("l0", 20.0, "5 % of the values"),
    ],
)
def test_what_a_radius_is_for_a_pixel(norm, eps, words):
    share = balls.get(norm, eps, BYTES).per_pixel((20, 20, 1))
    assert radius.size_words(norm, share, 255 * share) == words
    assert "gray" not in radius.size_words(norm, share, None)


def test_settings_files_may_have_units(tmp_path, refusal):
    suite, recipe = tmp_path / "suite.toml", tmp_path / "recipe.toml"
    suite.write_text('attacks = ["pgd"]\neps = "8px"\n')
    recipe.write_text('eps = "3%"\n')
    assert suites.find(str(suite)).eps == "8px"
    assert recipes.find(str(recipe)).settings == {"eps": "3%"}
    suite.write_text('attacks = ["pgd"]\neps = "8p"\n')
    recipe.write_text('eps = "-3%"\n')
    assert refusal(SpecError, suites.find, str(suite)).endswith(f"got '8p' in suite {suite}.")
    assert refusal(SpecError, recipes.find, str(recipe)).endswith(f"got -3% in recipe {recipe}.")

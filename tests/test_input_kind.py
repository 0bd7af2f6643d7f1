"""What an input is, by its shape, and its words."""

import pytest

from turtlenet.input_kind import IMAGE, KINDS, SERIES, TABLE, VOLUME, flat_image, kind_named, kind_of


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((28, 28, 1), IMAGE),
        ((3, 32, 32), IMAGE),
        ((28, 28), IMAGE),
        ((784,), IMAGE),
        ((3072,), IMAGE),
        ((8, 8, 12), IMAGE),
        ((30,), TABLE),
        ((1, 13), TABLE),
        ((128, 9), SERIES),
        ((140, 1), SERIES),
        ((16, 16, 16), VOLUME),
        ((16, 16, 16, 1), VOLUME),
        ((), IMAGE),
    ],
)
def test_a_shape_tells_what_an_input_is(shape, kind):
    assert kind_of(shape) is kind


def test_words_and_names():
    assert {name: kind_named(name).name for name in KINDS} == {name: name for name in KINDS}
    assert kind_named(None) is IMAGE and [kind.pictured for kind in KINDS.values()] == [True, False, False, False]
    assert SERIES.count(1) == "1 series" and TABLE.count(1) == "1 row" and VOLUME.count(2000) == "2,000 volumes"
    assert flat_image(64) == (8, 1) and flat_image(1728) == (24, 3) and flat_image(30) is None

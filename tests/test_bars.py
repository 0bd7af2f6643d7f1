"""The progress bar is whole, however narrow the terminal is."""

import io
import re

import pytest

from turtlenet.bars import Bar, aside
from turtlenet.gan.run import _SHOWN as GAME
from turtlenet.training.run.callbacks import ROBUSTNESS as TRAINING


@pytest.mark.parametrize("gradients", [0, 1408])
@pytest.mark.parametrize("width", [30, 60, 80, 100, 200])
@pytest.mark.parametrize("words", [(), tuple(TRAINING.values()), tuple(GAME.values())])
@pytest.mark.parametrize(("done", "seconds"), [(0, 0.0), (3, 0.01), (4321, 30_000.0), (46_800, 200_000.0)])
def test_a_line_is_whole(width, words, done, seconds, gradients):
    settings = {"file": io.StringIO(), "dynamic_ncols": False, "ncols": width, "gradients": gradients}
    with Bar(46_800, unit="step", **settings) as bar:
        bar.n, bar.start_t = done, bar._time() - seconds
        bar.show(dict.fromkeys(words, "10.123"))
        line = str(bar)
    assert len(line) <= width and "|" in line and line.count("=") == line.count("10.123")
    assert line.endswith("]" if width > 30 else ("]", "|"))
    if words and width >= 60:
        # The last is what the best epoch is chosen by.
        assert f"{words[-1]}=10.123" in line
    if width >= 60:
        assert " left" in line
    if width >= 80 and done and gradients:
        assert " gradients/s" in line
    if width == 200:
        assert all(f"{word}=10.123" in line for word in words)


def test_a_terminal_without_a_width_has_all_numbers():
    with Bar(10, unit="step", file=io.StringIO(), dynamic_ncols=False) as bar:
        bar.show({"loss": "0.500"})
        assert "loss=0.500]" in str(bar)


def test_what_is_told_has_a_line_of_its_own(monkeypatch):
    page = io.StringIO()
    monkeypatch.setattr("sys.stderr", page)
    with Bar(10, unit="step", dynamic_ncols=False, ncols=40) as bar:
        aside(lambda line: print(line, file=page))("a line")
        bar.update(10)
    before, _, after = page.getvalue().partition("a line\n")
    # The bar was wiped out, and is drawn again below.
    assert before.endswith("\r") and before.rstrip("\r").endswith(" " * 40) and "%|" in after


def test_a_hidden_bar_shows_nothing():
    page = io.StringIO()
    with Bar(3, unit="image", hidden=True, file=page) as bar:
        bar.show({"loss": "0.5"})
        bar.update(3)
    assert page.getvalue() == ""


def test_gradients_a_second_are_those_of_the_steps():
    with Bar(1000, unit="step", file=io.StringIO(), dynamic_ncols=False, ncols=80, gradients=128 * 11) as bar:
        bar.n, bar.start_t = 100, bar._time() - 50
        bar.show({"val robust": "0.412"})
        # Two steps a second.
        assert re.search(r"\| 100/1000 \[00:5\d, 07:3\d left, 2\.8\dk gradients/s, val robust=0\.412\]$", str(bar)), (
            str(bar)
        )
        assert len(str(bar)) == 80
        bar.pace = 31.0
        assert " 31.0 gradients/s" in str(bar)

"""How visible a change must become, in the terminal, in Markdown and on the page."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.views.test_views import HOSTILE, Page, html, markdown, natural, png, report
from turtlenet.evaluation.perceptibility import figures
from turtlenet.evaluation.perceptibility.result import MEASURES, Fixed, Measure, Perceptibility, Sight, broken_at
from turtlenet.evaluation.results.report import Comparison, Report
from turtlenet.evaluation.views.again import command
from turtlenet.reports.format import WIDTH

GRID = (0.15, 0.3, 0.6)


@pytest.fixture(autouse=True, scope="module")
def undrawn() -> None:
    """Here pictures are drawn."""


def sight(index=0, state="broken", eps=0.123, **values) -> Sight:
    measured = {"psnr": None, "ssim": None} if state == "wrong" else {"psnr": 17.77, "ssim": 0.543}
    images = {"original": png(0), "adversarial": png(1), "difference": png(2)}
    common = {"label": 7, "prediction": 3, "confidence": 0.623, **measured, **images}
    return Sight(index=index, state=state, eps=eps, **{**common, **values})


def seen(median=0.234, **values) -> Perceptibility:
    smallest = (0.0, 0.1, 0.234, None)
    common = {
        "attack": "pgd:early_stop=True",
        "norm": "linf",
        "grid": GRID,
        "bisections": 4,
        "label": (1, 2, 3, 4),
        "smallest": smallest,
        **dict.fromkeys(MEASURES[1:], (None, 1.25, 2.5, None)),
        "measures": tuple(
            Measure(
                name=name,
                count=3 if name == "eps" else 2,
                mean=0.167 + place,
                mean_interval=(0.055 + place, 0.293 + place),
                median=median if name == "eps" else 7.654 + place,
                median_interval=(0.011, None) if name == "eps" else (6.01, 9.02),
            )
            for place, name in enumerate(MEASURES)
        ),
        "broken": broken_at(np.array([0.1, 0.234, np.inf]), GRID),
        "fixed": Fixed(
            eps=0.3, share=0.667, share_interval=(0.208, 0.939), linf=0.3, l2=6.543, psnr=13.21, ssim=0.456
        ),
        "amplified": 1.666667,
        "pictures": (sight(), sight(3, "held", None), sight(5, "wrong", None, prediction=9)),
        "gradients": 12_345,
        "seconds": 1.5,
    }
    return Perceptibility(**{**common, **values})


ONE, OTHER = replace(natural(), perceptibility=seen()), report(perceptibility=seen(None))
NUMBERS = ("0.234 [0.011, > 0.6]", "8.65 [6.01, 9.02]", "0.167 [0.055, 0.293]", "0.667 [0.208, 0.939]", "6.54", "13.2")


def test_the_terminal_shows_what_was_found_within_its_width() -> None:
    text = str(Comparison((ONE, OTHER)))
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "How visible a change must become, under pgd:early_stop=True:" in lines
    rows = [line.split() for line in lines[lines.index(lines[-1]) - 7 :] if line.strip()]
    assert rows[-5][:7] == ["natural.h5", "3", "1", "0.234", "[0.011,", ">", "0.6]"]
    assert rows[-4][:8] == ["hardened.h5", "3", "1", ">", "0.6", "[0.011,", ">", "0.6]"]
    assert "0.667 [0.208, 0.939]" in lines[-1]
    assert "How visible" not in str(report())
    long = replace(ONE, model={**ONE.model, "name": "n" * 90})
    assert max(len(line) for line in str(long).splitlines()) <= WIDTH


def test_markdown_and_the_page_show_every_number() -> None:
    page, text = Page(html([ONE, OTHER])).text, markdown([ONE, OTHER]).replace("&gt;", ">")
    for view in (page, text):
        assert [each for each in NUMBERS if each not in view] == []
        assert "Half of the images are broken by eps: natural.h5 0.234, hardened.h5 > 0.6" in view
        assert "never broken" in view
    for sign in ("broken at eps 0.123", "held to eps 0.6", "wrong at first", "17.8 dB, SSIM 0.543", "times 1.67"):
        assert sign in page
    assert "How visible" not in markdown([report()]) and "How visible" not in html([report()])
    assert "| natural.h5 | 0.15 | 0.333" in text


def test_the_page_shows_each_image_once_for_every_model() -> None:
    images = [attributes for tag, attributes in Page(html([ONE, OTHER])).tags if tag == "img"]
    assert sum("for natural.h5" in image["alt"] for image in images) == 3
    assert sum("for hardened.h5" in image["alt"] for image in images) == 3
    assert all(image["alt"].strip() for image in images)
    titles = re.findall(r"<b>(image \d, label 7)</b>", html([ONE, report(), OTHER]))
    assert titles == [f"image {index}, label 7" for index in (0, 0, 3, 3, 5, 5)]


@pytest.mark.parametrize("reports", [[ONE], [ONE, OTHER], [report(), OTHER], [OTHER] * 7])
def test_the_plots_tell_their_figures(reports) -> None:
    plots = figures.drawn(reports)
    assert len(plots) == 2 and all(plot.light.lstrip().startswith("<?xml") for plot in plots)
    assert "eps 0.15 33.3 %, eps 0.3 66.7 %" in plots[0].alt and "median PSNR" in plots[1].alt
    assert plots == figures.drawn(reports)


def test_nothing_broken_is_no_second_plot() -> None:
    empty = [Measure(name=name, count=0, mean=None, mean_interval=None, median=None, median_interval=(None, None))
             for name in MEASURES]  # fmt: skip
    none = report(perceptibility=seen(measures=tuple(empty), smallest=(0.0, 0.0, 0.0, 0.0), pictures=()))
    assert len(figures.drawn([none])) == 1 and figures.drawn([report()]) == []
    assert "The smallest change" not in html([none])
    assert "Half of the images are broken by eps: -" in markdown([none])


def test_hostile_names_stay_text() -> None:
    one = report(HOSTILE, perceptibility=seen(attack=HOSTILE))
    # The page has one script of its own.
    assert (
        html([one, ONE]).count("<script") == html([ONE, ONE]).count("<script")
        and "<" not in markdown([one]).split("```")[0]
    )
    assert all(line.isprintable() for line in str(one).splitlines())


def test_the_json_is_the_truth_and_old_reports_still_load() -> None:
    assert Report.from_json(ONE.to_json()) == ONE
    old = report().to_dict()
    del old["perceptibility"]
    assert Report.from_dict(old).perceptibility is None
    assert "--perceptibility 4" in command(ONE) and "--perceptibility" not in command(report())

import base64
import csv
import functools
import hashlib
import io
import itertools
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from turtlenet.errors import DataError, OutputError
from turtlenet.evaluation.results.load import load
from turtlenet.evaluation.results.records import AttackRow, ClassRow, CurvePoint, Picture
from turtlenet.evaluation.results.report import Comparison, Report
from turtlenet.evaluation.views import again, plots
from turtlenet.evaluation.views import text as words
from turtlenet.evaluation.views.sections import document
from turtlenet.reports import format, page, terminal
from turtlenet.reports import markdown as markdown_file
from turtlenet.reports.base import Doubt
from turtlenet.reports.format import WIDTH

HOSTILE = "<script>alert('x')</script>\"|`$\\frac_&\n# \x1b[31m"


def table(reports):
    return terminal.render(document(reports))


def markdown(reports):
    return markdown_file.render(document(reports))


def html(reports):
    return page.render(document(reports))


quick = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True, scope="module")
def undrawn() -> None:
    """Here pictures are drawn."""


@pytest.fixture
def blank(monkeypatch):
    """Except where only the files matter."""
    monkeypatch.setattr("turtlenet.reports.figures._svg", lambda *_: "<svg/>")


def png(value=128):
    page = io.BytesIO()
    Image.new("L", (28, 28), value).save(page, "PNG")
    return base64.b64encode(page.getvalue()).decode()


def attack(spec="pgd:steps=40", kind="iterative", accuracy=0.863, **values):
    measured = dict.fromkeys(
        ("linf_mean", "linf_max", "l2_mean", "l2_max", "l1_mean", "l0_mean", "psnr_mean", "ssim_mean")
    )
    figures = (0.2987, 0.3, 5.612, 7.023, 141.2, 611.4, 13.41, 0.4127)
    common = {
        "name": spec.split(":")[0],
        "spec": spec,
        "kind": kind,
        "settings": {"steps": 40},
        "accuracy": accuracy,
        "accuracy_interval": (max(0.0, accuracy - 0.021), min(1.0, accuracy + 0.02)),
        "success_rate": 0.123,
        "loss": 0.777,
        "seconds": 37.3,
        "gradients": 40_321,
        "queries": 2_017,
        "examples": 984,
    }
    return AttackRow(**{**common, **dict(zip(measured, figures, strict=True)), **values})


NOTHING_FOUND = {
    **dict.fromkeys(("linf_mean", "linf_max", "l2_mean", "l2_max", "l1_mean", "l0_mean", "psnr_mean", "ssim_mean")),
    "success_rate": 0.0,
    "loss": None,
}


def picture(**values):
    common = {"index": 17, "label": 7, "attack": "pgd:steps=40", "clean_prediction": 7, "clean_confidence": 0.998}
    after = {"adversarial_prediction": 3, "adversarial_confidence": 0.871, "distance": 0.3}
    images = {"original": png(0), "perturbation": png(), "adversarial": png(255)}
    return Picture(**{**common, **after, **images, **values})


def report(name="hardened.h5", **values):
    common = {
        "model": {
            "path": f"models/{name}",
            "name": name,
            "sha256": "ab" * 32,
            "parameters": 1_199_882,
            "head": "softmax",
        },
        "data": {"name": "mnist-sample", "count": 1000, "sha256": "cd" * 32, "description": "Test images"},
        "threat": {"norm": "linf", "eps": 0.3, "bounds": [0.0, 1.0], "access": "white-box", "labels": "true"},
        "seed": 4711,
        "versions": {"turtlenet": "0.1.0", "keras": "3.15.0"},
        "mode": "table",
        "created": "2025-06-01T12:00:00+00:00",
        "seconds": 214.3,
        "clean_accuracy": 0.984,
        "clean_accuracy_interval": (0.974, 0.99),
        "robust_accuracy": 0.861,
        "robust_accuracy_interval": (0.838, 0.881),
        "attacks": (
            attack("noise", "random", 0.979, **NOTHING_FOUND),
            attack("fgsm", "one-step", 0.951),
            attack(),
        ),
        "doubts": (Doubt(code="few-images", finding="Only 12 images.", advice="Take 1,000."),),
        "per_class": tuple(
            ClassRow(
                label=label,
                count=99 + label,
                clean_accuracy=0.98,
                robust_accuracy=0.7 + label / 50,
                robust_accuracy_interval=(0.65, 0.93),
            )
            for label in range(10)
        ),
        "curve": tuple(
            CurvePoint(eps=eps, accuracy=accuracy, accuracy_interval=(accuracy, min(1, accuracy + 0.01)), examples=256)
            for eps, accuracy in ((0.0, 0.98), (0.15, 0.93), (0.3, 0.858), (0.6, 0.0))
        ),
        "curve_attack": "pgd:steps=40",
        "pictures": (picture(),),
        "verdicts": {"label": [7, 2], "clean_prediction": [7, 3], "robust": [1, 0]},
    }
    return Report(**{**common, **values})


def natural():
    rows = (attack("fgsm", "one-step", 0.112), attack("mim", accuracy=0.0))
    return report("natural.h5", attacks=rows, robust_accuracy=0.0, robust_accuracy_interval=(0.0, 0.004))


BARE = {"attacks": (), "doubts": (), "per_class": (), "curve": (), "curve_attack": "", "pictures": (), "verdicts": {}}
CASES = {
    "one": [report()],
    "two": [natural(), report()],
    "seven": [report(f"a-model-with-quite-a-long-name-{number}.h5") for number in range(7)],
    "bare": [report(**BARE)],
    "bare beside full": [report(**BARE), report()],
    "no doubts": [report(doubts=())],
    "cascade": [report(mode="cascade")],
    "hostile": [
        report(HOSTILE, attacks=(attack(HOSTILE),), curve_attack=HOSTILE, pictures=(picture(attack=HOSTILE),))
    ],
    "in memory": [report(model={"name": "model", "path": None}, data={"count": 1}, threat={"eps": 0.3})],
    "a thousand classes": [report(per_class=tuple(replace(report().per_class[0], label=n) for n in range(1000)))],
    "far eps": [report(threat={**report().threat, "eps": 0.01})],
}
cases = pytest.mark.parametrize("reports", CASES.values(), ids=CASES.keys())

each_page = pytest.mark.parametrize("name", CASES)


@functools.cache
def page_of(name):
    return html(CASES[name])


shares = st.floats(0, 1)
intervals = st.tuples(shares, shares).map(lambda pair: tuple(sorted(pair)))
sizes = st.none() | st.floats(0, 1e9)
wild_attacks = st.builds(
    attack,
    spec=st.text(),
    kind=st.sampled_from(["random", "one-step", "iterative", "other"]),
    accuracy=shares,
    accuracy_interval=intervals,
    seconds=st.floats(0, 1e9),
    loss=sizes,
    l2_mean=sizes,
    gradients=st.integers(0, 10**15),
)
wild = st.builds(
    report,
    name=st.text(),
    attacks=st.lists(wild_attacks, max_size=4).map(tuple),
    clean_accuracy=shares,
    clean_accuracy_interval=intervals,
    robust_accuracy=shares,
    robust_accuracy_interval=intervals,
    doubts=st.lists(st.builds(Doubt, code=st.text(), finding=st.text(), advice=st.text()), max_size=2).map(tuple),
    versions=st.dictionaries(st.text(), st.text(), max_size=2),
)


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text outside of them."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "source", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def figures(one):
    """Every number that a full view shows, as it is written there."""
    yield format.fraction(one.clean_accuracy, one.clean_accuracy_interval)
    yield words.robust(one)
    yield from (format.percent(one.clean_accuracy), str(one.seed), one.created)
    if one.attacks:
        yield format.percent(one.robust_accuracy)
    for row in one.attacks:
        yield format.fraction(row.accuracy, row.accuracy_interval)
        yield from (format.fraction(row.success_rate), f"{row.seconds:,.1f}")
        yield from map(format.count, (row.gradients, row.queries, row.examples))
        yield from map(format.number, (row.loss, row.linf_mean, row.linf_max, row.l2_mean, row.l2_max))
        yield from map(format.number, (row.l1_mean, row.l0_mean, row.psnr_mean, row.ssim_mean))
    for row in one.per_class:
        yield format.fraction(row.robust_accuracy, row.robust_accuracy_interval)
        yield from (format.count(row.count), format.fraction(row.clean_accuracy))
    for at in one.curve:
        yield from (f"{at.eps:g}", format.fraction(at.accuracy, at.accuracy_interval), format.count(at.examples))
    yield from (f"{name} {version}" for name, version in one.versions.items())
    yield from (str(one.model.get("sha256", "-")), str(one.data.get("sha256", "-")))


@pytest.mark.parametrize(
    ("value", "share", "whole"),
    [(0.861, "0.861", "86.1 %"), (0, "0.000", "0.0 %"), (1, "1.000", "100.0 %"), (0.9998, "0.9998", "99.98 %"),
     (0.0001, "0.0001", "0.01 %")],
)  # fmt: skip
def test_a_share_never_rounds_to_all_or_none(value, share, whole):
    assert format.fraction(value) == share
    assert format.percent(value) == whole


def test_the_verdict_is_one_honest_sentence():
    assert words.verdict(report()) == (
        "Under every attack tried, 86.1 % (95 % interval 83.8 to 88.1) of 1,000 images are still classified "
        "correctly; before any attack 98.4 %."
    )
    assert "nothing is known" in words.verdict(report(**BARE))


def test_only_checks_that_could_run_are_claimed():
    ran, missing = words.checks(report())
    assert missing == ["attacks without a gradient"]
    assert set(ran) > {"noise against attacks", "one step against many", "accuracy rising with eps"}
    ran, missing = words.checks(report(attacks=(attack(),), curve=()))
    assert {"noise against attacks", "one step against many", "accuracy at the widest ball"} <= set(missing)
    assert words.checks(report(**BARE))[0] == []
    gradients, questions = attack(kind="iterative"), attack(name="square", kind="query")
    looked = "attacks without a gradient"
    assert looked in words.checks(report(attacks=(gradients, questions), mode="cascade"))[0]
    assert looked in words.checks(report(attacks=(questions, gradients), mode="cascade"))[1]
    assert looked in words.checks(report(attacks=(attack(name="autoattack", kind="ensemble"),)))[0]


def test_the_checks_bear_the_names_of_the_checks():
    from turtlenet.evaluation.doubts import CHECKS

    ran, missing = words.checks(report())
    ruled = "successes that rules took back"
    assert sorted([*ran, *missing, ruled]) == sorted(CHECKS)
    threat = {**report().threat, "features": {"eps": [1.0], "constraints": [{"name": "integer"}]}}
    assert ruled in words.checks(report(threat=threat))[0]


def test_the_command_repeats_the_report():
    line = again.command(report("a model.h5")).replace("\\\n", "")
    assert line.startswith("turtlenet evaluate 'models/a model.h5'")
    for option in ("--attack pgd:steps=40", "--norm linf", "--eps 0.3", "--bounds 0,1", "--limit 1000", "--seed 4711"):
        assert option in line
    assert again.command(report(model={"name": "model"})) is None


@cases
def test_text_keeps_to_the_terminal(reports):
    lines = table(reports).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)


def test_text_has_every_number_it_promises():
    lines = table([report()])
    heading = "hardened.h5 | 1,199,882 parameters | mnist-sample, 1,000 images | Linf eps 0.3 in [0, 1]"
    assert lines.splitlines()[0] == heading
    for row in report().attacks:
        line = next(line for line in lines.splitlines() if row.spec in line)
        for cell in (
            format.fraction(row.accuracy, row.accuracy_interval),
            format.fraction(row.success_rate),
            "40,321",
        ):
            assert cell in line
    assert "0.861 [0.838, 0.881]" in lines
    assert "! Only 12 images. -> Take 1,000." in lines


def test_every_page_tells_the_defences():
    shield = {"defence": "constant-quantization:levels=4", "adaptive": "the same sum with a smaller z"}
    words_ = "constant-quantization:levels=4 (attacked through: the same sum with a smaller z)"
    behind = report(model={"name": "m", "parameters": 7, "defences": [shield, shield]})
    assert f"| Defences | {words_} |" in markdown([behind]).replace("\\", "")
    assert html([behind]).count(words_) >= 1


def test_every_view_tells_a_precision_below_float32():
    narrow = report(model={"name": "m", "parameters": 7, "precision": "bfloat16, float32"})
    assert "7 parameters in bfloat16, float32" in table([narrow]).replace("\n", " ")
    assert "m, 7 parameters in bfloat16, float32" in markdown([narrow])
    assert "m, 7 parameters in bfloat16, float32" in html([narrow])
    plain = report(model={"name": "m", "parameters": 7, "precision": "float32"})
    assert "7 parameters in" not in table([plain])


def test_text_puts_models_side_by_side():
    lines = table([natural(), report()]).splitlines()
    fgsm = next(line for line in lines if line.split()[:1] == ["fgsm"])
    assert fgsm.split() == ["fgsm", "0.112", "[0.091,", "0.132]", "0.951", "[0.930,", "0.971]"]
    assert next(line for line in lines if line.split()[:1] == ["mim"]).split()[-1] == format.MISSING
    assert any(line.startswith("! every model: Only 12 images.") for line in lines)


@quick
@given(st.lists(wild, min_size=1, max_size=4))
def test_text_holds_for_wild_reports(reports):
    assert all(len(line) <= WIDTH and line.isprintable() for line in table(reports).splitlines())


def test_str_is_the_table():
    assert str(report()) == table([report()])
    assert str(Comparison((natural(), report()))) == table([natural(), report()])


@cases
def test_markdown_has_every_number(reports):
    page = markdown(reports)
    for one in reports:
        assert [cell for cell in figures(one) if cell not in page] == []


def test_markdown_says_the_verdict_then_the_doubts_then_the_rest():
    page = markdown([report()])
    places = [page.index(part) for part in ("Under every attack", "Only 12 images", "## Attacks", "## Per class")]
    assert places == sorted(places)
    assert page.index("Under every attack") < 40


@cases
def test_markdown_tables_keep_their_shape(reports):
    blocks = re.split(r"\n\n", markdown(reports))
    tables = [block.splitlines() for block in blocks if block.startswith("| ")]
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


@cases
def test_markdown_lets_no_html_through(reports):
    prose = re.sub(r"```.*?```", "", markdown(reports), flags=re.DOTALL)
    assert "<" not in prose
    assert "\x1b" not in prose


@each_page
def test_html_has_every_number(name):
    page = Page(page_of(name)).text
    for one in CASES[name]:
        assert [cell for cell in figures(one) if cell not in page] == []
        for doubt in one.doubts:
            assert doubt.finding in page
            assert doubt.advice in page


@each_page
def test_html_needs_nothing_else(name):
    source = page_of(name)
    page = Page(source)
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("script") == 1
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for place in ("src", "href", "srcset"):
            assert attributes.get(place, "data:").startswith(("data:", "#"))
        assert not [place for place in attributes if place.startswith("on")]
    assert "http://" not in source
    assert "https://" not in source
    assert "@import" not in source
    assert "url(" not in source


def test_the_policy_lets_only_the_script_of_the_page_run():
    source = page_of("two")
    script = source.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in source
    assert "sort" in script and "</" not in script


@each_page
def test_every_entry_of_the_contents_leads_somewhere(name):
    tags = Page(page_of(name)).tags
    anchors = [attributes["id"] for _, attributes in tags if "id" in attributes]
    entries = [attributes["href"].removeprefix("#") for tag, attributes in tags if tag == "a"]
    assert len(anchors) == len(set(anchors)) and set(entries) <= set(anchors)
    assert len(entries) > 2 or not entries


@each_page
def test_html_pictures_have_words(name):
    page = Page(page_of(name))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert all(image["alt"].strip() for image in images)
    assert sum("pixels" in image.get("class", "") for image in images) == 3 * sum(
        len(one.pictures) for one in CASES[name]
    )


def test_html_shows_what_the_model_said():
    page = Page(html([report()])).text
    assert "7, 99.8 % → 3, 87.1 %" in page
    assert "fooled" in page
    held = Page(html([report(pictures=(picture(adversarial_prediction=7),))])).text
    assert "held" in held
    assert "fooled" not in held


def test_html_is_green_only_without_doubts_and_even_then_cautious():
    assert 'class="card good"' not in html([report()])
    page = html([report(doubts=())])
    assert 'class="card good"' in page
    assert words.CAVEAT in page
    assert 'class="card good"' not in html([report(**BARE)])


def test_html_escapes_hostile_pictures():
    page = html([report(pictures=(picture(original='"><script>x</script>'),))])
    assert page.count("<script") == 1


@settings(quick, max_examples=6)
@given(st.lists(wild, min_size=1, max_size=2))
def test_wild_names_stay_text(reports):
    page = Page(html(reports))
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= {
        tag for name in ("two", "no doubts") for tag, _ in Page(page_of(name)).tags
    }
    assert markdown(reports)


def test_empty_reports_draw_nothing():
    bare = report(**BARE)
    assert plots.curve([bare]) is None
    assert plots.accuracies([bare]) is None
    assert plots.per_class(bare) is None


def test_plot_titles_carry_the_conclusion():
    both = [natural(), report()]
    assert plots.accuracies([report()]).title == (
        "The strongest attack, pgd:steps=40, leaves 86.3 %; all together 86.1 %"
    )
    assert plots.accuracies(both).title == "All attacks together leave natural.h5 0.0 %, hardened.h5 86.1 %"
    assert plots.curve([report()]).title == "At eps 0.3, pgd:steps=40 leaves 85.8 %"
    assert plots.per_class(report()).title == "Weakest class: 0, 70.0 % of 99 images"


def test_plots_keep_text_as_text_and_repeat():
    plot = plots.accuracies([natural(), report(HOSTILE)])
    for svg in (plot.light, plot.dark):
        assert "<script" not in svg
        assert ">natural.h5<" in svg.replace("> ", ">")
        assert "every attack" in svg
    assert plot.light != plot.dark
    assert plot == plots.accuracies([natural(), report(HOSTILE)])
    assert "eps 0.3" in plots.curve([report()]).light


def test_save_writes_all_views_and_loads(tmp_path):
    files = report().save(tmp_path / "new" / "folder")
    assert [file.name for file in files] == [
        "report.json", "report.md", "report.html", "examples.csv", "badge.svg", "report.sha256"
    ]  # fmt: skip
    for line in files[5].read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((files[0].parent / name).read_bytes()).hexdigest() == digest
    # The page says the hash of the JSON file beside it.
    assert hashlib.sha256(files[0].read_bytes()).hexdigest() in Page(files[2].read_text()).text
    assert load(tmp_path / "new" / "folder") == report_from_json(report())
    assert load(files[0]) == report_from_json(report())
    rows = list(csv.reader(files[3].read_text().splitlines()))
    assert rows == [["index", "label", "clean_prediction", "robust"], ["0", "7", "7", "1"], ["1", "2", "3", "0"]]


def report_from_json(one):
    return Report.from_json(one.to_json())


@pytest.mark.usefixtures("blank")
def test_save_gives_each_model_a_folder_of_its_own(tmp_path):
    names = ["a.h5", "A.keras", "../../etc/passwd", "", "report.html"]
    pair = Comparison(tuple(report(name) for name in names))
    pair.save(tmp_path)
    folders = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert folders == ["A-2", "a", "etc-passwd", "model", "report.html-2"]
    assert load(tmp_path) == Comparison(tuple(map(report_from_json, pair.reports)))
    assert load(tmp_path / "A-2").model["name"] == "A.keras"


@quick
@given(wild)
def test_wild_reports_survive_the_disk(tmp_path_factory, one):
    folder = tmp_path_factory.mktemp("report")
    one.save(folder)
    assert load(folder).to_json() == one.to_json()


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize("broken_at", range(10))
def test_a_failure_leaves_whole_files_only(tmp_path, monkeypatch, broken_at):
    before = {path.name: path.read_bytes() for path in natural().save(tmp_path)}
    after = {path.name: path.read_bytes() for path in report().save(tmp_path / "after")}
    steps = itertools.count()

    def breaking(method):
        def run(*args):
            if next(steps) == broken_at:
                raise OSError(28, "No space left on device")
            return method(*args)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", breaking(os.fsync))
        patch.setattr(Path, "replace", breaking(Path.replace))
        with pytest.raises(OutputError, match="No space left on device"):
            report().save(tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert files.keys() == before.keys()
    assert all(text in (before[name], after[name]) for name, text in files.items())
    assert (files == before) == (broken_at <= len(after))


def test_save_refuses_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Expected to write a report to .*file") as caught:
        report().save(tmp_path / "file")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="at least one report; got none"):
        Comparison(()).save(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "{}", '{"reports": 3}', '{"reports": [3]}', "\x00", "[" * 100_000,
     report().to_json().replace("0.861", "NaN")],
    ids=range(10),
)  # fmt: skip
def test_load_refuses_in_one_line(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(DataError, match="Expected a report that turtlenet wrote; got .*report.json") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_load_names_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match="Expected a report.json or the folder of one; got .*nowhere: No such file"):
        load(tmp_path / "nowhere")
    (tmp_path / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="Expected a report that turtlenet wrote"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, ""),
        ({"name": "pics test", "part": "test part"}, ""),
        ({"name": "pics", "part": "test part"}, "(test part)"),
        ({"name": "pics test", "part": "the sixth that training holds out"}, "(the sixth that training holds out)"),
        ({"name": "pics train", "part": "training part", "seen_in_training": True}, "(seen in training)"),
        ({"name": "pics", "part": "all of it", "seen_in_training": True}, "(all of it, seen in training)"),
        ({"name": "arrays", "part": "", "seen_in_training": True}, "(seen in training)"),
    ],
)
def test_every_view_says_which_part_was_scored(facts, said):
    one = report(data={**report().data, **facts})
    assert words.part(one) == said
    for view in (" ".join(table([one]).split()), markdown([one]).replace("\\", "")):
        assert said in view
    assert "sixth" not in said or said in Page(html([one])).text

"""Every page in a real browser: at 1440 and 390 pixels, light and dark, nothing sticks out, and its script works.

The pictures lie in `build/pages`, for people to look at; `TURTLENET_PAGES` names another folder.
"""

import html as html_text
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas
import pytest
from PIL import Image

import turtlenet as tn
from tests.conftest import ROOT
from tests.evaluation.views.test_views import HOSTILE, attack, natural, picture, report
from turtlenet.evaluation.results.leaderboard import ranked
from turtlenet.evaluation.results.records import LargestChange
from turtlenet.evaluation.results.sweep import sweep_of
from turtlenet.reports import page
from turtlenet.reports.base import Doubt

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = (1440, 390)
PROBE = """
<script>
const wide = document.documentElement.clientWidth;
const out = [...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 0 && (box.right > wide + 1 || box.left < -1);
});
const clipped = [...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth + 1);
const first = (column) => table.tBodies[0].rows[0].cells[column].textContent.trim();
const table = [...document.querySelectorAll("table")].find((each) => each.tHead.querySelector("button"));
const before = table ? first(0) : "";
const sorted = [];
if (table) {
  const button = table.tHead.rows[0].cells[0].querySelector("button");
  for (const turn of [1, 2]) { button.click(); sorted.push(first(0)); }
}
const told = {
  wide, height: document.documentElement.scrollHeight, page: document.documentElement.scrollWidth,
  out: out.map((each) => each.outerHTML.slice(0, 80)), clipped: clipped.map((each) => each.textContent.slice(0, 80)),
  before, sorted, codes: document.querySelectorAll("pre").length,
  copies: document.querySelectorAll("button.copy").length,
};
parent.document.body.dataset.told = JSON.stringify(told);
</script>
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(autouse=True, scope="module")
def undrawn() -> None:
    """Here pictures are drawn."""


def full():
    """A report with every section."""
    png = picture().original
    change = LargestChange(index=3, label=7, distance=0.3, original=png, even=png, random=png)
    history = [{"epoch": n, "loss": 2 / n, "val_accuracy": 0.9, "val_robust_accuracy": n / 20} for n in range(1, 12)]
    names = [f"a class with a name {number}" for number in range(10)]
    return report(
        largest_changes=(change, change),
        training={"objective": "madry", "attack": "pgd", "steps": 99, "best_epoch": 11, "history": history},
        data={**report().data, "classes": names},
        asked={"data": "mnist-sample", "limit": 1000},
    )


def hostile():
    return report(HOSTILE, attacks=(attack(HOSTILE),), curve_attack=HOSTILE, pictures=(picture(attack=HOSTILE),))


def board():
    names = (natural(), report(), full(), report("a-model-with-quite-a-long-name-for-a-table.h5"))
    facts = [{**one.model, "sha256": str(number)} for number, one in enumerate(names)]
    found = [(f"runs/{number}", report(model=about)) for number, about in enumerate(facts)]
    return ranked("runs", [*found, ("other", natural())], [{"report": "broken", "reason": "no JSON"}])


def swept():
    """A sweep, with doubts of one radius and of all."""
    few = Doubt(code="few-images", finding="Only 12 images.", advice="Take 1,000.")
    weak = Doubt(code="weak-attacks", finding="No iterative attack.", advice="Add pgd.")
    reports = [
        report(
            threat={**report().threat, "eps": eps},
            doubts=(few, weak) if eps == 0.1 else (few,),
            asked={"data": "mnist-sample", "limit": 1000},
        )
        for eps in (0.1, 0.2, 0.3)
    ]
    return sweep_of(reports)


def table():
    """A table with class names, a radius for each feature, and one that may not move."""
    rng = np.random.default_rng(0)
    names = ["age", "dose", "a feature with quite a long name", "d", "e", "f"]
    x = rng.uniform(size=(40, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    frame = pandas.DataFrame(x, columns=names)
    frame["outcome"] = np.array(["ill", "well"])[np.asarray(model(x)).argmax(axis=1)]
    return tn.evaluate(model, frame, label="outcome", eps=(0.2, 0.4, 0.1, 0.1, 0.1, 0.1), **QUICK)


def labels():
    """Several labels that may be true at once."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(40, 8, 8, 1)).astype("float32")
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, activation="sigmoid")]
    model = keras.Sequential(layers)
    y = (np.asarray(model(x)) > 0.5).astype("int32")
    named = ["spam", "urgent", "a label with quite a long name"]
    return tn.evaluate(model, (x, y), task="multi-label", classes=named, eps=0.02, **QUICK)


def certificate():
    """What is proven of a small net."""
    x = np.random.default_rng(0).uniform(size=(40, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(3)])
    y = np.asarray(model(x)).argmax(axis=1)
    return tn.certify(model, (x, y), eps=0.02, method="crown", tell=lambda line: None)


def digits():
    """The embedded digits' own model, and its first test images."""
    return ROOT / "models" / "mnist-wong.h5", {"tell": lambda line: None}


def tolerated():
    """Tolerable noise."""
    model, how = digits()
    return tn.tolerance(model, limit=40, **how)


def detected():
    """A detector, and attacks that know of it."""
    model, how = digits()
    detector = tn.fit_detector(model, detector="squeezing", attacks=["fgsm"], limit=60, **how)
    return tn.score_detector(model, detector, attacks=["fgsm"], limit=40, **how)


def generated():
    """What a generator does."""
    model, how = digits()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.h5"
        tn.save_generator(tn.train_generator(model, epochs=1, steps_per_epoch=1, **how), path)
        return tn.show_generator(path, model, limit=32)[0]


def cleaned():
    """What a network in front of a model does."""
    model, how = digits()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "front.h5"
        tn.save_front(tn.train_front("magnet", model, epochs=1, steps_per_epoch=1, **how), path)
        return tn.show_front(f"magnet:front={path}", model, limit=32)


QUICK = {"attacks": ["fgsm", "noise:draws=1"], "curve": 8, "tell": lambda line: None}
PAGES = {
    "one": full,
    "two": lambda: (natural(), full()),
    "four": lambda: tuple(report(f"a-model-with-quite-a-long-name-{number}.h5") for number in range(4)),
    "hostile": hostile,
    "leaderboard": board,
    "sweep": swept,
    "table": table,
    "labels": labels,
    "certificate": certificate,
    "tolerance": tolerated,
    "detection": detected,
    "generator": generated,
    "front": cleaned,
}


# They name no command to run next.
WITHOUT_CODE = ("leaderboard", "certificate", "tolerance", "detection", "generator", "front")


@pytest.fixture(scope="module")
def pages(undrawn: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages, and beside each the same with a script that measures it."""
    from turtlenet.evaluation.views.sections import document

    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        made = make()
        source = page.render(document(made) if isinstance(made, tuple) else made.document())
        (folder / f"{name}.html").write_text(source)
        # The page's policy lets no other script run.
        free = source.replace("script-src 'sha256-", "script-src 'unsafe-inline'; x 'sha256-")
        assert free != source
        (folder / f"{name}-probe.html").write_text(free.replace("</body>", f"{PROBE}</body>"))
    return folder


@pytest.fixture(scope="module")
def pictures() -> Path:
    folder = Path(os.environ.get("TURTLENET_PAGES", ROOT / "build" / "pages"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def browse(tmp_path: Path, address: Path, *flags: str) -> str:
    """Opens a page in a browser with a profile of its own; gives what it printed."""
    line = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, f"file://{address}"]
    return subprocess.run(line, capture_output=True, text=True, timeout=240, check=True).stdout


def measured(tmp_path: Path, address: Path, width: int) -> dict:
    """What the page says of itself, in a frame of this width: a window is 500 pixels wide at least."""
    frame = tmp_path / f"{address.stem}-{width}.html"
    source = html_text.escape(address.read_text())
    frame.write_text(f'<body style="margin:0"><iframe srcdoc="{source}" width="{width}" height="900"></iframe>')
    said = browse(tmp_path, frame, "--window-size=1600,900", "--dump-dom")
    return json.loads(html_text.unescape(re.search(r'data-told="([^"]*)"', said)[1]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_and_tables_sort(name, width, pages, pictures, tmp_path):
    told = measured(tmp_path, pages / f"{name}-probe.html", width)
    assert told["page"] <= told["wide"] and told["out"] == [] and told["clipped"] == []
    assert told["copies"] == told["codes"] and (told["codes"] or name in WITHOUT_CODE)
    up, down = told["sorted"]
    assert up <= down and (up != down or name == "hostile")
    for number, scheme in enumerate(("dark", "light")):
        picture = pictures / f"{name}-{width}-{scheme}.png"
        browse(
            tmp_path,
            pages / f"{name}.html",
            f"--window-size={width},{min(told['height'], 12_000)}",
            f"--blink-settings=preferredColorScheme={number}",
            f"--screenshot={picture}",
        )
        with Image.open(picture) as image:
            assert image.width == width
            # The paper of the page: dark or light.
            assert (sum(image.convert("RGB").getpixel((2, 2))) > 384) == (scheme == "light")

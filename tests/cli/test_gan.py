"""`turtlenet gan`: a generator's file and report, its use as an attack, and one line on bad input."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import listing
from tests.gan.conftest import TINY, drawn, network
from turtlenet import backend, models
from turtlenet import train as train_model
from turtlenet.attacks.advgan import AdvGAN, loaded_generator
from turtlenet.errors import SettingError
from turtlenet.gan.cache import ready
from turtlenet.gan.report import GeneratorReport
from turtlenet.gan.train import train_generator
from turtlenet.workflows.gan import show_generator


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A model and its data."""
    folder = tmp_path_factory.mktemp("box")
    models.save(network(), folder / "quarters.h5")
    parts = {"train": drawn(96, 0), "test": drawn(48, 1)}
    arrays = {f"{kind}_{name}": part for name, both in parts.items() for kind, part in zip("xy", both, strict=True)}
    np.savez(folder / "data.npz", **arrays)
    models.save(network(), folder / "other.h5")
    return folder


FEW = ("--network", TINY, "--eps", "0.3", "--epochs", "3", "--batch-size", "16", "--learning-rate", "0.01")


def test_train_writes_a_generator_that_attacks(box, cli, away) -> None:
    given = ("--data", box / "data.npz")
    made = cli("gan", "train", box / "quarters.h5", *given, *FEW, "--out", "g.h5", "--report", "r")
    assert (made.code, made.err) == (0, ""), made.err
    report_files = ["r/curve.png", "r/report.html", "r/report.json", "r/report.md", "r/report.sha256", "r/samples.png"]
    assert sorted(listing(away)) == ["g.h5", "r", *report_files]
    facts = loaded_generator("g.h5").facts
    assert (facts["variant"], facts["eps"], facts["access"], facts["queries"]) == ("strong", 0.3, "semi-white-box", 0)
    report = GeneratorReport.from_json((away / "r" / "report.json").read_text())
    assert report.success > 0.8 and report.accuracy < 0.2 and len(report.epochs) == 3
    assert {doubt.code for doubt in report.doubts} >= {"trained-on-the-model"}
    assert sum(each.count for each in report.classes) == 48 and report.linf_mean <= 0.3 + 1e-6
    with Image.open(away / "r" / "samples.png") as samples:
        assert samples.size == (2 * 4 * 10, 2 * 3 * 10)
        # The gaps let the page through, be it light or dark.
        assert samples.mode == "LA" and samples.getpixel((0, 0)) == (255, 0) and samples.getpixel((4, 4))[1] == 255
    assert f"{report.success:.3f}" in (away / "r" / "report.md").read_text()
    page = (away / "r" / "report.html").read_text()
    # The curve twice, for light and for dark pages, and the samples once for both.
    assert page.count("data:image/png;base64,") == 3 and page.count('media="(prefers-color-scheme: dark)"') == 1
    assert "http" not in page.replace("http-equiv", "")
    assert all(doubt.finding.split(" ")[0] in page for doubt in report.doubts)
    # The same model in memory, and another one.
    own, other = models.load(box / "quarters.h5"), models.load(box / "quarters.h5")
    other.set_weights([2 * value for value in other.get_weights()])
    for model, code in ((own, "trained-on-the-model"), (other, "trained-elsewhere")):
        told, _ = show_generator("g.h5", model, box / "data.npz")
        assert code in {doubt.code for doubt in told.doubts}
    many = tuple(np.concatenate([part] * 70) for part in drawn(48, 1))
    wide, _ = show_generator("g.h5", own, many, limit=None, batch_size=4096)
    assert wide.data["count"] == 3360 and wide.forward_milliseconds > 0
    shown = cli("gan", "show", "g.h5")
    assert shown.code == 0 and "semi-white-box" in shown.out and "parameters" in shown.out
    attacked = cli(
        *("evaluate", box / "quarters.h5", *given, "--eps", "0.3", "--curve", "0", "--report", "e"),
        *("--attack", "advgan:generator=g.h5"),
    )
    assert attacked.code == 0, attacked.err
    found = json.loads((away / "e" / "report.json").read_text())
    assert found["attacks"][0]["accuracy"] == pytest.approx(report.accuracy)
    wide = cli("evaluate", box / "quarters.h5", *given, "--eps", "0.4", "--attack", "advgan:generator=g.h5")
    assert wide.code == 2 and "Expected eps <= 0.3" in wide.err and wide.err.count("\n") == 1


@pytest.mark.slow
def test_advgan_without_a_generator_trains_one_and_keeps_it(box, cli, away, monkeypatch) -> None:
    from turtlenet.gan import cache as kept

    monkeypatch.setenv("TURTLENET_HOME", str(away / "home"))
    monkeypatch.setattr(kept, "_TRAINING", {"name": "strong", "epochs": 1, "network": TINY})
    given = ("evaluate", box / "quarters.h5", "--data", box / "data.npz", "--eps", "0.3", "--curve", "0")
    first = cli(*given, "--attack", "advgan", "--report", "e")
    assert first.code == 0 and "advgan: no generator given; training one" in first.out, first.err
    kept = list((away / "home" / "generators").iterdir())
    assert [path.suffix for path in kept] == [".h5"]
    again = cli(*given, "--attack", "advgan", "--report", "f")
    assert again.code == 0 and "is kept in" in again.out
    other = cli(*given, "--attack", "advgan", "--bounds", "0,2")
    assert other.code == 0 and "training one" in other.out, other.err


@pytest.mark.slow
def test_an_attacker_who_can_only_ask_has_no_generator_of_the_model(box, cli, away) -> None:
    made = cli("gan", "train", box / "quarters.h5", "--data", box / "data.npz", *FEW, "--out", "g.h5")
    assert made.code == 0, made.err
    asked = ("--access", "black-box:substitute=lenet,holdout=20,rounds=1", "--curve", "0", "--eps", "0.3")
    attack = ("--attack", "worst-of:attacks=(fgsm;advgan:generator=g.h5)")
    refused = cli("evaluate", box / "quarters.h5", "--data", box / "data.npz", *attack, *asked)
    assert refused.code == 2 and refused.err.count("\n") == 1
    assert "Expected a generator that was not trained on the model for access black-box; got g.h5" in refused.err


@pytest.mark.slow
def test_a_substitutes_success_is_said_to_be_its_own(box, cli, away) -> None:
    given = ("--data", box / "data.npz", *FEW[:-4], "--batch-size", "16", "--learning-rate", "1e-9")
    static = ("--access", "static", "--substitute", box / "other.h5", "--distillation", "1", "--validation", "16")
    made = cli("gan", "train", box / "quarters.h5", *given, *static, "--patience", "1", "--out", "g.h5")
    assert made.code == 0 and "success on held-out images against the substitute" in made.out, made.err
    # It learns nothing, so that patience ends it.
    assert len(loaded_generator("g.h5").facts["epochs"]) == 2


@pytest.mark.slow
def test_a_killed_static_run_ends_as_one_that_was_not(box, tmp_path) -> None:
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    data = box / "data.npz"
    plan = {"network": TINY, "eps": 0.3, "epochs": 2, "batch_size": 16, "access": "static", "distillation": 1}
    plan |= {"substitute": str(box / "other.h5"), "tell": lambda line: None}
    whole = train_generator(box / "quarters.h5", data, **plan)
    state = {"checkpoint": tmp_path / "state"}
    with pytest.raises(KeyboardInterrupt):
        train_generator(box / "quarters.h5", data, callbacks=[Kill()], **plan, **state)
    with pytest.raises(SettingError, match="got other values of substitute"):
        train_generator(box / "quarters.h5", data, resume=True, **{**plan, "distillation": 2}, **state)
    again = train_generator(box / "quarters.h5", data, resume=True, **plan, **state)
    pairs = zip(whole.model.get_weights(), again.model.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    assert whole.facts["queries"] == again.facts["queries"] > 0


def test_a_cluster_is_told_to_train_it_first(box, digits, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TURTLENET_HOME", str(tmp_path))
    monkeypatch.setattr(backend, "process", lambda: (0, 2))
    model, told = models.load(box / "quarters.h5"), []
    for train in (
        lambda: train_generator(model, tell=told.append),
        lambda: ready(AdvGAN(), model, models.classifier(model), digits, eps=0.3, norm="linf", tell=told.append),
    ):
        with pytest.raises(SettingError, match="Expected one process .* turtlenet gan train first"):
            train()
    with pytest.raises(SettingError, match="Expected one process to train against advgan; got a cluster"):
        train_model(model, box / "data.npz", attack=["pgd", "advgan"], verbose=False)
    assert not told and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("gan", "trian"), "Did you mean 'train'"),
        (("gan", "train", "none.h5"), "none.h5"),
        (("gan", "train", "MODEL", "--variant", "papr"), "Did you mean 'paper'"),
        (("gan", "train", "MODEL", "--access", "statik"), "Did you mean 'static'"),
        (("gan", "train", "MODEL", "--eps", "0"), "Expected eps > 0"),
        (("gan", "train", "MODEL", "--out", "g.txt"), ".h5"),
        (("gan", "train", "MODEL", "--alpha", "-1"), "Expected alpha >= 0"),
        (("gan", "train", "MODEL", "--target", "9"), "Expected a target class from 0 to 3; got 9"),
        (("gan", "train", "MODEL", "--access", "dynamic", "--resume"), "Expected a run from the start"),
        (("gan", "train", "MODEL", "--access", "static", "--substitute", "lennet"), "Expected a substitute's"),
        (("gan", "show", "MODEL"), "Expected a generator, made by turtlenet gan train"),
        (("gan", "show", "none.h5"), "Expected a generator at none.h5"),
        (("gan", "show", "none.h5", "--report", "r"), "Expected --model"),
        (("gan", "train", "MODEL", "--out", "MODEL"), "Expected --out to be another file"),
        (("gan", "train", "MODEL", "--pool", "OTHER", "--out", "OTHER"), "Expected --out to be another file"),
        (("gan", "train", "MODEL", "--norm", "l0"), "Expected one of the norms linf, l2, l1 for a generator; got l0"),
        (("gan", "train", "MODEL", "--target", "\u00b2"), "Expected a class number"),
        (("gan", "train", "MODEL", "--access", "static", "--target", "4"), "Expected a target class from 0 to 3"),
        (("gan", "train", "MODEL", "--access", "dynamic", "--epochs", "1"), "Expected at least 2 epochs"),
        (("evaluate", "MODEL", "--attack", "advgan:target=next"), "Expected a class number as the target"),
    ],
)
def test_bad_input_is_one_line(args, words, box, cli, away) -> None:
    files = {"MODEL": box / "quarters.h5", "OTHER": box / "other.h5"}
    given = [files.get(each, each) for each in args]
    data = ("--data", box / "data.npz") if args[1] in ("train", "MODEL") and "none.h5" not in args else ()
    result = cli(*given, *data)
    assert result.code == 2 and words in result.err and result.err.count("\n") == 1, result.err
    assert not [name for name in listing(away) if name.endswith(".h5")]


def test_a_substitute_that_nothing_learns_from_is_refused(box, cli, away) -> None:
    given = ("--data", box / "data.npz", *FEW, "--substitute", "lenet", "--distillation", "3", "--out", "g.h5")
    result = cli("gan", "train", box / "quarters.h5", *given)
    assert (result.code, result.out, listing(away)) == (2, "", {})
    assert result.err == (
        "turtlenet: Expected --access static or dynamic for --substitute, --distillation; got semi-white-box: "
        "leave them out.\n"
    )


@pytest.mark.parametrize("option", ["--data", "--limit", "--eps"])
def test_a_generator_alone_is_shown_without_data(option, cli, away) -> None:
    result = cli("gan", "show", "g.h5", option, 1)
    assert (result.code, result.err) == (2, f"turtlenet: Expected --model for {option}; got none: leave it out.\n")

"""The grey-box threat end to end: who attacks, what counts, what is kept, and what is refused."""

import json
import os

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.attacks.test_ensembles import dense
from turtlenet import attacks, balls, data, models
from turtlenet.attacks import noise
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.defences import keys, use_key
from turtlenet.errors import DataError, ModelError, OutputError, SettingError, SpecError
from turtlenet.evaluation.results.load import load
from turtlenet.evaluation.results.report import Report
from turtlenet.evaluation.threat_models import lineup as attackers
from turtlenet.features import Features
from turtlenet.training.objective.madry import Madry
from turtlenet.training.run.provenance import training_of
from turtlenet.training.surrogates import keyed as surrogates
from turtlenet.training.surrogates.reinitialized import twin

PGD = "pgd:steps=3,step=0.1"
SUITE = ["noise:draws=2", PGD]
EPS = 0.15


def grey(keyed, folder, **settings):
    lines: list[str] = []
    settings = {"attacks": SUITE, "eps": EPS, "curve": 0, "surrogates": 2, "tell": lines.append, **settings}
    report = tn.evaluate(keyed.model, keyed.data, access="grey-box", surrogate_dir=folder, **settings)
    return report, lines


@pytest.fixture(scope="session")
def kept(trained, tmp_path_factory):
    """An evaluation, the folder that it left, and what it told."""
    folder = tmp_path_factory.mktemp("kept") / "surrogates"
    with use_key(trained.key):
        report, lines = grey(trained, folder)
    return report, folder, lines


def test_every_attacker_has_a_row_and_the_one_with_the_key_does_not_count(kept):
    report, _, _ = kept
    rows = [(row.attacker, row.counted, row.kind) for row in report.attacks]
    asks = [("queries", True, row.kind) for row in report.attacks if row.attacker == "queries"]
    assert rows == [
        *[(who, True, "transfer") for who in ("no key", "own key 1", "own key 2", "mean of own keys")],
        *asks,
        ("with the key", False, "iterative"),
    ]
    assert {row.spec for row in report.attacks if row.attacker != "queries"} == {PGD}
    white, allowed = report.attacks[-1], report.attacks[:-1]
    assert report.threat["access"] == "grey-box" and report.clean_accuracy > 0.8
    assert report.robust_accuracy <= min(row.accuracy for row in allowed) < report.clean_accuracy
    assert report.beside_accuracy <= min(report.robust_accuracy, white.accuracy)
    assert np.mean(report.verdicts["robust"]) == pytest.approx(report.robust_accuracy, abs=1e-6)


def test_surrogates_are_trained_like_the_model_and_not_with_its_weights_or_key(kept, trained):
    report, folder, lines = kept
    stems = ["no-key", "own-key-1", "own-key-2"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(f"{stem}.h5" for stem in stems), "own-key-1.key", "own-key-2.key"]
    )
    assert [line.split(":")[0] for line in lines] == [f"surrogate {stem}" for stem in stems]
    mine = models.read_provenance(trained.model)["recipe"]
    for stem in stems:
        theirs = models.read_provenance(folder / f"{stem}.h5")["recipe"]
        assert {**theirs, "seed": 0, "defences": mine["defences"]} == {**mine, "seed": 0, "data": theirs["data"]}
    with use_key(trained.key, folder / "own-key-1.key", folder / "own-key-2.key"):
        loaded = [models.load(folder / f"{stem}.h5") for stem in stems]
        victim = models.load(trained.model)
    orders = [layer.order.tolist() for model in (*loaded[1:], victim) for layer in models.defences_of(model)]
    assert len(orders) == 3 and len(set(map(tuple, orders))) == 3 and not models.defences_of(loaded[0])
    kernels = [model.get_weights()[0] for model in (*loaded, victim)]
    assert all(np.abs(one - other).max() > 0.1 for one in kernels for other in kernels if one is not other)
    assert all(each["clean_accuracy"] > 0.7 for each in report.threat["surrogates"])
    assert report.threat["surrogate_training"] == "natural, adam, 6 epochs of batches of 16"


@pytest.mark.slow
def test_they_are_used_again_and_a_seed_repeats(kept, keyed, tmp_path):
    report, folder, _ = kept
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again, lines = grey(keyed, folder)
    assert all("kept in" in line for line in lines) and len(lines) == 3
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    anew, _ = grey(keyed, tmp_path / "other", surrogates=1)
    for one, other in zip(report.attacks[:2], anew.attacks[:2], strict=True):
        assert (one.attacker, one.accuracy, one.loss) == (other.attacker, other.accuracy, other.loss)
    assert [row.attacker for row in anew.attacks if row.attacker.startswith("mean")] == []
    assert [(row.accuracy, row.loss) for row in again.attacks] == [(row.accuracy, row.loss) for row in report.attacks]


def test_files_of_others_stay(kept, keyed, tmp_path):
    with pytest.raises(OutputError, match="Expected a model that an earlier evaluation trained at .*no-key.h5"):
        (tmp_path / "no-key.h5").write_text("mine")
        grey(keyed, tmp_path)
    assert (tmp_path / "no-key.h5").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_other_settings_train_them_anew(keyed, tmp_path):
    folder = tmp_path / "seeds"
    grey(keyed, folder, surrogates=0)
    _, lines = grey(keyed, folder, surrogates=0, seed=1)
    assert "training it for" in lines[0]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(keyed, kept, tmp_path, monkeypatch):
    from turtlenet.training.run import checkpoint

    class CutError(Exception):
        pass

    save_state = checkpoint.save_state

    def cut(*args):
        save_state(*args)
        raise CutError

    monkeypatch.setattr(checkpoint, "save_state", cut)
    with pytest.raises(CutError):
        grey(keyed, tmp_path, surrogates=0)
    assert [path.suffix for path in tmp_path.iterdir()] == [".resume"]
    monkeypatch.setattr(checkpoint, "save_state", save_state)
    report, lines = grey(keyed, tmp_path, surrogates=0)
    assert "continued" in lines[0] and [path.name for path in tmp_path.iterdir()] == ["no-key.h5"]
    # Ended as an unbroken one.
    assert report.attacks[0].accuracy == kept[0].attacks[0].accuracy
    whole, broken = (models.load(folder / "no-key.h5").get_weights() for folder in (kept[1], tmp_path))
    assert all(np.array_equal(one, other) for one, other in zip(whole, broken, strict=True))


def test_all_views_say_what_counts(kept, tmp_path):
    report, folder, _ = kept
    report.save(tmp_path)
    assert load(tmp_path) == report == Report.from_json(report.to_json())
    page, text, markdown = (tmp_path / "report.html").read_text(), str(report), (tmp_path / "report.md").read_text()
    for view in (page, text, markdown):
        for words in (f"own key 2: {PGD}", "every attack in the grey-box", "every attack, with the key too"):
            assert words in view
    for view in (page, markdown):
        assert "of one with the key" in view and "no key" in view and "own-key-1.h5" in view
        for words in ("--access grey-box", "--surrogates 2", f"--surrogate-dir {folder}", f"--attack {PGD}"):
            assert words in view
    assert "beside it, one with the key" in page
    codes = [doubt.code for doubt in report.doubts]
    assert codes[0] == "secret-key" and "training-unknown" not in codes
    assert f"{report.robust_accuracy:.3f}" in report.doubts[0].finding


def test_the_first_attack_that_asks_is_taken_and_none_is_told(kept, keyed, monkeypatch):
    report, folder, _ = kept
    victim, ball = tn.as_classifier(keyed.model), balls.get("linf", EPS)
    found = surrogates.Surrogates(("no key",), (folder / "no-key.h5",), ())

    def asked(*specs: str) -> tuple[list[str], bool]:
        lineup = attackers.line_up([attacks.build(spec) for spec in specs], specs, found, victim, ball, "auto")
        rows = zip(lineup.attackers, lineup.specs, strict=True)
        return [spec for who, spec in rows if who.name == "queries"], lineup.asks

    class Asking(noise.Noise):
        family = "query"

    class Elsewhere(Asking):
        norms = ("l2",)

    monkeypatch.setattr(attackers, "QUERIES", ("no-such-attack",))
    assert asked("noise", "fgsm") == (["noise", "noise:draws=100"], False)
    monkeypatch.setitem(attacks.attacks._factories, "elsewhere", Elsewhere)
    monkeypatch.setitem(attacks.attacks._factories, "asking", Asking)
    monkeypatch.setattr(attackers, "QUERIES", ("no-such-attack", "elsewhere", "asking"))
    assert asked("noise", "fgsm") == (["noise", "asking"], True)
    assert asked("fgsm", "asking:draws=3") == (["asking:draws=3"], True)
    told = "no-query-attack" in [doubt.code for doubt in report.doubts]
    assert told == (not any(row.kind == "query" for row in report.attacks))


def test_an_attack_keeps_its_own_ball_and_target_elsewhere():
    made = attackers.elsewhere(attacks.build("pgd:steps=3,norm=l2,eps=0.5,target=next"), ["a.h5", "b.h5"], "softmax")
    assert str(made) == (
        "transfer:target=next,norm=l2,eps=0.5,attack=(pgd:steps=3),source=(a.h5;b.h5),bounds=same,head=softmax"
    )


def test_a_model_that_does_not_say_how_it_was_trained(keyed, kept, monkeypatch):
    from turtlenet.training.run import provenance

    monkeypatch.setitem(provenance._NATURAL, "epochs", 1)
    report = tn.evaluate(
        models.load(keyed.model),
        keyed.data,
        attacks=["fgsm"],
        eps=EPS,
        curve=0,
        access="grey-box",
        surrogates=0,
        tell=len,
    )
    found = {doubt.code: doubt.finding for doubt in report.doubts}
    assert (
        "its file does not say" in found["training-unknown"] and "natural, adam, 1 epochs" in found["training-unknown"]
    )
    assert report.threat["surrogate_folder"] is None


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"objective": {"name": "os:system"}}, "nobody can follow"),
        ({"epochs": -1}, "nobody can follow"),
        ({"objective": None}, "nobody can follow"),
        ({}, ""),
    ],
)
def test_provenance_is_read_and_not_trusted(change, missing, trained):
    found = training_of({"recipe": {**models.read_provenance(trained.model)["recipe"], **change}})
    assert missing in found.missing and bool(missing) == bool(found.missing)
    assert found.settings["epochs"] == (10 if missing else 6)


def test_a_training_by_feature_is_imitated_within_its_bounds_and_rules():
    features = Features(
        names=("a", "b", "c"), low=(0, 0, 0), high=(1, 50, 9), eps=(0.1, 5, 1), movable=("up", "yes", "no")
    )
    threat = resolve(Said.by_user(features=features), (3,), "linf", (0.0, 50.0))
    objective = Madry(attack=attacks.build("pgd:steps=2"), ball=threat.ball)
    said = {"recipe": {"objective": objective.to_dict(), "epochs": 2}, "features": threat.to_dict()}
    found = training_of(said, (3,))
    assert not found.missing and found.settings["objective"].ball == threat.ball
    for broken in ({**said, "features": None}, {**said, "features": {"low": [0]}}):
        assert training_of(broken, (3,)).missing
    assert training_of(said).missing and training_of(said, (4,)).missing


def test_the_attackers_models_keep_what_the_data_say_of_a_normalization():
    layers = [keras.Input((3,)), keras.layers.Normalization(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.layers[0].adapt(np.array([[0, 10, 500], [1, 30, 900]], "float32"))
    anew = twin(model, 1, None)
    assert np.allclose(anew.layers[0].mean, [[0.5, 20, 700]])
    assert not np.allclose(anew.layers[1].kernel, model.layers[1].kernel)


def test_a_model_that_answers_nan_is_refused_before_anything_is_trained(keyed, tmp_path, monkeypatch):
    def predict(model, x, *_):
        # Of the 60 images the last alone, which no look at the first ones finds.
        logits = np.zeros((len(x), 4), "float32")
        logits[59:] = np.nan
        return logits

    monkeypatch.setattr(attackers, "predict", predict)
    with pytest.raises(ModelError, match="answers in numbers; got NaN for 1 of 60 images"):
        grey(keyed, tmp_path / "surrogates")
    assert not (tmp_path / "surrogates").exists()


def test_what_cannot_be_done_is_one_line(keyed, tmp_path):
    bare = tmp_path / "bare.h5"
    models.save(dense(1), bare)
    x, y = data.load(keyed.data, shape=(8, 8, 1)).test.batch(slice(None))
    for model, given, settings, error, words in (
        (bare, keyed.data, {}, ModelError, "Expected a model with a secret key"),
        ([keyed.model, bare], keyed.data, {}, SettingError, "Expected one model for access grey-box; got 2."),
        (keyed.model, (x, y), {}, DataError, "Expected data with a part to train the attacker's models on"),
        (keyed.model, keyed.data, {"surrogates": -1}, SettingError, "Expected surrogates >= 0; got -1."),
        (keyed.model, keyed.data, {"attacks": ["noise"]}, SettingError, "Expected an attack that follows gradients"),
        (keyed.model, keyed.data, {"access": "gray-box"}, SpecError, "Did you mean 'grey-box'?"),
    ):
        how = {"access": "grey-box", "attacks": ["fgsm"], "tell": len, "surrogate_dir": tmp_path / "none", **settings}
        with pytest.raises(error) as caught:
            tn.evaluate(model, given, **how)
        assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_the_command_line_keeps_surrogates_beside_the_report(keyed, cli, away, kept):
    os.environ["TURTLENET_KEY_FILE"] = str(keyed.key)
    (away / "keyed-surrogates").symlink_to(kept[1])
    how = ("--access", "grey-box", "--attack", PGD, "--attack", "noise:draws=2", "--curve", 0, "--eps", EPS)
    ended = cli("evaluate", keyed.model, "--data", keyed.data, *how, "--fail-under", "1")
    assert ended.code == 1 and "surrogate own-key-2: kept in keyed-surrogates/own-key-2.h5" in ended.out
    found = json.loads((away / "keyed-report" / "report.json").read_text())
    assert found["robust_accuracy"] == kept[0].robust_accuracy and found["beside"] == "with the key"
    keys._ring.clear()
    refused = cli("evaluate", keyed.model, "--data", keyed.data, "--access", "grey")
    assert refused.code == 2 and "Did you mean 'grey-box'?" in refused.err


@pytest.mark.slow
def test_a_cascade_counts_the_same(keyed, kept):
    report, folder, _ = kept
    cascade, _ = grey(keyed, folder, mode="cascade")
    assert cascade.verdicts["robust"] == report.verdicts["robust"]
    assert cascade.beside_accuracy == report.beside_accuracy

"""Which part of a data set is scored, and whether training saw it."""

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import data, models
from turtlenet.data import parts
from turtlenet.data.dataset import assemble
from turtlenet.data.parts import choose, note, remember, saw, trained_on
from turtlenet.data.prepare import load_data
from turtlenet.errors import DataError, SettingError, SpecError

RNG = np.random.default_rng(3)
X = RNG.uniform(size=(60, 4, 4, 1)).astype("float32")
Y = (X.mean(axis=(1, 2, 3)) > 0.5).astype("int64")
FIT = {"shape": (4, 4, 1), "num_classes": 2}


def network() -> keras.Model:
    return keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file without parts, one with them, and a model that was hardened on the first."""
    folder = tmp_path_factory.mktemp("parts")
    np.savez(folder / "one.npz", x=X, y=Y)
    np.savez(folder / "two.npz", x_train=X[:50], y_train=Y[:50], x_test=X[50:], y_test=Y[50:])
    how = {"objective": "natural", "epochs": 1, "validation": 0, "batch_size": 10, "tell": len}
    hardened = tn.train(network(), folder / "one.npz", **how)
    tn.save_model(hardened, folder / "hardened.h5")
    tn.save_model(network(), folder / "plain.h5")
    return folder, hardened


def evaluate(model, given, **settings):
    return tn.evaluate(model, given, attacks=["noise:draws=1"], curve=0, eps=0, tell=len, **settings)


def test_what_train_held_out_is_scored_by_default(files):
    folder, hardened = files
    told = trained_on(folder / "hardened.h5")
    assert told == trained_on(hardened) == trained_on(tn.load_model(folder / "hardened.h5"))
    assert [(each["count"], each["held_out"], each["first"]) for each in told] == [(50, 10, 50)]
    report = evaluate(hardened, folder / "one.npz")
    assert (report.data["count"], report.data["split"]) == (10, "test")
    assert report.data["part"] == "the sixth that training holds out" and not report.data["seen_in_training"]
    assert "(the sixth that training holds out), 10 images" in " ".join(str(report).split())
    # Side by side, all models have the same images.
    both = evaluate([folder / "plain.h5", folder / "hardened.h5"], folder / "one.npz").reports
    assert [one.data["count"] for one in both] == [10, 10]
    # Nobody knows what another model has seen.
    whole = data.load(folder / "one.npz", **FIT)
    assert len(choose(whole, None, [trained_on(folder / "plain.h5")]).examples) == 60
    assert len(choose(whole, held_out=True).examples) == 10


def test_a_part_for_validation_that_nobody_asks_for_may_be_another_models(files):
    folder, hardened = files
    np.savez(folder / "other.npz", x_test=X[50:], y_test=Y[50:], x_val=np.zeros((5, 9, 9)), y_val=[0] * 5)
    assert evaluate(hardened, folder / "other.npz").data["count"] == 10
    np.savez(folder / "both.npz", x=X, y=Y, x_val=np.zeros((5, 9, 9)), y_val=[0] * 5)
    how = {"objective": "natural", "epochs": 1, "tell": len}
    with pytest.raises(DataError, match="Expected images of shape 4x4x1; got 9x9"):
        tn.train(network(), folder / "both.npz", **how)
    # A number to hold out does not ask for it.
    tn.train(network(), folder / "both.npz", validation=0, **how)


def test_a_split_is_what_the_user_says(files):
    folder, _ = files
    notes = trained_on(folder / "hardened.h5")
    for name in ("one.npz", "two.npz"):
        for split, count in {"test": 10, "train": 50, "all": 60}.items():
            found = data.load(folder / name, **FIT)
            part = choose(found, split, [notes])
            assert (len(part.examples), part.split, part.asked) == (count, split, True)
            assert saw(notes, part, found) == (name == "one.npz" and split != "test")
    report = evaluate(folder / "hardened.h5", folder / "one.npz", split="all")
    assert (report.data["count"], report.data["split"], report.data["seen_in_training"]) == (60, "all", True)
    assert "seen-in-training" not in {doubt.code for doubt in report.doubts}, "the user asked for it"
    assert "(all of it, seen in training)" in " ".join(str(report).split())
    whole = data.load(folder / "two.npz", **FIT)
    assert choose(whole, None, [notes]).words == "test part"
    joined = choose(whole, "all").examples
    x, y = joined.batch(np.array([0, 49, 50, 59]))
    assert np.array_equal(x, X[[0, 49, 50, 59]]) and np.array_equal(y, Y[[0, 49, 50, 59]])
    assert np.array_equal(joined.batch(slice(45, 55))[0], X[45:55]) and joined.take(3).name == whole.name


def test_images_that_training_saw_raise_a_doubt(files):
    folder, hardened = files
    train, test = (data.load(folder / "one.npz", **FIT).train, data.load(folder / "one.npz", **FIT).test)
    seen = evaluate(hardened, train.batch(slice(None)))
    assert seen.doubts[0].code == "seen-in-training" and "was trained on these images" in seen.doubts[0].finding
    notes = trained_on(hardened)
    for part, known in ((train, True), (test, False)):
        given = data.Data("it", train=part)
        assert choose(given).split == "train" and saw(notes, choose(given), given) == known
    # What is made of the model has seen the same.
    wrapped = tn.wrap(folder / "hardened.h5", "constant-quantization:levels=4")
    twice = tn.train(hardened, (X, Y), objective="natural", epochs=1, validation=0, batch_size=30, tell=len)
    assert trained_on(wrapped) == trained_on(hardened)
    assert [each["count"] for each in trained_on(twice)] == [50, 60]


@pytest.mark.parametrize(
    "told",
    [None, "x", {"count": 3}, ["x"], [{"count": 50}], [{"data": "a", "count": 50, "held_out": "10"}],
     [{"data": "a", "count": 50, "held_out": 10, "first": 0, "first_sha256": "00"}],
     [{"data": "a", "count": True, "held_out": 10, "first": 1, "first_sha256": "00"}]],
)  # fmt: skip
def test_what_a_file_tells_is_read_and_not_trusted(told, tmp_path):
    models.save(network(), tmp_path / "m.h5", {"trained_on": told})
    assert trained_on(tmp_path / "m.h5") == []


def test_a_file_of_an_older_version_tells_the_name(tmp_path):
    models.save(network(), tmp_path / "m.h5", {"recipe": {"data": "pics/mine.npz"}})
    notes = trained_on(tmp_path / "m.h5")
    same, other = (assemble({"x": X, "y": Y}, name=name, **FIT) for name in ("/home/pics/mine.npz", "yours.npz"))
    assert [choose(each, None, [notes]).split for each in (same, other)] == ["test", "all"]
    assert not saw(notes, choose(other), other)


def test_what_cannot_be_split_is_one_line(files):
    folder, _ = files
    arrays = load_data((X, Y), tn.as_classifier(network()))
    assert choose(arrays).split == choose(arrays, "all").split == "" and choose(arrays, held_out=True).words == ""
    train_only = assemble({"x_train": X, "y_train": Y}, name="it", **FIT)
    test_only = assemble({"x_test": X, "y_test": Y}, name="it", **FIT)
    for given, split, error, words in (
        (arrays, "test", SettingError, "Expected data with a training and a test part for split=test; got one part"),
        (train_only, "test", DataError, "Expected test data for split=test in it; got training data only."),
        (test_only, "train", DataError, "Expected train data for split=train in it; got test data only."),
        (data.Data("it"), None, DataError, "Expected data to attack in it; got none."),
        (train_only, "trian", SpecError, "Did you mean 'train'?"),
    ):
        with pytest.raises(error) as caught:
            choose(given, split)
        assert words in str(caught.value) and "\n" not in str(caught.value)
    assert (choose(train_only).split, choose(test_only).split, choose(test_only, "all").split) == (
        "train",
        "test",
        "all",
    )
    with pytest.raises(DataError, match="got test data only"):
        note(test_only)


def test_the_first_images_tell(monkeypatch):
    monkeypatch.setattr(parts, "_FIRST", 16)
    whole = assemble({"x": X, "y": Y}, name="it", **FIT)
    model = network()
    remember(model, [note(whole)])
    notes = trained_on(model)
    few = choose(data.Data("it", train=whole.train.take(20), test=None))
    assert saw(notes, few, data.Data("it")) and saw(notes, choose(whole, "all"), whole)
    assert not saw(notes, choose(whole, "test"), whole)
    assert not saw(notes, choose(data.Data("it", train=whole.train.take(15))), data.Data("it"))

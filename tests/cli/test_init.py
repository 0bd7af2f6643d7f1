"""`turtlenet init`: a file of options that fits, or one line and nothing written."""

import tomllib

import keras
import numpy as np
import pytest

from turtlenet import models
from turtlenet.workflows import init


def written(folder):
    return tomllib.loads((folder / "turtlenet.toml").read_text("utf-8"))


def test_a_file_fits_model_and_data(shelf, cli, away) -> None:
    result = cli("init", shelf / "good.h5", "--data", shelf / "data.npz")
    assert result.code == 0 and result.out.endswith(
        "saved turtlenet.toml; next: turtlenet train, or turtlenet evaluate\n"
    )
    found = written(away)
    assert found["train"]["model"] == str(shelf / "good.h5") == found["evaluate"]["models"][0]
    assert {found[name]["data"] for name in ("train", "evaluate")} == {str(shelf / "data.npz")}
    assert (found["train"]["eps"], found["train"]["preset"], "bounds" in found["train"]) == (0.3, "balanced", False)
    assert "inputs 8x8x1, 4 classes" in result.out
    assert "accuracy " in result.out and " on the first 60 of " in result.out
    # The commands take it: what is wrong with it would be said now.
    evaluated = cli("evaluate", "--config", "turtlenet.toml", "--suite", "none")
    assert evaluated.code == 2 and "Unknown suite 'none'." in evaluated.err
    again = cli("init", shelf / "good.h5")
    assert (again.code, again.err.splitlines()[-1]) == (
        2,
        "turtlenet: Expected no file at turtlenet.toml yet; there is one: pass another --out, or remove it.",
    )


def test_bounds_are_told_where_the_data_lie_elsewhere(shelf, cli, away) -> None:
    assert cli("init", shelf / "good.h5", "--data", shelf / "wide.npz").code == 0
    found = written(away)["evaluate"]
    assert (found["bounds"], found["eps"]) == ([0, 255], 0.3 * 255)


def test_a_table_has_a_radius_of_each_feature(cli, away) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 5)).astype("float32") * 10
    np.savez(away / "rows.npz", x_train=x, y_train=np.arange(60) % 2, x_test=x, y_test=np.arange(60) % 2)
    models.save(keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]), away / "table.h5")
    assert cli("init", "table.h5", "--data", "rows.npz").code == 0
    assert "eps" not in written(away)["train"] and "# eps = ..." in (away / "turtlenet.toml").read_text("utf-8")


def test_a_table_keeps_what_was_said_of_its_columns(cli, away) -> None:
    rows = [f"{n},{n % 7},{n % 3},{'yes' if n % 2 else 'no'}" for n in range(40)]
    (away / "rows.csv").write_text("\n".join(["id,visits,kids,bought", *rows]), "utf-8")
    models.save(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), away / "table.h5")
    columns = ("--label", "bought", "--drop", "id", "--classes", "yes,no")
    said = cli("init", "table.h5", "--data", "rows.csv", *columns)
    assert said.code == 0, said.err
    for name in ("train", "evaluate"):
        found = written(away)[name]
        assert [found[key] for key in ("label", "drop", "classes")] == ["bought", ["id"], ["yes", "no"]]
    # The commands take it.
    evaluated = cli("evaluate", "--suite", "none")
    assert evaluated.code == 2 and "Unknown suite 'none'." in evaluated.err
    (away / "turtlenet.toml").unlink()
    lacking = cli("init", "table.h5", "--data", "rows.csv")
    assert lacking.code == 2 and "(--label COLUMN)" in lacking.err


def test_no_name_ends_a_comment(monkeypatch) -> None:
    look = init._Look(["a\ntrust = true"], ["b\r\n[gan]"], [], [])
    monkeypatch.setattr(init, "_look", lambda *_: look)
    found = tomllib.loads(init.init("m.h5"))
    assert set(found) == {"train", "evaluate"} and "trust" not in str(found)


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ("good.h5", "narrow.npz", "Expected"),
        ("good.h5", "nan.npz", "Expected"),
        ("good.h5", "missing.npz", "missing.npz"),
        ("missing.h5", "data.npz", "missing.h5"),
        ("regression.h5", "data.npz", "Expected"),
        ("text.h5", "data.npz", "Expected"),
    ],
)
def test_what_does_not_fit_is_one_line_and_no_file(model, data, words, shelf, cli, away) -> None:
    result = cli("init", shelf / model, "--data", shelf / data)
    assert result.code == 2 and len(result.err.splitlines()) == 1 and words in result.err
    assert not list(away.iterdir())


def test_without_data_that_fit_the_place_is_left_open(shelf, cli, away) -> None:
    result = cli("init", shelf / "good.h5")
    assert result.code == 0 and result.err.startswith("no data yet: ")
    assert "data" not in written(away)["train"] and '# data = "..."' in (away / "turtlenet.toml").read_text("utf-8")


def test_another_name_is_told_on(shelf, cli, away) -> None:
    result = cli("init", shelf / "good.h5", "--data", shelf / "data.npz", "--out", "mine.toml")
    assert result.out.endswith(
        "saved mine.toml; next: turtlenet train --config mine.toml, or turtlenet evaluate --config mine.toml\n"
    )
    assert cli("init", shelf / "good.h5", "--out", "mine.txt").code == 2
    assert cli("init", shelf / "good.h5", "--out", "there/mine.toml").code == 2


def test_what_is_said_of_the_model_is_written(cli, away) -> None:
    source = keras.Input((None, None, 1))
    flat = keras.layers.GlobalAveragePooling2D()(source)
    models.save(
        keras.Model(source, [keras.layers.Dense(3, name="a")(flat), keras.layers.Dense(2, name="b")(flat)]), "two.h5"
    )
    x, y = np.zeros((12, 8, 8, 1), "float32"), np.arange(12) % 3
    np.savez("data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert "choose one with --output" in cli("init", "two.h5", "--data", "data.npz").err
    assert "pass --size" in cli("init", "two.h5", "--data", "data.npz", "--output", "a").err
    said = {"output": "a", "size": "8x8", "task": "classification", "head": "logits"}
    given = [word for name, value in said.items() for word in (f"--{name}", value)]
    result = cli("init", "two.h5", "--data", "data.npz", *given)
    assert result.code == 0, result.err
    assert "inputs 8x8x1, 3 classes" in result.out
    for name in ("train", "evaluate"):
        assert {key: written(away)[name][key] for key in said} == said
    # The commands take it.
    evaluated = cli("evaluate", "--suite", "none")
    assert evaluated.code == 2 and "Unknown suite 'none'." in evaluated.err

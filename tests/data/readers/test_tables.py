"""Tables: CSV, Parquet, frames of pandas, data sets of Hugging Face; named columns, named classes."""

import gzip
import sys
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pandas
import pytest

from turtlenet.data import load
from turtlenet.data.parts import note
from turtlenet.data.prepare import load_data
from turtlenet.data.readers.table_files import read_csv
from turtlenet.data.readers.tables import PLAIN, Reading, read_frame, reading_of
from turtlenet.errors import DataError
from turtlenet.input_kind import TABLE
from turtlenet.models.as_classifier import as_classifier

WIDE = (-1e30, 1e30)
ROWS = 12
DRAW = np.random.default_rng(0)
FRAME = pandas.DataFrame(
    {
        "age": np.arange(ROWS),
        "income": DRAW.normal(2000, 500, ROWS).round(3),
        "member": np.arange(ROWS) % 2 == 0,
        "verdict": ["good", "bad", "good"] * 4,
    }
)
BY_VERDICT = Reading(label="verdict")


def csv(tmp_path, frame=FRAME, name="credit.csv", **how):
    path = tmp_path / name
    frame.to_csv(path, index=False, **how)
    return path


def written(tmp_path, kind):
    if kind == "parquet":
        FRAME.to_parquet(tmp_path / "credit.parquet")
        return tmp_path / "credit.parquet"
    return csv(tmp_path, name=f"credit.{kind}", sep={"csv": ",", "tsv": "\t", "CSV": ";"}[kind])


@pytest.mark.parametrize("kind", ["csv", "tsv", "CSV", "parquet"])
def test_every_file_keeps_names_and_numbers(kind, tmp_path):
    data = load(written(tmp_path, kind), shape=(3,), num_classes=2, bounds=WIDE, how=BY_VERDICT)
    x, y = data.whole.batch(slice(None))
    assert np.array_equal(x, FRAME[["age", "income", "member"]].to_numpy("float32"))
    assert y.tolist() == [1, 0, 1] * 4
    about = data.whole.about
    assert about.names == ("age", "income", "member") and about.classes == ("bad", "good")
    assert about.types == ("integer", "real", "integer") and about.kind is TABLE
    assert len(data.train) == 10 and len(data.test) == 2
    assert "12 rows of 3 features, 2 classes (bad, good)" in data.whole.describe()


def test_a_folder_of_train_and_test_agrees_on_its_classes(tmp_path):
    csv(tmp_path, FRAME[:8], "train.csv")
    csv(tmp_path, FRAME[FRAME.verdict == "good"], "test.csv")
    data = load(tmp_path, shape=(3,), num_classes=2, bounds=WIDE, how=BY_VERDICT)
    assert data.whole is None and len(data.train) == 8
    assert data.test.labels.tolist() == [1] * 8
    csv(tmp_path, FRAME[:3], "val.csv")
    assert load(tmp_path, shape=(3,), num_classes=2, bounds=WIDE, how=BY_VERDICT).validation.about.names
    csv(tmp_path, FRAME.rename(columns={"age": "years"}), "test.csv")
    with pytest.raises(DataError, match="the same columns in all parts .*; got 'age' in one only"):
        load(tmp_path, how=BY_VERDICT)


@pytest.mark.parametrize(
    ("change", "how", "words"),
    [
        (
            {"income": [np.nan] * ROWS},
            BY_VERDICT,
            "Expected a value in every row of column 'income' of it; got none at",
        ),
        (
            {"verdict": ["good", None] * 6},
            BY_VERDICT,
            "in every row of column 'verdict' of it; got none at row 1 and 5 ",
        ),
        (
            {"income": [np.inf] * ROWS},
            BY_VERDICT,
            "Expected finite numbers in column 'income' of it; got inf at row 0",
        ),
        ({"income": [1e300] * ROWS}, BY_VERDICT, "Expected float32 numbers in column 'income' of it; got 1e+300"),
        (
            {"income": pandas.to_datetime(["2020-01-01"] * ROWS)},
            BY_VERDICT,
            "Expected numbers or text in column 'income'",
        ),
        ({}, PLAIN, "Expected the column of the label by its name (--label COLUMN) in it; got columns age, income, "),
        (
            {},
            Reading(label="Verdict"),
            "Expected a column 'Verdict' in it; got age, income, member, verdict: did you ",
        ),
        ({}, Reading(label="verdict", drop=("id",)), "Expected a column 'id' in it; got age"),
        (
            {"income": [*map(str, range(11)), "?"]},
            BY_VERDICT,
            "Expected numbers in column 'income' of it; got '?' at row 11 (the first row is 0).",
        ),
        ({"city": ["Ulm", "Bonn"] * 6}, BY_VERDICT, "with text in 'city' (Bonn, Ulm), which are 5 with a column of 0"),
        (
            {"more": [1] * ROWS},
            BY_VERDICT,
            "Expected 3 features for this model in it; got 4: age, income, member, more",
        ),
        ({"verdict": ["a", "b", "c"] * 4}, BY_VERDICT, "expected 2; got 3 names of classes in it (a, b, c)"),
        (
            {},
            Reading(label="verdict", classes=("good", "ugly")),
            "Expected labels of good, ugly; got 'bad' at example 1",
        ),
        (
            {},
            Reading(label="verdict", names=("age", "size", "member")),
            "Expected a column 'size', which the model was",
        ),
        (
            {"income": ["0,5", "2"] * 6},
            BY_VERDICT,
            "Expected numbers with a decimal point in column 'income' of it; got text such as '0,5'.",
        ),
        # Leaving out more would not help.
        (
            {},
            Reading(label="verdict", weight="member"),
            "Expected 3 features for this model in it; got 2: age, income.",
        ),
        ({}, Reading(label="verdict", weight="verdict"), "Expected another column for the weights than for the label"),
        (
            {"income": ["2020-01-31", "2021-02-01"] * 6},
            BY_VERDICT,
            "Expected numbers or categories in column 'income' of it; got dates such as '2020-01-31'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, how, words):
    with pytest.raises(DataError) as caught:
        read_frame(FRAME.assign(**change), how, name="it", width=3, num_classes=2)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_columns_of_text_are_encoded_if_the_model_is_as_wide():
    frame = FRAME.assign(city=["Ulm", "Bonn", "Ulm"] * 4)
    arrays, about = read_frame(frame, BY_VERDICT, name="it", width=5, num_classes=2)
    assert about.names == ("age", "income", "member", "city=Bonn", "city=Ulm")
    assert about.types[3:] == ("one-hot", "one-hot") and about.groups == ("", "", "", "city", "city")
    assert arrays["x"][:3, 3:].tolist() == [[0, 1], [1, 0], [0, 1]]
    # A model that knows its features finds them in any order, and none that it does not know.
    known = Reading(label="verdict", names=("city=Ulm", "city=Bonn", "income", "age", "member"))
    again, _ = read_frame(frame[["city", "verdict", "member", "age", "income"]], known, name="it", width=5)
    assert np.array_equal(again["x"], arrays["x"][:, [4, 3, 1, 0, 2]])
    with pytest.raises(DataError, match="Expected one of Ulm, Bonn in column 'city' of it; got 'Rome' at row 0"):
        read_frame(frame.assign(city="Rome"), known, name="it", width=5)


def test_labels_that_are_numbers_from_1_are_classes_in_their_order():
    arrays, about = read_frame(FRAME.assign(verdict=[3, 1, 2] * 4), BY_VERDICT, name="it", width=3, num_classes=3)
    assert arrays["y"][:3].tolist() == [2, 0, 1] and about.classes == ("1", "2", "3")


@pytest.mark.parametrize("classes", [("1", "2", "3"), ("1.0", "2", "3")])
def test_labels_that_are_numbers_are_found_among_the_known_classes(classes):
    known = Reading(label="verdict", classes=classes)
    frame = FRAME.assign(verdict=[1, 2, 2] * 4)
    arrays, about = read_frame(frame, known, name="it", width=3, num_classes=3)
    assert arrays["y"][:3].tolist() == [0, 1, 1] and about.classes == ("1", "2", "3")
    with pytest.raises(DataError, match="Expected labels of 1, 2, 3; got '0' at example 0 of it"):
        read_frame(FRAME.assign(verdict=[0, 1, 2] * 4), known, name="it", width=3, num_classes=3)
    with pytest.raises(DataError, match="from 0, or all 3 classes, in column 'verdict' of it; got 1, 2"):
        read_frame(frame, BY_VERDICT, name="it", width=3, num_classes=3)


def test_weights_and_row_numbers_are_no_features(tmp_path):
    path = tmp_path / "credit.csv"
    FRAME.assign(weight=np.arange(ROWS) + 1.0).to_csv(path)
    how = Reading(label="verdict", weight="weight")
    data = load(path, shape=(3,), num_classes=2, bounds=WIDE, how=how)
    assert data.whole.about.names == ("age", "income", "member")
    assert data.whole.weights.tolist() == list(range(1, ROWS + 1))


def test_a_file_without_names_is_refused(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("1.5,2.5,0\n3.5,4.5,1\n")
    with pytest.raises(DataError, match="Expected a first line with the names of the columns in .*; got 1.5, 2.5, 0"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 9, b'a,b\n"1,2\n3'])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_damaged_files_are_refused_in_one_line(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path / name, how=Reading(label="b"))
    assert "\n" not in str(caught.value)


def test_lines_with_more_cells_than_names_are_refused(tmp_path, recwarn):
    path = tmp_path / "rows.csv"
    # Row numbers without a name, as R writes them: the last column would be dropped, and another taken for the label.
    path.write_text("a,b,label\n" + "".join(f"{row},0.1,0.2,{row % 2}\n" for row in range(8)))
    with pytest.raises(DataError, match=r"^Expected as many cells in every line of .* got lines with more: is a name"):
        load(path)
    path.write_text("a,b,label\n" + "".join(f"0.1,0.2,{row % 2},\n" for row in range(8)))
    assert load(path).test.shape == (2,)
    assert not recwarn.list


def test_the_line_that_tells_excel_the_separator_is_no_name(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_text("sep=;\na,b;c;label\n" + "".join(f"0.1;0.{row};{row % 2}\n" for row in range(8)))
    assert load(path).test.shape == (2,)


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    path = csv(tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DataError, match=r"Expected pandas for tables; it is not installed: pip install 'turtlenet\["):
        load(path)


def test_tables_in_other_data_only(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=[0, 1, 1], sample_weight=[1.0, 2.0, 3.0])
    assert load(tmp_path / "a.npz").whole.weights.tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="Expected a table with columns for --label; .* is none."):
        load(tmp_path / "a.npz", how=Reading(label="y"))


def test_a_hardened_file_knows_features_and_classes(tmp_path):
    told = note(load(csv(tmp_path), shape=(3,), num_classes=2, bounds=WIDE, how=BY_VERDICT))
    said = SimpleNamespace(label="verdict", weight=None, drop=(), classes=())
    how = reading_of(said, [told])
    assert how == Reading(label="verdict", names=("age", "income", "member"), classes=("bad", "good"))
    # The test file has other columns, in another order, and one class alone.
    test = FRAME[FRAME.verdict == "good"].assign(id=7)[["id", "verdict", "member", "age", "income"]]
    arrays, about = read_frame(test, how, name="it", width=3, num_classes=2)
    assert about.names == how.names and set(arrays["y"]) == {1}
    assert np.array_equal(arrays["x"][:, 0], test["age"])


def test_frames_in_memory_keep_their_names(linear):
    columns = {f"f{place}": DRAW.uniform(size=9) for place in range(6)}
    frame = pandas.DataFrame({**columns, "kind": ["a", "b", "c"] * 3})
    whole = load_data(frame, linear, how=Reading(label="kind"))
    assert whole.train is whole.test and whole.whole.about.names == tuple(columns)
    apart = load_data((frame.drop(columns="kind"), frame["kind"]), linear)
    assert apart.whole.about == whole.whole.about and apart.whole.sha256() == whole.whole.sha256()


def test_a_table_for_validation_may_be_all_there_is(tmp_path):
    csv(tmp_path, FRAME[:8], "val.csv")
    data = load(tmp_path, shape=(3,), num_classes=2, bounds=WIDE, how=BY_VERDICT)
    assert len(data.validation) == 8 and data.train is data.test is data.whole is None
    # Beside arrays it may be about those.
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    np.save(tmp_path / "y.npy", [0, 1])
    assert len(load(tmp_path, shape=(3,), num_classes=2).whole) == 2


def test_data_sets_of_hugging_face(tmp_path, linear):
    datasets = pytest.importorskip("datasets")
    kind = datasets.ClassLabel(names=["a", "b", "c"])
    features = datasets.Features({**{f"f{place}": datasets.Value("float32") for place in range(6)}, "kind": kind})
    columns = {f"f{place}": DRAW.uniform(size=9).astype("float32") for place in range(6)}
    made = datasets.Dataset.from_dict({**columns, "kind": [0, 1, 2] * 3}, features=features)
    how = Reading(label="kind")
    held = load_data(made, linear, how=how).whole
    assert held.about.classes == ("a", "b", "c") and held.about.names == tuple(columns)
    parts = datasets.DatasetDict(train=made.select([3, 1, 2]), test=made.select([0]), validation=made.select([5, 4]))
    found = load_data(parts, linear, how=how)
    assert found.validation.labels.tolist() == [2, 1]
    assert np.array_equal(found.train.batch(slice(None))[0], held.batch(np.array([3, 1, 2]))[0])
    parts.save_to_disk(tmp_path / "saved")
    saved = load(tmp_path / "saved", shape=(6,), num_classes=3, how=how)
    assert saved.train.sha256() == found.train.sha256() and saved.train.about == found.train.about
    assert len(saved.test) == 1 and saved.validation.sha256() == found.validation.sha256()
    alone = datasets.DatasetDict(validation=parts["validation"])
    alone.save_to_disk(tmp_path / "alone")
    held = load(tmp_path / "alone", shape=(6,), num_classes=3, how=how)
    assert held.validation.sha256() == found.validation.sha256() and held.train is held.test is None
    with pytest.raises(DataError, match="Expected training or test data in .*; got data for validation only."):
        load_data(alone, linear, how=how)


def test_images_of_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    pixels = [DRAW.integers(0, 256, (8, 8, 3), dtype="uint8") for _ in range(4)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    made = datasets.Dataset.from_dict({"image": pixels, "label": [0, 1, 1, 0]}, features=features)
    made.save_to_disk(tmp_path / "saved")
    for source in (load(tmp_path / "saved", shape=(8, 8, 3), num_classes=2),):
        x, y = source.whole.batch(slice(None))
        assert np.array_equal(np.rint(x * 255), pixels) and y.tolist() == [0, 1, 1, 0]
        assert source.whole.about.classes == ("cat", "dog")


def test_a_frame_of_an_array_is_called_by_its_places(linear):
    rows = DRAW.uniform(size=(9, 6))
    found = load_data((pandas.DataFrame(rows), [0, 1, 2] * 3), linear)
    np.testing.assert_allclose(found.whole.batch(slice(None))[0], rows, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "größe,label\n1,0\n".encode("latin-1"),
            "Expected text in UTF-8 in {}; got Latin-1 or another encoding:",
        ),
        ("a,label\n1,0\n".encode("utf-16"), "Expected text in UTF-8 in {}; got UTF-16: save it as UTF-8."),
        (b"<!DOCTYPE html><html></html>", "Expected a table in {}; got a web page: download the file"),
        (b'[{"a": 1, "label": 0}]', "Expected a table in {}; got a JSON file: save the table in it as CSV."),
        (
            b"version https://git-lfs.github.com/spec/v1\noid 1\n",
            "Expected a table in {}; got a Git LFS pointer:",
        ),
        (gzip.compress(b"a,label\n", mtime=0), "Expected a table in {}; got a gzip archive: unpack it"),
    ],
)
def test_what_is_called_a_table_and_is_none(content, words, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value).startswith(words.format(path))


def test_a_workbook_called_csv_is_told_for_what_it_is(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(DataError, match="got an Excel workbook: save the sheet as CSV in UTF-8."):
        load(tmp_path / "t.csv")


def test_separators_within_quotes_do_not_count(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"size, mm, x";"w, g";label\n' + "".join(f"0.1;0.{row};{row % 2}\n" for row in range(8)))
    assert load(path).whole.about.names == ("size, mm, x", "w, g")


def test_names_of_classes_may_be_bytes_of_any_length():
    for names in (["dög", "cat", "dög"], [b"d\xc3\xb6g", b"cat", b"d\xc3\xb6g"]):
        data = load_data((np.zeros((3, 4, 4, 1)), np.array(names, object)), pictures(2))
        assert data.whole.about.classes == ("cat", "dög") and data.whole.labels.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="Expected names of classes in UTF-8 in arrays; got other bytes: save them"):
        load_data((np.zeros((2, 4, 4, 1)), np.array([b"\xff", b"a"], object)), pictures(2))


def test_training_and_test_come_as_keras_gives_them():
    x, y = np.zeros((6, 4, 4), "uint8"), np.arange(6)[:, None] % 3
    data = load_data(((x, y), (x[:3], y[:3])), pictures(3))
    assert (len(data.train), len(data.test), data.whole) == (6, 3, None)


def test_as_many_classes_are_named_as_the_model_has():
    x, y = np.zeros((6, 4, 4, 1)), np.arange(6) % 3
    named = Reading(classes=("a", "b"))
    with pytest.raises(DataError, match="Expected names of 3 classes, as many as the model has; got 2: a, b."):
        load_data((x, y), pictures(3), how=named)
    assert load_data((x, y % 2), pictures(2), how=named).whole.about.classes == ("a", "b")


def pictures(classes):
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(classes)])
    return as_classifier(model, bounds=(0, 1))


def test_a_name_that_comes_twice_in_a_file_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("sep=;\na;label; a\n1;2;3\n")
    with pytest.raises(DataError, match="a name of its own in .*t.csv; got 'a' twice"):
        read_csv(path)
    path.write_text("a,,label\n1,2,3\n")
    assert list(read_csv(path).columns) == ["a", "Unnamed: 1", "label"]

import numpy as np
import pytest
from PIL import Image

from turtlenet.data import load
from turtlenet.data.readers import images
from turtlenet.errors import DataError

RANDOM = np.random.RandomState(7)


def paint(path, size=(4, 6), channels=3, value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if channels == 1 else (*size, channels)
    pixels = RANDOM.randint(0, 256, shape) if value is None else np.full(shape, value)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return pixels


@pytest.fixture
def pets(tmp_path):
    """Three classes out of order, among files and folders that are none."""
    pixels = {name: paint(tmp_path / name) for name in ("dog/b.png", "dog/a.bmp", "ant/z.png", "cat/q.PNG")}
    paint(tmp_path / ".cache" / "a.png")
    paint(tmp_path / "cat" / ".hidden.png")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "README.md").touch()
    return tmp_path, [pixels[name] for name in ("ant/z.png", "cat/q.PNG", "dog/a.bmp", "dog/b.png")]


def test_classes_and_files_are_sorted(pets):
    path, expected = pets
    data = load(path, bounds=(0, 255))
    x, y = data.whole.batch(slice(None))
    assert y.tolist() == [0, 1, 2, 2] and data.whole.num_classes == 3
    assert np.array_equal(x, expected)
    index = np.array([3, 0, 3, 1])
    assert np.array_equal(data.whole.batch(index)[0], np.array(expected)[index])
    data.whole.check()


def test_only_the_images_asked_for_are_decoded(pets, monkeypatch):
    path, _ = pets
    data = load(path, shape=(4, 6, 3))
    asked = []
    decode = images._decode
    monkeypatch.setattr(images, "_decode", lambda file, *how: asked.append(file.name) or decode(file, *how))
    data.whole.batch(np.array([3, 1, 3]))
    assert asked == ["q.PNG", "b.png"]


def test_train_and_test_share_their_classes(tmp_path):
    for name in ("train/b/1.png", "train/c/1.png", "test/a/1.png", "test/c/1.png", "test/c/2.png"):
        paint(tmp_path / name)
    data = load(tmp_path)
    assert data.train.labels.tolist() == [1, 2] and data.test.labels.tolist() == [0, 2, 2]
    assert data.train.num_classes == data.test.num_classes == 3 and data.whole is None


def test_a_folder_for_validation_is_a_part_beside_the_others(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "val/b/1.png"):
        paint(tmp_path / name)
    data = load(tmp_path)
    assert data.validation.labels.tolist() == [1] and len(data.train) == 2 and data.test is None
    # Without them it is a class as any other.
    for name in ("other/val/1.png", "other/car/1.png"):
        paint(tmp_path / name)
    assert load(tmp_path / "other").whole.num_classes == 2


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_folder_for_validation_may_be_all_there_is(name, tmp_path):
    for file in ("a/1.png", "b/1.png", "b/2.png"):
        paint(tmp_path / name / file)
    data = load(tmp_path, num_classes=2)
    assert data.validation.labels.tolist() == [0, 1, 1] and data.train is data.test is data.whole is None
    # The one folder of a class has no folders in it.
    paint(tmp_path / "other" / name / "1.png")
    assert load(tmp_path / "other").whole.about.classes == (name,)


def test_a_class_may_be_called_train(tmp_path):
    paint(tmp_path / "train" / "1.png")
    paint(tmp_path / "plane" / "1.png")
    assert load(tmp_path).whole.labels.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(8, 10), (8, 10, 1), (8, 10, 3), (8, 10, 4), (4, 6, 3)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_are_brought_to_the_shape_of_the_model(tmp_path, shape, channels):
    paint(tmp_path / "a" / "1.png", channels=channels, value=255)
    x, _ = load(tmp_path, shape=shape, num_classes=1).test.batch(slice(None))
    assert x.shape == (1, *shape) and (x == 1).all()


def test_height_comes_before_width(tmp_path):
    pixels = np.zeros((4, 6), np.uint8)
    pixels[:, 3:] = 255
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "1.png")
    x, _ = load(tmp_path, shape=(8, 12)).test.batch(slice(None))
    assert (x[0, :, :4] == 0).all() and (x[0, :, 8:] == 1).all()


def test_a_flat_model_takes_images_of_its_size(tmp_path):
    pixels = paint(tmp_path / "a" / "1.png", size=(4, 6), channels=1)
    x, _ = load(tmp_path, shape=(24,), bounds=(0, 255)).test.batch(slice(None))
    assert np.array_equal(x[0], pixels.reshape(-1))


def test_sixteen_bit_gray_is_scaled_not_cut(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.array([[0, 256, 32768, 65535]], np.uint16)).save(tmp_path / "a" / "1.png")
    assert load(tmp_path, bounds=(0, 255)).test.batch(slice(None))[0].tolist() == [[[0, 1, 128, 255]]]


def test_palettes_with_transparency_are_read_without_a_warning(tmp_path):
    (tmp_path / "a").mkdir()
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a" / "1.png", transparency=b"\x40\x80")
    x, _ = load(tmp_path, shape=(1, 2, 3)).test.batch(slice(None))
    assert x.tolist() == [[[[1, 0, 0], [0, 0, 1]]]]


@pytest.mark.parametrize("content", [b"", b"no image\n", b"\x89PNG\r\n\x1a\n", "cut"])
def test_a_broken_image_is_named(content, pets, refusal):
    path, _ = pets
    file = path / "dog" / "b.png"
    file.write_bytes(file.read_bytes()[:60] if content == "cut" else content)
    data = load(path)
    data.whole.batch(slice(0, 3))
    assert refusal(DataError, data.whole.check).startswith(f"Expected an image in {file}; got: ")


@pytest.mark.parametrize("classes", [2, 4])
def test_another_number_of_class_folders_is_refused(classes, pets, refusal):
    path, _ = pets
    assert refusal(DataError, load, path, num_classes=classes) == (
        f"Wrong number of classes: expected {classes} class folders in {path}; got 3, from ant to dog."
    )


@pytest.mark.parametrize("shape", [(4, 6, 2), (3, 4, 6), (2, 2, 2, 3)])
def test_a_model_of_no_images_is_refused(shape, pets, refusal):
    words = "Expected a model of images, height x width or height x width x channels (1, 3 or 4)"
    assert refusal(DataError, load, pets[0], shape=shape).startswith(words)


def test_folders_without_images_are_refused(tmp_path, refusal):
    path = tmp_path / "empty"
    path.mkdir()
    words = (
        "Expected .npy arrays, tables train.*, test.* or val.*, folders of images by class, or what save_to_disk of "
        f"Hugging Face writes, in {path}; got none."
    )
    assert refusal(DataError, load, path) == words
    (path / "cat").mkdir()
    assert refusal(DataError, load, path).startswith(f"Expected images in the class folders of {path}; got none")


@pytest.mark.parametrize("suffix", [".tif", ".HEIC", ".svg"])
def test_images_of_other_formats_are_not_left_out_in_silence(suffix, pets, refusal):
    path, _ = pets
    for name in ("Thumbs.db", "about.json", f"._y{suffix}"):
        (path / "dog" / name).touch()
    assert len(load(path).whole) == 4
    for name in ("x", "y"):
        (path / "dog" / f"{name}{suffix}").touch()
    said = refusal(DataError, load, path)
    assert f"got {path / 'dog' / f'x{suffix}'} and 1 more of other formats: convert them, or take them out." in said


@pytest.mark.parametrize(("names", "lower"), [(("Test", "Train"), "test, train"), (("TEST", "train"), "test")])
def test_parts_in_capitals_are_no_classes(names, lower, tmp_path, refusal):
    for name in names:
        paint(tmp_path / name / "a" / "1.png")
    said = refusal(DataError, load, tmp_path)
    assert said.startswith("Expected the folders of the parts as train and test in")
    assert said.endswith(f"rename to {lower}.")


def test_what_an_archive_of_macos_has_besides_is_no_class(pets):
    path, _ = pets
    paint(path / "__MACOSX" / "a.png")
    assert load(path).whole.num_classes == 3

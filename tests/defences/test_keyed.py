"""Layers that a secret key chooses: what they compute, and what their files do not tell."""

import os
import random
import re
import secrets
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from keras import ops

from turtlenet import attacks, balls
from turtlenet.defences import Orthogonal, Permutation, SignFlip, defences, keyed_draws, keys, use_key, write_key
from turtlenet.defences.keyed import Keyed
from turtlenet.errors import ModelError, SettingError, SpecError
from turtlenet.models import classifier, compute_in, copy, inspect, load, save, wrap

BITS = keyed_draws.bits_of_permutation(3072)
SPECS = [
    "permutation",
    "permutation:channels=true",
    "sign-flip",
    "sign-flip:channels=true",
    "orthogonal",
    "orthogonal:channels=true",
    "orthogonal:transform=dct,block=4",
    "orthogonal:transform=dct,block=4,channels=true",
]
SHAPES = [(28, 28, 1), (32, 32, 3), (784,), (5, 7, 3), (9,), (6, 10)]
PAIRS = [(spec, shape) for spec in SPECS for shape in SHAPES if "dct" not in spec or not any(n % 4 for n in shape[:2])]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file, the same in every run, and nothing that another test left."""
    monkeypatch.setattr(secrets, "token_bytes", random.Random(0).randbytes)
    for name in ("TURTLENET_KEY_FILE", "TURTLENET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keys, "_ring", {})
    path = tmp_path / "secret-place.key"
    write_key(path, BITS)
    return path


@pytest.fixture
def stranger(key: Path, monkeypatch: pytest.MonkeyPatch):
    """Forgets every key that the process has used, as another process would."""
    return lambda: keys._ring.clear()


def made(spec: str, shape: tuple[int, ...], key: Path, **settings) -> Keyed:
    layer = defences.build(spec + ("," if ":" in spec else ":") + f"key={key}", **settings)
    layer.build((None, *shape))
    return layer


def drawn(shape: tuple[int, ...], count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(count, *shape)).astype("float32")


def network(shape: tuple[int, ...] = (8, 8, 1)) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(4)])
    kernel = model.layers[-1].kernel
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape))
    return model


def files_bytes(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


@pytest.mark.parametrize(("spec", "shape"), PAIRS)
def test_it_can_be_undone_and_changes_the_image(spec, shape, key):
    layer, x = made(spec, shape, key), drawn(shape)
    y = np.asarray(layer(x))
    assert y.shape == x.shape and y.dtype == x.dtype
    assert np.mean(np.abs(y - x) > 1e-3) > 0.3
    assert np.allclose(layer.inverse(y), x, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [(8, 12, 1), (4, 4, 3), (36,)])
def test_it_is_orthogonal(spec, shape, key):
    layer, size = made(spec, shape, key), int(np.prod(shape))
    units = np.eye(size, dtype="float32").reshape(-1, *shape)
    columns = np.asarray(layer(units) - layer(np.zeros((1, *shape), "float32"))).reshape(size, size)
    assert np.allclose(columns @ columns.T, np.eye(size), atol=1e-5)
    if spec.startswith("permutation"):
        assert set(columns.ravel()) == {0.0, 1.0}


def test_a_permutation_moves_whole_pixels_or_each_channel(key):
    pixels = np.arange(5 * 7 * 3, dtype="float32").reshape(1, 5, 7, 3)
    together = np.asarray(made("permutation", (5, 7, 3), key)(pixels)).reshape(-1, 3)
    assert {tuple(row) for row in together} == {tuple(row) for row in pixels.reshape(-1, 3)}
    apart = np.asarray(made("permutation:channels=true", (5, 7, 3), key)(pixels)).reshape(-1, 3)
    assert sorted(apart.ravel()) == sorted(pixels.ravel())
    assert {tuple(row) for row in apart} != {tuple(row) for row in together}


def test_a_sign_flip_mirrors_half_of_the_pixels(key):
    x = drawn((5, 7, 3)) * 6 - 1
    layer = made("sign-flip", (5, 7, 3), key, low=-1.0, high=5.0)
    y = np.asarray(layer(x))
    mirrored = np.isclose(y, 4 - x, atol=1e-6).all(axis=(0, 3))
    assert mirrored.sum() == 35 // 2
    assert np.array_equal(y[:, ~mirrored], x[:, ~mirrored])
    assert np.array_equal(mirrored, layer.mirrored[..., 0])


def test_dct_is_that_of_scipy(key):
    layer, x = made("orthogonal:transform=dct,block=4", (8, 12, 3), key), drawn((8, 12, 3))
    y = np.array(x - 0.5)
    for top in range(0, 8, 4):
        for left in range(0, 12, 4):
            part = np.s_[:, top : top + 4, left : left + 4]
            turned = scipy.fft.dctn(y[part], axes=(1, 2), norm="ortho") * layer.signs[part[1:]]
            y[part] = scipy.fft.idctn(turned, axes=(1, 2), norm="ortho")
    assert np.allclose(layer(x), y + 0.5, atol=1e-5)


def test_hadamard_is_that_of_scipy_in_pieces(key):
    layer, x = made("orthogonal", (22,), key), drawn((22,))
    matrix = scipy.linalg.block_diag(*(scipy.linalg.hadamard(size) / np.sqrt(size) for size in (16, 4, 2)))
    assert np.allclose(layer(x), (x - 0.5) @ matrix * layer.signs @ matrix.T + 0.5, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_another_key_or_salt_is_another_transform(spec, key, tmp_path):
    write_key(tmp_path / "other.key", BITS)
    layer, x = made(spec, (8, 8, 3), key), drawn((8, 8, 3))
    again = type(layer).from_config(layer.get_config())
    assert np.array_equal(again(x), layer(x))
    assert not np.allclose(made(spec, (8, 8, 3), key)(x), layer(x), atol=1e-2)
    salt, secret = keys.salt_of(layer.seal), keys.read_key(tmp_path / "other.key")
    layer.draw(secret, salt, spec.partition(":")[0])
    assert not np.allclose(again(x), layer(x), atol=1e-2)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("how", ["TURTLENET_KEY_FILE", "TURTLENET_KEY", "use_key", "the bytes", "several"])
def test_a_file_comes_back_with_its_key(suffix, how, key, stranger, tmp_path, monkeypatch):
    defended, x = wrap(network(), made_all(key)), drawn((8, 8, 1))
    before = defended.predict(x, verbose=0)
    save(defended, tmp_path / f"model{suffix}")
    stranger()
    if how in ("use_key", "the bytes"):
        with use_key(key if how == "use_key" else keys.read_key(key)):
            back = load(tmp_path / f"model{suffix}")
    else:
        write_key(tmp_path / "other.key", BITS)
        value = {"TURTLENET_KEY": key.read_text(), "several": f"{tmp_path / 'other.key'}{os.pathsep}{key}"}.get(
            how, str(key)
        )
        monkeypatch.setenv("TURTLENET_KEY_FILE" if how == "several" else how, value)
        back = load(tmp_path / f"model{suffix}")
    assert np.array_equal(back.predict(x, verbose=0), before)
    assert np.array_equal(copy(back).predict(x, verbose=0), before)


def made_all(key: Path) -> list[str]:
    return [f"permutation:key={key}", f"sign-flip:key={key}", f"orthogonal:key={key},transform=dct"]


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_file_tells_neither_the_key_nor_what_it_draws(suffix, key, tmp_path):
    defended = wrap(network(), made_all(key))
    path = tmp_path / f"model{suffix}"
    save(defended, path, provenance={"defences": [str(layer) for layer in defended.layers[1:-1]]})
    held = files_bytes(path)
    permutation, flip, orthogonal = defended.layers[1:-1]
    # What it must hold, so that the search is known to find things.
    assert permutation.seal.encode() in held and np.asarray(defended.layers[-1].get_weights()[0]).tobytes() in held
    secret = keys.read_key(key)
    assert secret not in held and secret[:16] not in held
    assert secret.hex()[:32].encode() not in held.lower() and b"secret-place" not in held
    chosen = [permutation.order, np.argsort(permutation.order), flip.mirrored.ravel(), orthogonal.signs.ravel()]
    for numbers in chosen:
        for kind in ("bool", "int8", "uint8", "int16", "int32", "int64", "float32", "float64"):
            if kind != "bool" or numbers.dtype == bool:
                assert numbers.astype(kind).tobytes()[:256] not in held
        for text in (numbers.tolist(), numbers.astype(int).tolist(), numbers.astype(float).tolist()):
            digits = re.sub(r"\s", "", str(text[:16])[1:-1]).lower().encode()
            assert digits not in re.sub(rb"\s", b"", held).lower()


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_without_the_key_there_is_one_line(suffix, key, stranger, tmp_path, monkeypatch):
    path = tmp_path / f"model{suffix}"
    save(wrap(network(), made_all(key)), path)
    stranger()
    with pytest.raises(ModelError) as caught:
        load(path)
    line = "Expected the key of this model in TURTLENET_KEY_FILE or TURTLENET_KEY; got none"
    assert str(caught.value) == f"{line} ({path})."
    found = inspect(path)
    assert not found.attackable and line in str(found.why_not)
    # HDF5 has the registered name, an archive that of the class.
    classes = [layer.class_name.rpartition(">")[2] for layer in found.layers]
    assert classes[1:4] == ["Permutation", "SignFlip", "Orthogonal"]
    write_key(tmp_path / "other.key", BITS)
    monkeypatch.setenv("TURTLENET_KEY_FILE", str(tmp_path / "other.key"))
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value) == f"Expected the key that this model was made with; got another one ({path})."
    key.chmod(0o640)
    monkeypatch.setenv("TURTLENET_KEY_FILE", str(key))
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value).startswith("Expected a key file that its owner alone can read; ")


@pytest.mark.parametrize("spec", ["permutation", "permutation:channels=true", "sign-flip"])
def test_with_the_key_an_attack_loses_nothing(spec, key):
    """Signs and orders commute with FGSM: attacking behind the layer and in front of it are one."""
    model, x, y = network((8, 8, 3)), drawn((8, 8, 3), 6), np.arange(6) % 4
    layer = made(spec, (8, 8, 3), key)
    ball, fgsm = balls.get("linf", 0.1), attacks.build("fgsm")
    inside = fgsm(classifier(model), np.asarray(layer(x)), y, ball=ball)
    outside = fgsm(classifier(wrap(model, [layer])), x, y, ball=ball)
    assert not np.array_equal(outside, x)
    assert np.allclose(layer.inverse(inside), outside, atol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_its_own_gradient_is_what_an_attacker_takes(spec, key):
    layer = made(spec, (8, 8, 3), key)
    assert not layer.masks and not layer.stochastic and not layer.weights
    x = drawn((8, 8, 3), 6)
    victim = classifier(wrap(network((8, 8, 3)), [layer]))
    right = victim.predict(x).argmax(axis=1)
    found = attacks.build("pgd:steps=10")(victim, x, right, ball=balls.get("linf", 0.5))
    assert (victim.predict(np.asarray(found)).argmax(axis=1) != right).mean() > 0.5


@pytest.mark.parametrize("spec", SPECS)
def test_half_precision(spec, key):
    layer, x = made(spec, (8, 8, 3), key), drawn((8, 8, 3))
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    y = half(x)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert np.allclose(ops.cast(y, "float32"), layer(x), atol=0.02)
    defended = wrap(network((8, 8, 3)), [layer])
    before = defended.predict(x, verbose=0)
    compute_in(defended, "bfloat16")
    assert np.allclose(defended.predict(x, verbose=0), before, atol=0.2)


def test_one_size_of_images(key):
    layer = made("permutation", (8, 8, 1), key)
    with pytest.raises(ValueError, match=re.escape("expected shape=(None, 8, 8, 1), found shape=(2, 8, 8, 3)")):
        layer(drawn((8, 8, 3)))
    twin = Permutation.from_config(layer.get_config())
    with pytest.raises(SettingError) as caught:
        twin.build((None, 32, 32, 3))
    assert str(caught.value) == ("Expected images of shape (8, 8, 1), which the key was used for; got (32, 32, 3).")
    with pytest.raises(SettingError, match=r"Expected images of one size for a keyed layer; got shape \(None, 8, 1\)"):
        Permutation.from_config(layer.get_config()).build((None, None, 8, 1))


def test_a_key_needs_enough_bits(key, tmp_path):
    short = tmp_path / "short.key"
    write_key(short, 256)
    for spec, bits in (("permutation", 6413), ("sign-flip", 779), ("orthogonal", 784)):
        with pytest.raises(SettingError) as caught:
            made(spec, (28, 28, 1), short)
        assert str(caught.value) == (
            f"Expected a key of {bits:,} bits or more for {spec} of 784 values; got 256: "
            f"`turtlenet key NEW.key --bits {bits}` makes one."
        )
        with pytest.raises(SettingError, match="Expected a key of"), use_key(bytes((bits - 1) // 8)):
            defences.build(spec).build((None, 28, 28, 1))
        enough = tmp_path / f"{spec}.key"
        write_key(enough, bits)
        assert made(spec, (28, 28, 1), enough)(drawn((28, 28, 1))).shape == (2, 28, 28, 1)
    assert made("permutation", (5, 11), short).units == 55


def test_no_key_at_all(key, monkeypatch):
    layer = Permutation()
    assert layer.get_config()["seal"] == "" and str(layer) == "permutation"
    with pytest.raises(SettingError) as caught:
        layer.build((None, 8, 8, 1))
    assert str(caught.value) == (
        "Expected a key: key=PATH, key=env:NAME, TURTLENET_KEY_FILE or TURTLENET_KEY; got none: "
        "`turtlenet key` makes one."
    )
    monkeypatch.setenv("TURTLENET_KEY_FILE", str(key))
    layer.build((None, 8, 8, 1))
    assert keys.opened(layer.seal) == keys.read_key(key)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("permutation:kee=a.key", "Did you mean 'key'?"),
        ("permutation:seal=x", "Unknown setting 'seal'"),
        ("permutation:key=nowhere.key", "Expected a key file; there is no nowhere.key: `turtlenet key nowhere.key`"),
        ("permutation:key=env:NOT_SET", "Expected a key in the environment variable NOT_SET; it is not set."),
        ("orthogonal:transform=dctt", "Unknown transform 'dctt'. Did you mean 'dct'?"),
        ("orthogonal:block=1", "Expected block >= 2; got 1."),
    ],
)
def test_bad_settings(spec, words, key):
    with pytest.raises((SpecError, SettingError)) as caught:
        defences.build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_block_must_divide_the_image(key):
    with pytest.raises(SettingError) as caught:
        made("orthogonal:transform=dct", (28, 28, 1), key)
    assert str(caught.value) == (
        "Expected a block that divides images of 28 x 28; got 8: 2, 4, 7, 14, 28 would, as transform=hadamard does "
        "for all sizes."
    )


def test_a_damaged_seal_is_refused(key):
    for seal in ("x", "00:00", 5, ["a"]):
        with pytest.raises(SettingError, match="Expected a seal"):
            SignFlip(seal=seal)


def test_it_prints_as_its_spec_without_the_key(key):
    assert str(made("permutation", (8, 8, 1), key)) == "permutation"
    assert str(made("orthogonal:transform=dct", (8, 8, 1), key)) == "orthogonal:transform=dct"
    assert Orthogonal(transform="dct").get_config()["block"] == 8


@pytest.mark.parametrize("spec", ["permutation", "sign-flip", "orthogonal"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_channels_that_come_first_are_not_taken_for_pixels(spec, shape, key) -> None:
    with pytest.raises(SettingError) as caught:
        made(spec, shape, key)
    assert str(caught.value).startswith(f"Expected channels=true for images of shape {shape}, whose channels seem")
    assert "\n" not in str(caught.value)
    layer = made(f"{spec}:channels=true", shape, key)
    assert layer.units == np.prod(shape)
    # A file that was made without is still read.
    config = {**layer.get_config(), "channels": False}
    again = type(layer).from_config(config)
    again.build((None, *shape))
    assert again.grid == shape[:2]


@pytest.mark.parametrize(
    ("name", "spec"), [("1/2", "1/2"), ("1/2", "(1/2)"), ("007", "007"), ("a,b (1)", "(a,b (1))")]
)
def test_the_path_of_a_key_is_taken_as_it_is_written(name, spec, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    write_key(name, BITS)
    layer = defences.build(f"permutation:key={spec}")
    assert keys.opened(layer.seal) == keys.read_key(name) != keys.read_key(key)

"""JPEG against Pillow, which calls libjpeg, and against scipy's cosine transform."""

import io

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import fft, ndimage

from turtlenet.defences import JPEG
from turtlenet.defences.filters.jpeg_coding import coded, tables
from turtlenet.errors import SettingError, SpecError


def picture(height: int, width: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(height)
    smooth = ndimage.gaussian_filter(rng.uniform(size=(height, width, channels)), (2, 2, 0))
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min()) + 0.03 * rng.normal(size=smooth.shape)
    return np.round(np.clip(smooth, 0, 1) * 255).astype("uint8")


def by_pillow(image: np.ndarray, quality: int, subsampling: bool) -> np.ndarray:
    file = io.BytesIO()
    settings = {"subsampling": 2 if subsampling else 0} if image.shape[-1] == 3 else {}
    Image.fromarray(image.squeeze()).save(file, "jpeg", quality=quality, **settings)
    return np.asarray(Image.open(file), "float32").reshape(image.shape)


@pytest.mark.parametrize("shape", [(28, 28, 1), (37, 45, 3)])
@pytest.mark.parametrize("quality", [10, 75, 100])
@pytest.mark.parametrize("subsampling", [True, False])
def test_it_is_that_of_libjpeg(shape, quality, subsampling) -> None:
    image = picture(*shape)
    found = ops.convert_to_numpy(JPEG(quality=quality, subsampling=subsampling)(image[None] / np.float32(255))) * 255
    gap = np.abs(found[0] - by_pillow(image, quality, subsampling))
    # libjpeg computes in whole numbers: a coefficient near the middle of a step falls to the other side now and then.
    assert gap.mean() < 2 and np.quantile(gap, 0.99) < 12
    assert gap.mean() < 0.3 * np.abs(image - by_pillow(image, quality, subsampling)).mean() + 0.6


def test_a_block_is_quantized_in_cosines() -> None:
    x = np.random.default_rng(0).uniform(0, 255, (1, 8, 16, 1)).astype("float32")
    table = tables(30)[0]
    found = ops.convert_to_numpy(coded(ops.convert_to_tensor(x), 30, True, ops.round, lambda bytes: bytes))
    for start in (0, 8):
        waves = fft.dctn(x[0, :, start : start + 8, 0].astype("float64") - 128, norm="ortho")
        wanted = fft.idctn(np.round(waves / table) * table, norm="ortho") + 128
        np.testing.assert_allclose(found[0, :, start : start + 8, 0], wanted, atol=1e-3)


def test_nothing_is_lost_without_rounding() -> None:
    x = np.random.default_rng(1).uniform(0, 255, (1, 11, 13, 3)).astype("float32")
    same = coded(ops.convert_to_tensor(x), 50, False, lambda waves: waves, lambda bytes: bytes)
    np.testing.assert_allclose(ops.convert_to_numpy(same), x, atol=1e-2)


def test_the_tables_are_those_that_pillow_writes() -> None:
    zigzag = sorted(np.ndindex(8, 8), key=lambda at: (sum(at), at[0] if sum(at) % 2 else at[1]))
    for quality in (1, 25, 50, 75, 100):
        file = io.BytesIO()
        Image.fromarray(picture(16, 16, 3)).save(file, "jpeg", quality=quality)
        written = Image.open(file).quantization
        for mine, number in zip(tables(quality), (0, 1), strict=True):
            assert list(written[number]) in ([int(mine[at]) for at in zigzag], mine.ravel().tolist())


def test_gray_images_side_by_side_and_other_bounds() -> None:
    image = picture(20, 24, 1)[None]
    alone = ops.convert_to_numpy(JPEG(quality=40)(image / np.float32(255)))
    both = np.concatenate([image, 255 - image], axis=-1) / np.float32(255)
    np.testing.assert_allclose(ops.convert_to_numpy(JPEG(quality=40)(both))[..., :1], alone, atol=1e-6)
    wide = ops.convert_to_numpy(JPEG(quality=40, low=-1.0, high=1.0)(image / np.float32(255) * 2 - 1))
    np.testing.assert_allclose(wide, alone * 2 - 1, atol=1e-5)


def test_the_smooth_twin_is_near() -> None:
    x = ops.convert_to_tensor(picture(16, 16, 3)[None] / np.float32(255))
    layer = JPEG(quality=90, surrogate="dct")
    cleaned = ops.convert_to_numpy(layer(x))
    gap = np.abs(ops.convert_to_numpy(layer.surrogate(x)) - cleaned)
    assert 0 < gap.mean() < 0.02
    assert str(layer) == "jpeg:quality=90,surrogate=dct"


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_bad_quality(quality) -> None:
    with pytest.raises(SettingError, match=f"^Expected quality from 1 to 100; got {quality}.$"):
        JPEG(quality=quality)


def test_other_bad_input() -> None:
    with pytest.raises(SpecError, match="Unknown surrogate 'dtc'. Did you mean 'dct'"):
        JPEG(surrogate="dtc")
    for shape, what in (((30,), "rows"), ((128, 9), "series"), ((16, 16, 16, 1), "volumes")):
        with pytest.raises(SettingError, match=f"^Expected images for jpeg; got {what} of shape"):
            JPEG()(keras.Input(shape))

"""The parts of the benchmarks that can be wrong without anybody noticing: counting, taking turns, cropping."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks.augmented import Augmented, augment
from benchmarks.chips.chip import chip_of
from benchmarks.chips.flops import forward_flops
from benchmarks.chips.race import Record, race
from benchmarks.chips.report import markdown, sections
from benchmarks.chips.workload import Workload
from turtlenet import models
from turtlenet.data import Examples

WORK = Workload("attack", "cleverhans", "float32", 4, 40)


class Runner:
    """A contestant's process that needs some memory of a chip, which has room for 10."""

    def __init__(self, name: str, team: "Team", needs: int, seconds: float):
        self.name, self.team, self.needs, self.seconds = name, team, needs, seconds

    def ask(self, do: str, **rest: Any) -> dict[str, Any]:
        self.team.asked.append((do, self.name))
        if do == "release":
            self.team.taken.pop(self.name, None)
            return {"free": True}
        if do == "run":
            return {"seconds": self.seconds}
        if sum(self.team.taken.values()) + self.needs > 10:
            return {"error": "RESOURCE_EXHAUSTED", "memory": True}
        self.team.taken[self.name] = self.needs
        return {"parameters": 7, "moved": 0.3, "flops": 1000}


class Team:
    """Stands in for `benchmarks.chips.team.Team`."""

    def __init__(self, **needs: int):
        self.taken: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []
        self.workers = [Runner(name, self, each, 1.0 + place) for place, (name, each) in enumerate(needs.items())]

    def release(self, ended: Any = None) -> None:
        for worker in [ended] if ended else self.workers:
            worker.ask("release")


@pytest.mark.parametrize(
    ("name", "shape", "megaflops"),
    [("cleverhans", (28, 28, 1), 17.17), ("madry-mnist", (28, 28, 1), 27.77), ("resnet18", (32, 32, 3), 1111)],
)
def test_operations_of_the_nets(name, shape, megaflops):
    assert forward_flops(models.build(name, shape)) / 1e6 == pytest.approx(megaflops, rel=1e-3)


def test_operations_of_grouped_depthwise_and_nested_layers():
    inner = keras.Sequential([keras.Input((4, 4, 6)), keras.layers.DepthwiseConv2D(3, depth_multiplier=2)])
    stack = [
        keras.Input((4, 4, 6)),
        keras.layers.Conv2D(8, 3, groups=2),
        keras.layers.Flatten(),
        keras.layers.Dense(5),
    ]
    assert forward_flops(inner) == 2 * (2 * 2 * 12) * 9
    assert forward_flops(keras.Sequential(stack)) == 2 * (2 * 2 * 8) * 9 * 3 + 2 * 32 * 5
    assert forward_flops(keras.Sequential([inner, keras.layers.Flatten()])) == forward_flops(inner)


def test_operations_of_a_timing():
    assert WORK.flops(10) == 2 * 40 * 10 * 4
    assert Workload("training", "cleverhans", "float32", 4, 7, 3).flops(10) == (2 * 7 + 3) * 10 * 12


def test_peaks_are_those_of_the_board():
    assert chip_of("NVIDIA H200").peaks == chip_of("NVIDIA H100 80GB HBM3").peaks
    assert chip_of("NVIDIA A100-SXM4-80GB").peaks["bfloat16"] == 312
    for unknown in ("NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA L4"):
        assert chip_of(unknown).peaks == {}
        assert "No peak is known" in chip_of(unknown).note


def test_contestants_take_turns_there_and_back():
    team = Team(turtlenet=3, pytorch=3)
    record = race(WORK, team, turns=2, seconds=60, hopeless=set())
    assert record.together
    assert [name for do, name in team.asked if do == "run"] == ["turtlenet", "pytorch", "pytorch", "turtlenet"]
    assert [lap.seconds for lap in record.laps] == [[1.0, 1.0], [2.0, 2.0]]


def test_contestants_that_do_not_fit_together_run_apart():
    record = race(WORK, Team(turtlenet=6, pytorch=12, foolbox=6), turns=2, seconds=60, hopeless=set())
    assert not record.together
    assert [(lap.name, len(lap.seconds), lap.full) for lap in record.laps] == [
        ("turtlenet", 2, False),
        ("pytorch", 0, True),
        ("foolbox", 2, False),
    ]


def test_the_hopeless_are_not_asked():
    team = Team(turtlenet=3, pytorch=3)
    record = race(WORK, team, turns=1, seconds=60, hopeless={"turtlenet"})
    assert ("prepare", "turtlenet") not in team.asked
    assert [(lap.name, lap.full) for lap in record.laps] == [("turtlenet", True), ("pytorch", False)]


def test_records_survive_json_and_become_tables():
    record = race(WORK, Team(turtlenet=3, pytorch=3, foolbox=30), turns=1, seconds=60, hopeless=set())
    assert Record.from_dict(record.to_dict()) == record
    text = sections([record], chip_of("NVIDIA H200"))[0].text()
    assert "out of memory" in text
    assert "2.00 (2.00..2.00)" in text
    table = markdown([record], chip_of("NVIDIA H200"), "Measured.")
    assert "| cleverhans | float32 | 4 | 160 (0%) | 80 (0%) | out of memory |" in table


def test_crops_stay_within_the_padded_image():
    x = np.arange(1, 1 + 64 * 6 * 5 * 3, dtype="float32").reshape(64, 6, 5, 3)
    padded = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    moved = augment(x, np.random.default_rng(0))
    rows, columns, mirrors = set(), set(), set()
    for image, canvas in zip(moved, padded, strict=True):
        found = [
            (row, column, mirror)
            for row, column, mirror in itertools.product(range(9), range(9), (False, True))
            if np.array_equal(image[:, ::-1] if mirror else image, canvas[row : row + 6, column : column + 5])
        ]
        assert len(found) == 1
        rows.add(found[0][0])
        columns.add(found[0][1])
        mirrors.add(found[0][2])
    assert rows == columns == set(range(9))
    assert mirrors == {False, True}


def test_crops_belong_to_the_seed_and_the_batch():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), "uint8")
    examples = Examples(pixels, np.arange(20) % 10)
    index = np.random.default_rng(1).permutation(20)
    first = Augmented(examples, 0).batch(index)[0]
    assert np.array_equal(first, Augmented(examples, 0).batch(index)[0])
    assert not np.array_equal(first, Augmented(examples, 1).batch(index)[0])
    assert not np.array_equal(first[::-1], Augmented(examples, 0).batch(index[::-1])[0])


def nets() -> dict[str, list[Any]]:
    layers = keras.layers
    return {
        "pooling": [layers.Conv2D(4, 4, padding="same"), layers.MaxPooling2D(3, 2, padding="same"), layers.Flatten()],
        "odd strides": [layers.Conv2D(3, (2, 5), strides=2, padding="same", use_bias=False), layers.Flatten()],
        "normalized": [
            *(layers.ZeroPadding2D(((1, 2), (0, 3))), layers.Conv2D(4, 3), layers.BatchNormalization(epsilon=0.01)),
            *(layers.ReLU(), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(6, activation="relu")),
            layers.BatchNormalization(center=False, scale=False),
        ],
        "whole": [layers.Conv2D(5, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Flatten()],
        "largest": [layers.Conv2D(5, 3), layers.GlobalMaxPooling2D(), layers.Activation("relu")],
    }


@pytest.mark.parametrize("name", nets())
def test_a_net_answers_alike_in_torch(name):
    torch = pytest.importorskip("torch")
    from benchmarks.in_torch import in_torch

    model = keras.Sequential([keras.Input((9, 8, 2)), *nets()[name], keras.layers.Dense(3)])
    draw = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(draw.uniform(0.5, 1.5, weight.shape) * draw.choice([0.3, 0.6], weight.shape))
    x = draw.uniform(size=(5, 9, 8, 2)).astype("float32")
    found = in_torch(model)(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    assert np.allclose(found, np.asarray(model(x)), rtol=1e-5, atol=1e-5) and np.ptp(found, axis=0).min() > 0


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: keras.layers.AveragePooling2D(3, 2, padding="same"), "without padding"),
        (lambda: keras.layers.Conv2D(4, 3, dilation_rate=2), "neither groups nor dilation"),
        (lambda: keras.layers.DepthwiseConv2D(3), "got DepthwiseConv2D"),
    ],
)
def test_what_torch_would_answer_otherwise_is_refused(layer, words):
    pytest.importorskip("torch")
    from benchmarks.in_torch import in_torch

    model = keras.Sequential([keras.Input((9, 8, 2)), layer(), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=words):
        in_torch(model)

"""Small genuine files of every kind, and the public door through which each is opened."""

import dataclasses
import types
from pathlib import Path

import keras
import numpy as np

import turtlenet as tn
from turtlenet import attacks, data, models
from turtlenet.attacks.advgan import FACTS, loaded_generator
from turtlenet.attacks.from_file import attack_from_file
from turtlenet.defences import keys
from turtlenet.detection import FittedDetector, PrincipalComponents
from turtlenet.detection.arrays import packed
from turtlenet.detection.fitted import Point, Scores
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.results import load
from turtlenet.settings import recipes, suites
from turtlenet.training.run.callbacks import Best
from turtlenet.training.run.checkpoint import save_state
from turtlenet.training.run.provenance import training_of
from turtlenet.training.run.resume import ResumableRun

__all__ = ["DOORS", "make"]

_NOTES = {"identity": {"seed": 0}, "step": 3, "best": [0.5, 0.5], "best_epoch": 1}


def _trainer():
    variables = [keras.Variable(np.ones((3, 2), "float32")), keras.Variable(np.zeros((), "int32"))]
    return types.SimpleNamespace(saved=lambda: variables, network=types.SimpleNamespace(variables=variables[:1]))


def _model(path):
    models.load(path)


def _inspected(path):
    models.inspect(path).to_text()


def _provenance(path):
    str(training_of(models.read_provenance(path)))


def _generator(path):
    loaded_generator(str(path))


def _detector(path):
    found = FittedDetector.load(path)
    str(found)
    for spec in found.attacks:
        attack_from_file(spec)


def _report(path):
    str(load.load(path))


def _state(path):
    ResumableRun(_trainer(), Best({}), {"identity": {"seed": 0}}, 10, 1, path).take_up(lambda line: None)


def _suite(path):
    suites.find(str(path))


def _recipe(path):
    recipes.find(str(path))


def _data(path):
    found = data.load(str(path), shape=(4, 4, 1), num_classes=3)
    for part in (found.train, found.test):
        if part is not None:
            part.check()


DOORS = {
    "model.h5": (_model, _inspected, _provenance),
    "model.keras": (_model, _inspected, _provenance),
    "generator.h5": (_generator,),
    "detector.json": (_detector,),
    "secret.key": (keys.read_key,),
    "report.json": (_report,),
    "state.resume": (_state,),
    "per-image.npz": (lambda path: PerImageResults.read(path, "mine"),),
    "suite.toml": (_suite,),
    "recipe.toml": (_recipe,),
    "data.npz": (_data,),
    "data.h5": (_data,),
    "images/a/0.png": (lambda path: _data(path.parents[1]),),
}
"""The functions that open a file, by the name of the genuine one."""


def make(folder: Path) -> None:
    """Writes a genuine file of each kind."""
    keras.utils.set_random_seed(0)
    x, y = np.random.default_rng(0).random((6, 4, 4, 1)).astype("float32"), np.arange(6) % 3
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ball = {"norm": "linf", "eps": 0.1, "bounds": [0, 1]}
    objective = {"name": "madry", "attack": attacks.build("worst-of:attacks=(pgd;fgsm)").to_dict(), "ball": ball}
    for name in ("model.h5", "model.keras"):
        models.save(model, folder / name, {"recipe": {"epochs": 1, "objective": objective}})
    maker = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1)])
    facts = {"shape": [4, 4, 1], "bounds": [0.0, 1.0], "norm": "linf", "eps": 0.1, "noise": 0, "target": ""}
    models.save(maker, folder / "generator.h5", {FACTS: facts})
    FittedDetector(
        detector=PrincipalComponents(last=2, components=packed(([0.0] * 4, [[1.0, 0.0]] * 4))).to_dict(),
        model={"name": "m", "path": "m.h5", "sha256": "00"},
        data={"name": "d", "count": 6, "sha256": "00", "description": "d"},
        threat={**ball, "gradient": "adaptive"},
        attacks=("fgsm", "pgd:steps=3"),
        population="all",
        learned_on=3,
        draws=2,
        attack_draws=2,
        seed=0,
        points=(Point(name="even-odds", cut=0.5, edge=0.1, side="below"),),
        scores=(Scores(name="clean", count=6, mu=0.01, sigma=0.001),),
        versions={},
        created="",
    ).save(folder / "detector.json")
    keys.write_key(folder / "secret.key", 256)
    report = tn.evaluate(model, (x, y), attacks=["fgsm"], eps=0.1, curve=0)
    (folder / "report.json").write_text(report.to_json())
    trainer = _trainer()
    save_state(folder / "state.resume", trainer, [np.ones((3, 2), "float32")], _NOTES)
    dataclasses.replace(PerImageResults.empty(y.astype("int32"), 2), done=3).write(folder / "per-image.npz", "mine")
    (folder / "suite.toml").write_text('title = "t"\nattacks = ["fgsm", "pgd:steps=3"]\n')
    (folder / "recipe.toml").write_text(
        'title = "t"\ndefences = ["mc-dropout"]\nattack = "pgd"\neps = 0.1\nepochs = 2\n'
    )
    np.savez_compressed(folder / "data.npz", x=x, y=y)
    _write_h5(folder / "data.h5", x, y)
    _write_images(folder / "images")


def _write_h5(path, x, y):
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(2, 4, 4, 1), compression="gzip")
        file["y"] = y


def _write_images(folder):
    from PIL import Image

    for number, name in enumerate("abc"):
        (folder / name).mkdir(parents=True)
        for each in range(2):
            Image.fromarray(np.full((4, 4), 40 * number + each, "uint8")).save(folder / name / f"{each}.png")

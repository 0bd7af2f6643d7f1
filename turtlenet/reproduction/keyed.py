"""Networks with a secret key, and those of attackers who lack it (paper 004)."""

from pathlib import Path
from typing import Any

import keras

from turtlenet import models
from turtlenet.attacks.ensembles.sources import Surrogate
from turtlenet.classifier import Classifier
from turtlenet.defences.keyed_draws import bits_of_permutation
from turtlenet.defences.keys import use_key, write_key
from turtlenet.files import make_folder
from turtlenet.reproduction.paper import RowPlan
from turtlenet.reproduction.workshop import SHAPES, Workshop
from turtlenet.training.surrogates.reinitialized import attackers_key, twin

__all__ = ["key_of", "other_net"]


def key_of(shop: Workshop, row: RowPlan) -> Path:
    """The file of the key of a row's model; made if it is not there."""
    owner = shop.row(row.model) if row.model and not row.model.endswith(".h5") else row
    path = (shop.models / owner.place).with_name("a.key")
    if not path.exists():
        make_folder(path.parent)
        height, width, _ = SHAPES[owner.data]
        write_key(path, bits_of_permutation(height * width))
    return path


def other_net(shop: Workshop, row: RowPlan, name: str) -> Classifier:
    """A net that attacks on a row are made on.

    Args:
        shop: Has the models.
        row: The row that is attacked.
        name: Another row as `paper/row`, one beside this row, or one of the paper's `nets`: with the settings `like`
            and `number` it is the row `like` from fresh weights behind an attacker's own key, with `of` and `judge`
            the mean of several such.

    Raises:
        SpecError: No row and no net has this name.
    """
    paper = shop.read(row.paper)
    beside = row.name.rpartition("/")[0]
    sibling = f"{beside}/{name}" if beside else name
    if any(each.name == sibling for each in paper.rows):
        return shop.victim(paper.row(sibling))
    if name not in paper.nets:
        return shop.victim(shop.row(name))
    told = paper.nets[name]
    if "of" in told:
        own = [other_net(shop, row, each) for each in told["of"]]
        return Surrogate(own, other_net(shop, row, told["judge"]), same=True)
    place = f"{row.paper}/{f'{beside}/' if beside else ''}{name}"
    if place not in shop.kept:
        shop.kept[place] = _own(shop, row, place, told)
    return shop.kept[place]


def _own(shop: Workshop, row: RowPlan, place: str, told: Any) -> Classifier:
    """A twin of a row's net from fresh weights, behind a key of the attacker's own."""
    beside = row.name.rpartition("/")[0]
    like = shop.read(row.paper).row(f"{beside}/{told['like']}" if beside else told["like"])
    number, seed = told["number"], shop.options.seed
    secret = attackers_key(shop.victim(like).model, seed, number)

    def build() -> keras.Model:
        made = twin(shop.fresh(like), seed + number, secret)
        made.compile(keras.optimizers.Adam(like.net["learning_rate"]), "sparse_categorical_crossentropy")
        return made

    with use_key(secret):
        settings = {**like.training(), "epochs": shop.epochs or told["epochs"]}
        return models.classifier(shop.trained(place, like, build, settings))

"""An evaluation under the grey-box threat of paper 004: the architecture, the data and the outputs are known."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import models
from turtlenet.attacks import Attack
from turtlenet.backend.processes import check_alone
from turtlenet.balls import Ball
from turtlenet.batching import check_answers, predict
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.errors import ModelError, at_least
from turtlenet.evaluation import Report
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.threat_models.lineup import check_suite, check_victim, line_up
from turtlenet.evaluation.threat_models.threat_model import ThreatModel
from turtlenet.models.as_classifier import ModelType, in_memory
from turtlenet.reports.base import Doubt
from turtlenet.training.run.provenance import Training, training_of
from turtlenet.training.surrogates.keyed import Surrogates, SurrogateTraining
from turtlenet.training.surrogates.reinitialized import keyed_layers

_MOST = 1000
"""Images on which a surrogate's clean accuracy is measured, at most."""


def evaluate_grey_box(
    model: ModelType,
    victim: Classifier,
    data: Data,
    examples: Examples,
    suite: Sequence[Attack],
    ball: Ball,
    *,
    specs: Sequence[str],
    surrogates: int = 2,
    folder: Path | None = None,
    head: str = "auto",
    seed: int = 0,
    tell: Callable[[str], None] = print,
    **settings: Any,
) -> Report:
    """Trains what an attacker without the key trains, crafts on it, and reports what is left.

    Args:
        model: The model, or the path of one, which tells how it was trained.
        victim: The same, as those see it who have the key.
        data: What the attacker trains on, as the model was: the part to train on.
        examples: What is attacked.
        suite: Attacks; see `turtlenet.evaluation.threat_models.lineup.line_up`.
        ball: The threat.
        specs: How the user named the attacks.
        surrogates: Models behind the attacker's own keys.
        folder: Where the attacker's models are kept, and taken from; None forgets them.
        head: What the model's outputs are.
        seed: Repeats every draw.
        tell: Is given what happens, a line each.
        **settings: The others of `turtlenet.evaluation.evaluate.evaluate_classifier`.

    Raises:
        ModelError: A model without a key, or one that answers with NaN.
        TurtlenetError: Anything else that does not fit, in one line, before training starts.
    """
    at_least(0, surrogates=surrogates)
    if not keyed_layers(victim.model):
        raise ModelError(
            "Expected a model with a secret key (permutation, sign-flip, orthogonal) for access grey-box; got one "
            "without: attack it as it is, or with transfer:source=OTHER.h5."
        )
    check_alone("for access grey-box")
    for attack in suite:
        attack.check(victim, attack.own_ball(ball, victim.input_shape))
    check_suite(suite)
    check_victim(victim, examples, settings.get("batch_size", 256))
    in_hand = isinstance(model, keras.Model | Classifier)
    provenance = None if in_hand else models.read_provenance(model)  # type: ignore[arg-type]
    training = training_of(provenance, victim.input_shape)
    with tempfile.TemporaryDirectory() as nowhere:
        workshop = SurrogateTraining(
            model=in_memory(model),
            data=data,
            training=training,
            folder=folder or Path(nowhere),
            seed=seed,
            bounds=victim.bounds,
            head=head,
            tell=tell,
        )
        trained = workshop.make(surrogates)
        lineup = line_up(suite, specs, trained, victim, ball, head)
        access = ThreatModel(
            name="grey-box",
            attackers=lineup.attackers,
            facts={
                "attacks": list(specs),
                "surrogates": _surrogate_facts(trained, examples, settings.get("batch_size", 256)),
                "surrogate_training": str(training),
                "surrogate_folder": str(folder) if folder else None,
            },
            doubts=tuple(_doubts(training, lineup.asks)),
        )
        return evaluate_classifier(
            victim, examples, lineup.attacks, ball, specs=lineup.specs, access=access, seed=seed, **settings
        )


def _surrogate_facts(trained: Surrogates, examples: Examples, batch_size: int | None) -> list[dict[str, Any]]:
    """What a report says of each surrogate; its answers to clean images tell whether it is worth crafting on."""
    x, y = examples.batch(slice(0, _MOST))
    facts = []
    for name, path, classifier in zip(trained.names, trained.paths, trained.classifiers, strict=True):
        logits = predict(classifier, x, batch_size)
        check_answers(logits, examples.kind.examples)
        right = float(np.mean(logits.argmax(axis=1) == y))
        digest = models.file_sha256(path)
        facts.append({"name": name, "path": str(path), "sha256": digest, "clean_accuracy": round(right, 6)})
    return facts


def _doubts(training: Training, asks: bool) -> list[Doubt]:
    doubts = []
    if training.missing:
        doubts.append(
            Doubt(
                code="training-unknown",
                finding=f"How the model was trained is not known: {training.missing}. The attacker's models were "
                f"trained with {training}.",
                advice="Train the model with `turtlenet train`, which notes how in the file.",
            )
        )
    if not asks:
        doubts.append(
            Doubt(
                code="no-query-attack",
                finding="No attack that is guided by the model's answers was among those without the key; random "
                "noise stood in for one.",
                advice="Add one: --attack square, or another of the attacks that only ask (`turtlenet list attacks`).",
            )
        )
    return doubts

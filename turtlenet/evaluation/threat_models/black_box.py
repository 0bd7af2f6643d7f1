"""An evaluation by an attacker who can only ask: a substitute is trained on answers, and crafted on."""

import dataclasses
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
from turtlenet.data import Examples
from turtlenet.errors import DataError
from turtlenet.evaluation import Report
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.threat_models.lineup import check_victim, elsewhere
from turtlenet.evaluation.threat_models.threat_model import Attacker, ThreatModel
from turtlenet.models.normalize import standardized
from turtlenet.reports.base import Doubt
from turtlenet.training.surrogates.oracle import Oracle
from turtlenet.training.surrogates.substitute import Substitution, architecture_for, fresh_network, train_substitute

_DISAGREES = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlackBox(ThreatModel):
    """What is known of an attacker who can only ask, beside one who has the model."""

    def _secret(self, per_image: PerImageResults, mode: str, besides: np.ndarray | None) -> Doubt:
        without, with_it = self._both(per_image, mode, besides)
        return Doubt(
            code="only-answers",
            finding=f"An attacker who can only ask leaves {without:.3f}; one who has the model leaves {with_it:.3f}.",
            advice="Quote both: weights leak, and another substitute or more queries may do better.",
        )

    @property
    def outsiders(self) -> str:
        """See `ThreatModel`."""
        return "Attackers who can only ask"

    @property
    def insiders(self) -> str:
        """See `ThreatModel`."""
        return "those who have the model"

    @property
    def stronger(self) -> str:
        """See `ThreatModel`."""
        return "on the model itself"


def evaluate_black_box(
    victim: Classifier,
    whole: Examples,
    limit: int | None,
    suite: Sequence[Attack],
    ball: Ball,
    how: Substitution,
    *,
    specs: Sequence[str],
    folder: Path | None = None,
    seed: int = 0,
    batch_size: int | None = 256,
    tell: Callable[[str], None] = print,
    **settings: Any,
) -> Report:
    """Trains a substitute on a model's answers, crafts on it, and reports what is left of the model's accuracy.

    Args:
        victim: The model; the attacker asks it, and the attacks beside have it.
        whole: Inputs that the model was not trained on: the first `how.holdout` are the attacker's, and are not
            attacked.
        limit: Most images to attack; None for all the others.
        suite: Attacks, each made on the substitute, and beside on the model.
        ball: The threat.
        how: The substitute's settings.
        specs: How the user named the attacks.
        folder: Where the substitute is kept as `substitute.h5`; None forgets it.
        seed: Repeats every draw.
        batch_size: Images in one compiled call.
        tell: Is given what happens, a line each.
        **settings: The others of `turtlenet.evaluation.evaluate.evaluate_classifier`.

    Raises:
        DataError: Fewer inputs than the attacker's and one to attack.
        ModelError: A model that answers with NaN.
        TurtlenetError: Anything else that does not fit, in one line, before anything is trained.
    """
    check_alone("for access black-box")
    if len(whole) <= how.holdout:
        raise DataError(
            f"Expected more than the attacker's {whole.kind.count(how.holdout)} in {whole.name}; got {len(whole)}: "
            "black-box:holdout=..."
        )
    for attack in suite:
        attack.check(victim, attack.own_ball(ball, victim.input_shape))
    own, examples = _divided(whole, how.holdout, limit)
    check_victim(victim, examples, batch_size)
    oracle = Oracle(victim, how.answers, batch_size)
    network = _network(how, victim, own, whole.kind.pictured, seed)
    with tempfile.TemporaryDirectory() as nowhere:
        student = train_substitute(oracle, network, own, how, ball=ball, seed=seed, tell=tell)
        path = (folder or Path(nowhere)) / "substitute.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        models.save(network, path, {"substitute": {**dataclasses.asdict(how), "queries": oracle.queries}})
        agreed, facts = _facts(how, oracle, student, examples, path, str(folder) if folder else None)
        return evaluate_classifier(
            victim,
            examples,
            [*(elsewhere(attack, [str(path)]) for attack in suite), *suite],
            ball,
            specs=[*specs, *specs],
            access=_access(specs, facts, _doubts(agreed, examples.kind.examples)),
            seed=seed,
            batch_size=batch_size,
            **settings,
        )


def _divided(whole: Examples, holdout: int, limit: int | None) -> tuple[np.ndarray, Examples]:
    """The attacker's own inputs, float32 (holdout, ...), and the examples that are attacked."""
    attackers = whole.subset(np.arange(holdout))
    attackers.check()
    own = attackers.batch(slice(None))[0]
    examples = whole.subset(np.arange(holdout, len(whole))).take(limit)
    examples.check()
    return own, examples


def _network(how: Substitution, victim: Classifier, own: np.ndarray, pictured: bool, seed: int) -> keras.Model:
    """The substitute before it is trained."""
    network = fresh_network(how.substitute, victim, seed)
    # Features in units far apart are not learned from; images are between the same two bounds.
    return network if pictured else standardized(network, own)


def _access(specs: Sequence[str], facts: dict[str, Any], doubts: Sequence[Doubt]) -> BlackBox:
    """Who attacks: with each attack one who can only ask, and beside, with each again, one who has the model."""
    alone, beside = Attacker("substitute"), Attacker("with the model", counted=False)
    return BlackBox(
        name="black-box",
        attackers=(alone,) * len(specs) + (beside,) * len(specs),
        facts={"attacks": list(specs), **facts},
        doubts=tuple(doubts),
    )


def _facts(
    how: Substitution, oracle: Oracle, student: Classifier, examples: Examples, path: Path, folder: str | None
) -> tuple[float, dict[str, Any]]:
    """How often the substitute answers as the model does, and what a report says of it."""
    x, y = examples.batch(slice(0, 1000))
    logits = [predict(each, x, oracle.batch_size) for each in (student, oracle.classifier)]
    check_answers(logits[0], examples.kind.examples)
    answers, models_own = (each.argmax(axis=1) for each in logits)
    agreed, right = float((answers == models_own).mean()), float((answers == y).mean())
    substitute = {
        "name": f"substitute ({architecture_for(how.substitute, student)})",
        "path": str(path),
        "sha256": models.file_sha256(path),
        "clean_accuracy": round(right, 6),
    }
    return agreed, {
        "surrogates": [substitute],
        "surrogate_training": f"Jacobian-based augmentation of {examples.kind.count(how.holdout)}, {how.rounds} "
        f"rounds, {oracle.queries:,} queries for {how.answers}, agrees with the model on {agreed:.3f}",
        "surrogate_folder": folder,
        "queries": oracle.queries,
        "agreement": round(agreed, 6),
    }


def _doubts(agreed: float, inputs: str) -> list[Doubt]:
    if agreed >= _DISAGREES:
        return []
    return [
        Doubt(
            code="substitute-disagrees",
            finding=f"The substitute answers as the model does on {agreed:.3f} of the {inputs} only.",
            advice=f"What fools it says little: more rounds, more of the attacker's own {inputs}, or another network.",
        )
    ]

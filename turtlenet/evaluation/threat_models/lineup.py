"""Who attacks a model without its key, with what; and who attacks it with the key, beside them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from turtlenet import attacks as family
from turtlenet.attacks import Attack, Transfer
from turtlenet.balls import Ball
from turtlenet.batching import check_answers, predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import SettingError
from turtlenet.evaluation.threat_models.threat_model import Attacker
from turtlenet.training.surrogates.keyed import Surrogates

QUERIES = ("square", "nes", "spsa", "simba", "boundary", "hopskipjump")
"""Attacks that only ask for answers, the one to take first; those that are registered count."""
_NOTHING_BETTER = "noise:draws=100"
_BLOCK = 1000
"""Images that are read at a time."""


@dataclass(frozen=True)
class Lineup:
    """Attackers in their order, those with the key last.

    Attributes:
        attackers: Who they are.
        attacks: What each runs.
        specs: How the user named it.
        asks: Whether one of those without the key is guided by the model's answers.
    """

    attackers: tuple[Attacker, ...]
    attacks: tuple[Attack, ...]
    specs: tuple[str, ...]
    asks: bool


def check_suite(suite: Sequence[Attack]) -> None:
    """Refuses attacks of which none could be made on a surrogate.

    Raises:
        SettingError: They all only ask, or bring models of their own.
    """
    if all(_asks(attack) for attack in suite):
        raise SettingError("Expected an attack that follows gradients, to craft on surrogates with; got none.")


def check_victim(victim: Classifier, examples: Examples, batch_size: int | None) -> None:
    """Refuses a model that answers an example with NaN, before the attacker's models are trained.

    Args:
        victim: The model under attack.
        examples: What is attacked.
        batch_size: Images in one compiled call; None for as many as fit.

    Raises:
        ModelError: See `turtlenet.batching.check_answers`.
    """
    for start in range(0, len(examples), _BLOCK):
        x, y = examples.batch(slice(start, start + _BLOCK))
        check_answers(predict(victim, x, batch_size, y), examples.kind.examples)


def line_up(
    suite: Sequence[Attack], specs: Sequence[str], surrogates: Surrogates, victim: Classifier, ball: Ball, head: str
) -> Lineup:
    """Gives every attack to all attackers who can make it.

    Attacks that only ask for answers are made on the model. All others are made on each surrogate, on the mean of
    those behind keys, and, beside them, on the model with its key.

    Args:
        suite: The attacks.
        specs: How the user named each.
        surrogates: Models of the same architecture, the first without a key, the others behind keys of their own.
        victim: The model under attack.
        ball: The threat.
        head: What the outputs of the surrogates are.
    """
    guided = [(attack, spec) for attack, spec in zip(suite, specs, strict=True) if not _asks(attack)]
    asking = [(attack, spec) for attack, spec in zip(suite, specs, strict=True) if _asks(attack)]
    if not any(attack.family == "query" for attack, _ in asking):
        better = _asking(victim, ball)
        asking += [(attack, str(attack)) for attack in [better] if str(attack) not in [spec for _, spec in asking]]
    rows: list[tuple[Attacker, Attack, str]] = []
    apart = [(name, [str(path)]) for name, path in zip(surrogates.names, surrogates.paths, strict=True)]
    own = [str(path) for path in surrogates.paths[1:]]
    for who, paths in [*apart, *([("mean of own keys", own)] if len(own) > 1 else [])]:
        rows += [(Attacker(who), elsewhere(attack, paths, head), spec) for attack, spec in guided]
    rows += [(Attacker("queries"), attack, spec) for attack, spec in asking]
    rows += [(Attacker("with the key", counted=False), attack, spec) for attack, spec in guided]
    runners, attacks, names = zip(*rows, strict=True)
    return Lineup(runners, attacks, names, any(attack.family == "query" for attack, _ in asking))


def elsewhere(attack: Attack, paths: Sequence[str], head: str = "auto") -> Attack:
    """An attack made on the mean of surrogates, whose outputs are `head`, for images in the model's own range."""
    about = {"target": attack.target, "norm": attack.norm, "eps": attack.eps}
    inner = dataclasses.replace(attack, norm="", eps=0.0, target="")
    return Transfer(attack=inner, source=list(paths), bounds="same", head=head, **about)  # type: ignore[arg-type]


def _asks(attack: Attack) -> bool:
    """Whether it is made on the model without its gradient, or brings a model of its own."""
    return attack.family in ("query", "random", "transfer")


def _asking(victim: Classifier, ball: Ball) -> Attack:
    """The first attack by queries that there is and that works here."""
    for name in QUERIES:
        if name in family.names():
            attack = family.build(name)
            if attack.family == "query" and ball.norm in attack.norms:
                return attack
    return family.build(_NOTHING_BETTER)

"""What a model is hardened against: one attack, or a pool of them."""

from collections.abc import Sequence

from turtlenet import attacks as attack_family
from turtlenet.attacks import Attack, Mixed
from turtlenet.errors import SettingError, SpecError, did_you_mean

_DRAWN = ("batch", "example")


def drawn_from(attack: str | Attack | Sequence[str | Attack], weights: Sequence[float], drawn: str) -> Attack:
    """The inner attack, or a mixture of several; bare names take their settings for training.

    Raises:
        SettingError: No attack, weights that do not fit, or an attack with a ball of its own.
    """
    given = [attack] if isinstance(attack, str | Attack) else list(attack)
    if not given:
        raise SettingError("Expected at least one attack; got none.")
    if drawn not in _DRAWN:
        raise SpecError(f"Unknown attack_drawn {drawn!r}.{did_you_mean(drawn, _DRAWN)}")
    made = [attack_family.build(each, training=True) for each in given]
    if len(made) == 1:
        if weights:
            raise SettingError("Expected several attacks for attack_weights; got one.")
        return made[0]
    for each in made:
        check_without_ball(each)
    return Mixed(attacks=made, weights=";".join(f"{weight:g}" for weight in weights), drawn=drawn)


def check_without_ball(attack: Attack) -> None:
    """Refuses an attack with a ball of its own, which training would not heed.

    Raises:
        SettingError: The attack has a norm or a radius of its own.
    """
    if attack.norm or attack.eps:
        raise SettingError(f"Expected norm and eps of the threat, not of the attack, in training; got {attack}.")

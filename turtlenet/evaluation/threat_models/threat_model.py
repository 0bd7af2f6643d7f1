"""What the attackers of an evaluation know, and what it means for the number."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from turtlenet.errors import SpecError, did_you_mean
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.reports.base import Doubt

ACCESSES = ("black-box", "grey-box", "white-box")
_WEAK = 0.05


@dataclass(frozen=True)
class Attacker:
    """Who runs an attack, in words, and whether the threat allows it; those whom it does not allow come last."""

    name: str = ""
    counted: bool = True

    def title(self, spec: str) -> str:
        """The name of an attack of this one's."""
        return f"{self.name}: {spec}" if self.name else spec


@dataclass(frozen=True, kw_only=True)
class ThreatModel:
    """What attackers know.

    Attributes:
        name: `white-box`; `grey-box`: all but the key; `black-box`: nothing but answers.
        attackers: Who runs each attack; empty where all are alike.
        facts: What the report's threat tells besides.
        doubts: Reasons to doubt that were known before.
    """

    name: str = "white-box"
    attackers: tuple[Attacker, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()

    def of(self, number: int) -> Attacker:
        """Who runs an attack."""
        return self.attackers[number] if self.attackers else Attacker()

    @property
    def beside(self) -> str:
        """Who stands beside, not allowed by the threat; empty for nobody."""
        return next((each.name for each in self.attackers if not each.counted), "")

    def robust(
        self, per_image: PerImageResults, mode: str, *, everyone: bool = False, besides: np.ndarray | None = None
    ) -> np.ndarray:
        """Images on which every attack of the threat failed, or all attacks of everyone, bool (n,).

        Args:
            per_image: What the attacks did.
            mode: `table` or `cascade`.
            everyone: Whether those count too whom the threat does not allow.
            besides: What other parts of the evaluation broke, bool (n,). They have the whole model, so where somebody
                stands beside they count with that one.
        """
        if besides is not None and (everyone or not self.beside):
            return self.robust(per_image, mode, everyone=everyone) & ~besides
        count = len(per_image.correct)
        counted = [number for number in range(count) if everyone or self.of(number).counted]
        if mode == "cascade":
            last: np.ndarray = per_image.correct[counted[-1]]
            return last
        whole: np.ndarray = per_image.right & per_image.correct[counted].all(axis=0)
        return whole

    def find_doubts(
        self, per_image: PerImageResults, mode: str, besides: np.ndarray | None = None
    ) -> tuple[Doubt, ...]:
        """What the threat gives reason to doubt; `besides` as in `robust`."""
        if not self.beside:
            return self.doubts
        found = (self._secret(per_image, mode, besides), self._weak(per_image), self._transfer(per_image, mode))
        return (*(doubt for doubt in found if doubt), *self.doubts)

    def _secret(self, per_image: PerImageResults, mode: str, besides: np.ndarray | None) -> Doubt:
        without, with_it = self._both(per_image, mode, besides)
        return Doubt(
            code="secret-key",
            finding=f"Attackers who do not know the key leave {without:.3f}; one who has it leaves {with_it:.3f}. "
            "Security by a secret falls with the secret.",
            advice="Quote both numbers. Give every copy of the model a key of its own, and train anew when one leaks.",
        )

    def _both(self, per_image: PerImageResults, mode: str, besides: np.ndarray | None) -> tuple[float, float]:
        """The accuracy that the threat leaves, and that which everyone leaves."""
        allowed, everyone = (self.robust(per_image, mode, everyone=each, besides=besides) for each in (False, True))
        return float(allowed.mean()), float(everyone.mean())

    def _weak(self, per_image: PerImageResults) -> Doubt | None:
        clean = float(per_image.right.mean())
        weak = [each for each in self.facts.get("surrogates", ()) if each["clean_accuracy"] < clean - _WEAK]
        if not weak:
            return None
        names = ", ".join(f"{each['name']} {each['clean_accuracy']:.3f}" for each in weak)
        return Doubt(
            code="weak-surrogates",
            finding=f"Models of the attacker answer fewer clean inputs right than the model's {clean:.3f}: {names}.",
            advice="What is crafted on them says little: train longer, or on more data.",
        )

    @property
    def outsiders(self) -> str:
        """Who counts, in words that begin a sentence."""
        return "Attackers without the key"

    @property
    def insiders(self) -> str:
        """Who stands beside, knows more, and should find more."""
        return "those with it"

    @property
    def stronger(self) -> str:
        """What tells the attacks of those beside from the others."""
        return "with the key"

    def _transfer(self, per_image: PerImageResults, mode: str) -> Doubt | None:
        if mode == "cascade":
            return None
        inside = [number for number in range(len(per_image.correct)) if not self.of(number).counted]
        missed = int((per_image.right & ~self.robust(per_image, mode) & per_image.correct[inside].all(axis=0)).sum())
        if not missed:
            return None
        return Doubt(
            code="transfer-beats-white-box",
            finding=f"{self.outsiders} broke {missed} input{'s' if missed > 1 else ''} that {self.insiders} did not.",
            advice=f"The attacks {self.stronger} are too weak: more steps and restarts, and another loss.",
        )


WHITE_BOX = ThreatModel()


def check_access(name: str) -> None:
    """Refuses a word that there is not.

    Raises:
        SpecError: None of `ACCESSES`.
    """
    if name not in ACCESSES:
        raise SpecError(f"Unknown access {name!r}.{did_you_mean(name, ACCESSES)}")

"""One attack a file, in rooms by what it needs; `base.py` owns the promise. Importing this folder registers all."""

from turtlenet.attacks.adapters import Art, Cleverhans, External, Foolbox
from turtlenet.attacks.advgan import AdvGAN
from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import AttackResult, Context, SearchResult
from turtlenet.attacks.decision_based import (
    AdditiveGaussian,
    AdditiveUniform,
    Blur,
    Boundary,
    Contrast,
    GeoDA,
    HopSkipJump,
    Pointwise,
    RamBo,
    SaltAndPepper,
    SignOPT,
    SurFree,
)
from turtlenet.attacks.ensembles import AutoAttack, Averaged, Mixed, Restarts, Targets, Transfer, WorstOf
from turtlenet.attacks.goal import Goal, Verdict
from turtlenet.attacks.gradient_based import (
    A3,
    APGD,
    APGDCE,
    APGDDLR,
    APGDT,
    BIM,
    FGSM,
    MALT,
    MIM,
    PGD,
    PMA,
    RFGSM,
    AdamPGD,
    DetectorEvasion,
    GradientAscent,
    IterativeLeastLikely,
    LeastLikely,
    Madry,
    MultiTargeted,
    QuantizerPGD,
    fit_a3,
)
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.milp import MILP
from turtlenet.attacks.minimum_norm import (
    ALMA,
    CW,
    CWL0,
    DDN,
    EAD,
    FAB,
    FABT,
    FMN,
    JSMA,
    LBFGS,
    PDPGD,
    BrendelBethge,
    CWLinf,
    DeepFool,
    MinimumNorm,
    SigmaZero,
    SuperDeepFool,
    TrustRegion,
)
from turtlenet.attacks.noise import Noise
from turtlenet.attacks.score_based import NES, SPSA, ZOO, LocalSearch, OnePixel, SimBA, SinglePixel, Square
from turtlenet.attacks.spatial import Spatial
from turtlenet.attacks.universal import Perturbation, Universal, fit_universal, measure_universal
from turtlenet.errors import SpecError

__all__ = [
    "A3",
    "ALMA",
    "APGD",
    "APGDCE",
    "APGDDLR",
    "APGDT",
    "BIM",
    "CW",
    "CWL0",
    "DDN",
    "EAD",
    "FAB",
    "FABT",
    "FGSM",
    "FMN",
    "JSMA",
    "LBFGS",
    "MALT",
    "MILP",
    "MIM",
    "NES",
    "PDPGD",
    "PGD",
    "PMA",
    "RFGSM",
    "AdamPGD",
    "AdvGAN",
    "Art",
    "GradientAscent",
    "Attack",
    "Cleverhans",
    "AutoAttack",
    "SPSA",
    "ZOO",
    "AdditiveGaussian",
    "AdditiveUniform",
    "Blur",
    "Boundary",
    "Contrast",
    "Averaged",
    "AttackResult",
    "External",
    "Foolbox",
    "BrendelBethge",
    "CWLinf",
    "DeepFool",
    "SearchResult",
    "Goal",
    "IterativeLeastLikely",
    "LeastLikely",
    "HopSkipJump",
    "LocalSearch",
    "Madry",
    "MinimumNorm",
    "Mixed",
    "Noise",
    "OnePixel",
    "Perturbation",
    "Pointwise",
    "QuantizerPGD",
    "RamBo",
    "SaltAndPepper",
    "GeoDA",
    "SignOPT",
    "SurFree",
    "Restarts",
    "Context",
    "Spatial",
    "MultiTargeted",
    "SigmaZero",
    "SimBA",
    "SinglePixel",
    "Square",
    "SuperDeepFool",
    "Iterative",
    "DetectorEvasion",
    "Universal",
    "Targets",
    "Transfer",
    "TrustRegion",
    "Verdict",
    "WorstOf",
    "attacks",
    "build",
    "fit_a3",
    "fit_universal",
    "measure_universal",
    "names",
]


def build(spec: "str | Attack", *, training: bool = False) -> Attack:
    """Makes an attack of a spec such as `pgd:steps=40,step_size=0.1`; an attack is given back as it is.

    Args:
        spec: A spec string or an attack.
        training: Whether the attack's settings for training replace its defaults where the spec is silent.

    Raises:
        SpecError: An unknown name or setting, with the nearest one.
        SettingError: A setting out of its range.
    """
    if isinstance(spec, Attack):
        return spec
    if not isinstance(spec, str):
        raise SpecError(f"Expected an attack or its spec, such as pgd:steps=40; got {type(spec).__name__} {spec!r}.")
    defaults = getattr(attacks.factory_of(spec), "training_settings", {}) if training else {}
    return attacks.build(spec, defaults)


def names() -> list[str]:
    """The names of all attacks."""
    return attacks.names()

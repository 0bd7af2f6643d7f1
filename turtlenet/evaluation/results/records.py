"""What a report consists of: one record for each attack, class, image, radius and picture."""

from dataclasses import dataclass
from typing import Any

from turtlenet.reports.format import clean
from turtlenet.typing import Interval


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """One attack's line.

    Attributes:
        name: The attack's registered name.
        spec: How the user named it.
        kind: See `Attack.family`.
        settings: Every setting of the attack.
        accuracy: Share of all images that are still classified correctly; in a cascade, after this and all before.
        accuracy_interval: Its 95 % interval.
        success_rate: Share of the attacked images on which the attack reached its goal.
        loss: Mean cross-entropy at the examples found, over the attacked images.
        seconds: Wall-clock time.
        gradients: Input gradients computed, over all images.
        queries: Forward passes without a gradient, over all images.
        examples: Images attacked: those still classified correctly before.
        attacker: Who ran it, where not all know the same.
        counted: Whether the threat allows it, so that the robust accuracy counts it.
        linf_mean: Mean largest change of a pixel over the successes, in input units; so the next five.
        psnr_mean: Mean peak signal-to-noise ratio over the successes, in dB.
        ssim_mean: Mean structural similarity over the first successes, at most 256.
        norm: The norm of this attack's own ball; empty where it is the threat's. It does not count into the robust
            accuracy then.
        eps: The radius of that ball in input units.
        queries_median: Median number of forward passes that a success took.
        minimum_median: Median length of the smallest perturbations that an attack found which minimizes it, in the
            attack's norm, over the images classified correctly; None where it failed on half of them.
        minimum_curve: Accuracy against eps by those lengths, from this one run.
    """

    name: str
    spec: str
    kind: str
    settings: dict[str, Any]
    accuracy: float
    accuracy_interval: Interval
    success_rate: float
    loss: float | None
    seconds: float
    gradients: int
    queries: int
    examples: int
    attacker: str = ""
    counted: bool = True
    linf_mean: float | None = None
    linf_max: float | None = None
    l2_mean: float | None = None
    l2_max: float | None = None
    l1_mean: float | None = None
    l0_mean: float | None = None
    psnr_mean: float | None = None
    ssim_mean: float | None = None
    norm: str = ""
    eps: float | None = None
    queries_median: float | None = None
    minimum_median: float | None = None
    minimum_curve: tuple["CurvePoint", ...] = ()

    @property
    def title(self) -> str:
        """The attack as the user named it, and whose it is."""
        return clean(f"{self.attacker}: {self.spec or self.name}" if self.attacker else self.spec or self.name)


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class's line: how many images, how many right before and after all attacks; its name where it has one."""

    label: int
    count: int
    clean_accuracy: float
    robust_accuracy: float
    robust_accuracy_interval: Interval
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class ImageResults:
    """What one attack did to each image: lists in the order of the images.

    Attributes:
        attacked: 1 where it was run, else 0.
        correct: 1 where the answer is right after it.
        prediction: The answer at what it found; -1 where it was not run.
        confidence: The probability of that answer; None where it was not run.
        distance: Length of the successful change in the attack's norm (of one that minimizes it, the smallest found,
            beyond the radius too); None where it found none.
        gradients: Input gradients computed.
        queries: Forward passes without a gradient.
    """

    attacked: list[int]
    correct: list[int]
    prediction: list[int]
    confidence: list[float | None]
    distance: list[float | None]
    gradients: list[int]
    queries: list[int]


@dataclass(frozen=True, kw_only=True)
class AnswerPartRow:
    """The line of one part of the answers: a label of several, or a number that is not too high.

    Attributes:
        name: The part; see `turtlenet.tasks.Task.part_names`.
        count: Examples that have it, which are all.
        positive: Examples of which the label is true; None where the part is no label.
        clean_accuracy: Share of the examples in which it holds before any attack.
        robust_accuracy: Share in which it holds before and after every attack that the threat allows.
    """

    name: str
    count: int
    positive: int | None
    clean_accuracy: float
    clean_accuracy_interval: Interval
    robust_accuracy: float
    robust_accuracy_interval: Interval


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Accuracy under one attack at one radius, on a subset of the images."""

    eps: float
    accuracy: float
    accuracy_interval: Interval
    examples: int


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """What a part of an evaluation beside its attacks broke within the threat: the robust accuracy counts it too.

    Attributes:
        name: The part, in words.
        attack: What it ran, as a spec or in words.
        tried: Images that it was run on, of those classified correctly.
        broken: Images that it broke within the threat.
        more: Those of them that no attack and no part before had broken.
        accuracy: Share of all images that are still classified correctly after all attacks and the parts up to here.
        accuracy_interval: Its 95 % interval.
        counted: Whether the threat allows it; False where the part has more than an attacker of the threat has, and
            counts in `Report.beside_accuracy` alone.
    """

    name: str
    attack: str
    tried: int
    broken: int
    more: int
    accuracy: float
    accuracy_interval: Interval
    counted: bool = True

    @property
    def title(self) -> str:
        """The part and what it ran."""
        return f"+ {self.name}: {self.attack}"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image before and after; the three images are PNG files in base64.

    Attributes:
        perturbation: The change, scaled so that the ball's largest change spans the gray scale around its middle.
    """

    index: int
    label: int
    attack: str
    clean_prediction: int
    clean_confidence: float
    adversarial_prediction: int
    adversarial_confidence: float
    distance: float
    original: str
    perturbation: str
    adversarial: str


@dataclass(frozen=True, kw_only=True)
class LargestChange:
    """One image, and the most that the threat lets become of it; the three images are PNG files in base64.

    Attributes:
        index: Which image it is.
        label: Its class.
        distance: Length of the change in `even`, in the threat's norm and input units.
        original: As it is.
        even: Every pixel moved towards the far end of the range, as far as the ball lets all of them.
        random: Every pixel moved up or down by chance, as far.
    """

    index: int
    label: int
    distance: float
    original: str
    even: str
    random: str

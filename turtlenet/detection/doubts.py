"""Why a detector's numbers might be wrong."""

from turtlenet.detection.report import Detection, Share
from turtlenet.reports.base import Doubt
from turtlenet.reports.format import percent, within

_FEW = 100
_FALSE = 0.05


def find_doubts(result: Detection) -> tuple[Doubt, ...]:
    """Every reason that the figures themselves give, the gravest first."""
    doubts = [
        *_attacked(result),
        *_weak(result),
        *_same_data(result),
        *_false_alarms(result),
        *_other_attacks(result),
        *_few(result),
    ]
    return tuple(doubts)


def _attacked(result: Detection) -> list[Doubt]:
    """A detector that was never attacked is not measured."""
    if not result.slipped_adaptive:
        finding = "No attack knew of the detector: a detector that was never attacked is not measured."
        return [Doubt(code="never-attacked", finding=finding, advice="Run it with --adaptive undetected.")]
    plain = result.slipped_plain[-1] if result.slipped_plain else None
    before = f", where plain attacks leave {percent(plain.share)}" if plain else ""
    point = result.alarms[-1].point.name
    finding = (
        "AUC and accuracy under plain attacks say nothing of an attacker who knows of the detector: one who does gets "
        f"{_with(result.slipped_adaptive[-1])} of the inputs misclassified and not seen (at {point}){before}."
    )
    advice = (
        "Believe the larger share, which is a lower bound; a stronger attack is "
        "--adaptive undetected:steps=400,restarts=5 with more --attack-draws."
    )
    return [Doubt(code="knowing-attacker", finding=finding, advice=advice)]


def _weak(result: Detection) -> list[Doubt]:
    """The adaptive attack does worse at what it was told to do than one that was not told."""
    doubts = []
    for place, alarm in enumerate(result.alarms):
        adaptive = [row.slipped[place].share for row in result.rows if alarm.point.name in row.aims_at]
        plain = [row for row in result.rows if not row.adaptive]
        best = max(plain, key=lambda row: row.slipped[place].share, default=None)
        if adaptive and best and best.slipped[place].share > max(adaptive):
            finding = (
                f"{best.spec}, which does not know of the detector, slips past it more often "
                f"({percent(best.slipped[place].share)}) than the adaptive attack ({percent(max(adaptive))}), "
                f"at {alarm.point.name}."
            )
            advice = "The adaptive attack is too weak: give it more steps, restarts or another weight."
            doubts.append(Doubt(code="weak-adaptive-attack", finding=finding, advice=advice))
    return doubts


def _same_data(result: Detection) -> list[Doubt]:
    if result.data["sha256"] != result.detector["data"]["sha256"]:
        return []
    finding = "The detector was scored on the very inputs that it was fitted on."
    return [Doubt(code="same-images", finding=finding, advice="Score it on inputs that it has not seen.")]


def _false_alarms(result: Detection) -> list[Doubt]:
    """What held for the clean inputs of the fit does not hold for fresh ones."""
    alarm = next((each for each in result.alarms if each.point.name.startswith("5%")), None)
    if alarm is None or alarm.successes.interval[0] <= _FALSE:
        return []
    finding = (
        f"The threshold that 5 % of the clean inputs of the fit exceed is exceeded by {_with(alarm.successes)} of "
        "fresh ones."
    )
    advice = "If the model was trained on the inputs of the fit, it is surer of them: fit on others."
    return [Doubt(code="false-alarms", finding=finding, advice=advice)]


def _other_attacks(result: Detection) -> list[Doubt]:
    """A detector that finds an attack's examples less suspicious than clean inputs."""
    doubts = []
    for row in result.rows:
        within_auc = row.successes.auc_interval
        if row.adaptive or within_auc is None or within_auc[1] >= 0.5:
            continue
        finding = (
            f"{row.spec}: its examples look cleaner to the detector than clean inputs (AUC {row.successes.auc:.3f})."
        )
        advice = "Fit it on this attack too (detect fit --attack ...), and see what that costs elsewhere."
        doubts.append(Doubt(code="blind-detector", finding=finding, advice=advice))
    return doubts


def _few(result: Detection) -> list[Doubt]:
    sides = [(row.title, row.successes.adversarial.count) for row in result.rows]
    sides += [("clean", row.successes.clean.count) for row in result.rows[:1]]
    small = [f"{count} of {name}" for name, count in sides if count < _FEW]
    if not small:
        return []
    finding = f"Few examples: {', '.join(small)}."
    return [Doubt(code="few-examples", finding=finding, advice="Raise --limit, and look at the intervals.")]


def _with(share: Share) -> str:
    return f"{percent(share.share)} (95 % interval {within(share.interval)})"

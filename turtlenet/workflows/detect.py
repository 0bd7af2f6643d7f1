"""Detection of adversarial inputs, as a Keras project calls it; the command line calls the same."""

from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet.attacks.features.plain import one_for_all
from turtlenet.attacks.from_file import attack_from_file
from turtlenet.checked import checked
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.parts import choose, trained_on
from turtlenet.data.prepare import DataType, load_data
from turtlenet.data.readers.tables import reading_of
from turtlenet.detection import Detection, Detector, FittedDetector, Setting, fit_on, score_on
from turtlenet.errors import DataError
from turtlenet.files import PathType
from turtlenet.models.as_classifier import ModelType, about_model
from turtlenet.settings.base import describes, takes
from turtlenet.settings.detect import FitSettings, ScoreSettings

USUAL = ("fgsm", "pgd")
_WHAT = "to detect adversarial inputs"


@checked()
@takes(FitSettings)
def fit_detector(model: ModelType, data: DataType | None = None, **settings: Any) -> FittedDetector:
    """Fits a detector of adversarial inputs; the usual one on the variance of stochastic answers (paper 001, eq. 12).

    Args:
        model: A classifier, or the path of one; for detectors by uncertainty with a layer that draws at inference
            (`mc-dropout`).
        data: What to fit on: `(x, y)`, or the training part of a name or a path, never its test part; None for the
            embedded sample where it fits.
        **settings: See `turtlenet.settings.detect.FitSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = FitSettings(**settings)

    how: dict[str, Any] = {"head": options.head, "precision": options.precision, "gradient": options.gradient}
    how["draws"] = options.attack_draws
    victim, ball = one_for_all(model, options.norm, bounds=options.bounds, eps=options.eps, what=_WHAT, **how)
    detector = Detector.build(options.detector)
    detector.check(victim)
    whole = load_data(data, victim, how=reading_of(options, trained_on(model)))
    if whole.train is None or not len(whole.train):
        raise DataError(f"Expected a part of {whole.name} to fit on that is not the test part; got test images only.")
    setting = Setting(
        classifier=victim,
        examples=whole.train.take(options.limit),
        ball=ball,
        draws=options.draws,
        seed=options.seed,
        batch_size=options.batch_size,
        detector=detector,
    )
    for line in misfits(victim, setting.examples, setting.ball):
        options.tell(line)
    specs = [attack_family.build(spec) for spec in options.attacks or USUAL]
    about = about_model(model, victim)
    return fit_on(setting, specs, about=about, detector=detector, population=options.population)


@checked()
@describes(ScoreSettings)
def score_detector(
    model: ModelType, detector: FittedDetector | PathType, data: DataType | None = None, **settings: Any
) -> Detection:
    """Scores a detector on fresh images, under plain attacks and under such that know of it.

    Args:
        model: The model that the detector was fitted on, or its path.
        detector: What `fit_detector` gave, or its file.
        data: What to score on: `(x, y)`, or the test part of a name or a path; None for that of the embedded sample.
        **settings: See `turtlenet.settings.detect.ScoreSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line; another model than the detector's own.
    """
    options = ScoreSettings(**settings)
    fitted = detector if isinstance(detector, FittedDetector) else FittedDetector.load(Path(detector))
    threat = fitted.threat

    how: dict[str, Any] = {
        "head": options.head,
        "precision": options.precision,
        "gradient": threat["gradient"] if options.gradient is None else options.gradient,
        "draws": fitted.attack_draws if options.attack_draws is None else options.attack_draws,
    }
    eps = threat["eps"] if options.eps is None else options.eps
    victim, ball = one_for_all(
        model, options.norm or threat["norm"], bounds=options.bounds, eps=eps, what=_WHAT, **how
    )
    about = about_model(model, victim)
    fitted.check_model(about)
    whole = load_data(data, victim, how=reading_of(options, trained_on(model)))
    if options.split is None and (whole.test is None or not len(whole.test)):
        raise DataError(f"Expected test images to score on in {whole.name}; got training images only.")
    setting = Setting(
        classifier=victim,
        examples=choose(whole, options.split, held_out=True).take(options.limit),
        ball=ball,
        draws=fitted.draws,
        seed=fitted.seed + 1 if options.seed is None else options.seed,
        batch_size=options.batch_size,
        detector=fitted.fitted,
    )
    # A file's specs are registered names only: reading a file imports nothing.
    specs = [attack_family.build(spec) for spec in options.attacks] or [
        attack_from_file(spec) for spec in fitted.attacks
    ]
    return score_on(setting, fitted, specs, about=about, adaptive=options.adaptive)

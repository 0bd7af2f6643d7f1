"""From a user's model and data to one perturbation for all images."""

from typing import Any

from turtlenet import attacks
from turtlenet.attacks import Perturbation
from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.parts import trained_on
from turtlenet.data.prepare import DataType, hold_out, load_data
from turtlenet.data.readers.tables import is_tabular, reading_of
from turtlenet.errors import DataError
from turtlenet.models.as_classifier import ModelType, as_classifier
from turtlenet.settings.base import takes
from turtlenet.settings.measure import UniversalSettings
from turtlenet.training.data.feature_data import with_features


@checked()
@takes(UniversalSettings)
def universal(model: ModelType, data: DataType | None = None, **settings: Any) -> Perturbation:
    """Fits one perturbation on training images, and tries it on test images; see `turtlenet.attacks.fit_universal`.

    Args:
        model: A classifier, or the path of one.
        data: What to fit and to try on: a name, a path, or `(x, y)`, of which a sixth is kept for trying.
        **settings: See `turtlenet.settings.measure.UniversalSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = UniversalSettings(**settings)
    given = Said.of(options)
    how = reading_of(options, trained_on(model))

    def made(bounds: tuple[float, float] | None) -> Classifier:
        return as_classifier(model, bounds=bounds, head=options.head, precision=options.precision)

    own = isinstance(model, Classifier)
    said = given.else_of(features_of(model))
    victim = made(given.outer if own else said.outer)
    victim, loaded, threat = with_features(
        said,
        options.norm,
        victim,
        (lambda _: victim) if own else made,
        lambda each: load_data(data, each, how=how),
        training=True,
        table=is_tabular(data),
    )
    ball = ball_for(victim, options.norm, options.eps) if threat is None else threat.ball
    fitted_on, tried_on = _parts(loaded, options.limit, options.seed)
    notes = [line for part in (fitted_on, tried_on) for line in (threat.check(part) if threat else ())]
    for line in [*dict.fromkeys(notes), *misfits(victim, fitted_on, ball)]:
        options.tell(line)
    x, y = fitted_on.batch(slice(None))
    fit: dict[str, Any] = {"epochs": options.epochs, "step_size": options.step_size, "batch_size": options.batch_size}
    delta = attacks.fit_universal(victim, x, y, ball=ball, seed=options.seed, **fit)
    return attacks.measure_universal(victim, *tried_on.batch(slice(None)), delta, ball)


def _parts(data: Data, limit: int | None, seed: int) -> tuple[Examples, Examples]:
    """What to fit on, and other images to try on.

    Raises:
        DataError: There are none of either.
    """
    train, test = data.train, data.test
    if train is not None and train is test:
        if len(train) < 2:
            raise DataError(
                f"Expected at least 2 {train.kind.examples} to fit on one part and try on the other; got {len(train)}."
            )
        train, test = hold_out(train, max(1, len(train) // 6), seed)
    if train is None or test is None or not (len(train) and len(test)):
        raise DataError(f"Expected training and test data in {data.name}; got one of the two at most.")
    parts = train.take(limit), test.take(limit)
    for part in parts:
        part.check()
    return parts

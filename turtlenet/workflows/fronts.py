"""Trains the fronts of a model, and measures what they are worth."""

from typing import Any

from turtlenet.attacks.threat import ball_for
from turtlenet.checked import checked
from turtlenet.data.prepare import DataType, part_to_score
from turtlenet.defences import Front
from turtlenet.errors import SpecError
from turtlenet.models import classifier, wrap
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier
from turtlenet.models.wrap import defences_of
from turtlenet.settings.base import describes
from turtlenet.settings.fronts import ShowFrontSettings
from turtlenet.training.fronts.measure import measure_front
from turtlenet.training.fronts.report import FrontReport
from turtlenet.training.fronts.train import TrainedFront, facts_of, save_front, train_front

__all__ = ["TrainedFront", "save_front", "show_front", "train_front"]


@checked()
@describes(ShowFrontSettings)
def show_front(defence: str, model: ModelType, data: DataType | None = None, **settings: Any) -> FrontReport:
    """Measures a trained front on unseen images of a model.

    Args:
        defence: Its spec: `magnet:front=FRONT.h5`.
        model: A classifier, or the path of one.
        data: What to attack: the test part; see `turtlenet.evaluate`.
        **settings: See `turtlenet.settings.fronts.ShowFrontSettings`.

    Raises:
        TurtlenetError: Anything that does not fit, in one line.
    """
    options = ShowFrontSettings(**settings)
    bare = as_classifier(model, bounds=options.bounds, head=options.head)
    whole = wrap(bare.whole, [defence], bare.bounds)
    layer = defences_of(whole)[0]
    if not isinstance(layer, Front) or not layer.front:
        raise SpecError(f"Expected a trained front, such as magnet:front=FRONT.h5; got {defence!r}.")
    behind = classifier(whole, bounds=bare.bounds, head=options.head)
    ball = ball_for(bare, options.norm, options.eps)
    examples = part_to_score(model, data, bare, options, held_out=True)
    return measure_front(
        layer,
        bare,
        behind,
        examples,
        ball,
        about=about_model(model, bare),
        facts=facts_of(layer.front),
        attack=options.attack,
        seed=options.seed,
        batch_size=options.batch_size,
    )

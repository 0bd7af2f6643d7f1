"""`turtlenet attack`: the adversarial examples themselves."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    BATCH_SIZE,
    COUNT,
    check_file,
    device_options,
    feature_options,
    framework,
    loading_options,
    settings_options,
    speaks,
    split_option,
    threat_options,
)
from turtlenet.settings.train import ColumnSettings


@click.command("attack")
@click.argument("model")
@click.option("--attack", "spec", default="pgd", show_default=True, help="The attack, e.g. pgd:steps=100,restarts=5.")
@threat_options
@settings_options(ColumnSettings)
@click.option("--normalize", help="What inputs are normalized by in front of MODEL: imagenet, mean=...,std=..., data.")
@feature_options
@device_options
@loading_options
@click.option("--gradient", default="adaptive", show_default=True, help="Of defences: adaptive, or naive.")
@click.option("--draws", type=int, default=10, show_default=True, help="Of random defences, in an answer's mean.")
@click.option("--target", type=int, help="Class that the model shall answer to images of the others.")
@split_option
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Most images; 0 for all.")
@click.option("--batch-size", type=BATCH_SIZE, default=256, show_default=True, help="Images at a time, or auto.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="An .npz: x, y, x_adversarial, ...")
def command(
    model: str,
    spec: str,
    out: Path,
    limit: int,
    split: str | None,
    data: str | None,
    norm: str | None,
    bounds: Any,
    features: str | None,
    movable: str | None,
    constraints: tuple[str, ...],
    head: str,
    precision: str | None,
    gradient: str,
    draws: int,
    normalize: str | None,
    label: str | None = None,
    weight: str | None = None,
    drop: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
    **settings: Any,
) -> None:
    """Attacks test images of MODEL and keeps what was found."""
    check_file(out, ".npz")
    framework()
    import numpy as np

    from turtlenet import attacks
    from turtlenet.attacks.feature_memory import features_of
    from turtlenet.attacks.feature_threat import Said
    from turtlenet.attacks.threat import ball_for
    from turtlenet.data.misfits import misfits
    from turtlenet.data.parts import choose, saw, trained_on
    from turtlenet.data.prepare import normalized_for
    from turtlenet.data.tables import reading_of
    from turtlenet.files import write_whole
    from turtlenet.gan.cache import ready
    from turtlenet.training.data.feature_data import check_for_features
    from turtlenet.workflows.attack import attack_examples, ready_for_features
    from turtlenet.workflows.models import load_model

    norm = "linf" if norm is None else norm
    columns = ColumnSettings(label=label, weight=weight, drop=drop, classes=classes)
    how = reading_of(columns, trained_on(model))
    told = {"bounds": bounds, "eps": settings["eps"], "movable": movable, "features": features}
    said = Said.by_user(**told, constraints=constraints).else_of(features_of(model))
    source: Any = model
    taken: Any = data
    if normalize is not None:
        where: dict[str, Any] = {"bounds": said.outer, "head": head, "how": how, "held_out": True}
        source, taken = normalized_for(load_model(model), normalize, data, **where)
    seen = {"head": head, "precision": precision, "gradient": gradient, "draws": draws}
    victim, found, threat = ready_for_features(source, said, norm, taken, reading=how, **seen)
    part = choose(found, split, [trained_on(model)])
    examples = part.take(limit or None)
    if not part.asked and saw(trained_on(model), part, found):
        click.echo(f"{model} was trained on these images: --split test takes others")
    examples = _but(examples, settings["target"])
    trained = {"eps": settings["eps"], "norm": norm, "seed": settings["seed"], "tell": click.echo, "head": head}
    made = ready(attacks.build(spec), model, victim, found, **trained)
    ball = ball_for(victim, norm, settings["eps"]) if threat is None else threat.ball
    check_for_features([made], ball)
    made.check(victim, made.own_ball(ball, victim.input_shape))
    for line in misfits(victim, examples, ball):
        click.echo(line)
    outcome = attack_examples(victim, examples, made, norm=norm, threat=threat, **settings)
    x, y = examples.batch(slice(None))
    prediction = outcome.logits.argmax(axis=1).astype("int32")
    arrays = {"x": x, "y": y, "x_adversarial": outcome.x, "prediction": prediction, "reached": outcome.reached}
    named = {"features": examples.about.names, "classes": examples.about.classes}
    arrays |= {name: np.array(values) for name, values in named.items() if values}
    if speaks():
        write_whole(out, lambda file: np.savez_compressed(file, **arrays))
    words = f" ({part.words})" if part.words else ""
    click.echo(
        f"saved {out}: {examples.kind.count(len(y))}{words}, accuracy under attack {(prediction == y).mean():.3f}, "
        f"goal reached on {outcome.reached.mean():.3f}"
    )


def _but(examples: Any, target: int | None) -> Any:
    """The examples of other classes than the target, towards which there is nothing to attack."""
    left = examples if target is None else examples.subset((examples.labels != target).nonzero()[0])
    if len(left) < len(examples):
        click.echo(f"left out: {examples.kind.count(len(examples) - len(left))} of class {target}, the target")
    return left

"""`turtlenet attack`: the adversarial examples themselves."""

from pathlib import Path
from typing import Any

import click

from turtlenet.cli.options import (
    BATCH_SIZE,
    COUNT,
    check_file,
    device_options,
    framework,
    loading_options,
    speaks,
    split_option,
    task_options,
    threat_options,
)


@click.command("attack")
@click.argument("model")
@click.option("--attack", "spec", default="pgd", show_default=True, help="The attack, e.g. pgd:steps=100,restarts=5.")
@threat_options
@task_options
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
    bounds: tuple[float, float] | None,
    head: str,
    precision: str | None,
    gradient: str,
    draws: int,
    task: str,
    output: str | None,
    attacked: str | None,
    size: str | None,
    **settings: Any,
) -> None:
    """Attacks test images of MODEL and keeps what was found."""
    check_file(out, ".npz")
    framework()
    import numpy as np

    from turtlenet import attacks
    from turtlenet.attacks.threat import ball_for
    from turtlenet.data.misfits import misfits
    from turtlenet.data.parts import choose, saw, trained_on
    from turtlenet.data.prepare import load_data
    from turtlenet.files import write_whole
    from turtlenet.gan.cache import ready
    from turtlenet.models.as_classifier import as_classifier
    from turtlenet.workflows.attack import attack_examples

    how: dict[str, Any] = {"bounds": bounds, "head": head, "precision": precision, "gradient": gradient}
    how |= {"draws": draws, "task": task, "output": output, "attacked": attacked, "size": size}
    victim = as_classifier(model, **how)
    attacks.build(spec).check_task(victim)
    found = load_data(data, victim)
    part = choose(found, split, [trained_on(model)])
    examples = part.take(limit or None)
    if not part.asked and saw(trained_on(model), part, found):
        click.echo(f"{model} was trained on these images: --split test takes others")
    examples = _but(examples, settings["target"])
    norm = "linf" if norm is None else norm
    trained = {"eps": settings["eps"], "norm": norm, "seed": settings["seed"], "tell": click.echo, "head": head}
    made = ready(attacks.build(spec), model, victim, found, **trained)
    ball = ball_for(victim, norm, settings["eps"])
    made.check(victim, made.own_ball(ball, victim.input_shape))
    for line in misfits(victim, examples, ball):
        click.echo(line)
    outcome = attack_examples(victim, examples, made, norm=norm, **settings)
    x, y = examples.batch(slice(None))
    prediction = outcome.logits.argmax(axis=1).astype("int32")
    arrays = {"x": x, "y": y, "x_adversarial": outcome.x, "prediction": prediction, "reached": outcome.reached}
    if victim.question is not None:
        arrays |= victim.question.arrays(x, y, outcome.x)
    if speaks():
        write_whole(out, lambda file: np.savez_compressed(file, **arrays))
    words = f" ({part.words})" if part.words else ""
    click.echo(
        f"saved {out}: {len(y):,} images{words}, accuracy under attack {(prediction == examples.classes).mean():.3f}, "
        f"goal reached on {outcome.reached.mean():.3f}"
    )


def _but(examples: Any, target: int | None) -> Any:
    """The examples of other classes than the target, towards which there is nothing to attack."""
    left = examples if target is None else examples.subset((examples.classes != target).nonzero()[0])
    if len(left) < len(examples):
        click.echo(f"left out: {len(examples) - len(left):,} images of class {target}, the target")
    return left

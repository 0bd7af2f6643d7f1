"""What generators of adversarial examples leave (AdvGAN, paper 003).

Generators are trained on the training images, and 1,000 of those choose the epoch.
"""

from pathlib import Path
from typing import Any

from turtlenet import balls
from turtlenet.attacks import AdvGAN
from turtlenet.attacks.advgan import loaded_generator
from turtlenet.classifier import Classifier
from turtlenet.files import make_folder
from turtlenet.gan import train
from turtlenet.gan.measure import forward_milliseconds, measure_generator
from turtlenet.reproduction.kinds.base import Job, kind
from turtlenet.reproduction.workshop import BATCH, silent

FORWARD_IMAGES = 2000
_TRAINING = 3.0
"""Gradients that a step of a generator's training takes for each of its images, about."""


def generator(job: Job, variant: str) -> Path:
    """The file of a generator against a row's model; trained if it is not there. Its row says for how many epochs."""
    row = job.shop.row(job.row.model) if "generators" not in job.row.facts and job.row.model else job.row
    path = job.shop.models / row.paper / f"{row.name}-{variant}.h5"
    if path.exists():
        return path
    make_folder(path.parent)
    checkpoint, victim = path.with_name(f"{path.name}.resume"), job.shop.victim(row)
    made = train.train_generator(
        victim.model,
        job.shop.part(row.data, "train", row.images),
        eps=row.about["eps"],
        name=variant,
        bounds=victim.bounds,
        head="logits",
        epochs=job.shop.epochs or row.facts["generators"][variant],
        seed=job.shop.options.seed,
        checkpoint=checkpoint,
        resume=True,
        tell=silent,
    )
    train.save_generator(made, path)
    checkpoint.unlink(missing_ok=True)
    return path


def _cost(job: Job, *, variant: str, samples: int = 1, steps: int = 0, of: str = "") -> float:
    row = job.shop.row(of) if of else job.row
    epochs = job.shop.epochs or row.facts["generators"][variant]
    path = job.shop.models / row.paper / f"{row.name}-{variant}.h5"
    # Each generator is trained once, and is counted where the first of its figures is measured.
    first = not (path.exists() or samples > 1 or steps or of)
    made = epochs * len(job.shop.part(row.data, "train", row.images)) * _TRAINING if first else 0.0
    return made + job.images() * (samples + steps)


@kind("generator", _cost)
def generated(job: Job, *, variant: str, samples: int = 1, steps: int = 0, of: str = "") -> dict[str, Any]:
    """What a generator leaves of a model.

    Args:
        job: The row.
        variant: `paper` or `strong`.
        samples: Of its noise, the best of which counts.
        steps: Gradient steps on the model from there.
        of: The row whose model it was trained against, where that is another: `advgan/a`.
    """
    maker = Job(job.shop, job.shop.row(of)) if of else job
    path = str(generator(maker, variant))
    victim: Classifier = job.victim
    examples, ball = job.shop.part(job.row.data, "test"), balls.get("linf", job.row.about["eps"], victim.bounds)
    attack = AdvGAN(generator=path, samples=samples, steps=steps)
    found = measure_generator(
        attack, victim, examples, ball, about={}, facts=loaded_generator(path).facts, beside=(), batch_size=BATCH
    )
    return {
        "accuracy": found.accuracy,
        "interval": list(found.accuracy_interval),
        "n": len(examples),
        "success": found.success,
        "success_interval": list(found.success_interval),
        "milliseconds": found.milliseconds,
        "linf": found.linf_mean,
        "l2": found.l2_mean,
        "ssim": found.ssim_mean,
    }


@kind("generator-forward")
def forward(job: Job, *, variant: str) -> dict[str, Any]:
    """What one pass of a generator costs."""
    x, _ = job.test(FORWARD_IMAGES)
    ball = balls.get("linf", job.row.about["eps"], job.victim.bounds)
    made = AdvGAN(generator=str(generator(job, variant)))
    return {"milliseconds": forward_milliseconds(made, job.victim, x, ball, BATCH), "n": len(x)}

"""An evaluation on its way: what its parts share, and how its attacks are run and taken up again."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.balls import FeatureBall
from turtlenet.bars import Bar
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.certified import Certified
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.planner.planner import Planner
from turtlenet.evaluation.planner.run import Planned
from turtlenet.evaluation.threat_models.threat_model import ThreatModel
from turtlenet.evaluation.time_limit import TimeLimit
from turtlenet.models import file_sha256


@dataclass(frozen=True)
class EvaluationRun:
    """What the parts of an evaluation share.

    Attributes:
        specs: How the user named the attacks.
        about: What is known of the model.
        proven: What was certified before the attacks; None where nothing was.
        planner: What chooses their order; None for the suite's.
        data: What is known of the images; see `Examples.facts`.
    """

    model: Classifier
    examples: Examples
    cascade: Cascade
    access: ThreatModel
    specs: Sequence[str]
    about: dict[str, Any]
    data: dict[str, Any]
    progress: Path | None
    resume: bool
    proven: Certified | None = None
    planner: Planner | None = None

    @property
    def names(self) -> list[str]:
        """The attacks, and whose they are."""
        return [self.access.of(number).title(spec) for number, spec in enumerate(self.specs)]

    @property
    def counted(self) -> list[bool]:
        """Which attacks have the ball of the threat: the others do not count."""
        ball = self.cascade.ball
        return [attack.own_ball(ball, self.model.input_shape) == ball for attack in self.cascade.attacks]

    @property
    def identity(self) -> str:
        """Everything that decides a verdict, as one hash."""
        cascade, model = self.cascade, self.model
        ball = [cascade.ball.norm, float(cascade.ball.eps), cascade.ball.low, cascade.ball.high]
        ball += [cascade.ball.space.digest] if isinstance(cascade.ball, FeatureBall) else []
        settings = [attack.to_dict() for attack in cascade.attacks]
        files = [file_sha256(Path(file)) for attack in cascade.attacks for file in attack.files]
        how = [cascade.mode, cascade.labels, cascade.seed, cascade.quantize_pixels]
        how += [] if cascade.spared is None else [np.flatnonzero(cascade.spared).tolist()]
        how += [["adaptive", self.planner.budget]] if self.planner else []
        answers = [model.gradient, model.draws, model.precision, model.bounds, model.head]
        how += [self.about["normalize"]] if self.about.get("normalize") else []
        text = json.dumps([self.about["sha256"], answers, self.data["sha256"], ball, settings, files, *how])
        return hashlib.sha256(text.encode()).hexdigest()

    def run(self, limit: TimeLimit | None = None) -> tuple[PerImageResults, Planned | None]:
        """The results of all attacks, and what a plan made of them.

        They are continued from a file where one fits, and those of fewer images where time is limited.
        """
        identity, progress, planner = self.identity, self.progress, self.planner
        first = backend.process()[0] == 0
        known = None
        if self.resume and progress:
            known = backend.from_first(lambda: PerImageResults.read(progress, identity))
        rows = len(planner.units if planner else self.cascade.attacks)
        classes = self.model.classes(self.examples.labels)
        per_image = known or PerImageResults.empty(classes, rows, len(self.examples.part_names))
        total, done = (len(self.cascade.attacks) * count for count in (len(self.examples), per_image.done))
        hidden = not (first and sys.stderr.isatty())
        with Bar(total, done=0 if planner else done, unit=self.examples.kind.example, hidden=hidden) as bar:

            def tick(count: int) -> None:
                seconds, gradients, _ = per_image.cost.sum(axis=0)
                bar.pace = gradients / seconds if seconds else 0.0
                bar.update(count)

            how: dict[str, Any] = {"tick": tick}
            # What a plan learned in a time is not written down: with more time it would have learned more.
            if progress and first and not (planner and limit):
                how["after_block"] = lambda now: now.write(progress, identity)
            if planner:
                planned = planner.run(self.model, self.examples, per_image, limit=limit, **how)
                return planned.per_image, planned
            self.cascade.run(self.model, self.examples, per_image, limit=limit, **how)
        return per_image, None

    def cut(self, per_image: PerImageResults, planned: Planned | None) -> tuple["EvaluationRun", PerImageResults]:
        """The evaluation of the images that time sufficed for, and their results."""
        rows = np.arange(per_image.done) if planned is None or planned.rows is None else planned.rows
        examples = self.examples.subset(rows)
        data = {**examples.facts(), "wanted": len(self.examples)}
        # What a plan made is of those images alone.
        return dataclasses.replace(self, examples=examples, data=data), per_image if planned else per_image.of(rows)

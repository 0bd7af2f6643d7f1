"""Randomized smoothing: the class that most draws of Gaussian noise get, and how far it stays (Cohen et al., 2019)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend, random
from turtlenet.arguments import check_fields
from turtlenet.batching import dealt, in_batches, usual
from turtlenet.certification.smoothing_radii import cohen_radius, lower_bound, pixeldp_bounds, pixeldp_radius
from turtlenet.classifier import Classifier
from turtlenet.defences import GaussianNoise
from turtlenet.errors import ModelError, SettingError
from turtlenet.ranges import check_ranges, count, number, one_of

ABSTAINED = -1
"""In place of a label: no class was certainly that of most draws."""
# Selection and estimation draw from streams of their own, or the bound would be one of the class that was lucky.
_SELECT, _ESTIMATE = 0x5E1EC7, 0xE571
# Images at a time: the draws of each fill the batch.
_IMAGES = 16


@dataclass(frozen=True)
class Smoothed:
    """What is known of n images.

    Attributes:
        label: The smoothed classifier's answer, int32 (n,); `ABSTAINED` where none is certain.
        radius: L2 distance within which it stays, in input units, float64 (n,); 0 where it abstained.
        probability: Lower bound of the probability of that answer under noise, float64 (n,); 0 where it abstained.
        votes: Answers of the draws of the estimation, int32 (n, classes).
    """

    label: np.ndarray
    radius: np.ndarray
    probability: np.ndarray
    votes: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """CERTIFY of Cohen et al. (2019, section 3.2.2, figure of the pseudocode).

    The smoothed classifier g(x) is the class that f(x + sigma n), n ~ N(0, I), answers most often. `n0` draws select
    that class; `n` others estimate its probability from below, by Clopper and Pearson. Each certificate fails with
    probability `alpha` at most, over the draws: of 1,000 images at alpha 0.001, one may be wrong. It is one of g, and
    not of a single draw. The base classifier f is the model behind its `gaussian-noise` layer, or any model that has
    none. The draws belong to an image's place and the seed. An image costs n0 + n forward passes.

    Args:
        sigma: Standard deviation of the noise, in input units; None for that of the model's own layer.
        n0: Draws that select a class.
        n: Draws that estimate its probability. At most sigma * Phi^-1(alpha^(1/n)) can be certified: 2.5 sigma for
            1,000 draws, 3.8 sigma for 100,000, each at alpha 0.001.
        alpha: Failure probability of a certificate, between 0 and 1.
        bound: `cohen`, or `pixeldp` for the smaller radius of Lecuyer et al. (2019).

    Raises:
        SettingError: A setting that is out of its range.
        SpecError: An unknown bound.
    """

    sigma: float | None = number(None, above=0, note="in input units")
    n0: int = count(100, low=1)
    n: int = count(1000, low=1)
    alpha: float = number(0.001, above=0, below=1, note="a failure probability")
    bound: str = one_of("cohen", ("cohen", "pixeldp"))

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self)

    @property
    def passes(self) -> int:
        """Forward passes of an image."""
        return self.n0 + self.n

    def base(self, model: Classifier) -> tuple[Classifier, float]:
        """The classifier that the noise is put in front of, and the noise's sigma.

        Raises:
            SettingError: No sigma, or another one than the model's own layer has.
            ModelError: A model with fewer than two classes.
        """
        if model.num_classes < 2:
            raise ModelError(f"Expected a model of at least 2 classes for smoothing; got {model.num_classes}.")
        layer = model.reader
        if not isinstance(layer, GaussianNoise):
            if self.sigma is None:
                raise SettingError(
                    "Expected sigma for smoothing, as the model's first layer is no gaussian-noise; got none."
                )
            return model.taking(draws=1), self.sigma
        if self.sigma not in (None, layer.sigma):
            raise SettingError(f"Expected sigma {layer.sigma}, which the model's own layer has; got {self.sigma}.")
        return model.behind(layer).taking(draws=1), layer.sigma

    def certify(
        self,
        model: Classifier,
        x: np.ndarray,
        *,
        seed: int = 0,
        index: np.ndarray | None = None,
        batch_size: int | None = None,
        tell: Callable[[int], None] = lambda done: None,
    ) -> Smoothed:
        """Certifies n images, each process of a cluster its share of them.

        Args:
            model: The classifier; see `base`.
            x: Images, float32 (n, ...).
            seed: Repeats the draws.
            index: The images' places in their data set; 0, 1, ... if not given.
            batch_size: Noisy images in one forward pass; it changes the speed, not a verdict (rounding aside).
            tell: Is given how many images are done, as they are.

        Raises:
            SettingError: See `base`; or not enough memory for the batch size.
        """
        base, sigma = self.base(model)
        index = np.arange(len(x), dtype="int32") if index is None else np.asarray(index, "int32")
        parts = backend.gather(lambda: self._votes(base, sigma, x, index, seed, batch_size, tell))
        votes = np.zeros((len(x), 2, model.num_classes), "int32")
        for place, part in enumerate(parts):
            votes[place :: len(parts)] = part
        return self.judged(votes[:, 0], votes[:, 1], sigma)

    def judged(self, selected: np.ndarray, votes: np.ndarray, sigma: float) -> Smoothed:
        """The certificates of what was counted.

        Args:
            selected: Answers of the draws that select, int (n, classes).
            votes: Those of the draws that estimate, likewise.
            sigma: Standard deviation of the noise, in input units.
        """
        label, radius = np.full(len(votes), ABSTAINED, "int32"), np.zeros(len(votes))
        probability = np.zeros(len(votes))
        for place, counted in enumerate(votes):
            top = int(selected[place].argmax())
            if self.bound == "cohen":
                lower = lower_bound(int(counted[top]), int(counted.sum()), self.alpha)
                certified = cohen_radius(lower, sigma)
            else:
                lower, upper = pixeldp_bounds(counted, top, self.alpha)
                certified = pixeldp_radius(lower, upper, sigma)
            if certified > 0:
                label[place], radius[place], probability[place] = top, certified, lower
        return Smoothed(label, radius, probability, votes)

    def _votes(
        self,
        base: Classifier,
        sigma: float,
        x: np.ndarray,
        index: np.ndarray,
        seed: int,
        batch_size: int | None,
        tell: Callable[[int], None],
    ) -> np.ndarray:
        """Answers of the draws that select, and of those that estimate, int32 (n, 2, classes)."""
        rows = dealt(len(x))
        votes = np.zeros((len(x), 2, base.num_classes), "int32")
        images = max(1, min(_IMAGES, len(rows)))
        each = max(1, min(self.n, (batch_size or usual()) // images))
        done = 0

        def work(part: np.ndarray) -> list[np.ndarray]:
            key = random.keys(seed, index[part])
            return [
                counted(base, x[part], random.fold_in(key, stream), sigma, draws, each)
                for stream, draws in ((_SELECT, self.n0), (_ESTIMATE, self.n))
            ]

        for part, found in in_batches(base, rows, images, work):
            votes[part] = np.stack([each_stream[: len(part)] for each_stream in found], axis=1)
            done += len(part)
            tell(done)
        return votes[rows]


def counted(model: Classifier, x: np.ndarray, key: Any, sigma: float, draws: int, each: int) -> np.ndarray:
    """How often each class is answered under noise, int32 (batch, classes).

    Args:
        model: The base classifier.
        x: Images, float32 (batch, ...).
        key: Their keys of this stream (batch, 2).
        sigma: Standard deviation of the noise, in input units.
        draws: How many for each image.
        each: How many of them in one forward pass.
    """

    def vote(x: Any, key: Any, draws: Any) -> Any:
        repeated, keys = ops.repeat(x, each, axis=0), ops.repeat(key, each, axis=0)
        place = ops.reshape(ops.zeros_like(key[:, :1]) + ops.cast(np.arange(each), "uint32")[None, :], (-1,))

        def step(turn: Any, state: Any) -> Any:
            own = ops.cast(turn * each, "uint32") + place
            noise = random.normal(random.fold_in(keys, own), x.shape[1:])
            answer = ops.argmax(model(repeated + sigma * noise), axis=-1)
            votes = ops.one_hot(answer, model.num_classes, dtype="int32")
            votes *= ops.cast(ops.cast(own, "int32") < draws, "int32")[:, None]
            return (state[0] + ops.sum(ops.reshape(votes, (-1, each, model.num_classes)), axis=1),)

        begun = ops.zeros((ops.shape(x)[0], model.num_classes), "int32")
        return backend.loop((draws + each - 1) // each, step, (begun,))[1][0]

    graph = model.compiled(("smoothing", sigma, each), vote)
    pixels = backend.shard(ops.convert_to_tensor(x, "float32"))
    return ops.convert_to_numpy(graph(pixels, ops.convert_to_tensor(key), ops.convert_to_tensor(draws, "int32")))

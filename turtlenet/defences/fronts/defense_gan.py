"""Defense-GAN: the image nearest to the input that a generator can make."""

import math
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from turtlenet import backend, gradient_mode
from turtlenet.architectures import fronts
from turtlenet.defences.base import registered
from turtlenet.defences.fronts.base import Front
from turtlenet.errors import SettingError

_MOST = 100_000


@registered("defense-gan")
class DefenseGAN(Front):
    """Projects an image onto the range of a generator G of clean images (Samangouei et al., 2018, section 3).

    z* = argmin ||G(z) - x||^2 by gradient descent from several starts; the model sees G(z*) of the best. The loss is
    the mean square over the values of an image with pixels in [0, 1], so `rate` does not depend on its size.

    The search gives the framework no gradient: the naive one is 0. An attacker differentiates a few further steps of
    it from z* on, and G; or goes straight through all of it, as if it gave the image itself (BPDA, Athalye et al.,
    2018). The starts are drawn once and are the same for every image; fresh ones each time would make the model random
    besides.

    Args:
        front: Its file, as `turtlenet defence train defense-gan` wrote it.
        steps: Steps of gradient descent L.
        rate: Their rate.
        restarts: Starts R.
        unrolled: Further steps that an attacker differentiates through; 0 goes straight through all of it.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No file, or a number out of its range.
        ModelError: A file that is no such front's, or one for images of another shape or range.
    """

    names_of_sizes: ClassVar[tuple[str, ...]] = ("latent", "width")

    def __init__(
        self,
        *,
        front: str = "",
        steps: int = 200,
        rate: float = 10.0,
        restarts: int = 10,
        unrolled: int = 5,
        **settings: Any,
    ):
        super().__init__(front=front, **settings)
        for name, value, least in (("steps", steps, 1), ("restarts", restarts, 1), ("unrolled", unrolled, 0)):
            if not least <= value <= _MOST:
                raise SettingError(f"Expected {name} from {least} to {_MOST:,}; got {value}.")
        if not 0 < rate < math.inf:
            raise SettingError(f"Expected rate > 0; got {rate}.")
        self.steps, self.rate = int(steps), float(rate)
        self.restarts, self.unrolled = int(restarts), int(unrolled)
        through = f"{unrolled} further steps of its search, unrolled" if unrolled else "straight through (BPDA)"
        self.adaptive = through  # type: ignore[misc]

    @classmethod
    def network_of(
        cls, shape: tuple[int, ...], bounds: tuple[float, float], sizes: dict[str, int], seed: int = 0
    ) -> keras.Model:
        """See `Front.network_of`; sizes are those of `turtlenet.architectures.fronts.latent_generator`."""
        width, latent = sizes["width"] or 64, sizes["latent"] or 128
        return fronts.latent_generator(shape, bounds=bounds, width=width, latent=latent, seed=seed)

    def call(self, x: Any) -> Any:
        """Keras's word for it; the search is made once, also where an attacker goes on from its end."""
        if not self.unrolled or gradient_mode.current() != "adaptive" or gradient_mode.past() is self:
            return super().call(x)
        z = self._searched(x)
        return self.straight_through(self._image(z, x), self._image(self._further(z, x), x))

    def defend(self, x: Any) -> Any:
        return self._image(self._searched(x), x)

    def surrogate(self, x: Any) -> Any:
        return self._image(self._further(self._searched(x), x), x) if self.unrolled else x

    def _image(self, z: Any, x: Any) -> Any:
        return ops.cast(self.network(z, training=False), x.dtype)

    def _searched(self, x: Any) -> Any:
        """The best z of all starts, (batch, latent); no gradient goes through it."""
        wanted = ops.stop_gradient(self._flat(x))
        starts = np.random.default_rng(0).normal(size=(self.restarts, self.network.input_shape[-1])).astype("float32")
        z = ops.reshape(ops.zeros_like(wanted[:, None, :1]) + ops.convert_to_tensor(starts), (-1, starts.shape[1]))
        # Weights that nothing is differentiated at: a loop has no gradient on JAX, where it carries them from step to
        # step.
        held = [(each, ops.stop_gradient(ops.convert_to_tensor(each))) for each in self.network.variables]
        with keras.StatelessScope(state_mapping=held):
            many = ops.repeat(wanted, self.restarts, axis=0)
            _, (z,) = backend.loop(self.steps, lambda _, state: (self._stepped(state[0], many),), (z,))
            errors = ops.reshape(self._errors(z, many), (-1, self.restarts, 1))
        z = ops.reshape(z, (-1, self.restarts, starts.shape[1]))
        return ops.stop_gradient(ops.take_along_axis(z, ops.argmin(errors, axis=1, keepdims=True), axis=1)[:, 0])

    def _further(self, z: Any, x: Any) -> Any:
        """The point that `unrolled` steps more lead to, as a function of the image."""
        wanted = self._flat(x)
        for _ in range(self.unrolled):
            z = self._stepped(z, wanted)
        return z

    def _stepped(self, z: Any, wanted: Any) -> Any:
        _, _, slope = backend.input_gradient(lambda at: (self._errors(at, wanted), ()), z)
        return z - self.rate * slope

    def _errors(self, z: Any, wanted: Any) -> Any:
        """Mean squares of G(z) - x, (batch,)."""
        return ops.mean(ops.square(self._flat(self.network(z, training=False)) - wanted), axis=1)

    def _flat(self, images: Any) -> Any:
        """Pixels in [0, 1], float32 (batch, values)."""
        return ops.reshape(self.unit(ops.cast(images, "float32")), (-1, math.prod(self.shape)))

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        searched = {"steps": self.steps, "rate": self.rate, "restarts": self.restarts, "unrolled": self.unrolled}
        return {**super().get_config(), **searched}

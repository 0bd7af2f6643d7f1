"""What every trained front is: a defence around a network whose weights lie in the model's own file."""

from typing import Any, ClassVar

import keras

from turtlenet.defences.base import Defence, defences
from turtlenet.defences.fronts.files import read_front
from turtlenet.errors import ModelError, SettingError
from turtlenet.registry import enclosed

_LARGEST = 65_536


class Front(Defence):
    """A trained network in front of a model, which gives an image that is to be cleaner.

    `turtlenet defence train` makes its file. The network's sizes are part of the layer's config and its weights are
    weights of the model that the layer stands in, so a hardened file needs no other one. It is not trained any
    further with the model behind it.

    Args:
        front: Its file, as `turtlenet defence train` wrote it.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: No file.
        ModelError: A file that is no front's, that of another defence, or one for pixels of another range.
    """

    names_of_sizes: ClassVar[tuple[str, ...]] = ("width",)
    """The sizes that its network is built of."""

    def __init__(self, *, front: str = "", **settings: Any):
        shape, sizes = settings.pop("shape", None), settings.pop("sizes", None)
        settings.setdefault("trainable", False)
        super().__init__(**settings)
        self.front = front
        self.loaded: Any = None
        if front:
            self._take(front)
        elif shape is None:
            name = defences.name_of(type(self))
            raise SettingError(
                f"Expected {name}:front=FRONT.h5, made by turtlenet defence train {name} MODEL.h5; got none."
            )
        else:
            self.shape, self.sizes = _checked_shape(shape), self._checked_sizes(sizes)

    @classmethod
    def network_of(
        cls, shape: tuple[int, ...], bounds: tuple[float, float], sizes: dict[str, int], seed: int = 0
    ) -> keras.Model:
        """Builds the network with fresh weights.

        Raises:
            ModelError: A shape that it cannot be built for.
        """
        raise NotImplementedError

    def _take(self, path: str) -> None:
        """Takes a file's network.

        Raises:
            ModelError: See the class.
        """
        found, name = read_front(path), defences.name_of(type(self))
        if found.kind != name:
            raise ModelError(f"Expected a front of {name} at {path}; got one of {found.kind[:40]}.")
        if found.bounds != self.bounds:
            raise ModelError(
                f"Expected a front for pixels in [{self.low:g}, {self.high:g}], as the model's; got {path} for "
                f"[{found.bounds[0]:g}, {found.bounds[1]:g}]."
            )
        self.shape, self.sizes, self.loaded = found.shape, self._checked_sizes(found.sizes), found.weights

    def build(self, input_shape: Any) -> None:
        """Builds the network, and gives it the weights of its file.

        Raises:
            ModelError: Images of another shape than it was trained for, or weights of another network.
        """
        shape = tuple(input_shape[1:])
        if shape != self.shape:
            what = f" {self.front}" if self.front else ""
            raise ModelError(
                f"Expected images of shape {self.shape}, which the front{what} was trained for; got {shape}."
            )
        self.network = self.network_of(self.shape, self.bounds, self.sizes)
        self.network.trainable = self.trainable
        if self.loaded is not None:
            wanted = [tuple(weight.shape) for weight in self.network.weights]
            if [value.shape for value in self.loaded] != wanted:
                raise ModelError(f"Expected the weights of its own network in the front {self.front}; got others.")
            self.network.set_weights(self.loaded)
            self.loaded = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Front":
        """Builds the layer of a description, which has the network's sizes and never says where a file is.

        Raises:
            ModelError: A place of a file, or no shape and no sizes.
        """
        if config.get("front"):
            raise ModelError(
                "Expected the sizes of a front in its layer's description; got the place of a file, which was not "
                "looked at."
            )
        # Keras wraps whatever a constructor raises in pages of its own.
        _checked_shape(config.get("shape"))
        cls._checked_sizes(config.get("sizes"))
        made: Front = super().from_config({name: value for name, value in config.items() if name != "front"})
        return made

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "shape": list(self.shape), "sizes": dict(self.sizes)}

    def __str__(self) -> str:
        """The spec that builds this layer; without `front=` where it came in a model's file."""
        plain = super().__str__()
        if not self.front:
            return plain
        name, colon, settings = plain.partition(":")
        return f"{name}:front={enclosed(self.front)}{',' if colon else ''}{settings}"

    @classmethod
    def _checked_sizes(cls, sizes: Any) -> dict[str, int]:
        """The network's sizes.

        Raises:
            ModelError: Others than it has, or one that is no size, as a damaged file may have them.
        """
        named = isinstance(sizes, dict) and set(sizes) == set(cls.names_of_sizes)
        if not named or not all(type(size) is int and 0 <= size <= _LARGEST for size in sizes.values()):
            raise ModelError(
                f"Expected {', '.join(cls.names_of_sizes)} of a front's network, up to {_LARGEST:,}; got "
                f"{str(sizes)[:60]}."
            )
        return dict(sizes)


def _checked_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list | tuple) or not shape or not all(type(side) is int and side > 0 for side in shape):
        raise ModelError(f"Expected the shape of a front's images; got {str(shape)[:60]}.")
    return tuple(shape)

"""Which models a detector for images can look at."""

from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError
from turtlenet.input_kind import kind_of


def check_images(model: Classifier, name: str, window: int = 1) -> None:
    """Refuses inputs that are no images, or that a window does not fit into.

    Args:
        model: The classifier.
        name: The detector, for messages.
        window: The side of its largest window, in pixels.

    Raises:
        ModelError: Inputs of other axes than height, width and channels.
        SettingError: Images that are smaller than the window.
    """
    shape = model.input_shape
    if len(shape) != 3:
        raise ModelError(
            f"Expected images (height, width, channels) for {name}; got {kind_of(shape).examples} of shape {shape}."
        )
    if window > min(shape[:2]):
        raise SettingError(f"Expected a window of at most {min(shape[:2])} pixels for {name}; got {window}.")

"""Several processes: what they must not do."""

from turtlenet import backend
from turtlenet.errors import SettingError


def check_alone(what: str, instead: str = "") -> None:
    """Refuses a cluster, where every process would do the same by itself and come to another end.

    Raises:
        SettingError: Several processes.
    """
    if backend.process()[1] > 1:
        raise SettingError(f"Expected one process {what}; got a cluster{': ' if instead else ''}{instead}.")

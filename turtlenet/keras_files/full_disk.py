"""Asks for a file's room before libhdf5 writes to it.

Where a disk is full libhdf5 fails again at each thing that it lets go, with a traceback for each, and may crash at the
next file that the process opens. So the system is asked first, in a way that it answers with one error.
"""

import errno
import math
import os
from pathlib import Path
from typing import Any

# What a file has besides numbers: names, descriptions, and HDF5's own pages.
_BESIDES, _EACH = 1 << 18, 1 << 12


def check_space(path: Path, model: Any) -> None:
    """Makes a file of the size that a model will have, and takes it away again.

    Args:
        path: Where the model will be written; nothing is there afterwards.
        model: A Keras model, with its optimizer if it has one.

    Raises:
        OSError: No room for it: a full disk, a quota, a limit of the process.
    """
    optimizer = getattr(getattr(model, "optimizer", None), "variables", None) or []
    variables = [*model.weights, *optimizer]
    size = sum(math.prod(each.shape) * (8 if "64" in str(each.dtype) else 4) for each in variables)
    size += _BESIDES + _EACH * len(variables)
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        # A file system that cannot be asked.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    finally:
        path.unlink(missing_ok=True)

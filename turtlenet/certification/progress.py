"""The file that keeps what a certification knows on its way, so that a run that was stopped continues."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.certification.methods import CertificationState
from turtlenet.errors import DataError, one_line
from turtlenet.files import make_folder, write_whole
from turtlenet.files.numpy_files import check_arrays

ARRAYS = ("clean", "verdict", "method", "margin")
"""The arrays of `CertificationState` that are kept, each of shape (images,)."""


class Progress:
    """What is known of the images of one certification, kept in an `.npz` file.

    Args:
        path: The file; None to keep nothing.
        *identity: What tells this certification from others: the hash of the model, the threat, the method ... A file
            of another one is passed over.
    """

    def __init__(self, path: Path | None, *identity: Any):
        self.path = path
        self.identity = hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def write(self, found: CertificationState) -> None:
        """Keeps what is known so far.

        Raises:
            OutputError: The folder of the file cannot be made, or it cannot be written.
        """
        if self.path is None:
            return
        arrays = {name: getattr(found, name) for name in ARRAYS}
        make_folder(self.path.parent)
        whose, done = np.array(self.identity), np.array(found.done)
        write_whole(self.path, lambda file: np.savez(file, identity=whose, done=done, **arrays))

    def read(self, count: int) -> CertificationState | None:
        """What an earlier run of the very same certification wrote, if anything.

        Args:
            count: How many images there are.

        Raises:
            DataError: A file that is damaged.
        """
        if self.path is None or not self.path.exists():
            return None
        check_arrays(self.path)
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                whose, done = str(data["identity"]), int(data["done"])
                arrays = {name: data[name] for name in ARRAYS}
        except Exception as error:  # Damaged bytes fail in as many ways as there are libraries below.
            reason = one_line(error, 120)
            raise DataError(
                f"Expected what a certification wrote on its way in {self.path}; it is damaged: {reason}: leave out "
                "--resume to start anew."
            ) from None
        like = CertificationState.empty(count)
        fits = all(
            arrays[name].shape == (count,) and arrays[name].dtype == getattr(like, name).dtype for name in ARRAYS
        )
        return (
            CertificationState(**arrays, done=done) if whose == self.identity and fits and 0 <= done <= count else None
        )

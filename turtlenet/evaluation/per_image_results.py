"""What is known of each image so far, attack by attack; can be written down and read back between two blocks."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.errors import DataError, one_line
from turtlenet.files import make_folder, write_whole
from turtlenet.files.numpy_files import check_arrays

BY_IMAGE = ("labels", "clean", "clean_confidence", "clean_parts")
"""What is known of an image before any attack."""
_DISTANCES = ("linf", "l2", "l1", "l0", "psnr", "ssim")


@dataclass
class PerImageResults:
    """Per-image results of all attacks.

    Attributes:
        labels: True labels, int32 (n,).
        clean: Predictions before any attack, int32 (n,).
        clean_confidence: Probability of each of them, float64 (n,); NaN where nothing was predicted yet.
        attacked: Whether an attack was run on an image, bool (attacks, n).
        reached: Whether it reached its goal there.
        correct: Whether the image is classified correctly after it; as `clean` says where it was not run.
        prediction: The answer after it, int32; -1 where it was not run.
        confidence: Probability of that answer, float64; NaN where it was not run.
        loss: Cross-entropy after it, float64; NaN where it was not run.
        distance: `linf`, `l2`, `l1`, `l0`, `psnr`, `ssim` of each example found, float64; NaN where there is none.
        minimum: Length of each successful perturbation in the attack's norm, float64; infinite where it failed, NaN
            where it was not run. Of an attack that minimizes it: the smallest found, beyond the radius too.
        gradients: Input gradients computed for each image, int64.
        queries: Forward passes without a gradient for each image, int64.
        part: Number of the attack's round (see `Attack.rounds`) that reached its goal, int64; -1 where none did.
        near: Whether what it found lies within the threat, wherever it was looked for, bool.
        lucky: Whether a success of a random model did not happen again in other draws, bool.
        fooled: Of a random model: fresh draws, one at a time, in which what was found within the threat is answered
            wrongly, int64.
        draws: Such draws in all, int64; 0 of other models.
        undone: Whether it reached its goal, and keeping the rules of the features took that away again, bool.
        clean_parts: Which parts of the answer hold before any attack (see `Task.part_names`), bool (n, parts).
        parts: Which hold after each attack, bool (attacks, n, parts); as before where it was not run.
        cost: Seconds, gradients and queries, float64 (attacks, 3).
        done: Images finished: the next block starts here.
    """

    labels: np.ndarray
    clean: np.ndarray
    clean_confidence: np.ndarray
    attacked: np.ndarray
    reached: np.ndarray
    correct: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray
    loss: np.ndarray
    distance: dict[str, np.ndarray]
    minimum: np.ndarray
    gradients: np.ndarray
    queries: np.ndarray
    part: np.ndarray
    near: np.ndarray
    lucky: np.ndarray
    fooled: np.ndarray
    draws: np.ndarray
    undone: np.ndarray
    clean_parts: np.ndarray
    parts: np.ndarray
    cost: np.ndarray
    done: int = 0

    @staticmethod
    def empty(labels: np.ndarray, attacks: int, parts: int = 0) -> "PerImageResults":
        """Nothing known yet of answers of so many parts."""
        shape = (attacks, len(labels))
        return PerImageResults(
            labels=labels,
            clean=np.full(len(labels), -1, "int32"),
            clean_confidence=np.full(len(labels), np.nan),
            attacked=np.zeros(shape, bool),
            reached=np.zeros(shape, bool),
            correct=np.zeros(shape, bool),
            prediction=np.full(shape, -1, "int32"),
            confidence=np.full(shape, np.nan),
            loss=np.full(shape, np.nan),
            distance={name: np.full(shape, np.nan) for name in _DISTANCES},
            minimum=np.full(shape, np.nan),
            gradients=np.zeros(shape, "int64"),
            queries=np.zeros(shape, "int64"),
            part=np.full(shape, -1, "int64"),
            near=np.zeros(shape, bool),
            lucky=np.zeros(shape, bool),
            fooled=np.zeros(shape, "int64"),
            draws=np.zeros(shape, "int64"),
            undone=np.zeros(shape, bool),
            clean_parts=np.zeros((len(labels), parts), bool),
            parts=np.zeros((*shape, parts), bool),
            cost=np.zeros((attacks, 3)),
        )

    @property
    def right(self) -> np.ndarray:
        """Images classified correctly before any attack, bool (n,)."""
        return self.clean == self.labels

    @property
    def robust(self) -> np.ndarray:
        """Images on which every attack failed, bool (n,)."""
        return self.right & self.correct.all(axis=0)

    @property
    def chance(self) -> np.ndarray:
        """Share of the fresh draws in which what was found is answered wrongly, float64 (attacks, n); 0 of none."""
        return np.asarray(self.fooled / np.maximum(self.draws, 1))

    def settled(self, rows: np.ndarray) -> np.ndarray:
        """Images that an attack broke so that no other can make it worse, bool (attacks, m).

        Those of a random model were answered wrongly in every fresh draw too.

        Args:
            rows: Places of the images, int (m,).
        """
        broken: np.ndarray = self.attacked[:, rows] & ~self.correct[:, rows]
        return broken & (self.fooled[:, rows] == self.draws[:, rows])

    def only(self, counted: Sequence[bool]) -> "PerImageResults":
        """The results of the attacks that count alone; `counted` says which those are."""
        rows = np.flatnonzero(counted)
        by_attack = [name for name in vars(self) if name not in (*BY_IMAGE, "distance", "done")]
        distance = {name: values[rows] for name, values in self.distance.items()}
        return dataclasses.replace(self, distance=distance, **{name: getattr(self, name)[rows] for name in by_attack})

    def of(self, rows: np.ndarray) -> "PerImageResults":
        """The results of some images alone; `rows` are their places, int (m,)."""
        cut = {
            name: value[rows] if name in BY_IMAGE else value[:, rows]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray) and name != "cost"
        }
        distance = {name: values[:, rows] for name, values in self.distance.items()}
        return dataclasses.replace(self, distance=distance, done=min(self.done, len(rows)), **cut)

    def but(self, counted: Sequence[bool]) -> "PerImageResults":
        """The results as if the attacks that do not count had broken only what lies within the threat."""
        elsewhere = self.right & (self.correct | ~self.near)
        correct = np.where(np.asarray(counted, bool)[:, None], self.correct, elsewhere)
        parts = np.where(np.asarray(counted, bool)[:, None, None], self.parts, self.clean_parts)
        parts &= self.parts | ~self.near[..., None]
        return dataclasses.replace(self, correct=correct, parts=parts)

    def write(self, path: Path, identity: str) -> None:
        """Writes all at once or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        arrays: dict[str, Any] = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        arrays |= {f"distance_{name}": value for name, value in self.distance.items()}
        write_progress(path, identity, self.done, arrays)

    @staticmethod
    def read(path: Path, identity: str) -> "PerImageResults | None":
        """What an earlier run of the very same evaluation wrote, if anything.

        Raises:
            DataError: A file that is damaged.
        """
        written = read_progress(path, identity)
        if written is None:
            return None
        done, arrays = written
        try:
            distance = {name: arrays.pop(f"distance_{name}") for name in _DISTANCES}
            per_image = PerImageResults(distance=distance, done=done, **arrays)
        except (KeyError, TypeError):
            # An older version wrote it, who did not note all of this.
            return None
        if not per_image.is_whole():
            raise _damaged(path, "arrays that do not fit each other")
        return per_image

    def is_whole(self) -> bool:
        """Whether all arrays are those of as many images and attacks as `labels` and `cost` say."""
        like = (
            PerImageResults.empty(self.labels, len(self.cost), self.clean_parts.shape[1])
            if self.labels.ndim == 1 and self.cost.ndim == self.clean_parts.ndim == 2
            else None
        )
        if like is None or not 0 <= self.done <= len(self.labels):
            return False
        own, expected = ({**vars(each), **each.distance} for each in (self, like))
        return all(
            getattr(own[name], "shape", None) == value.shape and own[name].dtype.kind == value.dtype.kind
            for name, value in expected.items()
            if isinstance(value, np.ndarray) and name != "labels"
        )


def write_progress(path: Path, identity: str, done: int, arrays: dict[str, Any]) -> None:
    """Writes down, at once or not at all, how far a run is, in a folder that is made if it is not there.

    Args:
        path: The file.
        identity: Tells this run from others.
        done: How much is done.
        arrays: What is known so far.

    Raises:
        OutputError: The file cannot be written.
    """
    make_folder(path.parent)
    note = np.array(json.dumps([identity, done]))
    write_whole(path, lambda file: np.savez(file, identity=note, **arrays))


def read_progress(path: Path, identity: str) -> tuple[int, dict[str, np.ndarray]] | None:
    """What a run wrote down on its way: how much is done, and its arrays.

    Returns:
        None where there is no file, or that of another run.

    Raises:
        DataError: A file that is damaged.
    """
    if not path.exists():
        return None
    check_arrays(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        whose, done = json.loads(str(arrays.pop("identity")))
    except Exception as error:  # Damaged bytes fail in as many ways as there are libraries below.
        raise _damaged(path, one_line(error, 120)) from None
    if not isinstance(whose, str) or type(done) is not int:
        raise _damaged(path, "no word of whose it is")
    return (done, arrays) if whose == identity else None


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(
        f"Expected what an evaluation wrote on its way in {path}; it is damaged: {reason}: leave out --resume to "
        "start anew."
    )

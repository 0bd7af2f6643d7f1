"""Draws the embedded MNIST sample from a complete `mnist.npz`.

    python benchmarks/make_mnist_sample.py mnist.npz --out turtlenet/data/mnist_sample.npz

The same input and seed give the same images; the same zlib gives the same bytes. Prints the file's size and sha256.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

CLASSES = 10
PER_CLASS = {"train": 1000, "test": 200}


def draw(labels: np.ndarray, per_class: int, random: np.random.RandomState) -> np.ndarray:
    """Positions of `per_class` examples of each class, without repeats, shuffled."""
    drawn = [random.permutation(np.flatnonzero(labels == label))[:per_class] for label in range(CLASSES)]
    short = [label for label, found in enumerate(drawn) if len(found) < per_class]
    if short:
        raise SystemExit(f"Expected {per_class} examples of every class; got fewer of {short}.")
    return random.permutation(np.concatenate(drawn))


def sample(source: Path, seed: int) -> dict[str, np.ndarray]:
    """The sample as uint8 arrays: `x_*` are `(N, 28, 28)`, `y_*` are `(N,)`."""
    # NumPy promises that RandomState never changes what a seed gives.
    random = np.random.RandomState(seed)
    arrays = {}
    with np.load(source, allow_pickle=False) as archive:
        for part, per_class in PER_CLASS.items():
            images, labels = archive[f"x_{part}"], archive[f"y_{part}"]
            chosen = draw(labels, per_class, random)
            arrays[f"x_{part}"] = images[chosen].astype(np.uint8)
            arrays[f"y_{part}"] = labels[chosen].astype(np.uint8)
    return arrays


def main() -> None:
    """Reads the arguments, draws, writes, and prints what was written."""
    parser = argparse.ArgumentParser(description="Draw a class-balanced sample of MNIST.")
    parser.add_argument("source", type=Path, help="a complete mnist.npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--out", type=Path, default=Path("turtlenet/data/mnist_sample.npz"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    unfinished = arguments.out.with_suffix(".tmp.npz")
    np.savez_compressed(unfinished, **sample(arguments.source, arguments.seed))
    unfinished.replace(arguments.out)
    content = arguments.out.read_bytes()
    print(f"{arguments.out}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()

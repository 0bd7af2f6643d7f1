"""What the papers say, as fractions; None where a figure has a bar and no number."""

from typing import NamedTuple

__all__ = ["GUAN", "GUAN_UNCERTAINTY", "QUSECNETS", "TARAN", "TARAN_CW", "Guan", "Uncertainty"]

QUSECNETS = {"natural-none": 0.0148, "natural-cq-2": 0.9751}
"""Papers 000 and 002: accuracy under white-box FGSM, eps 0.3, MNIST. The number of levels is our reading."""


class Guan(NamedTuple):
    """A row of paper 001's Tables 1 and 2: accuracy of one draw and of 50."""

    clean: tuple[float, float]
    fgsm: tuple[float, float]
    jsma: tuple[float, float]
    pgd: tuple[float, float]


GUAN = {
    "rand-bnn-0.05": Guan((0.624, 0.832), (0.456, 0.588), (0.128, 0.114), (0.098, 0.052)),
    "rand-bnn-0": Guan((0.828, 0.936), (0.564, 0.764), (0.470, 0.680), (0.074, 0.066)),
    "bnn": Guan((0.920, 0.976), (0.462, 0.562), (0.382, 0.514), (0.116, 0.090)),
    "2-bit": Guan((0.966, 0.992), (0.642, 0.702), (0.328, 0.358), (0.016, 0.016)),
    "3-bit": Guan((0.968, 0.992), (0.520, 0.550), (0.404, 0.442), (0.008, 0.008)),
    "4-bit": Guan((0.976, 0.990), (0.474, 0.516), (0.238, 0.214), (0.036, 0.034)),
    "full-precision": Guan((0.982, 0.994), (0.458, 0.450), (0.328, 0.352), (0.006, 0.006)),
}


class Uncertainty(NamedTuple):
    """A row of paper 001's Tables 3 and 4: means of eq. 12, and the accuracy of the logistic regression."""

    clean: float
    fgsm: float
    fgsm_detected: float
    jsma: float
    jsma_detected: float
    pgd: float
    pgd_detected: float


GUAN_UNCERTAINTY = {
    "rand-bnn-0.05": Uncertainty(1.11e-2, 1.10e-2, 0.497, 6.51e-4, 0.633, 2.49e-3, 0.524),
    "rand-bnn-0": Uncertainty(1.08e-2, 1.84e-2, 0.711, 1.65e-2, 0.760, 1.06e-2, 0.542),
    "bnn": Uncertainty(5.97e-3, 1.12e-2, 0.668, 1.80e-2, 0.746, 1.06e-2, 0.683),
    "2-bit": Uncertainty(2.84e-3, 1.31e-2, 0.776, 1.82e-2, 0.866, 1.73e-4, 0.529),
    "3-bit": Uncertainty(3.08e-3, 1.39e-2, 0.782, 1.97e-2, 0.851, 2.85e-4, 0.515),
    "4-bit": Uncertainty(2.46e-3, 1.51e-2, 0.805, 1.97e-2, 0.807, 4.80e-3, 0.559),
    "full-precision": Uncertainty(9.62e-4, 1.07e-2, 0.824, 3.17e-2, 0.939, 6.68e-4, 0.514),
}

TARAN = {
    "mnist": {"classical": (0.010, 0.921), "permuted": (0.014, 0.180)},
    "fashion-mnist": {"classical": (0.086, 0.606), "permuted": (0.112, 0.275)},
}
"""Paper 004, Table 3, FGSM: error on the first 1,000 test images, original and attacked."""

TARAN_CW = {
    "mnist": {"classical": (0.010, 1.0), "permuted": (0.030, 0.0864)},
    "fashion-mnist": {"classical": (0.075, 1.0), "permuted": (0.115, 0.1212)},
}
"""The same of the L2 attack of Carlini & Wagner, on another net than FGSM's."""

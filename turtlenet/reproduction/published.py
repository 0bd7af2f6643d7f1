"""What the papers say, as fractions; None where a figure has a bar and no number."""

from typing import NamedTuple

__all__ = [
    "FIGURE_6",
    "GUAN",
    "GUAN_UNCERTAINTY",
    "QUSECNETS",
    "SUITES",
    "TARAN",
    "TARAN_CW",
    "Figure6",
    "Guan",
    "Uncertainty",
]

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


class Figure6(NamedTuple):
    """A row of paper 003's Figure 6: what an attack leaves of a naturally trained net, on 10,000 test images."""

    accuracy: float
    loss: float
    seconds: float


FIGURE_6 = {
    "clean": Figure6(0.9886, 0.0406, 0.0),
    "mim": Figure6(0.0927, 9.611, 53.58),
    "madry": Figure6(0.0685, 12.185, 53.07),
    "bim": Figure6(0.0703, 14.372, 53.08),
    "pgd": Figure6(0.0684, 12.218, 54.56),
    "fgsm": Figure6(0.1509, 2.641, 5.48),
    "advgan": Figure6(0.1012, 7.849, 2.57),
}

SUITES: dict[str, dict[str, float]] = {
    "gano-turtlenet": {name: figure.accuracy for name, figure in FIGURE_6.items()},
    "gano-cifar10": {"clean": 0.706, "pgd": 0.055, "fgsm": 0.081, "bim": 0.121},
    "qusecnets-natural-none": {"fgsm": 0.0148, "cw": 0.0},
    "qusecnets-natural-cq-2": {"fgsm": 0.9751, "cw": 0.88},
    "guan-full-precision": {"clean": 0.982, "fgsm": 0.458, "pgd": 0.006, "jsma": 0.328},
    "guan-bnn": {"clean": 0.920, "fgsm": 0.462, "pgd": 0.116, "jsma": 0.382},
    "guan-2-bit": {"clean": 0.966, "fgsm": 0.642, "pgd": 0.016, "jsma": 0.328},
    "taran-classical": {"clean": 0.990, "fgsm": 0.079, "cw": 0.0, "cw-l0": 0.0, "cw-linf": 0.0001},
    "taran-permuted": {"clean": 0.970, "fgsm": 0.82, "cw": 0.9136, "cw-l0": 0.8547, "cw-linf": 0.8776},
}
"""Accuracies beside a suite's: paper 003, Figure 6 and, of CIFAR-10, Table 1; 000 and 002, FGSM and C&W (of 100); 001,
Tables 1 and 2, one draw; 004, Table 3, whose two kinds of rows have clean accuracies of their own."""

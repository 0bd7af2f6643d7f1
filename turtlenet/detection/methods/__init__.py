"""The registered detectors, one a file."""

from turtlenet.detection.methods.convolutions import ConvolutionStatistics
from turtlenet.detection.methods.kernel_density import KernelDensity
from turtlenet.detection.methods.logistic import Logistic
from turtlenet.detection.methods.magnet import MagNetDivergence, MagNetError
from turtlenet.detection.methods.mixture import Mixture
from turtlenet.detection.methods.pca import PrincipalComponents
from turtlenet.detection.methods.squeezing import Squeezing
from turtlenet.detection.methods.subnetwork import Subnetwork
from turtlenet.detection.methods.together import Together

__all__ = [
    "ConvolutionStatistics",
    "KernelDensity",
    "Logistic",
    "MagNetDivergence",
    "MagNetError",
    "Mixture",
    "PrincipalComponents",
    "Squeezing",
    "Subnetwork",
    "Together",
]

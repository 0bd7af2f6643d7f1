"""Settings of `turtlenet certify` and `turtlenet.certify`."""

from dataclasses import dataclass

from turtlenet.files import PathType
from turtlenet.ranges import count, number, one_of
from turtlenet.settings import text
from turtlenet.settings.base import setting
from turtlenet.settings.common import ComputingSettings, PartSettings
from turtlenet.settings.train import ThreatSettings

METHODS = ("ibp", "crown", "alpha", "exact", "smoothing")


@dataclass(frozen=True, kw_only=True)
class CertifySettings(PartSettings, ThreatSettings, ComputingSettings):
    """How images are certified."""

    GROUP = "Method"

    method: str = one_of(
        "crown",
        METHODS,
        help="ibp, crown, alpha or exact, each asks those before it first; or smoothing, for norm l2.",
        more="Interval bounds, linear bounds, linear bounds with optimized slopes, mixed-integer programs; or "
        "randomized smoothing, which attacks nothing: its certificates are those of the majority over draws of noise.",
    )
    sigma: float | None = number(
        None, above=0, help="Noise of smoothing, in input units; that of the model's own gaussian-noise by default."
    )
    n0: int = count(100, low=1, help="Draws of smoothing that choose a class.")
    n: int = count(1000, low=1, help="Draws of smoothing that estimate its probability.")
    alpha: float = number(
        0.001, above=0, below=1, help="Probability that a certificate by smoothing is wrong.", note="a probability"
    )
    bound: str = one_of("cohen", ("cohen", "pixeldp"), help="Of smoothing: cohen, or pixeldp for its smaller radius.")
    exact: float | None = number(
        None,
        above=0,
        help="Seconds an image for method=exact, which this asks for; 60 by default.",
    )
    attack: str = setting(
        "pgd",
        "What attacks the images that bounds leave open, for the other end of the bar; none for nothing.",
        group="Attack",
    )
    batch_size: int | None = count(
        256,
        low=1,
        help="Images at a time for interval bounds and attacks, or auto.",
        more="In one compiled call; None for as many as fit. It changes the speed, not a verdict.",
        read=text.batch_size,
        group="Computing",
    )
    progress: PathType | None = setting(None, "Folder that keeps what is known while it runs.", flag=None)
    resume: bool = setting(False, "Continue a certification that was stopped.", group="Output")

"""Chooses the devices that compute, and whether XLA compiles."""

from turtlenet import backend
from turtlenet.checked import checked
from turtlenet.errors import at_least


@checked()
def configure(*, devices: int | None = None, cluster: bool = False, xla: bool = False) -> None:
    """Chooses what computes in this process; to be called once, before the first model is made.

    Args:
        devices: How many devices of this host share each batch: `keras.distribution.DataParallel` on JAX,
            `tf.distribute.MirroredStrategy` on TensorFlow. None takes one, or in a cluster all that a process sees. A
            host without accelerators is cut into so many virtual devices, which is for trying out.
        cluster: Whether this is one of several processes (JAX only). `KERAS_DISTRIBUTION_JOB_ADDRESSES`,
            `KERAS_DISTRIBUTION_NUM_PROCESSES` and `KERAS_DISTRIBUTION_PROCESS_ID` say which; see docs/scale.md.
        xla: Whether TensorFlow compiles with XLA on a CPU too.

    Raises:
        SettingError: Fewer devices, a cluster that cannot be joined, or one on TensorFlow.
    """
    if devices is not None:
        at_least(1, devices=devices)
    backend.configure(devices, cluster, xla)

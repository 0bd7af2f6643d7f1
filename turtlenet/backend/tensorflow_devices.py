"""Which devices compute, on TensorFlow: one host, with `tf.distribute.MirroredStrategy` over several devices."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from turtlenet.errors import SettingError

_asked = {"xla": False}


def configure(devices: int | None = None, cluster: bool = False, xla: bool = False) -> None:
    """Chooses what computes, before any model is made; see `turtlenet.configure`."""
    if cluster:
        raise SettingError("Expected KERAS_BACKEND=jax or torch for a cluster; got tensorflow, for one host here.")
    _asked["xla"] = xla
    if not devices or devices == 1:
        return
    strategy = tf.distribute.MirroredStrategy(_named(devices))
    tf.distribute.experimental_set_strategy(strategy)


def _named(count: int) -> list[str]:
    """The names of so many devices; a host without GPUs is cut into virtual ones."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and count > len(gpus):
        raise SettingError(f"Expected at most {len(gpus)} devices, as there are GPUs here; got {count}.")
    if not gpus and len(tf.config.get_visible_devices("CPU")) < count:
        cut = [tf.config.LogicalDeviceConfiguration()] * count
        with contextlib.suppress(RuntimeError):  # TensorFlow runs already: then what there is decides.
            tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], cut)
    kind = "GPU" if gpus else "CPU"
    there = len(tf.config.list_logical_devices(kind))
    if count > there:
        raise SettingError(f"Expected at most {there} devices, as there are {kind}s in this process; got {count}.")
    return [f"{kind}:{number}" for number in range(count)]


def in_graph(values: Iterable[Any]) -> bool:
    """Whether a function of the caller's is being traced, in which nothing can be computed now."""
    return not tf.executing_eagerly() or any(tf.is_symbolic_tensor(each) for each in values)


def process() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    return 0, 1


def shares() -> int:
    """How many devices share a batch of training."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def own(count: int) -> slice:
    """The part of a global batch of `count` rows that this process feeds to its devices: all of it."""
    return slice(0, count)


def uses_xla() -> bool:
    """Whether XLA compiles: on a GPU, or when asked for; around convolutions on a CPU it is many times slower."""
    return _asked["xla"] or (has_gpu() and shares() == 1)


@functools.cache
def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def devices() -> list[str]:
    """The kinds of device that TensorFlow sees, for the report: `CPU`, `GPU`."""
    return sorted({device.device_type for device in tf.config.list_logical_devices()})


def exact_products() -> str:
    """How to compute products in full float32, as certificates need it; empty where they are that already."""
    if devices() == ["CPU"] or not tf.config.experimental.tensor_float_32_execution_enabled():
        return ""
    return "CUDA_VISIBLE_DEVICES=-1 for the CPU, or tf.config.experimental.enable_tensor_float_32_execution(False)"


def replica() -> tuple[Any, int]:
    """The number of this replica, and how many there are, under `tf.distribute`."""
    context = tf.distribute.get_replica_context()
    if context is None:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def shard(x: Any) -> Any:
    """Spreads a batch over the devices, where they share it evenly."""
    strategy = tf.distribute.get_strategy()
    count = strategy.num_replicas_in_sync
    if count == 1 or x.shape[0] % count:
        return x
    parts = tf.split(x, count)
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )


def is_spread(args: Sequence[Any]) -> bool:
    """Whether any argument is spread over the devices."""
    return any(isinstance(each, tf.distribute.DistributedValues) for each in args)


def run_on_all(graph: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Calls a graph on every device and puts the batch together again."""
    strategy = tf.distribute.get_strategy()

    def whole(value: Any) -> Any:
        parts = strategy.experimental_local_results(value)
        # A scalar counts what was done for each example: the replica that took longest tells it.
        return tf.concat(parts, axis=0) if len(parts[0].shape) else tf.reduce_max(tf.stack(parts))

    return tf.nest.map_structure(whole, strategy.run(graph, args=tuple(args)))


def gather(work: Callable[[], Any]) -> list[Any]:
    """What `work` gives in each process: there is one."""
    return [work()]


def from_first(work: Callable[[], Any]) -> Any:
    """What `work` gives in the only process."""
    return work()


@contextlib.contextmanager
def together(variables: Callable[[], Sequence[Any]]) -> Iterator[None]:
    """All processes are one machine inside this context: there is one."""
    yield


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    return isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError))

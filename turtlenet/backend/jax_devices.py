"""Which devices and processes compute, on JAX: `keras.distribution` and JAX's own runtime.

An evaluation is spread by images: each process attacks its own share on its own devices and needs no other until the
results are gathered. A training step is one program over all devices of all processes (see `together`).
"""

import contextlib
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from turtlenet.backend.cluster import joining, named_cluster, settled
from turtlenet.errors import SettingError

# What pickled results are padded to: a few sizes, so that few programs are compiled for moving them.
_LEAST = 1 << 12
_MOST = (1 << 31) - 1

_chosen: list[Any] = []


def configure(devices: int | None = None, cluster: bool = False, xla: bool = False) -> None:
    """Chooses what computes, before any model is made; see `turtlenet.configure`."""
    if devices and "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        # A host without accelerators is cut into virtual devices; the others keep what they have.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices)
    if cluster:
        _join()
    here = jax.local_devices()
    if devices and devices > len(here):
        raise SettingError(
            f"Expected at most {len(here)} devices, as there are {here[0].platform.upper()}s here; got {devices}."
        )
    _chosen[:] = here[:devices] if devices else here if cluster else here[:1]
    keras.distribution.set_distribution(_over(_chosen) if len(_chosen) > 1 else None)


def _join() -> None:
    """Joins the processes that the environment names, as `keras.distribution.initialize` does."""
    cluster = named_cluster()
    with joining(cluster, cluster.addresses):
        keras.distribution.initialize()


def _over(devices: Sequence[Any]) -> Any:
    return keras.distribution.DataParallel(devices=list(devices), auto_shard_dataset=False)


def in_graph(values: Iterable[Any]) -> bool:
    """Whether any value stands for one that is not known yet, while a function of the caller's is traced."""
    return any(isinstance(each, jax.core.Tracer) for each in values)


def process() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    return jax.process_index(), jax.process_count()


def shares() -> int:
    """How many devices share a batch of training."""
    return max(1, len(_chosen)) * jax.process_count()


def own(count: int) -> slice:
    """The part of a global batch of `count` rows that this process feeds to its devices."""
    number, processes = process()
    return slice(number * count // processes, (number + 1) * count // processes)


def uses_xla() -> bool:
    """Whether XLA compiles: always, here."""
    return True


def devices() -> list[str]:
    """The kinds of device that JAX sees, for the report: `CPU`, `GPU`, `TPU`."""
    return sorted({device.platform.upper() for device in jax.devices()})


def exact_products() -> str:
    """How to compute products in full float32, as certificates need it; empty where they are that already."""
    if devices() == ["CPU"]:
        return ""
    # A TPU has no float32 products at all: the highest precision there puts them together from bfloat16.
    if "TPU" in devices():
        return "JAX_PLATFORMS=cpu"
    if jax.config.jax_default_matmul_precision in ("highest", "float32"):  # type: ignore[attr-defined]
        return ""
    return "JAX_DEFAULT_MATMUL_PRECISION=highest, or JAX_PLATFORMS=cpu"


def replica() -> tuple[Any, int]:
    """The number of this replica, and how many there are: JAX shards one program, so there is one."""
    return 0, 1


def shard(x: Any) -> Any:
    """Spreads a batch over this process's devices, where they share it evenly."""
    distribution = keras.distribution.distribution()
    if distribution is None or x.shape[0] % distribution.device_mesh.devices.size:
        return x
    return jax.device_put(x, distribution.get_data_layout(x.shape).backend_layout)


def gather(work: Callable[[], Any]) -> list[Any]:
    """What `work` gives in each process, by their numbers; an error in one of them is raised in all."""
    if jax.process_count() == 1:
        return [work()]
    outcomes = [pickle.loads(each) for each in _all(_outcome(work))]
    return [settled(*outcome) for outcome in outcomes]


def from_first(work: Callable[[], Any]) -> Any:
    """What `work` gives in process 0, which alone does it; an error there is raised in all."""
    if jax.process_count() == 1:
        return work()
    mine = _outcome(work) if jax.process_index() == 0 else b""
    size = int(multihost_utils.broadcast_one_to_all(np.array([len(mine)], "int32"))[0])
    held = np.zeros(_padded(size), "uint8")
    held[: len(mine)] = np.frombuffer(mine, "uint8")
    data = np.asarray(multihost_utils.broadcast_one_to_all(held))[:size]
    return settled(*pickle.loads(data.tobytes()))


def _outcome(work: Callable[[], Any]) -> bytes:
    """The result or the error, as bytes. They go between processes of one user's run: unpickling them is safe."""
    try:
        data = pickle.dumps((work(), None))
    except Exception as error:  # Whatever it is: the other processes are waiting.
        try:
            data = pickle.dumps((None, error))
            pickle.loads(data)
        except Exception:
            data = pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))
    if len(data) > _MOST:
        data = pickle.dumps((None, MemoryError(f"{len(data)} bytes of results in one process")))
    return data


def _all(mine: bytes) -> list[bytes]:
    """The bytes of all processes, in a collective of the runtime."""
    sizes = np.asarray(multihost_utils.process_allgather(np.array([len(mine)], "int32"))).reshape(-1)
    held = np.zeros(_padded(int(sizes.max())), "uint8")
    held[: len(mine)] = np.frombuffer(mine, "uint8")
    rows = np.asarray(multihost_utils.process_allgather(held))
    return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]


def _padded(size: int) -> int:
    return max(_LEAST, 1 << (size - 1).bit_length()) if size else _LEAST


@contextlib.contextmanager
def together(variables: Callable[[], Sequence[Any]]) -> Iterator[None]:
    """All processes are one machine inside this context: a program there spans all of their devices.

    Args:
        variables: Gives the variables that such programs read or change; they lie on every device inside, and on this
            process's own outside.
    """
    if jax.process_count() == 1:
        yield
        return
    before = keras.distribution.distribution()
    each = len(_chosen)
    everywhere = [
        device
        for number in range(jax.process_count())
        for device in [one for one in jax.devices() if one.process_index == number][:each]
    ]
    distribution = _over(everywhere)
    keras.distribution.set_distribution(distribution)
    _place(variables(), NamedSharding(distribution.device_mesh.backend_mesh, PartitionSpec()))
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)
    # Not after an error: a step that failed has given its buffers away.
    _place(variables(), before and NamedSharding(before.device_mesh.backend_mesh, PartitionSpec()))


def _place(variables: Sequence[Any], sharding: Any) -> None:
    for variable in variables:
        value = np.asarray(variable.value)
        variable._value = jnp.asarray(value) if sharding is None else _everywhere(value, sharding)


def _everywhere(value: np.ndarray, sharding: Any) -> Any:
    return jax.make_array_from_callback(value.shape, sharding, lambda part: value[part])


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    named = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return named or isinstance(error, MemoryError)

"""Which devices and processes compute, on PyTorch: one device a process, and `torch.distributed` over processes.

An evaluation is spread by images, as on JAX. A training step is the same program in every process on its own part of
the batch, with the sum of their gradients (data parallelism); statistics of batches are each process's own until the
end, where their mean is kept.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from keras.src.backend.torch.core import get_device
from torch import distributed

from turtlenet.backend.cluster import joining, named_cluster, settled
from turtlenet.errors import SettingError

_PATIENCE = timedelta(minutes=30)

_as_one = {"machine": False}


def configure(devices: int | None = None, cluster: bool = False, xla: bool = False) -> None:
    """Chooses what computes, before any model is made; see `turtlenet.configure`."""
    if devices and devices > 1:
        raise SettingError(
            f"Expected one device a process on torch; got {devices}: start {devices} processes as a cluster (see "
            "docs/scale.md), or take KERAS_BACKEND=jax."
        )
    if cluster and not _joined():
        _join()


def _join() -> None:
    """Joins the processes that the environment names, by the names that `keras.distribution.initialize` has."""
    cluster = named_cluster()
    with joining(cluster, cluster.first):
        # Results are objects on the host: gloo moves them; gradients of a GPU go through the host too.
        distributed.init_process_group(
            "gloo", f"tcp://{cluster.first}", _PATIENCE, world_size=cluster.processes, rank=cluster.number
        )


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def device() -> str:
    """Where Keras puts tensors: `cpu`, `cuda`, ..."""
    return str(get_device())


def in_graph(values: Iterable[Any]) -> bool:
    """Whether a function of the caller's is being traced, in which nothing can be computed now."""
    return bool(torch.compiler.is_compiling())


def process() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    return (distributed.get_rank(), distributed.get_world_size()) if _joined() else (0, 1)


def shares() -> int:
    """How many devices share a batch of training."""
    return process()[1]


def own(count: int) -> slice:
    """The part of a global batch of `count` rows that this process computes."""
    number, processes = process()
    return slice(number * count // processes, (number + 1) * count // processes)


def uses_xla() -> bool:
    """Whether XLA compiles: never, here."""
    return False


def devices() -> list[str]:
    """The kind of device that Keras computes on, for the report: `CPU`, `GPU`, ..."""
    kind = device().partition(":")[0]
    return ["GPU" if kind == "cuda" else kind.upper()]


def exact_products() -> str:
    """How to compute products in full float32, as certificates need it; empty where they are that already."""
    if devices() != ["GPU"] or not (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32):
        return ""
    return "NVIDIA_TF32_OVERRIDE=0, or KERAS_TORCH_DEVICE=cpu"


def replica() -> tuple[Any, int]:
    """The number of this replica of a training step, and how many there are."""
    return process() if _as_one["machine"] else (0, 1)


def shard(x: Any) -> Any:
    """The batch as it is: a process has one device."""
    return x


def gather(work: Callable[[], Any]) -> list[Any]:
    """What `work` gives in each process, by their numbers; an error in one of them is raised in all."""
    count = process()[1]
    if count == 1:
        return [work()]
    outcomes: list[Any] = [None] * count
    distributed.all_gather_object(outcomes, _outcome(work))
    return [settled(*outcome) for outcome in outcomes]


def from_first(work: Callable[[], Any]) -> Any:
    """What `work` gives in process 0, which alone does it; an error there is raised in all."""
    number, count = process()
    if count == 1:
        return work()
    outcome: list[Any] = [_outcome(work) if number == 0 else None]
    distributed.broadcast_object_list(outcome, src=0)
    return settled(*outcome[0])


def _outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # Whatever it is: the other processes are waiting.
        # Not the error itself: a class of one's own need not survive the way to another process.
        kept = error if type(error).__module__.startswith(("turtlenet", "builtins")) else None
        return None, kept or RuntimeError(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def together(variables: Callable[[], Sequence[Any]]) -> Iterator[None]:
    """All processes are one machine inside this context: steps of an optimizer take the sum of their gradients.

    Args:
        variables: Gives the variables that steps change; where processes came to values of their own, such as moving
            statistics, the mean is kept at the end.
    """
    if process()[1] == 1:
        yield
        return
    _as_one["machine"] = True
    try:
        yield
    finally:
        _as_one["machine"] = False
    for variable in variables():
        if variable.value.is_floating_point():
            variable.assign(_sum(variable.value.detach()) / process()[1])


def added_up(gradients: Sequence[Any]) -> Sequence[Any]:
    """The sums of the gradients of all processes that train together; a loss is divided by how many `replica` says."""
    if not _as_one["machine"]:
        return gradients
    return [None if slope is None else _sum(slope) for slope in gradients]


def _sum(value: Any) -> Any:
    total = value.detach().to("cpu", torch.float32, copy=True).contiguous()
    distributed.all_reduce(total)
    return total.to(value.device, value.dtype)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    # The allocator of the CPU raises a plain RuntimeError.
    named = isinstance(error, RuntimeError) and "not enough memory" in str(error)
    return named or isinstance(error, (torch.OutOfMemoryError, MemoryError))

"""PGD on PyTorch: by hand, by torchattacks and by Foolbox, each called as its own documentation does."""

import gc
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks.chips.contestant import Contestant
from benchmarks.chips.torch_nets import net
from benchmarks.chips.workload import Workload

__all__ = ["PEERS", "Foolbox", "Plain", "TorchPeer", "Torchattacks"]


class TorchPeer(Contestant):
    """A PyTorch model and something that attacks it.

    Args:
        compile: Whether the model goes through `torch.compile`.
    """

    packages = ("torch",)

    def __init__(self, *, compile: bool):
        self._compile = compile
        self._on = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._call: Callable[[], Any] | None = None

    def craft(self, model: nn.Module, x: Any, y: Any, workload: Workload) -> Any:
        """Adversarial examples of a batch on the chip, for a model in evaluation mode whose weights are frozen."""
        raise NotImplementedError

    def device(self) -> str:
        return torch.cuda.get_device_name() if self._on.type == "cuda" else "cpu"

    def prepare(self, workload: Workload) -> dict[str, Any]:
        self.release()
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = workload.precision == "tf32"
        model = self._model(workload)
        x, y = (torch.from_numpy(part) for part in workload.data())
        x, y = x.permute(0, 3, 1, 2).contiguous(), y.long()
        make = self._attack if workload.task == "attack" else self._fit
        self._call = make(model, workload, x, y)
        moved = self._call()
        self._wait()
        about = {"parameters": sum(weight.numel() for weight in model.parameters())}
        return about if moved is None else about | {"moved": float((moved.cpu() - x).abs().max())}

    def run(self) -> None:
        self._call()
        self._wait()

    def release(self) -> bool:
        self._call = None
        torch._dynamo.reset()
        gc.collect()
        if self._on.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def _model(self, workload: Workload) -> nn.Module:
        model = _Logits(net(workload.net), self._on.type, workload.precision == "bfloat16").to(self._on)
        # Tensor cores want the channels last; plain float32 arithmetic does not.
        if self._on.type == "cuda" and workload.precision != "float32":
            model = model.to(memory_format=torch.channels_last)
        return torch.compile(model, dynamic=False) if self._compile else model

    def _attack(self, model: nn.Module, workload: Workload, x: Any, y: Any) -> Callable[[], Any]:
        model.eval().requires_grad_(False)
        images, labels = x.to(self._on), y.to(self._on)
        return lambda: self.craft(model, images, labels, workload)

    def _fit(self, model: nn.Module, workload: Workload, x: Any, y: Any) -> Callable[[], Any]:
        on_gpu = self._on.type == "cuda"
        optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
        x, y = (x.pin_memory(), y.pin_memory()) if on_gpu else (x, y)

        def call() -> None:
            for _ in range(workload.batches):
                images, labels = x.to(self._on, non_blocking=True), y.to(self._on, non_blocking=True)
                model.eval().requires_grad_(False)
                moved = self.craft(model, images, labels, workload)
                model.train().requires_grad_(True)
                optimizer.zero_grad(set_to_none=True)
                functional.cross_entropy(model(moved), labels).backward()
                optimizer.step()

        return call

    def _wait(self) -> None:
        if self._on.type == "cuda":
            torch.cuda.synchronize()


class Plain(TorchPeer):
    """The loop as one would write it by hand, for nothing but speed."""

    def craft(self, model: nn.Module, x: Any, y: Any, workload: Workload) -> Any:
        low, high = (x - workload.eps).clamp(min=0), (x + workload.eps).clamp(max=1)
        point = (x + torch.empty_like(x).uniform_(-workload.eps, workload.eps)).clamp(0, 1)
        for _ in range(workload.steps):
            point.requires_grad_(True)
            loss = functional.cross_entropy(model(point), y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, point)
            point = torch.min(torch.max(point.detach() + workload.step * slope.sign(), low), high)
        return point


class Torchattacks(TorchPeer):
    """torchattacks 3: `PGD`."""

    packages = ("torch", "torchattacks")

    def __init__(self, *, compile: bool):
        super().__init__(compile=compile)
        self._library = importlib.import_module("torchattacks")

    def craft(self, model: nn.Module, x: Any, y: Any, workload: Workload) -> Any:
        settings = {"eps": workload.eps, "alpha": workload.step, "steps": workload.steps}
        return self._library.PGD(model, random_start=True, **settings)(x, y)


class Foolbox(TorchPeer):
    """Foolbox 3: `LinfPGD`."""

    packages = ("torch", "foolbox", "eagerpy")

    def __init__(self, *, compile: bool):
        super().__init__(compile=compile)
        self._library = importlib.import_module("foolbox")

    def craft(self, model: nn.Module, x: Any, y: Any, workload: Workload) -> Any:
        victim = self._library.PyTorchModel(model, bounds=(0, 1), device=x.device)
        attack = self._library.attacks.LinfPGD(abs_stepsize=workload.step, steps=workload.steps, random_start=True)
        return attack(victim, x, y, epsilons=workload.eps)[1]


PEERS: dict[str, type[TorchPeer]] = {"pytorch": Plain, "torchattacks": Torchattacks, "foolbox": Foolbox}


class _Logits(nn.Module):
    """A net that computes in bfloat16 where that is asked for, and answers in float32."""

    def __init__(self, inner: nn.Module, kind: str, half: bool):
        super().__init__()
        self.inner, self.kind, self.half_precision = inner, kind, half

    def forward(self, x: Any) -> Any:
        if not self.half_precision:
            return self.inner(x)
        with torch.autocast(self.kind, torch.bfloat16):
            return self.inner(x).float()

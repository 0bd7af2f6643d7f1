"""Bounds by auto_LiRPA, in a Python of its own: `python lirpa_peer.py IN.npz OUT.npz`; it needs no turtlenet.

IN holds `x`, `eps`, and of each layer `kernel_n` and `bias_n` as Keras has them: Dense, or Conv2D with stride 2 first.
"""

import sys

import numpy as np
import torch
from auto_LiRPA import BoundedModule, BoundedTensor
from auto_LiRPA.perturbations import PerturbationLpNorm


class Rows(torch.nn.Module):
    """Flattens images as Keras does: channels last."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def main(source: str, target: str) -> None:
    """Writes `ibp` and `crown`, each the lower and upper bounds (2, batch, outputs)."""
    given = np.load(source)
    count = sum(name.startswith("kernel") for name in given.files)
    layers = []
    for number in range(count):
        kernel, bias = (torch.tensor(given[f"{name}_{number}"]) for name in ("kernel", "bias"))
        if kernel.ndim == 4:
            layer = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], tuple(kernel.shape[:2]), stride=2)
            kernel = kernel.permute(3, 2, 0, 1)
        else:
            if layers and given["x"].ndim == 4 and not any(isinstance(each, Rows) for each in layers):
                layers.append(Rows())
            layer, kernel = torch.nn.Linear(*kernel.shape), kernel.T
        layer.weight.data, layer.bias.data = kernel.contiguous(), bias
        layers += [layer, torch.nn.ReLU()]
    x = torch.tensor(given["x"])
    x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
    model = BoundedModule(torch.nn.Sequential(*layers[:-1]), torch.zeros_like(x))
    box = BoundedTensor(x, PerturbationLpNorm(norm=np.inf, eps=float(given["eps"])))
    found = {}
    for name, method in (("ibp", "IBP"), ("crown", "backward")):
        low, high = model.compute_bounds(x=(box,), method=method)
        found[name] = np.stack([low.detach().numpy(), high.detach().numpy()])
    np.savez(target, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

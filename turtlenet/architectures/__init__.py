"""Architectures by name, with fresh weights."""

from turtlenet.architectures.zoo import architectures, build

__all__ = ["architectures", "build"]

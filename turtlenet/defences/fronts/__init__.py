"""Trained fronts: networks that clean an image before the model sees it."""

from turtlenet.defences.fronts.base import Front
from turtlenet.defences.fronts.defense_gan import DefenseGAN
from turtlenet.defences.fronts.direct import ApeGAN, Contractive, MagNet

__all__ = ["ApeGAN", "Contractive", "DefenseGAN", "Front", "MagNet"]

"""Attacks of other libraries in this registry: `cleverhans:NAME`, `art:NAME`, `foolbox:NAME`."""

from turtlenet.attacks.adapters.art import Art
from turtlenet.attacks.adapters.base import External
from turtlenet.attacks.adapters.cleverhans import Cleverhans
from turtlenet.attacks.adapters.foolbox import Foolbox

__all__ = ["Art", "Cleverhans", "External", "Foolbox"]

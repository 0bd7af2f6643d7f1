"""What an attack must leave as it is: one rule a file, in a registry that other packages add to."""

from turtlenet.constraints.base import Constraint, constraints, near, place_of
from turtlenet.constraints.integer import Integer
from turtlenet.constraints.limits import Fall, Fixed, Grow
from turtlenet.constraints.one_hot import OneHot
from turtlenet.constraints.total import Total
from turtlenet.errors import SpecError

__all__ = [
    "Constraint",
    "Fall",
    "Fixed",
    "Grow",
    "Integer",
    "OneHot",
    "Total",
    "build",
    "constraints",
    "near",
    "place_of",
]


def build(spec: "str | Constraint") -> Constraint:
    """A constraint from its spec, such as `integer:features=age;children` or `mypackage:TcpRules`.

    Raises:
        SpecError: Nothing answers to it, or a setting that there is not.
    """
    if isinstance(spec, Constraint):
        return spec
    if not isinstance(spec, str):
        raise SpecError(f"Expected a constraint, or its spec; got {type(spec).__name__}.")
    return constraints.build(spec)

"""Robustness as a test: `assert_robust` fails like an `assert`, and says what was found.

    from turtlenet.testing import assert_robust

    def test_the_model_withstands_small_changes():
        assert_robust("model.h5", "mine.npz", eps="8/255", at_least=0.4)

With pytest, the fixture `assert_robust` does the same and keeps the report: see `turtlenet.pytest_plugin`.
"""

from collections.abc import Callable
from typing import Any

from turtlenet.errors import SettingError

__all__ = ["assert_robust"]


def assert_robust(
    model: Any,
    data: Any = None,
    *,
    eps: Any,
    at_least: float,
    keep: Callable[[Any], object] | None = None,
    **settings: Any,
) -> Any:
    """Fails if an attack that was tried leaves too little of a model's accuracy.

    The robust accuracy is an upper bound, so a test that passes proves nothing; one that fails has found the examples.

    Args:
        model: A classifier, or the path of one; of several, each must hold.
        data: What to attack, which training must not have seen; see `turtlenet.evaluate`.
        eps: The radius.
        at_least: Least robust accuracy, from 0 to 1.
        keep: Is given the report, before anything fails.
        **settings: See `turtlenet.settings.evaluate.EvaluateSettings`; `curve` is 0 by default, and nothing is
            printed.

    Returns:
        The `turtlenet.Report` (a `Comparison` of several models), for further assertions.

    Raises:
        AssertionError: The accuracy is below; the message holds the table of attacks.
        SettingError: `at_least` out of its range, or what `turtlenet.evaluate` refuses.
    """
    __tracebackhide__ = True  # pytest shows the test's own line.
    if isinstance(at_least, bool) or not isinstance(at_least, int | float) or not 0 <= at_least <= 1:
        raise SettingError(f"Expected at_least from 0 to 1; got {at_least!r}.")
    import turtlenet

    settings = {"curve": 0, "tell": lambda line: None, **settings}
    found = turtlenet.evaluate(model, data, eps=eps, **settings)
    if keep is not None:
        keep(found)
    low = [each for each in found.reports if each.robust_accuracy < at_least]
    if low:
        words = ", ".join(f"{each.robust_accuracy:.3f} of {each.model['name']}" for each in low)
        raise AssertionError(f"Expected a robust accuracy of at least {at_least:g}; got {words}.\n\n{found}")
    return found

"""A plugin of pytest: the fixture `assert_robust`, and `--robustness-reports FOLDER`, which keeps what it found.

It is installed with turtlenet, and imports nothing of it until a test asks for the fixture.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = ["assert_robust", "pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--robustness-reports`."""
    group = parser.getgroup("turtlenet", "robustness of models")
    group.addoption("--robustness-reports", metavar="FOLDER", help="Keep the report of each assert_robust in FOLDER.")


@pytest.fixture
def assert_robust(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`turtlenet.testing.assert_robust`; its accuracies are properties of the test in JUnit XML.

    With `--robustness-reports FOLDER` the report of the n-th call is in a folder there of the test's name, also where
    the test fails.
    """
    from turtlenet import testing

    kept = request.config.getoption("--robustness-reports")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.nodeid).strip("-.")
    calls: list[Any] = []

    def keep(found: Any) -> None:
        calls.append(found)
        for each in found.reports:
            # As `record_property` does, which warns of a family of JUnit XML that has no such properties.
            request.node.user_properties.append((f"robust_accuracy of {each.model['name']}", each.robust_accuracy))
        if kept:
            found.save(Path(kept) / (name if len(calls) == 1 else f"{name}-{len(calls)}"))

    def check(model: Any, data: Any = None, **settings: Any) -> Any:
        __tracebackhide__ = True
        return testing.assert_robust(model, data, **{"keep": keep, **settings})

    return check

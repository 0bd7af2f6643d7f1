"""`assert_robust` fails like an assertion; as a fixture of pytest it keeps what it found."""

import numpy as np
import pytest

from turtlenet.errors import SettingError
from turtlenet.testing import assert_robust

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def answered(small):
    """Images with the model's own answers."""
    x = np.random.default_rng(5).uniform(size=(20, 8, 8, 1)).astype("float32")
    return x, small.predict(x).argmax(axis=1)


def test_it_returns_the_report_or_says_what_broke(small, answered, capsys):
    found = assert_robust(small, answered, eps=0.02, at_least=0.0, attacks=["fgsm"])
    accuracy = found.robust_accuracy
    assert 0 < accuracy < 1
    kept: list = []
    with pytest.raises(AssertionError) as failed:
        assert_robust(small, answered, eps=0.02, at_least=accuracy + 0.01, attacks=["fgsm"], keep=kept.append)
    assert f"got {accuracy:.3f} of " in str(failed.value) and "fgsm" in str(failed.value)
    assert kept[0].robust_accuracy == accuracy
    assert_robust(small, answered, eps=0.02, at_least=accuracy, attacks=["fgsm"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("at_least", [-0.1, 1.1, float("nan"), "0.5", None, True])
def test_a_share_out_of_range_is_refused(at_least, small, answered):
    with pytest.raises(SettingError, match="Expected at_least from 0 to 1; got "):
        assert_robust(small, answered, eps=0.1, at_least=at_least)


INNER = """
    import pytest
    import turtlenet
    from types import SimpleNamespace

    class Found(SimpleNamespace):
        def save(self, folder):
            folder.mkdir(parents=True)
            (folder / "report.json").write_text("{}")

    def evaluate(model, data, *, eps, **settings):
        return Found(reports=(SimpleNamespace(robust_accuracy=0.5, model={"name": model}),))

    @pytest.fixture(autouse=True)
    def stand_in(monkeypatch):
        monkeypatch.setattr(turtlenet, "evaluate", evaluate)

    def test_holds(assert_robust):
        assert_robust("a", eps=0.1, at_least=0.5)
        assert assert_robust("b", eps=0.1, at_least=0.1).reports

    def test_fails(assert_robust):
        assert_robust("a", eps=0.1, at_least=0.6)
"""


def test_the_plugin_keeps_reports_and_properties(pytester):
    pytester.makepyfile(test_inner=INNER)
    # Whether it is installed or not: under another name it would be registered twice.
    plugin = [] if _installed() else ["-p", "turtlenet.pytest_plugin"]
    result = pytester.runpytest_inprocess(
        *plugin, "--robustness-reports=kept", "--junitxml=out.xml", "-o", "junit_family=xunit1", "-p", "no:xdist"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: Expected a robust accuracy of at least 0.6; got 0.500 of a.*"])
    kept = sorted(path.name for path in (pytester.path / "kept").iterdir())
    assert kept == ["test_inner.py-test_fails", "test_inner.py-test_holds", "test_inner.py-test_holds-2"]
    assert '<property name="robust_accuracy of a" value="0.5"' in (pytester.path / "out.xml").read_text()


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(each.value == "turtlenet.pytest_plugin" for each in entry_points(group="pytest11"))

"""Attacks of other libraries: specs, the promise, and one line where something is missing."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from tests.conftest import marked
from turtlenet import attacks, balls
from turtlenet.attacks import Attack
from turtlenet.errors import SettingError, SpecError

LIBRARIES = {"art": "FastGradientMethod", "cleverhans": "fast_gradient_method", "foolbox": "LinfPGD"}
SPECS = [
    "cleverhans:fast_gradient_method",
    "cleverhans:projected_gradient_descent:nb_iter=5",
    "art:ProjectedGradientDescent:max_iter=5",
    "foolbox:LinfPGD:steps=5,rel_stepsize=0.3",
]
with_cleverhans = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow" or importlib.util.find_spec("cleverhans") is None,
    reason="needs cleverhans 4, which wants TensorFlow",
)


def made(spec: str) -> Attack:
    library = spec.partition(":")[0]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if library == "cleverhans" and keras.backend.backend() != "tensorflow":
        pytest.skip("cleverhans 4 wants TensorFlow")
    return attacks.build(spec)


@pytest.mark.parametrize("spec", SPECS)
def test_the_budget_holds_and_the_attack_works(spec, small, images) -> None:
    x, y = images
    attack, ball = made(spec), balls.get("linf", 0.1)
    found = attack.run(small, x, y, ball=ball)
    moved = np.asarray(found.x)
    assert moved.dtype == np.float32 and np.abs(moved - x).max() <= 0.1 + 1e-6 and 0 <= moved.min() <= moved.max() <= 1
    assert np.array_equal(np.asarray(found.reached), small.predict(moved).argmax(axis=1) != y)
    assert np.asarray(found.reached).mean() > 0.3
    assert np.array_equal(np.asarray(attack(small, x, y, ball=balls.get("linf", 0.0))), x)


@pytest.mark.parametrize("spec", SPECS)
def test_specs_and_json(spec) -> None:
    attack = made(spec)
    assert str(attack) == spec
    assert Attack.from_dict(json.loads(json.dumps(attack.to_dict()))) == attack
    aimed = attacks.build(f"{spec}{',' if spec.count(':') > 1 else ':'}target=next,norm=l2,eps=2")
    assert (aimed.target, aimed.norm, aimed.eps) == ("next", "l2", 2.0) and attacks.build(str(aimed)) == aimed


@with_cleverhans
def test_a_target_is_handed_over(small, images) -> None:
    x, y = images
    attack = attacks.build("cleverhans:projected_gradient_descent:nb_iter=10,target=next")
    found = attack.run(small, x, y, ball=balls.get("linf", 0.6))
    answers = small.predict(np.asarray(found.x)).argmax(axis=1)
    reached = np.asarray(found.reached)
    assert reached.any() and (answers[reached] == (y[reached] + 1) % 4).all()


@with_cleverhans
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("cleverhans:", "Expected `cleverhans:NAME`"),
        ("cleverhans:projected_gradient", "Did you mean 'projected_gradient_descent'?"),
        ("cleverhans:fast_gradient_method:nb_iter=3", "Unknown setting 'nb_iter'"),
        ("cleverhans:fast_gradient_method:clip_min=0", "comes from the ball"),
        ("cleverhans:projected_gradient_descent:nb_itr=3", "Did you mean 'nb_iter'?"),
    ],
)
def test_bad_specs(spec, words) -> None:
    with pytest.raises((SpecError, SettingError)) as caught:
        attacks.build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_what_a_library_does_not_bear_is_one_line(small, images) -> None:
    x, y = images
    attack = made("cleverhans:projected_gradient_descent:rand_minmax=3,rand_init=5,nb_iter=many")
    with pytest.raises(SettingError, match="cleverhans failed"):
        attack(small, x, y, ball=balls.get("linf", 0.1))


@pytest.mark.parametrize("library", marked(LIBRARIES, {"cleverhans"}))
def test_a_library_that_is_not_there_names_its_extra(library, monkeypatch) -> None:
    import importlib

    real = importlib.import_module

    def absent(path: str) -> object:
        if path.startswith(library):
            raise ModuleNotFoundError(f"No module named {library!r}")
        return real(path)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(SettingError, match=rf"pip install 'turtlenet\[{library}\]'"):
        attacks.build(f"{library}:{LIBRARIES[library]}")


@with_cleverhans
def test_it_does_not_train() -> None:
    attack = attacks.build("cleverhans:fast_gradient_method")
    with pytest.raises(SettingError, match="Expected an attack of turtlenet's own"):
        attack.search(None, None, None, ball=None, key=None)

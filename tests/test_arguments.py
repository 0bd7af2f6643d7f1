"""Whatever a user gives in the place of an argument, the answer is a result or one line."""

import inspect
import typing
from typing import Any

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import attacks, balls, models
from turtlenet.arguments import fitted
from turtlenet.training import Schedule, objectives

X = np.random.default_rng(0).uniform(size=(8, 4, 4, 1)).astype("float32")
Y = (np.arange(8) % 3).astype("int32")

WRONG: dict[str, Any] = {
    "an object": object(),
    "a set": {1},
    "bytes": b"pgd",
    "true": True,
    "a text": "many",
    "a float": 2.5,
    "below 0": -3,
    "nan": float("nan"),
    "an array": np.zeros((2, 2)),
    "a mapping": {"a": 1},
    "none": None,
    "a class": int,
}

# What their own readers answer for: arrays, streams and files of data.
ELSEWHERE = {"data", "x", "y"}
FUNCTIONS = sorted(name for name in tn.__all__ if inspect.isfunction(getattr(tn, name)))
RIGHT: dict[str, dict[str, Any]] = {
    "as_classifier": {},
    "attack": {"x": X, "y": Y, "spec": "noise"},
    "certify": {"data": (X, Y), "eps": 0.1, "attack": "none"},
    "configure": {},
    "evaluate": {"data": (X, Y), "attacks": ["noise"], "eps": 0.1, "curve": 0},
    "fit_detector": {"data": (X, Y), "attacks": ["noise"]},
    "load_model": {"path": "no-such-file.h5"},
    "rank": {"folder": "no-such-folder"},
    "save_front": {"front": None, "path": "no/such/folder.h5"},
    "save_generator": {"generator": None, "path": "no/such/folder.h5"},
    "save_model": {"path": "no/such/folder.h5"},
    "score_detector": {"detector": "no-such-file.json", "data": (X, Y)},
    "show_front": {"defence": "magnet:front=no-such-file.h5", "data": (X, Y)},
    "show_generator": {"path": "no-such-file.h5", "data": (X, Y)},
    "sweep": {"data": (X, Y), "attacks": ["noise"], "eps": [0.1]},
    "tolerance": {"data": (X, Y), "strengths": 2},
    "train": {"data": (X, Y), "epochs": 1, "attack": "noise", "tell": lambda line: None, "validation": 0},
    "train_front": {"name": "magnet", "data": (X, Y), "epochs": 1, "tell": lambda line: None},
    "train_generator": {"data": (X, Y), "epochs": 1, "tell": lambda line: None},
    "universal": {"data": (X, Y), "epochs": 1},
    "wrap": {},
}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    made = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    made.layers[-1].kernel.assign(np.random.default_rng(1).normal(size=(16, 3)))
    return made


def parameters(name: str) -> list[str]:
    """The names of a public function's arguments; those of `train` are those of what it calls."""
    from turtlenet.workflows.train import harden_model

    function = harden_model if name == "train" else getattr(tn, name)
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = [each.name for each in inspect.signature(function).parameters.values() if each.kind in plain]
    return [each for each in found if each not in ELSEWHERE]


def one_line(work: Any) -> None:
    try:
        work()
    except tn.TurtlenetError as error:
        assert "\n" not in str(error) and len(str(error)) > 10


def is_misfit(name: str, argument: str, value: Any) -> bool:
    """Whether a value is of a wrong type for sure: what may run is tried elsewhere, as it takes long."""
    from turtlenet.workflows.train import harden_model

    hint = typing.get_type_hints(harden_model if name == "train" else getattr(tn, name)).get(argument, Any)
    try:
        fitted(value, hint, argument)
    except tn.TurtlenetError:
        return True
    return False


def test_every_function_is_listed() -> None:
    assert set(RIGHT) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_argument_of_a_wrong_type_is_one_line(function, model) -> None:
    for argument in parameters(function):
        for value in WRONG.values():
            settings = {"model": model, **RIGHT[function], argument: value}
            if "model" not in parameters(function):
                del settings["model"]
            if function in ("save_front", "save_generator") or not is_misfit(function, argument, value):
                continue
            with pytest.raises(tn.TurtlenetError) as caught:
                getattr(tn, function)(**settings)
            # A radius as a text is read by what knows its units.
            named = argument in str(caught.value) or (argument == "eps" and isinstance(value, str))
            assert "\n" not in str(caught.value) and named


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("eps", [-1, float("nan"), float("inf"), True, "many", [0.1, 0.2], {}]),
        ("norm", ["l7", "", 2, None, ["linf"]]),
        ("bounds", [(1, 0), (0, 0), (0, float("nan")), (0,), "01", 5, (None, None)]),
        ("head", ["soft", None, 1]),
        ("precision", ["float8", 16]),
        ("gradient", ["exact", 1]),
        ("draws", [0, -1, True, 2.5, "2"]),
        ("seed", [-1, 1.5, True, "0", None]),
        ("target", [3, -1, 0.5, "a", [0, 1], {1}, [[1], [1, 2]], object()]),
        ("batch_size", [0, -1, True, 1.5, "auto"]),
        ("spec", ["pgd:", "pdg", "", 3, None, [], object(), "no.module:Name", "pgd:steps=x"]),
        ("model", [3, None, [], "no-such-file.h5", object(), keras.Sequential()]),
    ],
)
def test_attack_with_a_wrong_value_is_one_line(argument, values, model) -> None:
    for value in values:
        with pytest.raises(tn.TurtlenetError) as caught:
            tn.attack(**{"model": model, "x": X, "y": Y, "spec": "noise", argument: value})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "argument", "values"),
    [
        ("evaluate", "limit", [0, -1]),
        ("evaluate", "mode", ["tables"]),
        ("evaluate", "labels", ["both"]),
        ("evaluate", "access", ["", "white", "black-box:queries=x"]),
        ("evaluate", "surrogates", [-1]),
        ("evaluate", "curve", [-1]),
        ("evaluate", "perceptibility", [-1]),
        ("evaluate", "model", [[], [3]]),
        ("evaluate", "suite", ["quik", ""]),
        ("train", "epochs", [0, -1]),
        ("train", "learning_rate", [0, -1, float("nan"), float("inf")]),
        ("train", "optimizer", ["addam", ""]),
        ("train", "warmup", [-0.1, 1.5, float("nan")]),
        ("train", "validation", [-1, 8]),
        ("train", "accumulate", [0]),
        ("train", "steps_per_epoch", [-1]),
        ("train", "generator_moves", [-1]),
        ("train", "objective", ["madri", "madry:clean_share=2", ""]),
        ("train", "attack", [[], ["pgd", 3]]),
        ("train", "attack_drawn", ["epoch"]),
        ("train", "defences", [["quantisation"], [3]]),
        ("tolerance", "kinds", [["salt"], "salt"]),
        ("tolerance", "loss", [0, 1, float("nan")]),
        ("tolerance", "strengths", [1]),
        ("universal", "step_size", [0, float("nan")]),
        ("universal", "limit", [0]),
        ("fit_detector", "detector", ["logistik"]),
        ("wrap", "bounds", [(1, 0)]),
    ],
)
def test_other_values_out_of_range_are_one_line(function, argument, values, model) -> None:
    for value in values:
        with pytest.raises(tn.TurtlenetError) as caught:
            if function == "wrap":
                tn.wrap(model, "constant-quantization", **{argument: value})
            else:
                getattr(tn, function)(**{"model": model, **RIGHT[function], argument: value})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: attacks.PGD(steps="7"), "Expected steps as a whole number; got '7' (str)."),
        (lambda: attacks.PGD(steps=True), "Expected steps as a whole number; got True (bool)."),
        (lambda: attacks.PGD(step_size="0.1"), "Expected step_size as a number; got '0.1' (str)."),
        (lambda: attacks.PGD(early_stop=1), "Expected early_stop as True or False; got 1 (int)."),
        (lambda: attacks.PGD(norm=2), "Expected norm as a text; got 2 (int)."),
        (lambda: balls.get("linf", "8"), "Expected eps as a number; got '8' (str)."),
        (lambda: balls.Linf(0.1, low="0"), "Expected low as a number; got '0' (str)."),
        (lambda: Schedule(epochs=2.0), "Expected epochs as a whole number; got 2.0 (float)."),
        (
            lambda: objectives.factory("madry")(attack="pgd", ball=balls.get("linf", 0.1)),
            "Expected attack as an Attack; got 'pgd' (str).",
        ),
    ],
)
def test_settings_of_a_wrong_type(make, words) -> None:
    with pytest.raises(tn.TurtlenetError) as caught:
        make()
    assert str(caught.value) == words


def test_numbers_of_numpy_are_numbers(model) -> None:
    plain = tn.attack(model, X, Y, "noise:draws=2", eps=0.1, seed=3, batch_size=8)
    settings = {"eps": np.float32(0.1), "seed": np.int64(3), "batch_size": np.array(8), "bounds": np.array([0.0, 1.0])}
    np.testing.assert_allclose(tn.attack(model, X, Y, "noise:draws=2", **settings), plain, atol=1e-6)
    assert attacks.PGD(steps=np.int32(3)) == attacks.PGD(steps=3)
    assert type(attacks.PGD(steps=np.int32(3)).steps) is int


def test_a_lone_spec_is_a_list_of_one(model) -> None:
    report = tn.evaluate(model, (X, Y), attacks="noise", eps=0.1, curve=0)
    assert len(report.attacks) == 1


@pytest.mark.parametrize("settings", [{"seed": "a"}, {"draws": 0}, {"bounds": (1, 0)}, {"bounds": 3}])
def test_a_classifier_is_made_of_what_fits(settings, model) -> None:
    with pytest.raises(tn.TurtlenetError):
        tn.Classifier(models.logits_model(model)[0], **settings)
    with pytest.raises(tn.ModelError):
        tn.Classifier("model.h5")


@pytest.mark.parametrize("argument", ["classifier", "objective", "seed", "sources", "validation_attack", "accumulate"])
def test_a_trainer_is_made_of_what_fits(argument, model) -> None:
    objective = objectives.build("madry", attack=attacks.build("pgd"), ball=balls.get("linf", 0.1))
    settings = {"classifier": tn.as_classifier(model), "objective": objective}
    for value in (object(), "x", 2.5):
        with pytest.raises(tn.TurtlenetError, match=f"Expected {argument} as"):
            tn.Trainer(**{**settings, argument: value})


@pytest.mark.tensorflow
def test_a_call_inside_a_graph_of_tensorflow_is_one_line(model) -> None:
    import tensorflow as tf

    @tf.function
    def step(x):
        return tn.attack(model, x, Y, eps=0.1)

    with pytest.raises(tn.SettingError, match="Expected turtlenet.attack outside of tf.function"):
        step(X)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs the JAX backend")
def test_a_call_inside_a_graph_of_jax_is_one_line(model) -> None:
    import jax

    with pytest.raises(tn.SettingError, match="Expected turtlenet.attack outside of tf.function and jax.jit"):
        jax.jit(lambda x: tn.attack(model, x, Y, eps=0.1))(X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: tn.wrap(m, defences=["jpeg"]), "Expected defences of turtlenet.wrap without a name"),
        (lambda m: tn.wrap(m, defence="jpeg"), "Expected defences of turtlenet.wrap without a name"),
        (
            lambda m: tn.wrap(m, "jpeg", bound=(0, 1)),
            "Unknown setting 'bound' of turtlenet.wrap. Did you mean 'bounds'?",
        ),
        (lambda m: tn.load_model("a.h5", trusted=True), "turtlenet.load_model. Did you mean 'trust'?"),
        (lambda m: tn.evaluate(m, (X, Y), attack="pgd"), "turtlenet.evaluate. Did you mean 'attacks'?"),
        (lambda m: tn.attack(m, X, Y, attack="pgd"), "turtlenet.attack. Did you mean 'spec'?"),
        (lambda m: tn.attack(m, X, Y, epsilon=0.1), "turtlenet.attack. Did you mean 'eps'?"),
        (lambda m: tn.train(m, (X, Y), lr=0.1), "turtlenet.train. Did you mean 'learning_rate'?"),
        (lambda m: tn.sweep(m, (X, Y), epsilons=[0.1]), "turtlenet.sweep. Did you mean 'eps'?"),
        (lambda m: tn.evaluate(m, x=X, y=Y), "turtlenet.evaluate. Did you mean 'data'?"),
        (lambda m: tn.train(m, X, Y), "turtlenet.train(model, data) and all else by its name; got 3 values"),
        (lambda m: tn.certify(), "Expected model for turtlenet.certify; got none."),
        (lambda m: tn.evaluate(m, model=m), "Expected model of turtlenet.evaluate once; got it by its place"),
    ],
)
def test_arguments_under_wrong_names_are_one_line(call, words, model) -> None:
    with pytest.raises(tn.SettingError) as caught:
        call(model)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_wrong_name_of_the_package_has_the_nearest() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'evalute'") as caught:
        getattr(tn, "evalute")  # noqa: B009
    # What the interpreter looks for the nearest name in.
    assert caught.value.obj is tn and caught.value.name == "evalute" and "evaluate" in dir(caught.value.obj)

"""Options from a file: those of the working directory or of `--config`, behind what is typed."""

import sys
from pathlib import Path

import click
import keras
import pytest
from click.testing import CliRunner

from turtlenet.cli.app import main, turtlenet
from turtlenet.cli.command import Command, Option
from turtlenet.errors import SpecError
from turtlenet.registry import import_name


def given(*args, toml="", monkeypatch=None, command="train"):
    """What a command is given where `turtlenet.toml` stands in the working directory."""
    found = turtlenet.get_command(click.Context(turtlenet), command)
    seen = {}
    monkeypatch.setattr(found, "callback", lambda **values: seen.update(values))
    Path("turtlenet.toml").write_text(toml, "utf-8")
    result = CliRunner().invoke(turtlenet, [command, *args])
    if isinstance(result.exception, SpecError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return seen, result.stderr


def test_a_table_has_each_kind_of_value(away, monkeypatch) -> None:
    toml = """[train]
model = "model.h5"
eps = 0.1
defence = ["bit-depth:bits=4", "orthogonal"]
attack = "fgsm"
class_weight = {0 = 1, 1 = 2.5}
bounds = [[0, 1], [2, 3]]
batch-size = "auto"
attack-weights = [2, 1]
limit = 0
resume = true
out = "out.h5"
[evaluate]
models = ["first.h5", "second.h5"]
"""
    seen, told = given(toml=toml, monkeypatch=monkeypatch)
    assert (seen["model"], seen["eps"], seen["resume"], seen["out"]) == ("model.h5", 0.1, True, Path("out.h5"))
    assert (seen["defences"], seen["attack"]) == (("bit-depth:bits=4", "orthogonal"), ("fgsm",))
    assert (seen["class_weight"], seen["bounds"], seen["batch_size"]) == ({0: 1.0, 1: 2.5}, "0,1;2,3", None)
    assert (seen["attack_weights"], seen["limit"]) == ((2.0, 1.0), None)
    assert told.startswith("turtlenet: from turtlenet.toml: model, ") and "defence" in told
    assert given(toml=toml, monkeypatch=monkeypatch, command="evaluate")[0]["models"] == ("first.h5", "second.h5")


def test_what_is_typed_goes_before(away, monkeypatch) -> None:
    toml = '[train]\nmodel = "a.h5"\neps = 0.1\ndefence = ["orthogonal"]\n'
    seen, told = given("b.h5", "--eps", "8/255", "--defence", "x", toml=toml, monkeypatch=monkeypatch)
    assert (seen["model"], seen["eps"], seen["defences"], told) == ("b.h5", 8 / 255, ("x",), "")


def test_another_file_is_named_or_none(away, monkeypatch) -> None:
    (away / "other.toml").write_text("[train]\nepochs = 3\ntrust = true\n", "utf-8")
    toml = "[train]\nepochs = 5\n"
    assert given("m.h5", "--config", "other.toml", toml=toml, monkeypatch=monkeypatch)[0]["epochs"] == 3
    assert given("m.h5", toml=toml, monkeypatch=monkeypatch)[0]["epochs"] == 5
    assert given("m.h5", "--config", "none", toml="[", monkeypatch=monkeypatch)[0].get("trust") is False


def leaves(group: click.Group, way: tuple[str, ...] = ()):
    """Every command, with its words."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from leaves(found, (*way, name))
        else:
            yield (*way, name), found


_FIRST = ("backend", "config")


def test_every_option_of_every_command_can_be_given(away, monkeypatch) -> None:
    """A file that names them all is read: each has a value that is checked as if it were typed."""
    # `--backend` sets it.
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    told = {
        "eps": 0.3,
        "bounds": "0,1",
        "class-weight": "balanced",
        "batch-size": 7,
        "written-by": "theano",
        "backend": "jax",
    }
    count, root = 0, click.Context(turtlenet, info_name="turtlenet")
    for words, found in leaves(turtlenet):
        lines = []
        for param in found.params:
            name = param.opts[0].lstrip("-")
            # What chooses the framework is read before any file.
            if name in _FIRST:
                continue
            flag = getattr(param, "is_flag", False)
            lines.append(f"{name} = {'true' if flag else repr(told.get(name, '3'))}".replace("'", '"'))
        (away / "all.toml").write_text(f"[{'.'.join(words)}]\n" + "\n".join(lines), "utf-8")
        context = root
        for word in words[:-1]:
            context = click.Context(root.command.get_command(root, word), parent=context, info_name=word)
        filled = found.make_context(words[-1], ["--config", "all.toml"], parent=context)
        sources = {filled.get_parameter_source(param.name).name for param in found.params if param.name not in _FIRST}
        assert sources == {"DEFAULT_MAP"}, words
        count += len(lines)
    assert count > 300


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[trian]\neps = 1\n", "Unknown table [trian] in turtlenet.toml. Did you mean 'train'?"),
        ("[train]\nepss = 1\n", "Unknown key 'epss' under [train] in turtlenet.toml. Did you mean 'eps'?"),
        ("[evaluate]\natack = 1\n", "Unknown key 'atack' under [evaluate] in turtlenet.toml. Did you mean 'attack'?"),
        ("[gan.trian]\n", "Unknown table [gan.trian] in turtlenet.toml. Did you mean 'train'?"),
        (
            "eps = 1\n",
            "Expected options under the name of a command, such as [train], in turtlenet.toml; got 'eps'.",
        ),
        ("train = 3\n", "Expected a table [train] in turtlenet.toml; got 3."),
        ("[train]\nresume = 1\n", "Expected true or false for 'resume' under [train] in turtlenet.toml; got 1."),
        (
            "[train]\nepochs = 3.5\n",
            "'3.5' is not a valid integer, for 'epochs' under [train] in turtlenet.toml.",
        ),
        (
            "[train]\nbatch-size = 1\nbatch_size = 2\n",
            "Expected each option once under [train] in turtlenet.toml; 'batch_size' came twice.",
        ),
        ("[train]\neps = []\n", "Expected a text or a number for 'eps' under [train] in turtlenet.toml; got []."),
        (
            "[inspect]\ntrust = true\n",
            "Expected trust on the command line, or in a file that --config names, because it may run code; got it in "
            "turtlenet.toml.",
        ),
    ],
)
def test_bad_files_are_one_line(toml, words, away, monkeypatch) -> None:
    # Whatever the command, the whole file is checked.
    with pytest.raises(SpecError) as caught:
        given("suites", toml=toml, monkeypatch=monkeypatch, command="list")
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "line",
    [
        'attack = "my.package:Attack"',
        'attack = ["fgsm", "mine:Attack:steps=3"]',
        'objective = "worst-of:attacks=(pgd:steps=3;mine:Attack)"',
        'architecture = "mine:model"',
        'data = "mine:data"',
        'log = "mine:Tracker"',
    ],
)
def test_a_file_that_nobody_named_names_no_code(line, away, monkeypatch) -> None:
    with pytest.raises(SpecError, match=r"Expected (my.package|mine):\w+ on the command line, or in a file that"):
        given("m.h5", toml=f"[train]\n{line}\n", monkeypatch=monkeypatch)
    # One that is named may.
    (away / "other.toml").write_text(f"[train]\n{line}\n", "utf-8")
    given("m.h5", "--config", "other.toml", toml="", monkeypatch=monkeypatch)


@pytest.mark.parametrize("path", ["míne:Attack", "1mine:Attack", "mine€:Attack", "mine:℘", "file:Attack", "a=art:X"])
def test_a_module_of_any_name_is_code(path, away, monkeypatch) -> None:
    with pytest.raises(SpecError, match="because it may run code"):
        given("m.h5", toml=f'[train]\nattack = "{path}"\n', monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("line", "file", "words"),
    [
        ('recipe = "own"', "defences/own.toml", 'defences = ["mine:Layer"]'),
        ('preset = "quick"', "defences/quick.toml", 'attack = ["mine:Attack"]'),
        ('attack = "attacks/own.toml"', "attacks/own.toml", 'attacks = ["fgsm", "mine:Attack"]'),
    ],
)
def test_a_file_that_nobody_named_names_no_file_that_names_code(line, file, words, away, monkeypatch) -> None:
    (away / file).parent.mkdir()
    (away / file).write_text(words, "utf-8")
    with pytest.raises(SpecError, match=r"Expected mine:\w+ on the command line, or in a file that"):
        given("m.h5", toml=f"[train]\n{line}\n", monkeypatch=monkeypatch)
    # The package's own, and one that is typed.
    given("m.h5", toml='[train]\nrecipe = "madry-mnist"\n', monkeypatch=monkeypatch)
    name, _, value = line.partition(" = ")
    given("m.h5", f"--{name}", value.strip('"'), toml="", monkeypatch=monkeypatch)


def test_a_file_that_nobody_named_names_no_paper_that_names_code(away, monkeypatch) -> None:
    cells = '[[cells]]\nname = "x"\nkind = "attack"\neps = 0.1\nattack = "mine:Attack"\n'
    (away / "own.toml").write_text(f'title = "A"\n[rows.a]\n{cells}', "utf-8")
    with pytest.raises(SpecError, match="Expected mine:Attack on the command line, or in a file that"):
        given("m.h5", toml='[reproduce]\npapers = ["own.toml"]\n', monkeypatch=monkeypatch)
    # The package's own name none.
    toml = '[reproduce]\npapers = ["qusecnets", "readings", "guan", "taran", "advgan", "suites", "rivals"]\n'
    given("m.h5", toml=toml, monkeypatch=monkeypatch)


def test_names_that_are_no_code_are_taken(away, monkeypatch) -> None:
    toml = """[train]
attack = ["cleverhans:mim", "pgd:steps=7,step_size=0.3", "worst-of:attacks=(pgd:loss=margin;fgsm)"]
log = ["mlflow:experiment=mine", "tensorboard"]
constraint = "integer:features=age;children"
task = "multi-label:label=2"
class-weight = {0 = 1, 3 = 2.5}
"""
    assert len(given("m.h5", toml=toml, monkeypatch=monkeypatch)[0]["attack"]) == 3


@pytest.mark.parametrize(
    "log", ['"mlflow:uri=http://host:5000"', '["tensorboard", "mlflow:experiment=a, uri = file:/b"]']
)
def test_a_file_that_nobody_named_sends_nothing_elsewhere(log, away, monkeypatch) -> None:
    with pytest.raises(SpecError, match="Expected the address of --log on the command line"):
        given("m.h5", toml=f"[train]\nlog = {log}\n", monkeypatch=monkeypatch)
    (away / "other.toml").write_text(f"[train]\nlog = {log}\n", "utf-8")
    given("m.h5", "--config", "other.toml", toml="", monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("evaluate", 'report = "../elsewhere"'),
        ("evaluate", 'report = "linked/report"'),
        ("evaluate", 'results = "/tmp/rows.csv"'),
        ("train", 'out = "a/../../hard.h5"'),
        ("train", 'log = "tensorboard:folder=../runs"'),
        ("key", 'path = "../mine.key"'),
        ("reproduce", 'page = "../page.md"'),
    ],
)
def test_a_file_that_nobody_named_writes_nothing_elsewhere(words, line, tmp_path, monkeypatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "linked").symlink_to(tmp_path)
    monkeypatch.chdir(here)
    text = f"[{words}]\n{line}\n"
    # The whole file is read, whatever the command.
    with pytest.raises(SpecError, match="outside of the working directory on the command line"):
        given("m.h5", toml=text, monkeypatch=monkeypatch)
    (here / "other.toml").write_text(text, "utf-8")
    given("m.h5", "--config", "other.toml", toml="", monkeypatch=monkeypatch)
    assert given("m.h5", toml='[train]\nreport = "below/report"\n', monkeypatch=monkeypatch)[0]["report"]


def test_a_file_that_is_none_is_one_line(away, monkeypatch, cli) -> None:
    missing = cli("list", "suites", "--config", "missing.toml")
    assert (missing.code, missing.out) == (2, "")
    assert missing.err == "turtlenet: Expected options in the file missing.toml; got: No such file or directory.\n"
    (away / "turtlenet.toml").write_text("[train\n", "utf-8")
    broken = cli("list", "suites")
    assert broken.code == 2 and broken.err.startswith("turtlenet: Expected TOML in turtlenet.toml; got: ")


def test_a_command_of_another_package_may_have_plain_options() -> None:
    command = Command("mine", params=[click.Option(["--plain"]), Option(["--grouped"], group="Zoo")])
    text = CliRunner().invoke(command, ["--help"]).output
    assert text.index("Options:") < text.index("--plain") < text.index("Zoo:") < text.index("--grouped")


def test_no_file_of_the_working_directory_takes_the_place_of_a_package(away, monkeypatch) -> None:
    (away / "art.py").write_text("raise SystemExit('ran')", "utf-8")
    monkeypatch.setattr("sys.path", [each for each in sys.path if each not in ("", str(away))])
    monkeypatch.setattr("turtlenet.registry._folders", [])
    with pytest.raises(SystemExit):
        main(["list", "suites"])
    assert str(away) not in sys.path
    (away / "mine_here.py").write_text("NAME = 3", "utf-8")
    assert import_name("mine_here:NAME") == 3

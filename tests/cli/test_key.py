"""`turtlenet key`, and a keyed model from command to command."""

import json
import stat

import pytest

from turtlenet.defences import keys


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch):
    for name in ("TURTLENET_KEY_FILE", "TURTLENET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keys, "_ring", {})


def test_a_new_key_and_never_over_another(cli, away):
    result = cli("key", "k.key")
    assert (result.code, result.err) == (0, "")
    assert result.out == "saved k.key: a key of 43,256 bits; whoever has it has the defence\n"
    assert stat.S_IMODE((away / "k.key").stat().st_mode) == 0o600
    before = (away / "k.key").read_bytes()
    assert before.decode().strip() not in result.out
    again = cli("key", "k.key")
    assert (again.code, again.out) == (2, "")
    assert again.err == "turtlenet: Expected a new file; got k.key, which exists: a key is never overwritten.\n"
    assert (away / "k.key").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["key", "k.key", "--bits", "255"], "Expected from 256 to 67,108,864 bits for a key; got 255."),
        (["key", "k.key", "--bits", "many"], "Expected a whole number, 0 or more; got 'many'."),
        (["key", "no/k.key"], "Expected to write a key to no/k.key; got: No such file or directory."),
        (["key"], "Missing argument 'PATH'."),
    ],
)
def test_bad_input(line, words, cli, away):
    result = cli(*line)
    assert (result.code, result.out) == (2, "") and words in result.err
    assert not list(away.iterdir())


def test_from_command_to_command(cli, shelf, away, monkeypatch):
    cli("key", "k.key", "--bits", "1000")
    wrapped = cli("wrap", shelf / "good.h5", "--defence", "permutation:key=k.key", "--out", "p.h5")
    assert wrapped.code == 0 and wrapped.out.startswith("saved p.h5: permutation, then good.h5")
    keys._ring.clear()
    line = ["evaluate", "p.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--eps", "0.1", "--curve", "0"]
    missing = cli(*line, "--report", "report")
    assert missing.code == 2
    assert missing.err == (
        "turtlenet: Expected the key of this model in TURTLENET_KEY_FILE or TURTLENET_KEY; got none (p.h5).\n"
    )
    found = json.loads(cli("inspect", "p.h5", "--json").out)
    assert not found["attackable"] and found["layers"][1]["class_name"] == "turtlenet>Permutation"
    monkeypatch.setenv("TURTLENET_KEY_FILE", "k.key")
    done = cli(*line, "--report", "report")
    assert done.code == 0, done.err
    secret = (away / "k.key").read_text().strip()
    for path in (each for each in away.rglob("*") if each.is_file() and each.name != "k.key"):
        assert secret[:32].encode() not in path.read_bytes(), path

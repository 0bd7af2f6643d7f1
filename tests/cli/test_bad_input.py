"""Every bad input ends in one line that says what was expected and what came, exit code 2, and nothing written."""

import contextlib
import os
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import finish, listing, start
from turtlenet.cli.options import quiet_start
from turtlenet.errors import ModelError

DATA = "--data data.npz"

# One row for each thing that can be wrong with a model, on every command that takes one.
MODELS = [
    ("absent.h5", "Expected a model file; there is no absent.h5."),
    ("text.h5", "Expected a model file (HDF5 or .keras); text.h5 is neither: this is a text file."),
    ("cut.h5", "Expected a whole HDF5 file; cut.h5 is damaged or cut short"),
    ("folder", "Expected a model file, or a folder of a .keras archive or a SavedModel; folder is neither."),
]
ON_MODELS = [
    f"train {{}} {DATA}",
    f"evaluate {{}} {DATA}",
    f"attack {{}} {DATA} --out a.npz",
    "inspect {}",
    f"tolerance {{}} {DATA}",
    f"universal {{}} {DATA} --out a.npy",
]

# What can be wrong with data, a threat or an attack, on every command that attacks.
THREATS = [
    ("--data narrow.npz", "Expected images of shape 8x8x1; got 6x8x1"),
    ("--data many.npz", "expected label rows of 4; got 7"),
    ("--data high.npz", "Expected labels from 0 to 3; got 4"),
    ("--data negative.npz", "Expected labels from 0 to 3; got -1"),
    ("--data nan.npz", "Expected finite pixels; got nan in image 3"),
    ("--data outside.npz", "Expected pixels within [0, 1]; got values from"),
    ("--data wide.npz", "pass --bounds 0,255"),
    ("--data empty.npz", "Expected at least one image"),
    ("--data folder", "Expected .npy arrays, tables train"),
    ("--data other-keys.npz", "got images, labels"),
    ("--data text.npz", "Expected arrays that can be read in text.npz"),
    ("--data absent.npz", "Expected a data set at absent.npz; there is no such file"),
    ("--data mnits", "Unknown data set 'mnits'. Did you mean 'mnist'?"),
    ("--data mnist-sample", "Expected images of shape 8x8x1; got 28x28"),
    ("--data no.module:made", "Expected a module to import in 'no.module:made'"),
    ("", "Expected --data NAME|PATH for a model of 8x8x1 images and 4 classes"),
    (f"{DATA} --eps -0.1", "Expected eps >= 0, a finite radius in input units; got -0.1."),
    (f"{DATA} --eps nan", "Expected eps >= 0, a finite radius in input units; got nan."),
    (f"{DATA} --eps inf", "Expected eps >= 0, a finite radius in input units; got inf."),
    (
        f"{DATA} --eps much",
        "'--eps': Expected eps in input units (0.3, 8/255), gray levels of 255 (8px) or",
    ),
    (f"{DATA} --eps 8/0", "or a share of the range (3%); got '8/0'."),
    (f"{DATA} --norm linff", "Unknown norm 'linff'. Did you mean 'linf'?"),
    (f"{DATA} --norm ''", "Unknown norm ''."),
    (f"{DATA} --norm l0 --attack pgd", "Expected one of the norms linf, l2, l1 for pgd; got l0."),
    (f"{DATA} --bounds 1,0", "Expected bounds low < high; got 1.0 and 0.0."),
    (f"{DATA} --bounds 0", "Expected the smallest and the largest value, such as 0,1 or 0,255; got '0'."),
    (f"{DATA} --head sofmax", "Expected a head of auto, softmax, sigmoid or logits; got 'sofmax'."),
    (f"{DATA} --attack pdg", "Unknown attack 'pdg'. Did you mean 'pgd'?"),
    (f"{DATA} --attack pgd:", "Expected `name` or `name:key=value,...`; got 'pgd:'."),
    (f"{DATA} --attack pgd:steps", "Expected `key=value` in 'pgd:steps'; got 'steps'."),
    (f"{DATA} --attack pgd:steps=1,steps=2", "Expected each setting once"),
    (f"{DATA} --attack pgd:stesp=1", "Unknown setting 'stesp' of attack 'pgd'. Did you mean 'steps'?"),
    (f"{DATA} --attack pgd:steps=few", "Setting 'steps' of attack 'pgd' must be int; got 'few'."),
    (f"{DATA} --attack pgd:steps=0", "Expected steps from 1 to 1,000,000; got 0."),
    (f"{DATA} --attack pgd:loss=crossentropy", "Unknown loss 'crossentropy'. Did you mean 'cross_entropy'?"),
    (f"{DATA} --attack no.module:Made", "Expected a module to import in 'no.module:Made'"),
    (f"{DATA} --seed -1", "Expected seed >= 0; got -1."),
    (f"{DATA} --batch-size 0", "Expected batch_size >= 1; got 0."),
    (f"{DATA} --limit -1", "'--limit': Expected a whole number, 0 or more; got '-1'."),
    (f"{DATA} --limit 1.5", "Expected a whole number, 0 or more; got '1.5'."),
    (f"{DATA} --atack pgd", "No such option '--atack'. (Did you mean one of: '--attack'"),
]
ON_THREATS = ["train good.h5 {}", "evaluate good.h5 {}", "attack good.h5 --out a.npz {}"]

OTHERS = [
    (f"train regression.h5 {DATA}", "is a regression model (linear output, loss mse)"),
    (f"evaluate regression.h5 {DATA}", "is a regression model"),
    (f"attack regression.h5 {DATA} --out a.npz", "is a regression model"),
    # What is wrong with the second model is said before the first is attacked.
    (f"evaluate good.h5 text.h5 {DATA}", "text.h5 is neither"),
    (f"evaluate good.h5 regression.h5 {DATA}", "is a regression model"),
    ("evaluate wide.h5 good.h5 --data wide.npz", "Expected pixels within [0, 1]"),
    ("train good.h5 --data test-only.npz", "Expected training data in test-only.npz; got test data only."),
    (f"train good.h5 {DATA} --objective madri", "Unknown objective 'madri'. Did you mean 'madry'?"),
    (f"train good.h5 {DATA} --objective madry:clean_shar=1", "Did you mean 'clean_share'?"),
    (f"train good.h5 {DATA} --objective madry:clean_share=2", "Expected clean_share from 0 to 1; got 2.0."),
    (f"train good.h5 {DATA} --epochs 0", "Expected epochs >= 1; got 0."),
    (f"train good.h5 {DATA} --epochs 1.5", "'1.5' is not a valid integer"),
    (f"train good.h5 {DATA} --steps-per-epoch -1", "Expected steps_per_epoch >= 0; got -1."),
    (f"train good.h5 {DATA} --learning-rate nan", "Expected learning_rate > 0; got nan."),
    (f"train good.h5 {DATA} --optimizer adm", "Unknown optimizer 'adm'. Did you mean 'adam'?"),
    (f"train good.h5 {DATA} --warmup 2", "Expected warmup from 0 to 1, a share of the run; got 2.0."),
    (f"train good.h5 {DATA} --validation 240", "Expected validation from 0 to 239 examples; got 240."),
    (f"train good.h5 {DATA} --validation-attack pdg", "Did you mean 'pgd'?"),
    (f"train good.h5 {DATA} --source absent.h5", "there is no absent.h5"),
    (f"train good.h5 {DATA} --out absent/x.h5", "Expected a folder to write x.h5 in; there is no absent."),
    (f"train good.h5 {DATA} --out folder.h5", "folder.h5 is a folder"),
    (f"train good.h5 {DATA} --out file/x.h5", "Expected a folder to write x.h5 in"),
    (f"train good.h5 {DATA} --out x.txt", "Expected a path that ends in .h5, .hdf5, .keras; got x.txt."),
    *(
        (f"{line} good.h5 {DATA} --classes a,b", "Expected names of 4 classes, as many as the model has; got 2: a, b.")
        for line in (
            *("attack --out a.npz", "certify --out c", "tolerance", "universal --out u.npy", "train --out t.h5"),
            *("detect fit --detector squeezing --out d.json", "defence train magnet --out m.h5"),
        )
    ),
    # An output in the place of an input would be the end of it.
    (f"train good.h5 {DATA} --out good.h5", "Expected --out to be another file than good.h5, which is read."),
    ("wrap good.h5 --defence sign-flip --out ./good.h5", "Expected --out to be another file than good.h5"),
    ("convert good.h5 good.h5", "Expected NEW to be another file than good.h5"),
    (f"attack good.h5 {DATA} --out data.npz", "Expected --out to be another file than data.npz"),
    ("evaluate good.h5 --data mine.csv --results mine.csv", "Expected --results to be another file than mine.csv"),
    (f"evaluate nan.h5 {DATA}", "Expected weights that are numbers; got NaN in 1 of the"),
    (f"train nan.h5 {DATA} --head softmax", "Expected weights that are numbers; got NaN in 1 of the"),
    ("wrap nan.h5 --defence sign-flip --out x.h5", "Expected weights that are numbers; got NaN in 1 of the"),
    (f"train frozen.h5 {DATA}", "of the model are frozen (trainable=False)."),
    (f"evaluate good.h5 {DATA} --config deep.toml", "Expected TOML in deep.toml; got lists in lists without end."),
    (f"evaluate good.h5 {DATA} --config nul.toml", "Expected text without a NUL character in nul.toml"),
    (f"evaluate {'x' * 300}.h5 {DATA}", "File name too long"),
    (f"evaluate good.h5 {DATA} --report {'x' * 300}", "File name too long"),
    (f"train good.h5 {DATA} --out {'x' * 300}.h5", "File name too long"),
    (f"evaluate good.h5 --data {'x' * 300}.npz", "File name too long"),
    (f"train good.h5 {DATA} --report file", "Expected a folder to write in at file; got a file"),
    (f"train good.h5 {DATA} --report file/below", "Expected a folder to write in at file/below; got a file"),
    (f"evaluate good.h5 {DATA} --report file", "Expected a folder to write in at file; got a file"),
    (f"evaluate good.h5 {DATA} --report file/below", "Expected a folder to write in at file/below; got a file"),
    (f"evaluate good.h5 {DATA} --suite quik", "Unknown suite 'quik'. Did you mean 'quick'?"),
    (f"evaluate good.h5 {DATA} --suite ''", "Unknown suite ''."),
    (f"evaluate good.h5 {DATA} --suite absent.toml", "Expected a suite at absent.toml"),
    (f"evaluate good.h5 {DATA} --suite broken.toml", "Expected TOML in broken.toml"),
    (f"evaluate good.h5 {DATA} --suite misspelled.toml", "Unknown key 'attcks'"),
    (f"evaluate good.h5 {DATA} --mode tabel", "Unknown mode 'tabel'. Did you mean 'table'?"),
    (f"evaluate good.h5 {DATA} --labels predcted", "Unknown labels 'predcted'. Did you mean 'predicted'?"),
    (f"evaluate good.h5 {DATA} --curve -1", "'--curve': Expected a whole number, 0 or more; got '-1'."),
    (f"evaluate good.h5 {DATA} --fail-under 1.5", "Expected --fail-under from 0 to 1; got 1.5."),
    (f"evaluate good.h5 {DATA} --fail-under nan", "Expected --fail-under from 0 to 1; got nan."),
    (f"attack good.h5 {DATA} --out a.txt", "Expected --out with the suffix .npz or .csv or .parquet; got 'a.txt'."),
    (f"attack good.h5 {DATA} --out ''", "Expected --out with the suffix .npz or .csv or .parquet; got '.'."),
    (f"attack good.h5 {DATA} --out absent/a.npz", "Expected a folder to write a.npz in; there is no folder absent."),
    (f"attack good.h5 {DATA} --out file/a.npz", "Expected a folder to write a.npz in; there is no folder file."),
    (f"attack good.h5 {DATA} --out folder.npz", "Expected --out to be a file; folder.npz is a folder."),
    (f"attack good.h5 {DATA} --out a.npz --target 4", "Expected targets from 0 to 3; got 4 to 4."),
    (f"evaluate good.h5 {DATA} --eps 0,03", "Did you mean '0.03'? A decimal point is expected."),
    (f"evaluate good.h5 {DATA} --eps 0,3", "got shape (2,). Did you mean '0.3'? A decimal point is expected."),
    (f"evaluate good.h5 {DATA} --bounds 0,0,1,0", "got '0,0,1,0'. A decimal point is expected, as in 0.5,1."),
    (f"evaluate good.h5 {DATA} --bounds 0,0,1,0;0,1", "got '0,0,1,0;0,1'. A decimal point is expected"),
    (f"evaluate good.h5 {DATA} --fail-under 0,85", "Did you mean '0.85'? A decimal point is expected."),
    (f"evaluate good.h5 {DATA} --time 1,5h", "Did you mean '1.5h'? A decimal point is expected."),
    (f"evaluate good.h5 {DATA} --attack pgd:steps=3,step_size=0,25", "Did you mean '0.25'?"),
    (f"evaluate good.h5 {DATA} --normalize mean=0,5,std=0,25", "got mean=0,5,std=0,25. A decimal point is expected"),
    (f"train good.h5 {DATA} --learning-rate 0,01", "got '0,01'. Did you mean '0.01'? A decimal point is expected."),
    ("trian good.h5", "Unknown command 'trian'. Did you mean 'train'?"),
    ("list atacks", "Unknown family 'atacks'. Did you mean 'attacks'?"),
    ("train", "Missing argument 'MODEL'."),
    ("evaluate", "Missing argument 'MODELS...'."),
    (f"attack good.h5 {DATA}", "Missing option '--out'."),
    ("inspect", "Missing argument 'MODEL'."),
]


def lines() -> list[tuple[str, str]]:
    """Every command line, with what its message must hold."""
    on_models = [(line.format(model), told) for line in ON_MODELS for model, told in MODELS]
    on_threats = [(line.format(option), told) for line in ON_THREATS for option, told in THREATS]
    return on_models + on_threats + OTHERS


@pytest.mark.parametrize(("line", "told"), lines())
def test_one_line_and_nothing_written(line, told, cli, shelf, monkeypatch):
    monkeypatch.chdir(shelf)
    before = listing(shelf)
    result = cli(*shlex.split(line))
    assert told in result.err
    assert result.err.startswith("turtlenet: ")
    assert result.err.count("\n") == 1
    assert (result.code, result.out) == (2, "")
    assert listing(shelf) == before


def test_so_it_does_in_a_process_of_its_own(shelf):
    before = listing(shelf)
    result = finish(start("evaluate", "good.h5", *shlex.split(DATA), "--attack", "pdg", cwd=shelf))
    assert "Did you mean 'pgd'?" in result.err
    assert result.err.count("\n") == 1
    assert (result.code, result.out) == (2, "")
    assert listing(shelf) == before


@pytest.mark.parametrize(("error", "shown"), [(None, ""), (RuntimeError, "chatter\n"), (KeyboardInterrupt, "")])
def test_what_a_framework_says_while_it_starts_is_shown_only_if_it_fails(error, shown, capfd):
    with contextlib.suppress(RuntimeError, KeyboardInterrupt), quiet_start():
        os.write(2, b"chatter\n")
        if error:
            raise error
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", shown)


def test_a_message_of_several_lines_comes_as_one(cli, shelf, monkeypatch):
    def refuse(path: Path) -> None:
        raise ModelError("Expected this;\n  got that.")

    monkeypatch.setattr("turtlenet.models.inspect", refuse)
    assert cli("inspect", shelf / "good.h5").err == "turtlenet: Expected this; got that.\n"

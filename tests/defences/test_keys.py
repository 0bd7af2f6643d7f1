"""Key files, seals, and where a key is looked for."""

import os
import stat

import pytest

from turtlenet.defences import keys
from turtlenet.defences.keys import opened, read_key, sealed, use_key, write_key
from turtlenet.errors import ModelError, OutputError, SettingError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch):
    for name in ("TURTLENET_KEY_FILE", "TURTLENET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keys, "_ring", {})


def test_a_key_file_is_its_owners(tmp_path):
    before = os.umask(0)
    try:
        write_key(tmp_path / "a.key", 1000)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert len(read_key(tmp_path / "a.key")) == 125
    write_key(tmp_path / "b.key", 1001)
    assert len(read_key(tmp_path / "b.key")) == 126
    assert read_key(tmp_path / "a.key")[:32] != read_key(tmp_path / "b.key")[:32]


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "a.key"
    write_key(path, 256)
    before = path.read_bytes()
    with pytest.raises(OutputError) as caught:
        write_key(path, 256)
    assert str(caught.value) == f"Expected a new file; got {path}, which exists: a key is never overwritten."
    assert path.read_bytes() == before
    with pytest.raises(OutputError, match="Expected to write a key to .*; got: No such file or directory."):
        write_key(tmp_path / "no" / "a.key", 256)
    for bits in (0, 255, 2**30):
        with pytest.raises(SettingError, match="Expected from 256 to 67,108,864 bits for a key; got"):
            write_key(tmp_path / "c.key", bits)
    assert not (tmp_path / "c.key").exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_reach_is_refused(mode, tmp_path):
    path = tmp_path / "a.key"
    write_key(path, 256)
    path.chmod(mode)
    with pytest.raises(SettingError) as caught:
        read_key(path)
    assert str(caught.value) == (
        f"Expected a key file that its owner alone can read; {path} has mode {mode:04o}: chmod 600 {path}."
    )
    path.chmod(0o400)
    assert len(read_key(path)) == 32


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("secret words", "Expected a key in hexadecimal digits in {}; there is something else."),
        ("00" * 31, "Expected a key of 256 to 67,108,864 bits in {}; got 248 bits."),
        ("", "Expected a key of 256 to 67,108,864 bits in {}; got 0 bits."),
        ("\xff\xfe", "Expected a key in hexadecimal digits in {}; there is something else."),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(text, words, tmp_path, monkeypatch):
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingError) as caught:
        read_key(path)
    assert str(caught.value) == words.format(path)
    monkeypatch.setenv("MINE", text)
    with pytest.raises(SettingError) as caught:
        read_key("env:MINE")
    assert str(caught.value) == words.format("MINE")


def test_a_folder_is_no_key(tmp_path):
    with pytest.raises(SettingError, match="Expected a key file that can be read at .*; Is a directory."):
        read_key(tmp_path)


def test_a_seal_opens_with_its_key_only():
    with use_key(KEY):
        seal, again = sealed(), sealed()
    assert seal != again and keys.salt_of(seal) != keys.salt_of(again)
    assert KEY.hex() not in seal
    assert opened(seal) == KEY
    keys._ring.clear()
    with pytest.raises(ModelError, match="Expected the key of this model in TURTLENET_KEY_FILE or TURTLENET_KEY"):
        opened(seal)
    with use_key(OTHER), pytest.raises(ModelError, match="Expected the key that this model was made with"):
        opened(seal)
    with use_key(KEY):
        with use_key(OTHER):
            assert opened(seal) == KEY
            assert opened(sealed()) == OTHER
        assert opened(sealed()) == KEY
    with pytest.raises(SettingError, match="got none"):
        sealed()


def test_what_is_at_hand_comes_in_order(tmp_path, monkeypatch):
    write_key(tmp_path / "a.key", 256)
    monkeypatch.setenv("TURTLENET_KEY", OTHER.hex())
    assert opened(sealed()) == OTHER
    monkeypatch.setenv("TURTLENET_KEY_FILE", str(tmp_path / "a.key"))
    assert opened(sealed()) == read_key(tmp_path / "a.key")
    with use_key(KEY):
        assert opened(sealed()) == KEY
    with (
        pytest.raises(SettingError, match="Expected a key of 256 to 67,108,864 bits in bytes; got 8 bits"),
        use_key(b"a"),
    ):
        pass

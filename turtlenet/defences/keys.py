"""Secret keys: where they lie, and how a model file knows its own without telling it.

A key is random bytes in a file of hexadecimal digits that its owner alone can read, or those digits in an environment
variable. A model file holds a seal: a random salt, and a hash of the salt and the key.
"""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from turtlenet.errors import ModelError, OutputError, SettingError

LEAST_BITS = 256
"""The shortest key that is taken: no search finds it."""

_MOST_BITS = 2**26
_FILE, _DIGITS = "TURTLENET_KEY_FILE", "TURTLENET_KEY"
_SEAL = re.compile("[0-9a-f]{32}:[0-9a-f]{64}")

# A layer is made anew from its config whenever a model is copied: the keys that this process has used, by their seals.
_ring: dict[str, bytes] = {}
_scopes: list[bytes] = []


def write_key(path: str | PathLike[str], bits: int, key: bytes | None = None) -> None:
    """Writes a new random key to a new file that its owner alone can read.

    Args:
        path: Where to; nothing may be there.
        bits: How long the key is, 256 or more; whole bytes are written.
        key: So many bytes to write in place of random ones: a key that is no secret.

    Raises:
        SettingError: Too few bits, or more than any image needs.
        OutputError: Something is there, or the file cannot be written.
    """
    if not LEAST_BITS <= bits <= _MOST_BITS:
        raise SettingError(f"Expected from {LEAST_BITS} to {_MOST_BITS:,} bits for a key; got {bits:,}.")
    path = Path(path)
    try:
        # The question whether something is there is part of making it; and others cannot read it at any moment.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OutputError(f"Expected a new file; got {path}, which exists: a key is never overwritten.") from None
    except OSError as error:
        raise OutputError(f"Expected to write a key to {path}; got: {error.strerror or error}.") from None
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write((secrets.token_bytes((bits + 7) // 8) if key is None else key).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"Expected to write a key to {path}; got: {error.strerror or error}.") from None


def read_key(place: str | PathLike[str]) -> bytes:
    """The key at a place.

    Args:
        place: The path of a key file, or `env:NAME` for the digits in an environment variable.

    Raises:
        SettingError: No key there, a file that others can read, or a key below 256 bits.
    """
    text = os.fspath(place)
    if not text.startswith("env:"):
        return _of_digits(_file_text(Path(text)), text)
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise SettingError(f"Expected a key in the environment variable {name}; it is not set.")
    return _of_digits(os.environ[name], name)


@contextlib.contextmanager
def use_key(*sources: str | PathLike[str] | bytes) -> Iterator[None]:
    """Opens the keyed layers of every model that is loaded or built within with these keys, before those around.

    Args:
        *sources: Keys as bytes, or the places that `read_key` knows.

    Raises:
        SettingError: See `read_key`.
    """
    keys = [_long_enough(each, "bytes") if isinstance(each, bytes) else read_key(each) for each in sources]
    before = _scopes[:]
    _scopes[:0] = keys
    try:
        yield
    finally:
        _scopes[:] = before


def sealed(key: bytes | None = None, salt: bytes = b"") -> str:
    """A new seal of a key: what a model file holds in its place.

    Args:
        key: None takes the first one at hand: that of `use_key`, of TURTLENET_KEY_FILE, of TURTLENET_KEY.
        salt: 16 bytes; random ones if not given.

    Raises:
        SettingError: None at hand.
    """
    if key is None:
        at_hand = _at_hand()
        if not at_hand:
            raise SettingError(
                f"Expected a key: key=PATH, key=env:NAME, {_FILE} or {_DIGITS}; got none: `turtlenet key` makes one."
            )
        key = at_hand[0]
    salt = salt or secrets.token_bytes(16)
    seal = f"{salt.hex()}:{_fingerprint(salt, key)}"
    _ring[seal] = key
    return seal


def opened(seal: str) -> bytes:
    """The key of a seal: one that this process has used, or that is at hand.

    Raises:
        ModelError: None at hand, or another one.
    """
    if seal in _ring:
        return _ring[seal]
    try:
        at_hand = _at_hand()
    except SettingError as error:
        # What comes up while a model is built is said of the model.
        raise ModelError(str(error)) from None
    for key in at_hand:
        if hmac.compare_digest(_fingerprint(salt_of(seal), key), seal.partition(":")[2]):
            _ring[seal] = key
            return key
    if at_hand:
        raise ModelError("Expected the key that this model was made with; got another one.")
    raise ModelError(f"Expected the key of this model in {_FILE} or {_DIGITS}; got none.")


def check_seal(seal: object) -> str:
    """Gives the seal back.

    Raises:
        SettingError: Something else, as a damaged file may have it.
    """
    if not isinstance(seal, str) or not _SEAL.fullmatch(seal):
        raise SettingError(f"Expected a seal: salt and fingerprint of a key; got {str(seal)[:40]!r}.")
    return seal


def salt_of(seal: str) -> bytes:
    """The random salt in a seal, which tells layers with one key apart."""
    return bytes.fromhex(seal.partition(":")[0])


def _fingerprint(salt: bytes, key: bytes) -> str:
    # A slow hash is for passwords, which can be guessed. Nobody guesses 256 random bits, however fast he tries.
    return hashlib.sha256(b"turtlenet fingerprint\0" + salt + key).hexdigest()


def _at_hand() -> list[bytes]:
    """The keys of `use_key`, then those of the environment; files are parted as those of PATH are."""
    files = [each for each in os.environ.get(_FILE, "").split(os.pathsep) if each]
    digits = [f"env:{_DIGITS}"] if os.environ.get(_DIGITS) else []
    return [*_scopes, *map(read_key, files + digits)]


def _file_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            # Windows keeps permissions elsewhere, and shows every file as readable by all.
            if os.name == "posix" and mode & 0o077:
                raise SettingError(
                    f"Expected a key file that its owner alone can read; {path} has mode {mode:04o}: chmod 600 {path}."
                )
            return file.read(_MOST_BITS // 4 + 2).decode("ascii", "replace")
    except FileNotFoundError:
        raise SettingError(f"Expected a key file; there is no {path}: `turtlenet key {path}` makes one.") from None
    except OSError as error:
        raise SettingError(f"Expected a key file that can be read at {path}; {error.strerror or error}.") from None


def _of_digits(text: str, place: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        # No word of what is there: it may be a secret after all.
        raise SettingError(f"Expected a key in hexadecimal digits in {place}; there is something else.") from None
    return _long_enough(key, place)


def _long_enough(key: bytes, place: str) -> bytes:
    if not LEAST_BITS <= 8 * len(key) <= _MOST_BITS:
        raise SettingError(
            f"Expected a key of {LEAST_BITS} to {_MOST_BITS:,} bits in {place}; got {8 * len(key):,} bits."
        )
    return key

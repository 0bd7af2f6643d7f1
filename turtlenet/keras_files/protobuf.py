"""Protocol buffers as plain data: the fields of a message by their numbers."""

from collections.abc import Iterator

# No protocol buffer may be larger; no model's description has as many fields.
MOST_BYTES, _MOST_FIELDS = 1 << 31, 1_000_000


class MalformedError(Exception):
    """Bytes that are not what they should be."""


class Message:
    """The fields of a protocol buffer by their numbers. What is not there is empty, as in all of these."""

    def __init__(self, data: memoryview) -> None:
        self.fields: dict[int, list[int | memoryview]] = {}
        for count, (number, value) in enumerate(_wire(data)):
            if count == _MOST_FIELDS:
                raise MalformedError("it has too many parts")
            self.fields.setdefault(number, []).append(value)

    def has(self, number: int) -> bool:
        """Whether a field is there."""
        return number in self.fields

    def messages(self, number: int, most_bytes: int = MOST_BYTES) -> Iterator["Message"]:
        """The messages in a field that repeats."""
        for part in self._parts(number):
            if len(part) > most_bytes:
                raise MalformedError("a part is too large")
            yield Message(part)

    def message(self, number: int, most_bytes: int = MOST_BYTES) -> "Message":
        """The first message in a field."""
        return next(self.messages(number, most_bytes), _NOTHING)

    def text(self, number: int) -> str:
        """The first text in a field."""
        return str(next(self._parts(number), b""), "utf-8")

    def number(self, number: int) -> int:
        """The first number in a field; 0 where there is none."""
        value = self.fields.get(number, [0])[0]
        if not isinstance(value, int):
            raise MalformedError("a number is no number")
        return value

    def _parts(self, number: int) -> Iterator[memoryview]:
        for part in self.fields.get(number, []):
            if not isinstance(part, memoryview):
                raise MalformedError("a number stands for something else")
            yield part


def _wire(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field. Only what is asked for is looked into: nothing can nest without an end."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, at = _varint(data, at)
        elif key & 7 in _FIXED:
            size = _FIXED[key & 7]
        else:
            raise MalformedError(f"no field is of kind {key & 7}")
        if size > len(data) - at:
            raise MalformedError("a part is longer than the whole")
        yield key >> 3, data[at : at + size]
        at += size


_FIXED = {1: 8, 5: 4}


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where the next thing begins."""
    value = 0
    for n, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * n
        if byte < 128:
            return value, at + n + 1
    raise MalformedError("a number does not end")


_NOTHING = Message(memoryview(b""))

"""As much of the protocol buffers' wire format as BuildKit's few small messages need."""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """These bytes are no message."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field: a whole number, or the bytes of a string or message. Malformed."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            size, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise Malformed(f"a field of kind {kind}")
        if position + size > len(message):
            raise Malformed("it ends within a field")
        yield number, message[position : position + size]
        position += size


def texts(message: bytes) -> dict[int, str]:
    """The strings in a message by number; of one that comes several times, the last."""
    return {number: value.decode(errors="replace") for number, value in fields(message) if isinstance(value, bytes)}


def packed(*values: tuple[int, int | bytes]) -> bytes:
    """The message with these fields."""
    message = b""
    for number, value in values:
        if isinstance(value, bytes):
            message += _encoded(number << 3 | _BYTES) + _encoded(len(value)) + value
        else:
            message += _encoded(number << 3 | _VARINT) + _encoded(value)
    return message


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise Malformed("it ends within a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise Malformed("a number is too long")


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

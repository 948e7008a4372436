"""The framing of TFRecord files, read without TensorFlow.

A record is its length (uint64, little endian), the masked CRC-32C of those eight bytes (uint32), the data, and the
masked CRC-32C of the data (https://www.tensorflow.org/tutorials/load_data/tfrecord).
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from google_crc32c import value as crc32c

from seminas.errors import UserError

_HEADER, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
MOST_BYTES = 1 << 24
"""Of a record: a longer one is damage."""


def masked_crc(data: bytes) -> int:
    """Return the masked CRC-32C of ``data``."""
    crc: int = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_records(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield the data of each record.

    Args:
        path: The file.
        progress: Called now and then with the bytes read since.

    Raises:
        UserError: The file is missing, or a record is damaged or cut off, with its number, from 1.
    """
    try:
        with path.open("rb", buffering=1 << 20) as file:
            yield from _records(file, path, progress or (lambda _: None))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _records(file: BinaryIO, path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    number, since = 0, 0
    while header := file.read(_HEADER.size):
        number += 1
        if len(header) < _HEADER.size:
            raise UserError(f"{path}: record {number}: the file ends inside its length")
        length, length_crc = _HEADER.unpack(header)
        if masked_crc(header[:8]) != length_crc or length > MOST_BYTES:
            raise UserError(f"{path}: record {number}: its length is damaged, or this is no TFRecord file")
        body = file.read(length + _CHECKSUM.size)
        if len(body) < length + _CHECKSUM.size:
            raise UserError(f"{path}: record {number}: the file ends inside its data")
        data = body[:length]
        if masked_crc(data) != _CHECKSUM.unpack_from(body, length)[0]:
            raise UserError(f"{path}: record {number}: its data are damaged")
        since += len(header) + len(body)
        if since > 1 << 20:
            progress(since)
            since = 0
        yield data
    progress(since)


def write_records(records: Iterable[bytes], path: Path) -> None:
    """Write records in the same framing."""
    with path.open("wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + _CHECKSUM.pack(masked_crc(length)) + data + _CHECKSUM.pack(masked_crc(data)))

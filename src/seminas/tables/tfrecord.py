"""Reading and writing of TFRecord files without TensorFlow.

A record has four parts (https://www.tensorflow.org/tutorials/load_data/tfrecord):

- Length of the data in bytes (uint64, little endian)
- Masked CRC-32C of the eight bytes of the length (uint32)
- Data
- Masked CRC-32C of the data (uint32)
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from google_crc32c import value as crc32c

from seminas.errors import UserError

_HEADER, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
MOST_BYTES = 1 << 24
"""Largest length of a record's data in bytes. A larger length means that the file is damaged."""


def masked_crc(data: bytes) -> int:
    """Return the masked CRC-32C of ``data``."""
    crc: int = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_records(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield the data of each record.

    Args:
        path: Path of the file.
        progress: Function called now and then with the number of bytes read since its last call.

    Raises:
        UserError: The file cannot be read, or a record is damaged or incomplete. For a record, the message has its
            number. The first record has number 1.
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
    """Write a TFRecord file with the given data of each record."""
    with path.open("wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + _CHECKSUM.pack(masked_crc(length)) + data + _CHECKSUM.pack(masked_crc(data)))

"""Reads the variables of a TensorFlow checkpoint (tensor bundle, version 2) without TensorFlow.

A checkpoint is two files. ``.data-00000-of-00001`` holds the raw numbers of all variables, one after the other.
``.index`` says where each lies: it is an uncompressed LevelDB table whose keys are the variables' names and whose
values are small protocol buffers (BundleEntryProto). Blocks and variables carry a CRC-32C, which is checked.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0xDB4775248B80FB57
_FOOTER_SIZE = 48  # two block handles, padded, and the magic number
_TRAILER_SIZE = 5  # after every block: how it is compressed, and its checksum
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}


@dataclass(frozen=True)
class Variable:
    """Where one variable lies in the data file, `offset` and `size` in bytes, and what it must be."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


def list_variables(index: bytes) -> dict[str, Variable]:
    """Return the variables that a checkpoint's index names, by name.

    Parameters
    ----------
    index
        Contents of the ``.index`` file.

    Raises
    ------
    ValueError
        It is not such an index, is damaged, is compressed, or describes more than one data file.
    """
    try:
        entries = dict(_table(index))
        header = dict(_fields(entries.pop(b"")))
        if header.get(1, 0) != 1 or header.get(2, 0) != 0:
            raise ValueError("only checkpoints of one little-endian data file can be read; this one is split or swapped.")
        variables = [_variable(key.decode(), value) for key, value in entries.items()]
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"this is not the index of a TensorFlow checkpoint, or it is damaged ({type(error).__name__}: {error}). "
            "Give the file that ends in .index."
        ) from error
    return {variable.name: variable for variable in variables}


def read_checkpoint(index: bytes, data: bytes, *, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return the variables called `names`, as arrays.

    Parameters
    ----------
    index, data
        Contents of the ``.index`` and the ``.data-00000-of-00001`` file.
    names
        Which to read; the others (an optimiser's state, say) are not touched.

    Raises
    ------
    ValueError
        A name is not in the checkpoint, or what is there does not have the size or the checksum that the index says.
    """
    variables = list_variables(index)
    missing = sorted(set(names) - set(variables))
    if missing:
        raise ValueError(f"the checkpoint has no variable {missing[0]!r}; it has {', '.join(variables)}.")
    return {name: _read(variables[name], data) for name in names}


def _read(variable: Variable, data: bytes) -> NDArray[Any]:
    if variable.dtype not in _DTYPES:
        raise ValueError(f"{variable.name} is of TensorFlow's type {variable.dtype}; only {sorted(_DTYPES)} can be read.")
    dtype = np.dtype(_DTYPES[variable.dtype])
    raw = data[variable.offset : variable.offset + variable.size]
    expected = int(np.prod(variable.shape)) * dtype.itemsize
    if not len(raw) == variable.size == expected:
        raise ValueError(
            f"{variable.name} of shape {variable.shape} needs {expected} bytes; the index says {variable.size} and the "
            f"data file has {len(raw)}. The checkpoint is damaged: bring it again."
        )
    if masked_crc32c(raw) != variable.checksum:
        raise ValueError(f"{variable.name}: its checksum is not what the index says. Bring the checkpoint again.")
    return np.frombuffer(raw, dtype).reshape(variable.shape)


def _variable(name: str, message: bytes) -> Variable:
    """Return what a BundleEntryProto says: 1 dtype, 2 shape, 3 data file, 4 offset, 5 size, 6 checksum, 7 slices."""
    fields = dict(_fields(message))
    if fields.get(3, 0) != 0 or 7 in fields:
        raise ValueError(f"{name} is spread over several files or slices; only whole variables can be read.")
    dimensions = [dict(_fields(value)) for number, value in _fields(fields.get(2, b"")) if number == 2]
    shape = tuple(dimension.get(1, 0) for dimension in dimensions)
    return Variable(name, fields[1], shape, fields.get(4, 0), fields.get(5, 0), fields[6])


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = index[-_FOOTER_SIZE:]
    if len(footer) < _FOOTER_SIZE or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("this is not the index of a TensorFlow checkpoint. Give the file that ends in .index.")
    _, _, offset, size = _varints(footer, 4)
    for _, handle in _block(index, offset, size):
        yield from _block(index, *_varints(handle, 2))


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield a LevelDB block's pairs; a key is written as how much it shares with the one before, and the rest."""
    compression, checksum = struct.unpack("<BI", index[offset + size : offset + size + _TRAILER_SIZE])
    if compression != 0:
        raise ValueError(f"the index is compressed (kind {compression}); only uncompressed ones can be read.")
    if masked_crc32c(index[offset : offset + size + 1]) != checksum:
        raise ValueError("the index is damaged: a block's checksum is wrong. Bring the checkpoint again.")
    block = index[offset : offset + size]
    n_restarts = struct.unpack("<I", block[-4:])[0]
    end, at, key = size - 4 * (n_restarts + 1), 0, b""
    while at < end:
        shared, at = _varint(block, at)
        rest, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + rest]
        at += rest + length
        yield key, block[at - length : at]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield a protocol buffer's fields as (number, value): int, or bytes where it has a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        elif wire == 5:
            yield number, struct.unpack("<I", message[at : at + 4])[0]
            at += 4
        else:
            raise ValueError(f"the index holds a field of wire type {wire}, which no tensor bundle has. It is damaged.")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _varints(message: bytes, n: int) -> list[int]:
    values, at = [], 0
    for _ in range(n):
        value, at = _varint(message, at)
        values.append(value)
    return values


def masked_crc32c(message: bytes) -> int:
    """Return LevelDB's masked CRC-32C of `message`: rotated and offset, so that data may hold its own sum."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in message:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)  # Castagnoli's polynomial, reflected
        table.append(byte)
    return table

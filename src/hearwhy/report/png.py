"""PNG: arrays as pictures small enough to travel inside a page."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PALETTE, GREY_ALPHA = 3, 4  # kinds of colour, as the format numbers them


def encode(
    pixels: UInt8[np.ndarray, "row column"] | UInt8[np.ndarray, "row column 2"], *, palette: bytes | None = None
) -> bytes:
    """Return a PNG of 8 bits: numbers of colours of a palette, or without one pairs of grey and opacity; top row first."""
    kind = GREY_ALPHA if palette is None else PALETTE
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (1, 0)))  # each row begins with its filter: 0, none
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    if palette is not None:
        chunks.insert(1, (b"PLTE", palette))
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def stencil(opacity: Float[np.ndarray, "row column"]) -> bytes:
    """Return a PNG that is black and as opaque as told, 0 to 1: a page that uses it as a mask gives it its own colour."""
    alpha = np.round(opacity * 255).astype(np.uint8)
    return encode(np.stack([np.zeros_like(alpha), alpha], axis=-1))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

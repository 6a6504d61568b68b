"""Headers: how long a sound file says it is, what can be seen of damage without decoding it, and whether decoding agrees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hearwhy import audio as sound
from hearwhy.types import Recording

UNKNOWN = 2**48  # samples; libsndfile's answer where a header leaves the length open is about 2**63
OPEN_SIZE = 0x7FFFFF00  # programs that write to a pipe put a RIFF size of about that or more
LAST_PAGE = 66_000  # an Ogg page has at most 65 307 bytes


@dataclass(frozen=True)
class Header:
    """Length, rate and channels of a sound file.

    Parameters
    ----------
    n_samples, sample_rate, n_channels
        As the header has them.
    exact
        Whether decoding must give `n_samples`. An MP3 file without a Xing or Info frame has no length: it is guessed
        from its size.
    """

    n_samples: int
    sample_rate: int
    n_channels: int
    exact: bool = True

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def read_header(path: Path) -> Header:
    """Return what a sound file's header says; nothing is decoded.

    A WAV, AIFF or Ogg file that was cut off is noticed here; FLAC and MP3 files are when they are decoded.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no sound file, has no samples, does not say how long it is, or is shorter than it should be.
    """
    with sound.Stream(path) as stream:
        n, rate, channels = stream.n_samples, stream.sample_rate, stream.n_channels
    if _cut_off(path):
        raise ValueError(f"{path} is cut off: it ends before its header says so; bring the whole file.")
    if n == 0:
        raise ValueError(f"{path} is empty: it holds no samples; leave it out.")
    if n > UNKNOWN:
        raise ValueError(f"{path} does not say how long it is (it was written to a pipe); convert it once more, to a file.")
    return Header(n, rate, channels, exact=_length_is_exact(path))


def load_span(path: Path, header: Header, start_s: float, duration_s: float | None) -> Recording:
    """Return the sound of a file, or a span of it, as `hearwhy.load` does.

    Raises
    ------
    FileNotFoundError, ValueError
        As `hearwhy.load`, and where fewer samples can be decoded than the header promised.
    """
    try:
        recording = sound.load(path, start_s=start_s, duration_s=duration_s)
    except RuntimeError as error:  # libsndfile finds no way to that place in the file
        raise ValueError(f"{path} is damaged ({error}); bring the whole file.") from error
    left = header.n_samples - round(start_s * header.sample_rate)
    wanted = left if duration_s is None else min(left, round(duration_s * header.sample_rate))
    got = recording.audio.shape[1]
    if header.exact and got < wanted:
        raise ValueError(f"{path} is damaged: {got} of {wanted} samples could be decoded; bring the whole file.")
    return recording


def _cut_off(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"FORM"):
            declared = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
            # The size does not count its own 8 bytes; some programs count them nevertheless, or a byte of padding
            return declared < OPEN_SIZE and declared > size
        if head[:4] == b"OggS":
            file.seek(max(0, size - LAST_PAGE))
            return not _ends_a_stream(file.read())
    return False


def _ends_a_stream(tail: bytes) -> bool:
    """Return whether the last Ogg page is whole and is marked as the end."""
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    n_lengths = page[26]
    return bool(page[5] & 4) and len(page) >= 27 + n_lengths + sum(page[27 : 27 + n_lengths])


def _length_is_exact(path: Path) -> bool:
    if path.suffix.lower() != ".mp3":
        return True
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # the tag's size has 7 bits a byte
            file.seek(10 + sum(byte << 7 * (3 - place) for place, byte in enumerate(head[6:10])))
        else:
            file.seek(0)
        first = file.read(2048)
    return b"Xing" in first or b"Info" in first

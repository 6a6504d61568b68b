"""MUSDB18: stem files (``train/SONG.stem.mp4``), and MUSDB18-HQ's folders (``train/SONG/mixture.wav``, ``drums.wav`` ...).

Either way a song is the sum of its stems. MUSDB18's mixture was encoded on its own and differs from that sum by the noise
of the codec, and MUSDB18-HQ's by rounding: `hearwhy.datasets.mixture_gap` says by how much.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.extras import need
from hearwhy.datasets.items import Dataset, Item
from hearwhy.datasets.multitrack import Multitrack, Stems, added, chosen, common_header
from hearwhy.types import Recording

SUFFIX = ".stem.mp4"
STREAMS = {"mixture": 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4}
"""Which stream of a stem file holds what, as MUSDB18 has them."""
STEMS: tuple[str, ...] = tuple(name for name in STREAMS if name != "mixture")
MIXTURE = "mixture.wav"


def read_musdb18hq(data: Path, roots: Sequence[Path], *, stems: tuple[str, ...] | None = None) -> Dataset:
    """Return the songs in `roots`, folders of `data`: a folder each with ``mixture.wav`` and a file for every stem.

    Stems may be other ones than MUSDB18-HQ's four: any sound file beside the mixture is one, so that recordings of one's own
    can be laid out like this. Headers are read, nothing is decoded; a song that lacks a stem of `stems` is left out, and named.
    """
    items: list[Item] = []
    problems: list[tuple[str, str]] = []
    for folder in (folder for root in roots for folder in hq_folders(root)):
        name = folder.relative_to(data).as_posix() if folder != data else folder.name
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in sound.READABLE and path.name != MIXTURE)
        try:
            files = chosen(name, {path.stem: (path,) for path in paths}, stems)
            if not files or len({path.stem for path in paths}) < len(paths):
                raise ValueError(
                    f"{name} has a {MIXTURE} and {_some(paths)} beside it; put one sound file for each stem there."
                )
            header = common_header(name, files)
        except (ValueError, OSError) as error:
            problems.append((name, str(error)))
            continue
        items.append(Multitrack(name, name, tuple(files.items()), header, folder / MIXTURE if stems is None else None))
    return Dataset("musdb18hq", tuple(items), tuple(problems))


def _some(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths) or "no sound file"


def hq_folders(root: Path) -> list[Path]:
    """Return the songs of a folder in the order of their names; the folder itself where it is one."""
    return [root] if (root / MIXTURE).is_file() else sorted(path.parent for path in root.glob(f"*/{MIXTURE}"))


def stem_files(root: Path) -> list[Path]:
    """Return the stem files of a folder in the order of their names; the file itself where it is one."""
    return [root] if root.name.endswith(SUFFIX) else sorted(root.glob(f"*{SUFFIX}"))


def read_musdb18(data: Path, roots: Sequence[Path], *, stems: tuple[str, ...] | None = None) -> Dataset:
    """Return the songs in `roots`, folders of `data` with stem files; ``ffprobe`` is asked for each one's length.

    Raises
    ------
    ImportError
        The extra `musdb` is not installed.
    FileNotFoundError
        ffmpeg is not installed.
    """
    _stempeg()
    items: list[Item] = []
    problems: list[tuple[str, str]] = []
    for path in (path for root in roots for path in stem_files(root)):
        name = (path.name if path == data else path.relative_to(data).as_posix()).removesuffix(SUFFIX)
        try:
            files: Stems = dict.fromkeys(STEMS, (path,))
            items.append(StemFile(path, name, *_length(path), tuple(chosen(name, files, stems))))
        except (ValueError, OSError) as error:
            problems.append((name, str(error)))
    return Dataset("musdb18", tuple(items), tuple(problems))


@dataclass(frozen=True)
class StemFile:
    """A song as a stem file: five stereo streams in one MP4, the mixture and four stems.

    The streams are AAC, whose decoder gives whole frames of 1024 samples: what lies behind the length that the container has
    for the sound before it was encoded is padding and is cut off, which the history says. Spans are the same samples as those
    of the whole. Decoding starts at the beginning of the file whatever the span: late spans take longer.

    Parameters
    ----------
    path
        The file.
    name
        As in `Item`.
    n_samples, sample_rate
        Its length without padding, and its rate.
    chosen
        The stems that are asked for.
    """

    path: Path
    name: str
    n_samples: int
    sample_rate: int
    chosen: tuple[str, ...] = STEMS
    label: None = None

    @property
    def group(self) -> str:
        """The song itself."""
        return self.name

    @property
    def duration_s(self) -> float:
        """Length in seconds, without padding."""
        return self.n_samples / self.sample_rate

    def stems(self, *, start_s: float = 0.0, duration_s: float | None = None) -> dict[str, Recording]:
        """Return every stem; ValueError where the file is damaged or the span lies outside it."""
        return self._decode(self.chosen, start_s, duration_s)

    def load(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
        """Return the sum of the stems, which is what the song is here; errors as `stems`."""
        stems = self.stems(start_s=start_s, duration_s=duration_s)
        return added(list(stems.values()), self.name, what=f"stems {', '.join(stems)}")

    def mixture(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording | None:
        """Return the mixture as it was stored; None where not all stems are asked for."""
        return None if self.chosen != STEMS else self._decode(("mixture",), start_s, duration_s)["mixture"]

    def _decode(self, names: Sequence[str], start_s: float, duration_s: float | None) -> dict[str, Recording]:
        start = round(start_s * self.sample_rate)
        if not 0 <= start < self.n_samples or (duration_s is not None and not duration_s > 0):
            raise ValueError(f"{self.path} is {self.duration_s:.2f} s long; it has no {duration_s} s from {start_s} s on.")
        left = self.n_samples - start
        wanted = left if duration_s is None else min(left, max(1, round(duration_s * self.sample_rate)))
        to_the_end = start + wanted == self.n_samples
        audio = _streams(self.path, [STREAMS[name] for name in names], start / self.sample_rate,
                         None if to_the_end else wanted / self.sample_rate)  # fmt: skip
        surplus = min(wave.shape[1] for wave in audio) - wanted
        if surplus < 0:
            raise ValueError(f"{self.path} is damaged: {wanted + surplus} of {wanted} samples could be decoded.")
        whole = start == 0 and to_the_end
        history: tuple[str, ...] = () if whole else (f"read from {start_s:.2f} s for {wanted / self.sample_rate:.2f} s",)
        history += (f"{surplus} samples of the codec's padding cut off at the end",) if surplus else ()
        waves = zip(names, audio, strict=True)
        return {stem: Recording(wave[:, :wanted], self.sample_rate, f"{self.name}: {stem}", history) for stem, wave in waves}


def _streams(path: Path, streams: list[int], start_s: float, duration_s: float | None) -> list[Float[Tensor, "channel time"]]:
    stempeg = _stempeg()
    info = stempeg.Info(str(path))
    found = []
    for stream in streams:  # one by one: stempeg fails over streams of which one is cut off
        samples, _ = stempeg.read_stems(
            str(path), start=start_s or None, duration=duration_s, stem_id=stream, always_3d=True, dtype=np.float32, info=info,
            ffmpeg_format="f32le",  # musdb itself rounds to 16 bits and clips what the codec overshoots
        )  # fmt: skip
        found.append(torch.from_numpy(np.ascontiguousarray(samples[0].T)))
    return found


def _length(path: Path) -> tuple[int, int]:
    """Return the number of samples that were encoded, and their rate.

    The container holds the length of a stream in samples, and an edit list that takes the encoder's lead-in off its
    beginning; the edit's own duration is in milliseconds only. So: the length without edits, less the lead-in, which is
    how far the first packet lies before zero.
    """
    plain = _probe(path, ignore_editlist=1)
    edited = _probe(path, show_packets=None, read_intervals="%+#1")
    audio = [stream for stream in plain["streams"] if stream["codec_type"] == "audio"]
    shapes = {(stream.get("duration_ts"), stream.get("sample_rate"), stream.get("channels")) for stream in audio}
    if len(audio) != len(STREAMS) or len(shapes) != 1:
        raise ValueError(
            f"{path}: a stem file has {len(STREAMS)} streams of one length, rate and channels; got {sorted(map(str, shapes))}."
        )
    lead_in = max([0] + [-int(packet.get("pts", 0)) for packet in edited["packets"] if packet["codec_type"] == "audio"])
    return int(audio[0]["duration_ts"]) - lead_in, int(audio[0]["sample_rate"])


def _probe(path: Path, **options: Any) -> dict[str, Any]:
    ffmpeg = need("ffmpeg", extra="musdb", what="A stem file")
    try:
        return ffmpeg.probe(str(path), **options)
    except ffmpeg.Error as error:
        reason = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise ValueError(
            f"{path} cannot be read as a stem file ({reason[-1] if reason else error}); bring the whole file."
        ) from None


def _stempeg() -> Any:
    missing = [tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None]
    if missing:
        raise FileNotFoundError(
            f"Stem files are decoded by {' and '.join(missing)}, which is not on the PATH; install ffmpeg "
            "(Debian: apt-get install ffmpeg), or take MUSDB18-HQ's WAV files."
        )
    return need("stempeg", extra="musdb", what="A stem file (MUSDB18)")

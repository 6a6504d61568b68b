"""Slakh2100's layout: a folder for each song with one sound file for each instrument; the `band` set has it, too.

``DATA/train/Track00001/`` holds ``metadata.yaml``, ``stems/S00.flac`` and so on, ``mix.flac`` and MIDI files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hearwhy.datasets.band.metadata import read_metadata
from hearwhy.datasets.items import Dataset, Item
from hearwhy.datasets.multitrack import Multitrack, Stems, chosen, common_header


def stem_name(inst_class: str) -> str:
    """Return what the stem of a class of instruments is called.

    Examples
    --------
    >>> stem_name("Strings (continued)"), stem_name("Sound Effects"), stem_name("Sound effects")
    ('strings', 'sound effects', 'sound effects')
    """
    return inst_class.removesuffix("(continued)").strip().lower()


def song_folders(root: Path) -> list[Path]:
    """Return the songs of a folder in the order of their names; the folder itself where it is one."""
    is_song = (root / "metadata.yaml").is_file() and next(root.glob("stems/S[0-9]*"), None) is not None
    return [root] if is_song else sorted(path.parent for path in root.glob("*/metadata.yaml"))


def read_slakh(data: Path, roots: Sequence[Path], *, stems: tuple[str, ...] | None = None) -> Dataset:
    """Return the songs in `roots`, folders of `data`; a song that lacks a stem of `stems` is left out, and named.

    An item's stems are one for each class of instruments (General MIDI's names, as Slakh2100 has them, in small letters;
    "Strings" and "Strings (continued)" are both "strings"), at the rate that is stored (Slakh2100: 44.1 kHz, mono). The song
    is their sum; ``mix.flac`` is that sum rounded to 16 bits, if nobody changed its gain: `mixture_gap` says.
    Instruments that were not rendered are not in it. Songs made from one MIDI file (``UUID``; 390 songs of
    Slakh2100-orig repeat another one's) are one group. Headers of all files are read, nothing is decoded.
    """
    items: list[Item] = []
    problems: list[tuple[str, str]] = []
    first: dict[str, str] = {}  # UUID to the first song made from it
    for folder in (folder for root in roots for folder in song_folders(root)):
        name = folder.relative_to(data).as_posix() if folder != data else folder.name
        try:
            metadata = read_metadata(folder / "metadata.yaml")
            files = chosen(name, rendered(folder, metadata), stems)
            header = common_header(name, files)
        except (ValueError, OSError) as error:
            problems.append((name, str(error)))
            continue
        group = first.setdefault(str(metadata.get("UUID", name)), name)
        mix = folder / "mix.flac"
        items.append(Multitrack(name, group, tuple(files.items()), header, mix if stems is None and mix.is_file() else None))
    return Dataset("slakh", tuple(items), tuple(problems))


def rendered(folder: Path, metadata: dict[str, object]) -> Stems:
    """Return the files of every class of instruments of a song, by the name of the stem.

    Raises
    ------
    ValueError
        The metadata name no instrument that was rendered, or leave out what it is.
    """
    about = metadata.get("stems")
    files: dict[str, list[Path]] = {}
    for key, instrument in about.items() if isinstance(about, dict) else ():
        if not isinstance(instrument, dict) or not {"audio_rendered", "inst_class"} <= instrument.keys():
            raise ValueError(f"{folder / 'metadata.yaml'} does not say audio_rendered and inst_class of {key}.")
        if instrument["audio_rendered"]:
            files.setdefault(stem_name(str(instrument["inst_class"])), []).append(folder / "stems" / f"{key}.flac")
    if not files:
        raise ValueError(f"{folder / 'metadata.yaml'} names no instrument that was rendered; leave the song out.")
    return {stem: tuple(files[stem]) for stem in sorted(files)}

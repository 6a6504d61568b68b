"""Reading: any dataset on disk as items, its layout found by looking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hearwhy import audio as sound
from hearwhy.datasets.esc50 import esc50_items
from hearwhy.datasets.files import has_classes, read_files
from hearwhy.datasets.items import Dataset, Item, Progress
from hearwhy.datasets.musdb18 import hq_folders, read_musdb18, read_musdb18hq, stem_files
from hearwhy.datasets.slakh import read_slakh, song_folders

SPLITS = ("train", "validation", "test")


def read(
    data: str | Path,
    *,
    split: str | None = None,
    stems: Sequence[str] | None = None,
    check: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Return the recordings of a dataset, whatever its layout; headers are read, no sound is decoded.

    In this order: ``meta/esc50.csv`` is ESC-50's layout; folders of songs with ``metadata.yaml`` are Slakh2100's (and the
    `band` set's); ``*.stem.mp4`` are MUSDB18's, folders with ``mixture.wav`` MUSDB18-HQ's; two or more folders of sound
    files, and no sound file beside them, are a folder for each class; anything else is files without more. All but
    ESC-50's may lie in folders ``train``, ``validation`` and ``test``.

    Parameters
    ----------
    data
        A folder, or one sound file.
    split
        Which part of it: a folder's name ("train", Slakh2100's "omitted"), in ESC-50's layout a fold ("5"). None: all folds, or
        what lies in the three folders, where there are some.
    stems
        Where the sources are known: only these, in this order; the recording is then their sum. Songs that lack one are
        left out.
    check
        Decode every recording and leave out, by name, those that are damaged or digitally silent: slow, and sure.
    progress
        Called with (done, all) while `check` decodes.

    Raises
    ------
    FileNotFoundError
        There is no such folder, no such split, or no sound in it; or ffmpeg is missing (MUSDB18's stem files).
    ValueError
        Nothing in it can be read, or `stems` are asked for where sources are not known.

    Examples
    --------
    >>> from hearwhy.datasets import demo_song
    >>> print(read(demo_song() / "stems").summary())
    files: 4 recordings, 0.5 minutes
    """
    data = Path(data)
    if not data.exists():
        raise FileNotFoundError(f"There is no {data}; give a folder of recordings, or a sound file.")
    if isinstance(stems, str) or (stems is not None and not stems):
        raise ValueError(f"stems is a list of names, such as ['piano', 'drums']; got {stems!r}.")
    dataset = _read(data, split, None if stems is None else tuple(stems))
    if stems is not None and dataset.layout in ("esc50", "folder", "files"):
        raise ValueError(f"{data} has the layout {dataset.layout!r}, in which the sources are not known; leave stems out.")
    if check:
        dataset = checked(dataset, progress=progress)
    if not dataset.items:
        if not dataset.problems:
            raise FileNotFoundError(f"There is no sound file in {data}; hearwhy reads {', '.join(sound.READABLE)}.")
        name, reason = dataset.problems[0]
        raise ValueError(f"None of the {len(dataset.problems)} recordings in {data} can be used; {name}: {reason}")
    return dataset


def _read(data: Path, split: str | None, stems: tuple[str, ...] | None) -> Dataset:
    if (data / "meta" / "esc50.csv").is_file():
        return esc50_items(data, fold=split)
    roots = _roots(data, split)
    if any(song_folders(root) for root in roots):
        return read_slakh(data, roots, stems=stems)
    if any(stem_files(root) for root in roots):
        return read_musdb18(data, roots, stems=stems)
    if any(hq_folders(root) for root in roots):
        return read_musdb18hq(data, roots, stems=stems)
    return read_files(data, roots, classes=has_classes(roots))


def _roots(data: Path, split: str | None) -> list[Path]:
    if split is None:
        return [data / name for name in SPLITS if (data / name).is_dir()] or [data]
    if not (data / split).is_dir() or Path(split).name != split:
        folders = sorted(path.name for path in data.iterdir() if path.is_dir()) if data.is_dir() else []
        raise FileNotFoundError(f"There is no split {split!r} in {data}; it has {', '.join(folders) or 'no folders'}.")
    return [data / split]


def checked(dataset: Dataset, *, progress: Progress | None = None) -> Dataset:
    """Return the dataset without the recordings that cannot be decoded to their end or are digitally silent.

    Their names and the reasons are added to `Dataset.problems`.
    """
    sound_items: list[Item] = []
    problems = list(dataset.problems)
    for number, item in enumerate(dataset.items, start=1):
        try:
            level_db = sound.level_db(item.load().audio)
            if level_db < sound.SILENCE_DB:
                raise ValueError(f"{item.name} is digitally silent; leave it out.")
            sound_items.append(item)
        except (ValueError, OSError) as error:
            problems.append((item.name, str(error)))
        if progress:
            progress(number, len(dataset.items))
    return Dataset(dataset.layout, tuple(sound_items), tuple(problems))

"""Sound files: a file, a folder of them with no more to it, and a folder for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hearwhy import audio as sound
from hearwhy.datasets.groups import groups_by_name
from hearwhy.datasets.headers import Header, load_span, read_header
from hearwhy.datasets.items import Dataset
from hearwhy.types import Recording

UNREAD = (".aac", ".amr", ".ape", ".au", ".caf", ".m4a", ".mp4", ".opus", ".w64", ".webm", ".wma", ".wv")
"""Sound that is not read here: such files are named among the problems, where a text or a picture is not looked at."""


@dataclass(frozen=True)
class SoundFile:
    """One sound file of a dataset; its sources are not known.

    Parameters
    ----------
    path
        Where it lies.
    header
        What it says of itself.
    name, group, label
        As in `Item`.
    """

    path: Path
    header: Header
    name: str
    group: str
    label: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds, as the file's header has it."""
        return self.header.duration_s

    def load(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
        """Return the sound, or a span of it, as it is stored.

        Raises
        ------
        FileNotFoundError, ValueError
            As `hearwhy.load`, and where fewer samples can be decoded than the file says that it has.
        """
        return replace(load_span(self.path, self.header, start_s, duration_s), name=self.name)

    def stems(self, *, start_s: float = 0.0, duration_s: float | None = None) -> None:
        """Return None: what it was mixed from is not known."""
        return


def sound_files(folder: Path) -> Iterator[Path]:
    """Yield every sound file in a folder and below, read or not, in the order of names; hidden ones are not looked at."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from sound_files(path)
        elif path.suffix.lower() in (*sound.READABLE, *UNREAD):
            yield path


def has_classes(roots: Sequence[Path]) -> bool:
    """Return whether folders of sound files, two or more, and no sound file, lie in `roots`: a folder a class."""
    entries = [path for root in roots if root.is_dir() for path in root.iterdir() if not path.name.startswith(".")]
    if any(path.is_file() and path.suffix.lower() in sound.READABLE for path in entries):
        return False
    return len({path.name for path in entries if path.is_dir() and next(sound_files(path), None)}) >= 2


def read_files(data: Path, roots: Sequence[Path], *, classes: bool) -> Dataset:
    """Return the sound files in and below `roots`, which are folders of `data` or a file.

    `Item.group` comes from the names: `hearwhy.datasets.groups.groups_by_name`.

    Parameters
    ----------
    data
        What names are relative to.
    roots
        Where to look.
    classes
        Whether the folder in which a file lies, seen from its root, is its label.
    """
    items: list[SoundFile] = []
    problems: list[tuple[str, str]] = []
    for root in roots:
        for path in [root] if root.is_file() else sound_files(root):
            name = path.name if root == path else path.relative_to(data).as_posix()
            try:
                if path.suffix.lower() in UNREAD:
                    raise ValueError(f"{path} is of a kind that hearwhy does not read; convert it to WAV or FLAC.")
                header = read_header(path)
            except (ValueError, OSError) as error:
                problems.append((name, str(error)))
                continue
            label = path.relative_to(root).parts[0] if classes else None
            items.append(SoundFile(path, header, name, name, label))
    groups = groups_by_name([item.name for item in items], [item.label for item in items])
    grouped = tuple(replace(item, group=group) for item, group in zip(items, groups, strict=True))
    return Dataset("folder" if classes else "files", grouped, tuple(problems))

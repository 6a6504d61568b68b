"""Staging: a folder of results is written whole or not at all, and never over what is not hearwhy's."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

LEDGER = ".hearwhy"  # names the files that were written, so that the next result can replace them and nothing else
RESERVED = (
    "index.html", "attribution.json", "attribution.npz", "components.json", "timeline.json", "timeline.npz", "plot.png",
    "audio", "snippets.csv", "values.csv", "figure_4a.png", "figure_4b.png", "profiles.png", "sanity.json",
    "shap_values.csv", "feature_importance.csv", "features",
)  # fmt: skip


def partial_folder(folder: str | Path, question: str) -> Path:
    """Return where the finished parts of long work lie until all of it is done: beside its folder, one for each question."""
    folder = Path(folder)
    return folder.parent / f".{folder.name}-{hashlib.sha256(question.encode()).hexdigest()[:10]}.partial"


class Staging:
    """A folder next to the one that is wanted; its files move there when all are written, and vanish if something fails.

    Files of an earlier result are removed; files that hearwhy did not write are never touched.

    Raises
    ------
    OSError
        The folder cannot be written, or holds files of that name that are not hearwhy's.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __enter__(self) -> Staging:
        self._check()
        self._made = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            self.undo()
            raise OSError(f"{self.folder} cannot be written ({error.strerror}); give another folder.") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._move()
                self._made = []
        finally:
            self.undo()

    def _check(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is a file; give a folder to write to.")
        written = self._written()
        foreign = [
            path for name in RESERVED if (self.folder / name).exists()
            for path in _files(self.folder / name) if path.relative_to(self.folder) not in written
        ]  # fmt: skip
        if foreign:
            raise FileExistsError(f"{self.folder} holds {foreign[0].name}, which is not hearwhy's; give another folder.")

    def _written(self) -> set[Path]:
        """The files that an earlier result left here."""
        ledger = self.folder / LEDGER
        return {Path(line) for line in ledger.read_text().splitlines()} if ledger.is_file() else set()

    def _move(self) -> None:
        earlier = {path for path in self._written() if not path.is_absolute() and ".." not in path.parts}
        new = sorted(path.relative_to(self.path) for path in _files(self.path))
        for path in earlier - set(new):
            (self.folder / path).unlink(missing_ok=True)
        for path in new:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.path / path).replace(self.folder / path)
        (self.folder / LEDGER).write_text("".join(f"{path.as_posix()}\n" for path in new))
        # Only folders that an earlier result had filled; an empty one of yours stays.
        left = {folder for path in earlier for folder in path.parents} - {Path()}
        _remove_empty([self.folder / folder for folder in sorted(left, reverse=True)])

    def undo(self) -> None:
        """Remove what was staged, and the folders that were made for it and hold nothing."""
        if hasattr(self, "path"):
            shutil.rmtree(self.path, ignore_errors=True)
        _remove_empty(self._made)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def check_folder(folder: str | Path) -> None:
    """Raise OSError where a result could not be written to `folder`; leaves nothing behind, not even the folder."""
    Staging(folder).__enter__().undo()

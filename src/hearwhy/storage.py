"""An attribution on disk: attribution.json, attribution.npz and audio/*.wav, written whole or not at all."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.components.cells import Numbered
from hearwhy.components.parts import Parts
from hearwhy.parents import Added, Parents
from hearwhy.result import Attribution, Keep
from hearwhy.spectrum import Masked, Spectrum, front_end_of
from hearwhy.staging import Staging
from hearwhy.types import Recording
from hearwhy.vector import Vector

VERSION = 1
SPECTRUM = ("features", "cell", "floor")
TENSORS = (
    "values", "base", "score_full", "score_base", "probabilities", "removed", "stderr", "without", "answers", "interactions",
    "interactions_stderr",
)  # fmt: skip
TUPLES = ("shape", "targets", "labels", "absent", "levels_db", "fidelity", "interaction_share")
DESCRIBED = (*TUPLES, "names", "n_calls", "second_fill", "level_check", "settings")
MAX_COMPONENT_FILES = 32  # above, segments, bands and tiles are made anew from the recording
MAX_HEARD = 12  # values of vectors whose sound is written


def save(attribution: Attribution, folder: str | Path) -> Path:
    """Write an attribution to a folder, made where it is missing; files of an earlier result there are replaced.

    ``audio/`` holds the recording, every component (segments, bands and tiles: up to 32), and what is positive, negative and
    the rest for the first target, as 24-bit WAV under one common gain that stands in ``attribution.json``.

    Raises
    ------
    OSError
        The folder cannot be written; nothing is then left behind.
    """
    folder = Path(folder)
    with Staging(folder) as stage:
        gain, files = _write_audio(attribution, stage.path / "audio")
        (stage.path / "attribution.json").write_text(_encode(_description(attribution, gain, files)))
        arrays = {name: getattr(attribution, name) for name in TENSORS}
        arrays |= _spectrum_arrays(attribution) | _part_arrays(attribution)
        arrays |= {} if attribution.vector is None else attribution.vector.as_tensors()
        np.savez_compressed(stage.path / "attribution.npz", **{k: v.numpy() for k, v in arrays.items() if v is not None})
    return folder


def load(folder: str | Path) -> Attribution:
    """Return the attribution that `save` wrote to a folder; neither the model nor the sound file is needed.

    Raises
    ------
    FileNotFoundError
        The folder holds no attribution.
    ValueError
        It was written by a later version, or a file of it is damaged.
    """
    folder = Path(folder)
    if not (folder / "attribution.json").is_file():
        raise FileNotFoundError(f"There is no attribution in {folder}; give a folder that attribution.save() wrote.")
    try:
        kept = json.loads((folder / "attribution.json").read_text(), object_pairs_hook=_decode)
        if kept["version"] > VERSION:
            raise ValueError(f"{folder} was written by a later hearwhy (format {kept['version']}); this one reads {VERSION}.")
        tensors: dict[str, Any] = {}
        with np.load(folder / "attribution.npz", allow_pickle=False) as arrays:
            tensors |= {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (KeyError, json.JSONDecodeError, OSError, EOFError) as error:
        raise ValueError(f"{folder} is damaged ({error}); save the attribution again.") from error
    recording = _read_back(folder / "audio" / "recording.wav", kept["gain"], kept["recording"])
    plain: dict[str, Any] = {key: tuple(kept[key]) if key in TUPLES else kept[key] for key in DESCRIBED}
    plain["names"] = _names(kept["names"])
    spectrum, masks = _spectrum_of(kept, tensors)
    arrays_of = {name: tensors[name] for name in TENSORS if name in tensors}
    return Attribution(
        **arrays_of, **plain, **_of_parts(kept, tensors), recording=recording, spectrum=spectrum, masked=masks,
        vector=None if kept.get("vector") is None else Vector.from_described(kept["vector"], tensors),
        sounds=lambda: _sounds(folder, kept, recording) if spectrum is None else spectrum.each(recording),
    )  # fmt: skip


def _names(kept: Any) -> Sequence[str]:
    return Numbered(*kept["numbered"]) if isinstance(kept, dict) else tuple(kept)


def _spectrum_arrays(attribution: Attribution) -> dict[str, Tensor | None]:
    spectrum = attribution.spectrum
    if spectrum is None:
        return {}
    found: dict[str, Tensor | None] = {name: getattr(spectrum, name) for name in SPECTRUM}
    for i, mask in enumerate(attribution.masked):
        found |= {f"mask_{i}": mask.mask, f"mask_probabilities_{i}": mask.probabilities}
    return found


def _part_arrays(attribution: Attribution) -> dict[str, Tensor | None]:
    parents, added = attribution.parents, attribution.added
    of_parents = {} if parents is None else {"parent_values": parents.values, "parent_without": parents.without}
    return {**of_parents, **({} if added is None else {"probabilities_as_it_is": added.probabilities})}


def _of_parts(kept: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """What was split again and what was added; an earlier hearwhy wrote nothing of it."""
    found: dict[str, Any] = {}
    if (told := kept.get("parents")) is not None:
        numbers = (tensors["parent_values"], tensors["parent_without"])
        found["parents"] = Parents(tuple(told["names"]), tuple(told["of"]), *numbers)
    if (told := kept.get("added")) is not None:
        found["added"] = Added(tuple(told["names"]), tuple(told["components"]), tensors["probabilities_as_it_is"])
    return found


def _spectrum_of(kept: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[Spectrum | None, tuple[Masked, ...]]:
    told = kept.get("spectrum")
    if told is None:
        return None, ()
    spectrum = Spectrum(
        **{name: tensors[name] for name in SPECTRUM}, front_end=front_end_of(told["front_end"]), n_samples=told["n_samples"]
    )
    masks = [
        Masked(**mask, mask=tensors[f"mask_{i}"], probabilities=tensors[f"mask_probabilities_{i}"])
        for i, mask in enumerate(kept["masked"])
    ]
    return spectrum, tuple(masks)


def _description(attribution: Attribution, gain: float, files: list[str]) -> dict[str, Any]:
    recording, parents, added = attribution.recording, attribution.parents, attribution.added
    return {
        "version": VERSION,
        **{key: getattr(attribution, key) for key in DESCRIBED},
        "names": _plain_names(attribution.names),
        "spectrum": None if attribution.spectrum is None else attribution.spectrum.described(),
        "vector": None if attribution.vector is None else attribution.vector.described(),
        "masked": [mask.described() for mask in attribution.masked],
        "parents": None if parents is None else {"names": parents.names, "of": parents.of},
        "added": None if added is None else {"names": added.names, "components": added.components},
        "recording": {"name": recording.name, "history": recording.history},
        "gain": gain,
        "components": files,
    }


def _plain_names(names: Sequence[str]) -> Any:
    return {"numbered": [names.n, names.word]} if isinstance(names, Numbered) else list(names)


def _write_audio(attribution: Attribution, folder: Path) -> tuple[float, list[str]]:
    sounds = {"recording.wav": attribution.recording}
    for keep in get_args(Keep):
        heard = attribution.listen(keep=keep)
        if heard is not None:
            sounds[f"{keep}.wav"] = heard
    sounds |= {f"mask-{name}.wav": heard for name, heard in attribution.heard_masks().items()} | _audible(attribution)
    files: list[str] = []
    made_again = attribution.settings.get("made_of_recording") or attribution.spectrum is not None
    if attribution.vector is None and (len(attribution.names) <= MAX_COMPONENT_FILES or not made_again):
        for i, name in enumerate(attribution.names):
            files.append(f"{i + 1:02d}-{_slug(name)}.wav")
            sounds[files[-1]] = attribution.component_audio(i)
    gain = sound.safe_gain(*(recording.audio for recording in sounds.values()))
    for name, recording in sounds.items():
        sound.write(recording, folder / name, gain=gain)
    return gain, files


def _audible(attribution: Attribution) -> dict[str, Recording]:
    """What the strongest values are as sound."""
    if attribution.vector is None:
        return {}
    strongest = attribution.values.abs().flatten(1).amax(dim=0).argsort(descending=True, stable=True)
    vector, found = attribution.vector, {}
    for i in strongest[:MAX_HEARD].tolist():
        for word, audio in vector.voice(attribution.recording, i).sounds.items():
            name = f"{attribution.names[i]} {word}"
            found[f"{i + 1:02d}-{_slug(name)}.wav"] = Recording(audio, vector.front_end.sample_rate, name)
    return found


def _read_back(path: Path, gain: float, kept: dict[str, Any]) -> Recording:
    stored = sound.load(path)
    return Recording(stored.audio / gain, stored.sample_rate, kept["name"], tuple(kept["history"]))


def _sounds(folder: Path, kept: dict[str, Any], recording: Recording) -> Tensor:
    if kept["components"]:
        return torch.stack([sound.load(folder / "audio" / name).audio / kept["gain"] for name in kept["components"]])
    from hearwhy.components import components

    return components(kept["settings"]["components"], recording).audio


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "component"


def _encode(kept: dict[str, Any]) -> str:
    return json.dumps(_plain(kept), indent=1, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """JSON has no infinities: they are written as {"float": "inf"}."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _decode(pairs: list[tuple[str, Any]]) -> Any:
    if len(pairs) == 1 and pairs[0][0] == "float":
        return float(pairs[0][1])
    return dict(pairs)


def save_components(parts: Parts, folder: str | Path) -> list[Path]:
    """Write every part as ``audio/NN-name.wav`` (24 bit, one common gain) with a ``components.json``; return the files.

    Raises
    ------
    OSError
        The folder cannot be written; nothing is then left behind.
    """
    gain = sound.safe_gain(parts.audio)
    files = [Path("audio") / f"{i + 1:02d}-{_slug(name)}.wav" for i, name in enumerate(parts.names)]
    with Staging(Path(folder)) as stage:
        for file, name, audio in zip(files, parts.names, parts.audio, strict=True):
            sound.write(Recording(audio, parts.sample_rate, name), stage.path / file, gain=gain)
        description = {"components": parts.spec, "names": parts.names, "shape": parts.shape, "gain": gain,
                       "levels_db": parts.levels_db, "gap_db": parts.gap_db}  # fmt: skip
        (stage.path / "components.json").write_text(_encode(description))
    return files

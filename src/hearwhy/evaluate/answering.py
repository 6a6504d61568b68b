"""Answering: what a model says of what masks of one map keep and remove, all masks in a few batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.evaluate.maps import Scene
from hearwhy.masking import ask_features, ask_sounds
from hearwhy.masks import CONTROLS, ProtocolName, make_mask, masked
from hearwhy.metrics.conciseness import comp, sps
from hearwhy.metrics.sound import log_spectral_distance, si_sdr

Key = tuple[str, str]
"""Name of a mask, and of the control that was made of it; "" is the mask itself."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked about one map.

    Parameters
    ----------
    masks
        Every mask's line by its name.
    features, sounds
        Which rows are asked about as features, and which as sounds too.
    protocol
        How masks are made and applied.
    deal
        Seed of the random control: the same for all maps of one recording.
    """

    masks: Mapping[str, str]
    features: Sequence[Key]
    sounds: Sequence[Key]
    protocol: ProtocolName
    deal: int


@dataclass(frozen=True, eq=False)
class Row:
    """What was found about one mask; None where it was not asked.

    Parameters
    ----------
    mask, control
        What was asked about.
    logits
        The model's own numbers by name: ``logits_in``, ``logits_out``, ``heard_in``, ``heard_out``; (label,) each.
    numbers
        ``area`` (share of the cells that is kept), ``sps``, ``comp``, ``si_sdr``, ``log_spectral_distance``.
    """

    mask: str
    control: str
    logits: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, float | None] = field(default_factory=dict)


def ask_ends(scene: Scene) -> Float[Tensor, "3 label"]:
    """Return the model's numbers for X, for silence, and for X as the paper's identity mask leaves it (rounded)."""
    spectrum = scene.spectrum
    whole = torch.ones(spectrum.features.shape, dtype=torch.bool)
    rounded, _ = masked(spectrum.features, whole, fill=spectrum.floor, protocol="paper")
    given = torch.stack([spectrum.features, spectrum.floor, rounded])
    return checked(ask_features(scene.classifier, given, device=scene.device, batch_size=scene.batch_size), scene)


def ask_masks(scene: Scene, values: Float[Tensor, "freq frame"], asked: Asked) -> list[Row]:
    """Return a row for every mask and control that is asked about; costs two passes for each different one.

    Binary masks that are alike (of top-k masks often) are asked once. Masks come first and controls after them, in batches
    of their own, so that a mask's numbers do not hang on the controls.
    """
    found = {key: Row(*key) for key in (*asked.features, *asked.sounds)}
    for control in dict.fromkeys(key[1] for key in found):
        keys = [key for key in found if key[1] == control]
        masks = _of_control(control, _own({key[0] for key in keys}, values, asked), scene, asked.deal)
        of_features = {key: masks[key[0]] for key in keys if key in asked.features}
        _fill(found, of_features, scene, asked, heard=False)
        _fill(found, {key: masks[key[0]] for key in keys if key in asked.sounds}, scene, asked, heard=True)
        for key, mask in of_features.items() if not control else ():
            found[key].numbers.update(_shape(mask, asked.protocol))
    return list(found.values())


def _own(names: Iterable[str], values: Tensor, asked: Asked) -> dict[str, Tensor]:
    wanted = set(names)
    return {name: make_mask(line, values, protocol=asked.protocol) for name, line in asked.masks.items() if name in wanted}


def _of_control(control: str, masks: dict[str, Tensor], scene: Scene, deal: int) -> dict[str, Tensor]:
    """The control of every mask; masks of one kind together."""
    if not control:
        return masks
    made: dict[str, Tensor] = {}
    for binary in (True, False):
        names = [name for name, mask in masks.items() if (mask.dtype == torch.bool) == binary]
        if names:
            stack = torch.stack([masks[name] for name in names])[None]
            found = CONTROLS[control](stack, scene.spectrum.features[None], [deal])[0]
            made |= dict(zip(names, found, strict=True))
    return made


def _shape(mask: Tensor, protocol: ProtocolName) -> dict[str, float | None]:
    area = float(mask.to(torch.float64).mean())
    return {"area": area, "sps": float(sps(mask, protocol=protocol)), "comp": float(comp(mask, protocol=protocol))}


def _fill(found: dict[Key, Row], masks: dict[Key, Tensor], scene: Scene, asked: Asked, *, heard: bool) -> None:
    """Ask about the masks, two spectrograms each, and put the answers into their rows."""
    distinct: dict[Key | bytes, list[Key]] = {}
    for key, mask in masks.items():
        distinct.setdefault(mask.numpy().tobytes() if mask.dtype == torch.bool else key, []).append(key)
    groups = sorted(distinct.values(), key=lambda group: masks[group[0]].dtype != torch.bool)  # binary ones first
    step = max(1, scene.batch_size // 2)
    for start in range(0, len(groups), step):
        some = groups[start : start + step]
        kept, removed = _apply([masks[group[0]] for group in some], scene, asked.protocol)
        answer = _ask_sounds if heard else _ask_features
        for group, told in zip(some, answer(kept, removed, scene), strict=True):
            for key in group:
                found[key].logits.update(told.logits)
                found[key].numbers.update(told.numbers)


def _apply(masks: list[Tensor], scene: Scene, protocol: ProtocolName) -> tuple[Tensor, Tensor]:
    """X_in and X_out of some masks, binary ones by selection and soft ones by arithmetic; those of a kind together."""
    kinds = [list(some) for _, some in groupby(masks, key=lambda mask: mask.dtype)]
    spectrum = scene.spectrum
    pairs = [masked(spectrum.features, torch.stack(some), fill=spectrum.floor, protocol=protocol) for some in kinds]
    kept, removed = zip(*pairs, strict=True)
    return torch.cat(kept), torch.cat(removed)


def _ask_features(kept: Tensor, removed: Tensor, scene: Scene) -> Iterator[Row]:
    given = torch.cat([kept, removed])
    answers = checked(ask_features(scene.classifier, given, device=scene.device, batch_size=scene.batch_size), scene)
    for inside, outside in zip(*answers.chunk(2), strict=True):
        yield Row("", "", {"logits_in": inside, "logits_out": outside})


def _ask_sounds(kept: Tensor, removed: Tensor, scene: Scene) -> Iterator[Row]:
    """Answers to the re-analysed sounds, and what the sound of what is kept has lost against the recording."""
    spectrum, whole = scene.spectrum, scene.spectrum.sound(scene.recording, scene.spectrum.features)[0]
    sounds = spectrum.sound(scene.recording, torch.cat([kept, removed]))
    answers = checked(ask_sounds(scene.classifier, sounds, spectrum, device=scene.device, batch_size=scene.batch_size), scene)
    for sound, inside, outside in zip(sounds, *answers.chunk(2), strict=False):
        lost: dict[str, float | None] = {
            "si_sdr": float(si_sdr(sound[0], whole)),
            "log_spectral_distance": float(log_spectral_distance(sound[0], whole)),
        }
        yield Row("", "", {"heard_in": inside, "heard_out": outside}, lost)


def checked(answers: Tensor, scene: Scene) -> Tensor:
    """Return the answers, or raise ValueError where they are not finite."""
    if not torch.isfinite(answers).all():
        raise ValueError(
            f"{scene.classifier.name} answers with NaN or infinity to a masked spectrogram of {scene.recording.name}; "
            "a front end that divides by the level does so where silence is left."
        )
    return answers

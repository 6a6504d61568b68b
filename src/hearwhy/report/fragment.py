"""Fragment: an explanation as one small piece of HTML, for notebooks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hearwhy.report import maps, sound, values
from hearwhy.report.bars import axis
from hearwhy.report.case import Case
from hearwhy.report.caveats import findings
from hearwhy.report.html import environment
from hearwhy.report.summary import UNITS, components
from hearwhy.report.verdict import verdict
from hearwhy.result import Attribution
from hearwhy.types import Recording

MAX_BARS = 16  # more would not be read; it is said how many are left out
VERBS = {"kept": "keeps", "removed": "removes"}
MAX_BYTES = 1_500_000  # of sound in one notebook cell


def fragment(attribution: Attribution, *, picture: str | None) -> str:
    """Return the verdict, what limits it, the bars and some sounds of the first target; `picture` is base64 of a PNG."""
    case = Case(attribution)
    shown = _rows(case)
    ends = axis(shown)
    return environment().get_template("fragment.html.j2").render(
        case=case,
        verdict=verdict(case),
        findings=[finding for finding in findings(case) if finding[1] != "passed"],
        rows=[(row, ends.bar(row)) for row in shown],
        left_out=len(attribution.names) - len(shown),
        zero=ends.percent(0),
        unit=UNITS[case.setting("scale", "log_odds")],
        picture=picture,
        sounds=_sounds(attribution),
    )  # fmt: skip


def _rows(case: Case) -> list[dict[str, Any]]:
    """The strongest components, the most positive first; of features with where their values stand."""
    if case.attribution.spectrum is not None:
        return maps.strongest(case)
    rows = [row | {"standing": case.standing(i)} for i, row in enumerate(components(case))]
    strongest = sorted(rows, key=lambda row: -abs(row["value"]))[:MAX_BARS] if len(rows) > MAX_BARS else rows
    return sorted(strongest, key=lambda row: (row["absent"], -row["value"]))


def _sounds(attribution: Attribution) -> list[tuple[str, str]]:
    """What is played, with its name; only the recording where all is too long, and nothing where that is."""
    heard = _heard(attribution)
    if sum(made.audio.numel() for _, made in heard) * 2 > MAX_BYTES:
        heard = [pair for pair in heard[:1] if pair[1].audio.numel() * 2 <= MAX_BYTES]
    return [(name, _encoded(made)) for name, made in heard]


def _heard(attribution: Attribution) -> list[tuple[str, Recording]]:
    """The recording; what a mask keeps and removes of it; the strongest feature that has a sound."""
    if attribution.vector is None:
        masks = attribution.heard_masks().items()
        return [("The recording", attribution.recording), *((f"What the mask {VERBS[name]}", made) for name, made in masks)]
    recording, vector = values.as_heard(attribution), attribution.vector
    found = [("The recording as the model hears it", recording)]
    for i in attribution.values[0].flatten().abs().argsort(descending=True, stable=True).tolist():
        if sounds := vector.voice(recording, i).sounds:
            named = {f"{attribution.names[i]} {values.LONG[key]}": audio for key, audio in sounds.items()}
            return found + [(name, replace(recording, audio=audio[None])) for name, audio in named.items()]
    return found


def _encoded(recording: Recording) -> str:
    bank = sound.fit([sound.Bank((sound.Track("recording", recording.audio),), recording.sample_rate, 0, 1.0)])[0]
    return sound.encode(bank.tracks[0].audio, bank.sample_rate, sound.common_gain(bank))

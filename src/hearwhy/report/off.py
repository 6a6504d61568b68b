"""Off: what it means that a value is switched off: there is always a number, nothing is ever missing."""

from __future__ import annotations

from hearwhy.components.audible import heard
from hearwhy.front_ends import FeatureTable
from hearwhy.report.case import Case
from hearwhy.report.grid import innermost
from hearwhy.report.words import Finding, Name, say, seconds


def meaning(case: Case) -> list[Finding]:
    """Say of values what one that is off is put to, and that of a matrix the row is shifted."""
    vector = case.attribution.vector
    if vector is None:
        return []
    one_frame = isinstance(innermost(vector.front_end), FeatureTable)
    row = "" if one_frame else ": its row is shifted as a whole, and what moves within it stays"
    text = say("A feature that is off is put to {}{}. The recording itself was asked about as it is.", Name(_put_to(case)), row)
    if bool(vector.usual.isnan().any()):
        text = (*text, " What is usual is not known: --background DATA tells.")
    return [("off", "note", text)]


def _put_to(case: Case) -> str:
    fill = str(case.setting("fill", "silence"))
    if fill.startswith("conditional of "):
        return f"what is expected of it given those that are on (of {fill.removeprefix('conditional of ')})"
    if " typical rows of " in fill:
        return f"each of {fill} in turn"
    return f"the {fill}" if case.usual == "as usual" else f"what it is in {fill}"


def headings(case: Case) -> dict[str, str | None]:
    """Return how the predictions are headed in which something is switched off."""
    if case.usual is None:
        return {"first": "Without", "note": None, "all": "Everything removed"}
    return {"first": "With", "note": case.usual, "all": case.lacking_all.removeprefix("with ").capitalize()}


def unheard(case: Case) -> list[Finding]:
    """Say that what the features are made of is silent, though the recording is not."""
    vector = case.attribution.vector
    if vector is None:
        return []
    audio = heard(case.attribution.recording, vector.front_end)
    if audio.any():
        return []
    span = seconds(len(audio) / vector.front_end.sample_rate)
    text = say("The model hears only silence, in the first {} of the recording: give a part that sounds (--start).", span)
    return [("unheard", "warning", text)]


CHECKS = (meaning, unheard)

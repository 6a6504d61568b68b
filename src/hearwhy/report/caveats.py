"""Caveats: what limits an explanation, beside the checks that it passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from hearwhy.attribution import METHODS
from hearwhy.report import marking, off
from hearwhy.report.case import Case, gap_db, top
from hearwhy.report.verdict import lost, nothing_present, noticeable
from hearwhy.report.words import Finding, Name, decibel, listing, percent, probability, say, signed

MIN_FIDELITY = 0.8  # below, a fifth of what the model does on unseen mixes is not in the bars
MAX_INTERACTION = 0.2  # above, a fifth of it is owed to components acting together
MAX_MISSED = 0.05  # of the effect: integrated gradients that miss more have cut a corner of the path
AUDIBLE_GAP_DB = -40.0  # a gap above this can be heard beside the music
MAX_APART = 0.01  # of a part's value: pieces that sum to it but for that sum to it
STAND_IN = 0.9  # removing the strongest leaves nine tenths of the probability: the others stand in for it
MAX_CHANGE = 0.05  # of the scores' range: what running the model in lower precision may change unnoticed
LEAD = 0.01  # a label that leads by less than the digits that are shown is not what the model says


def findings(case: Case) -> list[Finding]:
    """Return what was found about how far the explanation can be trusted, warnings first."""
    found = [finding for check in _CHECKS for finding in check(case)]
    return sorted(found, key=lambda finding: ("warning", "note", "passed").index(finding[1]))


def _fidelity(case: Case) -> list[Finding]:
    r2 = _of_target(case.attribution.fidelity, case.target)
    if r2 is None:
        return []
    if r2 < MIN_FIDELITY:
        number = f"{r2:.2f}" if r2 >= 0 else "below 0"
        text = say("The values together foresee the model's answers to other mixes poorly (R² {}): trust the answers to single "
                   "mixes more than the values.", number)  # fmt: skip
        if case.usual is not None:
            text = say("What the features add, summed, foresees the model's answers to other combinations of them poorly "
                       "(R² {}): what one does hangs on the others.", number)  # fmt: skip
        return [("fidelity", "warning", text)]
    what, asked = ("The values foresee", "mixes") if case.usual is None else ("The numbers foresee", "combinations")
    text = say("{} the model's answers to {} they were not made from: R² {}.", what, asked, f"{r2:.2f}")
    return [("fidelity", "passed", text)]


def _interaction(case: Case) -> list[Finding]:
    share = _of_target(case.attribution.interaction_share, case.target)
    if share is None:
        return []
    if share > MAX_INTERACTION:
        text = say("{} of the effect comes from {}s acting together; no {} per {} can show that.", percent(share),
                   case.thing, "value" if case.usual is None else "number", case.thing)  # fmt: skip
        return [("interaction", "warning", text)]
    text = say("{}s act almost independently: {} of the effect is joint.", case.thing.capitalize(), percent(share))
    return [("interaction", "passed", text)]


def _second_fill(case: Case) -> list[Finding]:
    second, first = case.attribution.second_fill, case.setting("fill", "silence")
    if case.looks_inside:
        return []  # what stands in its place is told by `marking.one_fill`
    if second is None:
        text = say(
            "Asked under one fill only: what is removed is replaced by {}; another fill may tell otherwise.", Name(first)
        )
        if case.usual is not None:
            text = say("Asked under one meaning of off only; another may tell otherwise.")
        return [("fill", "note", text)]
    now, other = case.attribution.top(case.target), second["tops"][case.target]
    fill = Name(second["fill"])
    if other == (None if now is None else case.attribution.names[now]):
        same = say("Filled with {} instead of {}, the first {} stays the same.", fill, Name(first), case.thing)
        return [("fill", "passed", same)]
    name = say("{}", "none") if other is None else say("{}", _of_name(case, other))
    told = say("Another fill tells otherwise: with {} instead of {}, the first {} is ", fill, Name(first), case.thing)
    return [("fill", "warning", (*told, *name, "."))]


def _of_name(case: Case, name: str) -> Name:
    """A component's name as it reads in a sentence."""
    return Name(name) if case.attribution.spectrum is None else case.component(list(case.attribution.names).index(name))


def _level(case: Case) -> list[Finding]:
    check = case.attribution.level_check
    if check is None:
        return [("level", "note", say("It was not checked whether the level alone changes the answer."))]
    if not check["matters"]:
        gains = [signed(gain, 0) for gain in check["gains_db"]]
        return [("level", "passed", say("The level matters little: at {} dB the answer stays.", ", ".join(gains)))]
    said = case.attribution.labels[top(case.attribution.probabilities)]
    rows = list(zip(check["gains_db"], check["top"], map(torch.tensor, check["probabilities"]), strict=True))
    other = [row for row in rows if row[1] != said]
    p = case.chance(case.attribution.probabilities)
    gain, label, row = (other or sorted(rows, key=lambda row: -abs(case.chance(row[2]) - p)))[0]
    how = f"{abs(gain):.0f} dB {'louder' if gain > 0 else 'softer'}"
    name, number = (Name(label), float(row.max())) if other else (case.what, case.chance(row))
    text = say("The level matters: the same recording {} gets {} {}.", how, name, probability(number))
    return [("level", "warning", text)]


def _sampling(case: Case) -> list[Finding]:
    if case.stderr is None:
        return []
    tied = case.tied()
    if len(tied) > 1:
        names = Name(listing([case.component(i) for i in tied]))
        text = say("At this number of samples, {} cannot be told apart; more samples may.", names)
        return [("sampling", "warning", text), *_what_intervals_are(case)]
    text = say("Sampling error is smaller than what sets the first {} apart.", case.thing)
    return [("sampling", "passed", text), *_what_intervals_are(case)]


def _what_intervals_are(case: Case) -> list[Finding]:
    text = say("Intervals are sampling errors only: what another draw of masks would change, not what another fill, other "
               "{}s or another recording would.", case.thing)  # fmt: skip
    return [("intervals", "note", text)]


def _stopped(case: Case) -> list[Finding]:
    why = {"time": "Time was up", "most masks": "It was given up"}.get(str(case.setting("stopped")))
    if why is None:
        return []
    error, wanted = (f"{100 * share:.2g} %" for share in (case.setting("error"), case.setting("options")["tolerance"]))
    text = say("{} after {} masks: the largest sampling error is {} of the range of values, {} was wanted.", why,
               str(case.setting("n_masks")), error, wanted)  # fmt: skip
    return [("stopped", "warning", text)]


def _gap(case: Case) -> list[Finding]:
    gap = gap_db(case.attribution)
    if gap is None:
        return []
    severity = "warning" if gap > AUDIBLE_GAP_DB else "note"
    text = say("The components do not add up to the recording: what they miss lies at {}, and the model was asked without it.",
               decibel(gap))  # fmt: skip
    return [("gap", severity, text)]


def _stand_in(case: Case) -> list[Finding]:
    first, without = case.attribution.top(case.target), case.attribution.without
    if first is None or without is None or case.against is not None or nothing_present(case) or len(case.positive) < 2:
        return []
    before, after = case.chance(case.attribution.probabilities), case.chance(without[first])
    if after < STAND_IN * before:
        return []
    if case.usual is None:
        text = say("Without {} alone little changes: the other components can stand in for it.", case.component(first))
    else:
        name = case.component(first)
        text = say("With {} alone {} little changes: the other features can stand in for it.", name, case.usual)
    return [("redundancy", "note", text)]


def _incomplete(case: Case) -> list[Finding]:
    a, t = case.attribution, case.target
    entry = METHODS.get(case.setting("method", ""))
    if entry is None or entry.asks != "gradient":
        return []
    whole = float(a.score_full[t] - a.score_base[t])
    missed = abs(whole - float(a.values[t].sum()))
    if missed <= MAX_MISSED * max(abs(whole), float(a.values[t].abs().max())):
        return []
    text = say("The values miss {} of what everything together adds ({}): more n_steps follow the model more closely.",
               f"{missed:.2g}", f"{whole:.2g}")  # fmt: skip
    return [("completeness", "warning", text)]


def _fill_alone(case: Case) -> list[Finding]:
    removed = case.attribution.removed
    if not case.exclusive or case.against is not None or nothing_present(case):
        return []
    others = [p for i, p in enumerate(removed.tolist()) if i not in case.parsed.plus]
    if case.chance(removed) < max(others, default=0.0) + LEAD:
        return []
    p = probability(case.chance(removed))
    text = say("Even {} the model says {}, {}; {} from there.", case.lacking_all, case.what, p,
               "values count" if case.usual is None else "what features add counts")  # fmt: skip
    return [("fill alone", "note", text)]


def _absent(case: Case) -> list[Finding]:
    absent_ones = [i for i, absent in enumerate(case.absent) if absent]
    if not absent_ones:
        return []
    if case.attribution.spectrum is not None:
        n, fill = len(absent_ones), Name(str(case.setting("fill", "silence")))
        said = say("{} nothing but {}, and so no value.", "1 cell holds" if n == 1 else f"{n} cells hold", fill)
        return [("absent", "note", said)]
    gone = Name(listing([case.component(i) for i in absent_ones]))
    if case.usual is not None:
        said = say("{} already, so that switching it off changes nothing: {}.", case.usual.capitalize(), gone)
        return [("absent", "note", said)]
    return [("absent", "note", say("Not in this recording (over 60 dB below it), so without a value: {}.", gone))]


def _added(case: Case) -> list[Finding]:
    added = case.attribution.added
    if added is None:
        return []
    done = [step for step in case.attribution.recording.history if step.startswith("added ")]
    text = say("Not in the recording, but mixed in to ask what if: {}.", Name("; ".join(step[6:] for step in done)))
    return [("added", "note", text)]


def _missing(case: Case) -> list[Finding]:
    """Why not, where nothing that is there is the reason."""
    a = case.attribution
    asked = lost(case) and a.added is None and a.spectrum is None and a.vector is None
    if not asked or (case.least is not None and -case.least.value >= -float(a.score_base[case.target])):
        return []
    text = say("What speaks for {} may be missing from the recording: --add NAME=FILE asks what the model would say with it.",
               case.what)  # fmt: skip
    return [("missing", "note", text)]


def _pieces(case: Case) -> list[Finding]:
    """What pieces of a part sum to, and what the part as one adds: the same with Owen values, not with every method."""
    found: list[Finding] = []
    for whole in case.split_again:
        if len(whole.pieces) < 2:
            continue
        value, total = signed(whole.value), signed(whole.total)
        if abs(whole.total - whole.value) <= MAX_APART * max(abs(whole.value), noticeable(case)):
            found.append(("pieces", "passed", say("The pieces of {} sum to what it adds as one: {}.", whole.name, value)))
        else:
            text = say("The pieces of {} sum to {}, but as one it adds {}: with {} every piece is a component of its own. Owen "
                       "values keep them together.", whole.name, total, value, str(case.setting("method")))  # fmt: skip
            found.append(("pieces", "note", text))
    return found


def _scale(case: Case) -> list[Finding]:
    if case.setting("scale") != "probability":
        return []
    text = say("Probabilities are explained, not log-odds: near 0 and 1 they hide how much a {} does.", case.thing)
    return [("scale", "note", text)]


def _unsigned(case: Case) -> list[Finding]:
    if case.signed:
        return []
    text = say("The values say how much a {} matters, not whether it speaks for {} or against it.", case.thing, case.aim)
    return [("unsigned", "note", text)]


def _gradient(case: Case) -> list[Finding]:
    entry, check = METHODS.get(str(case.setting("method"))), case.setting("gradient_check")
    if entry is None or entry.asks == "score":
        return []
    if check is None:
        text = say("The values come from the model's gradient, which was not compared with finite differences.")
        return [("gradient", "note", text)]
    if check["passed"]:
        within = percent(check["error"]) if check["error"] >= 0.01 else "1 %"
        return [("gradient", "passed", say("The model's gradient agrees with finite differences within {}.", within))]
    text = say("The model's gradient is wrong: it misses finite differences by {}, and the values with it. Use kernel_shap, "
               "which only asks for answers.", percent(check["error"]))  # fmt: skip
    cause = () if check["cause"] is None else say(" The cause is {}.", Name(check["cause"]))
    return [("gradient", "warning", (*text, *cause))]


def _running(case: Case) -> list[Finding]:
    """What lower precision changes in the scores."""
    check = case.setting("running_check")
    if check is None:
        return []
    noticed = check["change"] > MAX_CHANGE * max(check["range"], noticeable(case))
    text = say("The model was run in lower precision, which changes its scores by up to {} ({} masks asked both ways).",
               f"{check['change']:.2g}", f"{check['n_masks']}")  # fmt: skip
    return [("running", "warning" if noticed else "passed", text)]


def _of_target(numbers: tuple[float | None, ...], target: int) -> float | None:
    return numbers[target] if target < len(numbers) else None


_CHECKS: tuple[Callable[[Case], list[Finding]], ...] = (
    _fidelity, _interaction, *off.CHECKS, _second_fill, _level, _sampling, _stopped, _gap, _stand_in, _fill_alone, _absent,
    _added, _missing, _pieces, _scale, _unsigned, _gradient, _incomplete, _running, *marking.CHECKS,
)  # fmt: skip


def as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as a dictionary."""
    kind, severity, text = finding
    return {"kind": kind, "severity": severity, "text": "".join(text)}

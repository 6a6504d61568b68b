"""Marking: what a mask of a map shows of it, in words: does what the map marks carry the decision?"""

from __future__ import annotations

from torch import Tensor

from hearwhy.report.case import Case, top
from hearwhy.report.words import Finding, Name, Sentence, percent, probability, say, share

LEAD = 0.01  # probabilities that differ by less read alike
APART = 0.2  # what is heard gets so much more or less than what the model was asked: it is no longer the same thing
MAX_MISSED = 0.05  # of the effect: values that are said to add up to it and miss more do not
MAX_FILLER = 0.1  # of a mask: bins without a positive value
RELATIVE = ("deep_shap", "gradient_shap")  # their values say what stands out against the fill, and add up to it


def marking(case: Case) -> Sentence:
    """Return what the mask keeps of the spectrogram, and what the model says of it and of the rest."""
    masked = case.masked
    if masked is None:
        return say("The model was not asked about a mask of the map.")
    area = float(masked.mask.mean())
    if area == 0:
        return say("The mask {} keeps nothing of the spectrogram.", masked.line)
    if bool((masked.mask == 1).all()):
        return say("The mask {} keeps the whole spectrogram.", masked.line)
    soft = bool(((masked.mask > 0) & (masked.mask < 1)).any())
    size = f"{share(area)} of the spectrogram{' in the mean, softly' if soft else ''}"
    method = str(case.setting("method", "the method"))
    kept, removed = (_gets(case, row) for row in masked.probabilities[1:3])
    return (*say("What {} marks ({}) alone gets ", method, size), *kept, "; without it ", *removed, ".")


def _gets(case: Case, row: Tensor) -> Sentence:
    """The probability of what is explained; and the label that the model says instead, where it says another."""
    said = say("{} {}", case.what, probability(case.chance(row)))
    if case.against is not None:
        return (*said, *say(" and {} {}", case.against, probability(case.chance_against(row))))
    best = top(row)
    if not case.exclusive or case.is_top(row):
        return said
    return (*said, *say(" (the model says {}, {})", case.label_name(best), probability(float(row[best]))))


def says(case: Case, row: Tensor) -> bool:
    """Return whether a row of probabilities says what is explained."""
    if case.against is not None:
        return case.chance(row) > case.chance_against(row)
    return case.is_top(row) if case.exclusive else case.chance(row) >= 0.5


def contradiction(case: Case) -> list[Finding]:
    """Warn where what the map marks does not carry the decision, and the rest does."""
    masked = case.masked
    if masked is None or not 0 < float(masked.mask.mean()) < 1:
        return []
    as_is, kept, removed = masked.probabilities[:3]
    if says(case, as_is) and not says(case, kept) and says(case, removed):
        text = say("The map does not carry the decision: what it marks alone no longer gives {}, and the rest still does.",
                   case.what)  # fmt: skip
        return [("map", "warning", text)]
    lead = case.chance(kept) - case.chance(removed)
    numbers = (probability(case.chance(removed)), probability(case.chance(kept)))
    if lead < -LEAD:
        text = say("What the map marks matters less than the rest: the rest alone gets {} {}, what it marks alone {}.",
                   case.what, *numbers)  # fmt: skip
        return [("map", "warning", text)]
    if lead <= LEAD:
        text = say("What the map marks and the rest get as much {} ({} and {}): this mask does not show that the map matters.",
                   case.what, *reversed(numbers))  # fmt: skip
        return [("map", "note", text)]
    return [("map", "passed", say("What the map marks gets more {} than the rest.", case.what))]


def unmarked(case: Case) -> list[Finding]:
    """Warn where a binary mask keeps what no positive value marks: ties are broken by place, not by evidence."""
    masked = case.masked
    if masked is None or bool(((masked.mask > 0) & (masked.mask < 1)).any()) or not masked.mask.any():
        return []
    positive = case.attribution.map(case.target) > 0
    filler = float((~positive)[masked.mask > 0].float().mean())
    if filler <= MAX_FILLER:
        return []
    text = say("{} of what the mask {} keeps has no value above 0 ({} of the spectrogram has one), so it is kept by its place, "
               "not for evidence: choose a smaller mask, or threshold_pos.", percent(filler), masked.line,
               share(float(positive.float().mean())))  # fmt: skip
    return [("mask", "warning", text)]


def heard(case: Case) -> list[Finding]:
    """Say how far the answers to the sounds differ from those to the features."""
    masked = case.masked
    if masked is None:
        return []
    if masked.probabilities[3:].isnan().any():
        text = say("There is no way from these features back to sound: what the mask keeps can be seen, not heard.")
        return [("sound", "note", text)]
    rows = masked.probabilities
    pairs = {"keeps": (rows[1], rows[3]), "removes": (rows[2], rows[4])}
    apart = {verb: abs(case.chance(asked) - case.chance(sound)) for verb, (asked, sound) in pairs.items()}
    changed = [verb for verb, pair in pairs.items() if case.exclusive and top(pair[0]) != top(pair[1])]
    worst = max(apart, key=lambda verb: (verb in changed, apart[verb]))
    if not changed and apart[worst] <= APART:
        within = f"at most {max(apart.values()):.2f}" if max(apart.values()) >= 0.005 else "less than 0.01"
        text = say("What is heard gets nearly the same answers as the features: {} differs by {}.", case.what, within)
        return [("sound", "passed", text)]
    asked, sound = pairs[worst]
    shown = (*_gets(case, asked), " as features and ", *_gets(case, sound))
    return [("sound", "warning", (*say("What is heard is not what the model was asked about: what the mask {} gets ", worst),
                                  *shown, " as sound."))]  # fmt: skip


def control(case: Case) -> list[Finding]:
    """Say that no random mask was asked about."""
    if case.masked is None or not 0 < float(case.masked.mask.mean()) < 1:
        return []
    text = say("Not compared with a random mask of equal area, which may do as much: hearwhy evaluate compares.")
    return [("control", "note", text)]


def one_fill(case: Case) -> list[Finding]:
    """Say what stands where the mask removes, of methods that look inside and know no second fill."""
    if not case.looks_inside:
        return []
    fill = Name(str(case.setting("fill", "silence")))
    other = case.setting("method") in RELATIVE and fill != "silence"
    relative = say(", and values are relative to {}", fill) if other else ()
    return [("fill", "note", ("What the mask removes is replaced by silence", *relative, "; another fill may tell otherwise."))]


def additivity(case: Case) -> list[Finding]:
    """Say whether the values of a method that says so add up to what the recording adds to its fill."""
    a, t = case.attribution, case.target
    if not case.looks_inside or case.setting("method") not in RELATIVE:
        return []
    whole = float(a.score_full[t] - a.score_base[t])
    missed = abs(whole - float(a.values[t].double().sum())) / max(abs(whole), 1e-9)
    if missed > MAX_MISSED:
        text = say("The values miss {} of what the recording adds to {}.", percent(missed), case.aim)
        return [("completeness", "warning", text)]
    within = percent(missed) if missed >= 0.01 else "1 %"
    return [("completeness", "passed", say("The values add up to what the recording adds to {}, within {}.", case.aim, within))]


CHECKS = (contradiction, unmarked, heard, control, one_fill, additivity)

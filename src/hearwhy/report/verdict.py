"""Verdict: what the model says and what it rests on, in two sentences that claim no more than was measured."""

from __future__ import annotations

from hearwhy.report.case import Z95, Case, top
from hearwhy.report.marking import marking
from hearwhy.report.words import Name, Sentence, joined, probability, say

# Below these a value changes nothing that anyone would act on: 0.05 log-odds are 5 % of the odds.
NEGLIGIBLE = {"log_odds": 0.05, "logit": 0.05, "probability": 0.01}
NEGLIGIBLE_SHARE = 0.05  # of the strongest value of either sign: the score does not hang on less than that
MOST = 0.5  # "most of it": more than half of all that speaks for the target
MAX_TIED = 3  # more names than this are not an answer; the sentence then says that none stands out


def verdict(case: Case) -> Sentence:
    """Return the verdict in plain words: the prediction, then what carries it; of a map, what a mask of it shows."""
    if case.attribution.spectrum is None:
        return (*_prediction(case), " ", *_cause(case))
    if case.looks_inside:
        return (*_prediction(case), " ", *(_nothing(case) if nothing_present(case) else marking(case)))
    return (*_prediction(case), " ", *_cause(case), " ", *marking(case))


def _prediction(case: Case) -> Sentence:
    a = case.attribution
    p, best = a.probabilities, top(a.probabilities)
    mean, chance = _heard(case), probability(case.chance(a.probabilities))
    if case.against is not None:
        other = (case.against, probability(case.chance_against(p)))
        return say("The model gives {} {} and {} {}{}.", case.what, chance, *other, mean)
    if not case.exclusive:
        return say("The model hears {} with {}{}.", case.what, chance, mean)
    said = (case.label_name(best), probability(float(p[best])))
    if case.is_top(p) and len(case.parsed.plus) == 1:
        return say("The model says {}, {}{}.", *said, mean)
    return (*say("The model says {}, {}{}; ", *said, mean), *say("{}, which is explained here, gets {}.", case.what, chance))


def _heard(case: Case) -> str:
    """Say which of the recording the numbers are a mean of."""
    n, span = case.setting("n_windows", 1) or 1, case.setting("span_s")
    between = f" between {span[0]:g} and {span[1]:g} s" if span else ""
    return between + (f" (mean of {n} windows)" if n > 1 else "")


def _cause(case: Case) -> Sentence:
    strongest = case.positive[0] if case.positive else None
    if nothing_present(case):
        return _nothing(case)
    if strongest is None or case.values[strongest] < _noticeable(case):
        what = "Nothing present explains it: no component raises {} noticeably."
        return say(what if _is_said(case) else "No component raises {} noticeably.", case.aim)
    if case.stderr is not None and case.values[strongest] < Z95 * case.stderr[strongest]:
        return say("No component can be told from none: the sampling error is larger than every value.")
    tied = case.tied()
    if len(tied) > MAX_TIED:
        return say("No component stands out: the first {} cannot be told apart.", len(tied))
    if len(tied) > 1:
        names = Name(joined([case.component(i) for i in tied], "or"))
        return say("It rests on {} first; which of them more cannot be told apart.", names)
    return (*_carrier(case, strongest), *_without(case, strongest))


def _nothing(case: Case) -> Sentence:
    still = probability(case.chance(case.attribution.removed))
    return say("Nothing present explains it: with everything removed {} still gets {}.", case.what, still)


def nothing_present(case: Case) -> bool:
    """Return whether the fill alone gives what is explained, so that it rests on nothing that is there.

    True where the target is the label of the fill alone, and the fill alone says more for it than any component that is
    there adds. A contrast rests on nothing where the fill alone decides it and what is there lowers it.
    """
    a = case.attribution
    lift = float(a.score_full[case.target] - a.score_base[case.target])
    if case.against is not None:
        return case.chance(a.removed) > case.chance_against(a.removed) and lift <= 0
    if case.exclusive and not case.is_top(a.probabilities):
        return False  # it is not what the model says, so there is nothing to put down to the fill
    said_alone = case.is_top(a.removed) if case.exclusive else case.chance(a.removed) >= 0.5
    # Values of a method that looks inside are no shares of the score; there all that is present counts together.
    strongest = lift if case.looks_inside else max((case.values[i] for i in case.positive), default=0.0)
    return said_alone and strongest < float(a.score_base[case.target]) - _undecided(case)


def _undecided(case: Case) -> float:
    """Return the score that says nothing either way: even odds, or as a probability an equal share."""
    if case.setting("scale") != "probability":
        return 0.0
    return len(case.parsed.plus) / len(case.attribution.labels) if case.exclusive else 0.5


def _noticeable(case: Case) -> float:
    strongest = max(abs(value) for value in case.values)
    return max(NEGLIGIBLE[case.setting("scale", "log_odds")], NEGLIGIBLE_SHARE * strongest)


def _is_said(case: Case) -> bool:
    """Return whether the target is the one label that the model says."""
    return case.exclusive and case.against is None and case.is_top(case.attribution.probabilities)


def _carrier(case: Case, i: int) -> Sentence:
    share = case.values[i] / sum(case.values[j] for j in case.positive)
    if len(case.positive) == 1:
        how = "What speaks for {} is {}"
    else:
        how = "Most of what speaks for {} is {}" if share > MOST else "What speaks most for {} is {}"
    if not _is_said(case):
        return say(how, case.aim, case.component(i))
    short = "Most of it comes from {}" if share > MOST else "The largest part of it comes from {}"
    return say("It comes from {}" if len(case.positive) == 1 else short, case.component(i))


def _without(case: Case, i: int) -> Sentence:
    if case.attribution.without is None:
        return (".",)
    row = case.attribution.without[i]
    # a cell's place was just told, and is too long to be told again
    name = case.component(i) if case.attribution.spectrum is None else "that"
    best, gets = top(row), probability(case.chance(row))
    if case.against is not None:
        sides = (case.what, gets, case.against, probability(case.chance_against(row)))
        return say(": without {} it is {} {} and {} {}.", name, *sides)
    if not case.exclusive:
        return say(": without {} it gets {}.", name, gets)
    if not case.is_top(case.attribution.probabilities) or len(case.parsed.plus) > 1:
        return say(": without {}, {} gets {}.", name, case.what, gets)
    said = (case.label_name(best), probability(float(row[best])))
    if case.is_top(row):
        return say("; without {} it still says {}, {}.", name, *said)
    return say(": without {} it says {}, {}.", name, *said)

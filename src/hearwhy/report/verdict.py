"""Verdict: what the model says and what it rests on, in two sentences that claim no more than was measured."""

from __future__ import annotations

from hearwhy.report.case import Z95, Case, top
from hearwhy.report.words import Name, Sentence, joined, probability, say

# Below these a value changes nothing that anyone would act on: 0.05 log-odds are 5 % of the odds.
NEGLIGIBLE = {"log_odds": 0.05, "logit": 0.05, "probability": 0.01}
NEGLIGIBLE_SHARE = 0.05  # of the strongest value of either sign: the score does not hang on less than that
MOST = 0.5  # "most of it": more than half of all that speaks for the target
MAX_TIED = 3  # more names than this are not an answer; the sentence then says that none stands out


def verdict(case: Case) -> Sentence:
    """Return the verdict in plain words: the prediction, then what carries it."""
    return (*_prediction(case), " ", *_cause(case))


def _prediction(case: Case) -> Sentence:
    a = case.attribution
    p, best = a.probabilities.tolist(), top(a.probabilities)
    mean = _windows(case)
    if case.against is not None:
        sides = (case.label_name(case.label), probability(p[case.label]))
        other = (case.label_name(case.against), probability(p[case.against]))
        return say("The model gives {} {} and {} {}{}.", *sides, *other, mean)
    if not case.exclusive:
        return say("The model hears {} with {}{}.", case.name, probability(p[case.label]), mean)
    if best == case.label:
        return say("The model says {}, {}{}.", case.name, probability(p[best]), mean)
    said = say("The model says {}, {}{}; ", case.label_name(best), probability(p[best]), mean)
    return (*said, *say("{}, which is explained here, gets {}.", case.name, probability(p[case.label])))


def _windows(case: Case) -> str:
    n = case.setting("n_windows", 1) or 1
    return f" (mean of {n} windows)" if n > 1 else ""


def _cause(case: Case) -> Sentence:
    strongest = case.positive[0] if case.positive else None
    if nothing_present(case):
        removed = case.attribution.removed.tolist()
        return say("Nothing present explains it: with everything removed {} still gets {}.",
                   case.label_name(case.label), probability(removed[case.label]))  # fmt: skip
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


def nothing_present(case: Case) -> bool:
    """Return whether the fill alone gives what is explained, so that it rests on nothing that is there.

    True where the target is the label of the fill alone, and the fill alone says more for it than any component that is
    there adds. A contrast rests on nothing where the fill alone decides it and what is there lowers it.
    """
    a = case.attribution
    full, removed = a.probabilities.tolist(), a.removed.tolist()
    lift = float(a.score_full[case.target] - a.score_base[case.target])
    if case.against is not None:
        return removed[case.label] > removed[case.against] and lift <= 0
    if case.exclusive and top(full) != case.label:
        return False  # it is not what the model says, so there is nothing to put down to the fill
    said_alone = top(removed) == case.label if case.exclusive else removed[case.label] >= 0.5
    strongest = max((case.values[i] for i in case.positive), default=0.0)
    return said_alone and strongest < float(a.score_base[case.target]) - _undecided(case)


def _undecided(case: Case) -> float:
    """Return the score that says nothing either way: even odds, or as a probability an equal share."""
    if case.setting("scale") != "probability":
        return 0.0
    return 1 / len(case.attribution.labels) if case.exclusive else 0.5


def _noticeable(case: Case) -> float:
    strongest = max(abs(value) for value in case.values)
    return max(NEGLIGIBLE[case.setting("scale", "log_odds")], NEGLIGIBLE_SHARE * strongest)


def _is_said(case: Case) -> bool:
    """Return whether the target is the one label that the model says."""
    return case.exclusive and case.against is None and top(case.attribution.probabilities) == case.label


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
    row = case.attribution.without[i].tolist()
    name, best = case.component(i), top(row)
    if case.against is not None:
        sides = (case.label_name(case.label), probability(row[case.label]))
        return say(
            ": without {} it is {} {} and {} {}.", name, *sides, case.label_name(case.against), probability(row[case.against])
        )
    if not case.exclusive:
        return say(": without {} it gets {}.", name, probability(row[case.label]))
    if top(case.attribution.probabilities) != case.label:
        return say(": without {}, {} gets {}.", name, case.name, probability(row[case.label]))
    if best == case.label:
        return say("; without {} it still says {}, {}.", name, case.label_name(best), probability(row[best]))
    return say(": without {} it says {}, {}.", name, case.label_name(best), probability(row[best]))

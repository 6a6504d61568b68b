"""Verdict: what the model says and what it rests on, in two sentences that claim no more than was measured."""

from __future__ import annotations

from hearwhy.report.case import Carrier, Case, top
from hearwhy.report.marking import marking
from hearwhy.report.what_if import supposed
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
    if a.added is not None:
        return supposed(case, a.added, _heard(case))
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
    if nothing_present(case):
        return _nothing(case)
    if lost(case) and case.signed:
        return _why_not(case)
    strongest = case.first
    if strongest is None or strongest.value < noticeable(case):
        what = "Nothing present explains it: no {} raises {} noticeably."
        return say(what if _is_said(case) else "No {} raises {} noticeably.", case.thing, case.aim)
    if case.attribution.parents is not None:
        return (*_carrier(case, strongest), *_without(case, strongest), *_within(case, strongest))
    return (_undecided_first(case) if case.signed else ()) or (*_carrier(case, strongest), *_without(case, strongest))


def _undecided_first(case: Case) -> Sentence:
    """Say that none comes first, where sampling leaves that open; nothing where it does not."""
    strongest = case.positive[0]
    if case.stderr is not None and case.values[strongest] < case.errors95 * case.stderr[strongest]:
        return say("No {} can be told from none: the sampling error is larger than every value.", case.thing)
    tied = case.tied()
    if len(tied) > MAX_TIED:
        return say("No {} stands out: the first {} cannot be told apart.", case.thing, len(tied))
    if len(tied) > 1:
        names = Name(joined([case.component(i) for i in tied], "or"))
        return say("It rests on {} first; which of them more cannot be told apart.", names)
    return ()


def _why_not(case: Case) -> Sentence:
    """Say of a contrast that was lost what decided it, and what spoke for its own side."""
    least, first, enough = case.least, case.first, noticeable(case)
    if least is None or -least.value < max(enough, -float(case.attribution.score_base[case.target])):
        removed = case.attribution.removed
        sides = (case.what, probability(case.chance(removed)), case.against, probability(case.chance_against(removed)))
        return say("{} decides it: {} it is {} {} and {} {}.", _nothing_of(case), case.lacking_all, *sides)
    said = (*say("What speaks most for {} instead is {}", case.against, least.name), *_stands(case, least),
            *_without(case, least))  # fmt: skip
    if first is None or first.value < enough:
        return (*said, *say(" Nothing here speaks for {}.", case.what))
    return (*said, *say(" What speaks most for {} is {}", case.what, first.name), *_stands(case, first), ".")


def _within(case: Case, parent: Carrier) -> Sentence:
    """Say which piece of a part that was split again carries it."""
    pieces = sorted((i for i in parent.pieces if case.values[i] > 0 and not case.absent[i]), key=lambda i: -case.values[i])
    if len(parent.pieces) < 2 or not pieces:
        return ()
    tied = [i for i in pieces if i == pieces[0] or case.as_strong(pieces[0], i)]
    if len(tied) > MAX_TIED:
        return say(" Within {}, no piece stands out.", parent.name)
    names = Name(joined([case.piece(i) for i in tied], "or"))
    if len(tied) == 1 and case.values[pieces[0]] > MOST * sum(case.values[i] for i in pieces):
        return say(" Within {}, most comes from {}.", parent.name, names)
    return say(" Within {}, {} counts most.", parent.name, names)


def _nothing(case: Case) -> Sentence:
    still = probability(case.chance(case.attribution.removed))
    return say("{} explains it: {} {} still gets {}.", _nothing_of(case), case.lacking_all, case.what, still)


def _nothing_of(case: Case) -> str:
    """What there is, denied: values are always there, only not what speaks for it."""
    return "Nothing present" if case.usual is None else "None of these features"


def lost(case: Case) -> bool:
    """Return whether a contrast was decided against what is explained: then the question is why not."""
    row = case.attribution.probabilities
    return case.against is not None and case.chance(row) < case.chance_against(row)


def nothing_present(case: Case) -> bool:
    """Return whether the fill alone gives what is explained, so that it rests on nothing that is there.

    True where the target is the label of the fill alone, and the fill alone says more for it than any component that is
    there adds. A contrast rests on nothing where the fill alone decides it and what is there lowers it.
    """
    a = case.attribution
    lift = float(a.score_full[case.target] - a.score_base[case.target])
    if case.against is not None:
        return case.chance(a.removed) > case.chance_against(a.removed) and lift <= 0 and not lost(case)
    if case.exclusive and not case.is_top(a.probabilities):
        return False  # it is not what the model says, so there is nothing to put down to the fill
    said_alone = case.is_top(a.removed) if case.exclusive else case.chance(a.removed) >= 0.5
    # Values of a method that looks inside, or without a sign, are no shares of the score: all that is present counts as one.
    strongest = lift if case.looks_inside or not case.signed else max(case.wholes.values(), default=0.0)
    return said_alone and strongest < float(a.score_base[case.target]) - _undecided(case)


def _undecided(case: Case) -> float:
    """Return the score that says nothing either way: even odds, or as a probability an equal share."""
    if case.setting("scale") != "probability":
        return 0.0
    return len(case.parsed.plus) / len(case.attribution.labels) if case.exclusive else 0.5


def noticeable(case: Case) -> float:
    """Return how much a value must be to be worth a word."""
    strongest = max(abs(value) for value in case.values)
    if not case.signed:
        return max(NEGLIGIBLE["probability"], NEGLIGIBLE_SHARE * strongest)
    return max(NEGLIGIBLE[case.setting("scale", "log_odds")], NEGLIGIBLE_SHARE * strongest)


def _is_said(case: Case) -> bool:
    """Return whether the target is the one label that the model says."""
    return case.exclusive and case.against is None and case.is_top(case.attribution.probabilities)


def _carrier(case: Case, first: Carrier) -> Sentence:
    positive = [value for value in case.wholes.values() if value > 0]
    return (*_how_much(case, first, positive), *_stands(case, first))


def _stands(case: Case, first: Carrier) -> Sentence:
    """Say what the value of a feature is, and how unusual; nothing of sounds and cells."""
    standing = case.standing(first.pieces[0])
    return () if standing is None else (f" ({', '.join(filter(None, (standing.here, standing.away)))})",)


def _how_much(case: Case, first: Carrier, positive: list[float]) -> Sentence:
    share = first.value / sum(positive)
    if not case.signed:
        return say("What matters most for {} is {}", case.aim, first.name)
    if len(positive) == 1:
        how = "What speaks for {} is {}"
    else:
        how = "Most of what speaks for {} is {}" if share > MOST else "What speaks most for {} is {}"
    if not _is_said(case):
        return say(how, case.aim, first.name)
    short = "Most of it comes from {}" if share > MOST else "The largest part of it comes from {}"
    return say("It comes from {}" if len(positive) == 1 else short, first.name)


def _without(case: Case, first: Carrier) -> Sentence:
    row = first.without
    if set(first.pieces) == set(case.added):
        return (", which the recording does not have.",)  # what is said without it was just told
    if row is None:
        return (".",)
    # a cell's place was just told, and is too long to be told again
    without = case.lacking(first.name) if case.attribution.spectrum is None else ("without that",)
    best, gets = top(row), probability(case.chance(row))
    if case.against is not None:
        sides = (case.what, gets, case.against, probability(case.chance_against(row)))
        return (": ", *without, *say(" it is {} {} and {} {}.", *sides))
    if not case.exclusive:
        return (": ", *without, *say(" it gets {}.", gets))
    if not case.is_top(case.attribution.probabilities) or len(case.parsed.plus) > 1:
        return (": ", *without, *say(", {} gets {}.", case.what, gets))
    said = (case.label_name(best), probability(float(row[best])))
    if case.is_top(row):
        return ("; ", *without, *say(" it still says {}, {}.", *said))
    return (": ", *without, *say(" it says {}, {}.", *said))

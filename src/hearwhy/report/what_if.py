"""What if: what the model says of the recording as it is, and what it would say if something were added."""

from __future__ import annotations

from hearwhy.parents import Added
from hearwhy.report.case import Case, top
from hearwhy.report.words import Name, Sentence, listing, probability, say


def supposed(case: Case, added: Added, mean: str = "") -> Sentence:
    """Return what the model says as it is, and what it would say with what was added; `mean` says what of it was heard."""
    now, then, joining = added.probabilities, case.attribution.probabilities, Name(listing(added.names))
    before, after = probability(case.chance(now)), probability(case.chance(then))
    if case.against is not None:
        sides = [probability(case.chance_against(row)) for row in (now, then)]
        said = say("The model gives {} {} and {} {}{}.", case.what, before, case.against, sides[0], mean)
        return (*said, *say(" If {} were added, it would be {} and {}.", joining, after, sides[1]))
    if not case.exclusive:
        said = say("The model hears {} with {}{}.", case.what, before, mean)
        return (*said, *say(" If {} were added, it would be {}.", joining, after))
    said = say("The model says {}, {}{}.", case.label_name(top(now)), probability(float(now.max())), mean)
    would = "still say" if top(now) == top(then) else "say"
    if case.is_top(then) and len(case.parsed.plus) == 1:
        return (
            *said,
            *say(" If {} were added, it would {} {} ({} \N{RIGHTWARDS ARROW} {}).", joining, would, case.what, before, after),
        )
    other = (case.label_name(top(then)), probability(float(then.max())))
    said = (*said, *say(" If {} were added, it would {} {}, {}", joining, would, *other))
    return (*said, *say("; {}, which is explained here, would get {} (now {}).", case.what, after, before))

"""Insight over features in words: what is said otherwise where components are values and no sounds."""

from __future__ import annotations

from hearwhy.insight.features import Features
from hearwhy.insight.views import NOTHING, Insight
from hearwhy.report.words import Finding, Name, Sentence, percent, say

N_FIRST = 3  # features that the first sentence names
CLEAR, COARSE = 0.1, 0.3  # sampling errors, relative to the values, up to which they are clear, and coarse


def rests_on_features(features: Features) -> Sentence:
    """Return the first sentence: which features count most, and how much of all is theirs."""
    snippets, model = features.insight.snippets, Name(features.insight.about["model"])
    of = f"{_some(len(snippets), 'snippet')} from {_some(len({snippet.group for snippet in snippets}), 'recording')}"
    total = features.total.mean
    if not total.any():
        return say("No feature changes what {} says, in all of {}.", model, of)
    first = features.ranked[:N_FIRST]
    names = [piece for i in first for piece in (", ", Name(features.names[i]))][1:]
    share = percent(float(total[first].sum() / total.sum()))
    return (*say("What {} makes of {} rests on ", model, _some(len(features.names), "feature")), *names,
            *say(": {} of all that features add and take, in {}.", share, of))  # fmt: skip


def sampling(features: Features) -> list[Finding]:
    """Return how far the values themselves may be off because not all masks were asked about."""
    error = features.sampling
    if error is None:
        return []
    severity = "passed" if error < CLEAR else "note" if error < COARSE else "warning"
    more = "" if error < COARSE else " Ask about more masks, as with kernel_shap(n_samples=4000)."
    return [("sampling", severity, say("The median relative sampling error of the values is {}.{}", percent(error), more))]


def outcome(insight: Insight, top: str) -> str:
    """Return what is said to count most; where it is nothing, of features that none does."""
    return "no feature" if top == NOTHING and insight.of_values else top


def mixes(insight: Insight) -> str:
    """Return what explanations are held against that the method did not ask about."""
    return "fresh masks" if insight.of_values else "fresh mixes"


def fill(insight: Insight) -> str:
    """Return what stands where something was removed."""
    background = insight.about.get("background")
    return f"{insight.about['fill']}{f' of {background}' if background else ''}"


def usual(insight: Insight) -> str:
    """Return what a feature is put to where it is switched off, within a sentence."""
    fill, background = str(insight.about["fill"]), insight.about.get("background")
    return fill if background is None else f"what is usual ({fill} of {background.rsplit(' (', 1)[0]})"


def _some(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"

"""Insight in words: what a model mostly listens to, how far energy alone would get, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hearwhy.attribution.parsing import parse_method
from hearwhy.insight import statistics
from hearwhy.insight.clusters import Cluster, Clustering, clustering
from hearwhy.insight.comparing import Comparison, compare
from hearwhy.insight.features import Features
from hearwhy.insight.statistics import Cell, Energy, Faithful, Profile, Share
from hearwhy.insight.views import NOTHING, PREDICTED, Insight, View
from hearwhy.report.insight_feature_words import mixes, outcome, rests_on_features, sampling
from hearwhy.report.words import Finding, Name, Sentence, joined, percent, say, signed

CLOSE, ROUGH = 0.9, 0.7  # correlations from which explanations follow the model closely, and roughly
FOLLOWS, PARTLY = 0.6, 0.2  # Cohen's kappa with the loudest component: Landis & Koch 1977 call it substantial, and fair
FEW_GROUPS = 10  # recordings under which an interval over them is too narrow to rely on
MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that is computed from an `Insight`, each once; what the page, the figures and the tables share.

    Parameters
    ----------
    insight
        What was found.
    beside
        What was found when the same was asked in another way, to compare with; None: nothing.
    """

    insight: Insight
    beside: Insight | None = None

    @cached_property
    def comparison(self) -> Comparison | None:
        """How alike the insight is to the one beside it; None where there is none."""
        return None if self.beside is None else compare(self.insight, self.beside)

    @property
    def view(self) -> View:
        """The main view."""
        return self.insight.views[0]

    @cached_property
    def clustering(self) -> Clustering:
        """Explanations of the main view that look alike."""
        return clustering(self.view)

    @cached_property
    def tops(self) -> dict[str, Share]:
        """How often each component counts most."""
        return statistics.top_shares(self.view)

    @cached_property
    def energy(self) -> Energy | None:
        """How far levels alone would get."""
        return statistics.energy(self.view)

    @cached_property
    def cells(self) -> list[Cell]:
        """The confusion matrix."""
        return statistics.confusion(self.view)

    @cached_property
    def faithful(self) -> list[Faithful]:
        """Correlations: over all, then of each group."""
        return statistics.faithfulness(self.view)

    @cached_property
    def profiles(self) -> list[Profile]:
        """What each component adds to each target."""
        return statistics.profiles(self.insight)

    @cached_property
    def features(self) -> Features | None:
        """What counts of values of features; None where components are sounds."""
        return Features(self.insight) if self.insight.of_values else None

    @property
    def exact(self) -> bool:
        """Whether values and base sum to the model's score by construction, so that only fresh masks test them."""
        _, _, entry = parse_method(str(self.insight.about["asked"]))
        return "efficiency" in entry.laws

    @cached_property
    def accuracy(self) -> float | None:
        """Share of snippets that the model gets right; None where no label is known."""
        known = [right for right in self.view.right if right is not None]
        return float(np.mean(known)) if known else None

    @cached_property
    def fidelity(self) -> float | None:
        """Median R^2 of the explanations on fresh masks."""
        found = [e.fidelity for e in self.view.explanations if e.fidelity is not None]
        return float(np.median(found)) if found else None


def verdict(found: Findings) -> list[Sentence]:
    """Return what is to be said first, a sentence each: what counts, what energy has to do with it, how sure it is."""
    sentences = [_rests(found), *_loudness(found), *_mistakes(found), _follows(found)]
    return [sentence for sentence in sentences if sentence]


def _rests(found: Findings) -> Sentence:
    if found.features is not None:
        return rests_on_features(found.features)
    view, model = found.view, Name(found.insight.about["model"])
    what = say("what {} predicts", model) if view.name == PREDICTED else say("what {} makes of {}", model, Name(view.name))
    n, groups = len(view), len(set(view.groups))
    of = f"{n} {'snippet' if n == 1 else 'snippets'} from {groups} {'recording' if groups == 1 else 'recordings'}"
    present = [name for name in found.tops if name != NOTHING]
    if not present:
        return (*say("Nothing present explains "), *what, *say(", in all of {}.", of))
    first = found.tops[present[0]].mean
    strong = "Most of " if first > MOSTLY else "No component carries all of " if first < MOSTLY / 2 else "Much of "
    rest: Sentence = ()
    if NOTHING in found.tops:
        rest = say(" In {}, nothing present explains it.", percent(found.tops[NOTHING].mean))
    told = say(" rests on {}: it counts most in {} of {}.", Name(present[0]), percent(first), of)
    if first < MOSTLY / 2:
        told = say("; {} counts most in {} of {}.", Name(present[0]), percent(first), of)
    return (*say(strong), *what, *told, *rest)


def _loudness(found: Findings) -> list[Sentence]:
    energy = found.energy
    if energy is None:
        return []
    always = {name for name in found.view.loudest if name is not None}
    if len(always) == 1:
        return [say("Whether its explanations follow loudness cannot be told: {} is always the loudest.", Name(*always))]
    agrees, chance = percent(energy.agreement.mean), percent(energy.by_chance)
    how = (
        "follow loudness" if energy.kappa >= FOLLOWS
        else "follow loudness in part" if energy.kappa >= PARTLY
        else "do not follow loudness"
    )  # fmt: skip
    return [say("Its explanations {}: the loudest component is the most important one in {}, where chance gives {}.",
                how, agrees, chance)]  # fmt: skip


def _mistakes(found: Findings) -> list[Sentence]:
    if found.accuracy is None:
        return []
    wrong = [top for top, right in zip(found.view.tops, found.view.right, strict=True) if right is False]
    right = percent(found.accuracy)
    if not wrong:
        return [say("It is right in {}.", right)]
    most = max(sorted(set(wrong)), key=wrong.count)
    share = percent(wrong.count(most) / len(wrong))
    if most == NOTHING:
        return [say("It is right in {}; in {} of its mistakes {} explains what it says.", right, share,
                    "no feature" if found.features else "nothing present")]  # fmt: skip
    return [say("It is right in {}; in its mistakes {} counts most in {}.", right, Name(most), share)]


def _follows(found: Findings) -> Sentence:
    r = found.faithful[0].r_fresh
    if r is None:
        return say("How well the explanations follow the model could not be told.")
    how = "closely" if r >= CLOSE else "roughly" if r >= ROUGH else "badly"
    mixed = mixes(found.insight)
    return say("On {} the explanations follow the model {} (correlation {}).", mixed, how, f"{r:.2f}")


def findings(found: Findings) -> list[Finding]:
    """Return what a reader must know before trusting any of it: warnings first."""
    told = [*_strange(found), *_trouble(found), *_trust(found), *_sources(found)]
    return sorted(told, key=lambda finding: ("warning", "note", "passed").index(finding[1]))


def _strange(found: Findings) -> list[Finding]:
    strange = [cluster.number + 1 for cluster in found.clustering.clusters if cluster.strange]
    if not strange:
        return []
    which = joined([str(number) for number in strange], "and")
    what = "Cluster {} may be a hidden strategy." if len(strange) == 1 else "Clusters {} may be hidden strategies."
    return [("strategy", "warning", say(what, which))]


def _trouble(found: Findings) -> list[Finding]:
    insight, told = found.insight, list[Finding]()
    if insight.problems:
        n = len(insight.problems)
        told.append(("problems", "warning", say("{} could not be explained; why stands at the end.", _some(n, "thing"))))
    if insight.n_silent:
        told.append(
            ("silent", "note", say("{} left out: silent (under \N{MINUS SIGN}60 dB).", _some(insight.n_silent, "snippet")))
        )
    n_groups = len(set(found.view.groups))
    if n_groups < FEW_GROUPS:
        told.append(("groups", "warning", say("Only {}: what is said here may be true of them alone.",
                                              _some(n_groups, "recording"))))  # fmt: skip
    return told


def _trust(found: Findings) -> list[Finding]:
    told = [] if found.features is None else sampling(found.features)
    if found.fidelity is not None:
        severity = "passed" if found.fidelity >= CLOSE else "note" if found.fidelity >= MOSTLY else "warning"
        told.append(("fidelity", severity, say("The median R² of the explanations on fresh masks is {}{}.",
                                               f"{found.fidelity:.2f}".replace("-", "\N{MINUS SIGN}"),
                                               f": worse than one number for all {mixes(found.insight).split()[1]}"
                                               * (found.fidelity < 0))))  # fmt: skip
    shares = [e.interaction_share for e in found.view.explanations if e.interaction_share is not None]
    if shares and float(np.median(shares)) > 0.1:
        told.append(("interactions", "note", say("Typically {} of what happens is {} acting together.",
                                                 percent(float(np.median(shares))),
                                                 "components" if found.features is None else "features")))  # fmt: skip
    return told


def _sources(found: Findings) -> list[Finding]:
    apart = statistics.separation(found.insight)
    if not apart:
        return []
    told = ", ".join(f"{name} {signed(better, 1)} dB" for name, (_, better, _) in apart.items())
    return [("separation", "note", say("SI-SDR of the separated sources over the mix: {}.", told))]


def _some(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def describe(cluster: Cluster) -> Sentence:
    """Return a cluster in words: its size, what is predicted, what counts, what sets it apart, and what energy says."""
    n, view = len(cluster.rows), cluster.of.view
    label, n_label = cluster.predictions.most_common(1)[0]
    says = "the model says {}" if n_label == n else f"the model says {{}} in {percent(n_label / n)}"
    size = say("{} from {}: " + says, _some(n, "snippet"), _some(cluster.n_groups, "recording"), Name(label))
    wrong: Sentence = ()
    if cluster.n_known:
        wrong = say(", wrongly in {}", percent(cluster.n_wrong / cluster.n_known)) if cluster.n_wrong else say(", rightly")
    top, n_top = cluster.tops.most_common(1)[0]
    counts = (
        say(". {} explains it in {}", outcome(view.insight, top).capitalize(), percent(n_top / n)) if top == NOTHING
        else say(". {} counts most in {}", Name(top), percent(n_top / n))
    )  # fmt: skip
    apart: Sentence = ()
    if cluster.apart is not None:
        name, own, other = view.names[cluster.apart], cluster.means[cluster.apart], cluster.elsewhere[cluster.apart]
        apart = say("; what sets it apart is {} ({}, elsewhere {})", Name(name), _number(own), _number(other))
    loud = () if top == NOTHING or _no_levels(view) else say("; the loudest component counts most in {}",
                                                                percent(cluster.top_is_loudest))  # fmt: skip
    return (*size, *wrong, *counts, *apart, *loud, ".")


def _no_levels(view: View) -> bool:
    """Return whether components have no level, as the values of a feature vector."""
    return bool(np.isnan(view.levels_db).all())


def _number(value: float) -> str:
    return "not there" if math.isnan(value) else signed(value, 1)


def title(insight: Insight) -> str:
    """Return what the page is called."""
    return f"{insight.about['model']} on {insight.about['data']}"


def plain(sentences: Sequence[Sentence]) -> str:
    """Return sentences as one string."""
    return " ".join("".join(pieces) for pieces in sentences)

"""What is trained and asked: the models, the test sets, the separations, in two configurations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hearwhy.datasets.band.snippets import GPDB, GPDBS, VARIED, Pairing
from hearwhy.training.band import CONFOUNDERS, PAPER, TEST_SETS, Settings

VERSIONS = {"gpdb": GPDB, "gpdbs": GPDBS}
METHODS = {"lime": ("probability", {"protocol": "paper"}), "shapley": ("log_odds", {})}
"""Method to the scale that it explains on and its options; all masks are asked, so both are exact and share their answers."""
SEPARATIONS = ("oracle", "cerberus", "ova")
FIGURE_2 = ("oracle", "cerberus")
KINDS = {"confounded": "drums", "independent": "independent", "bass": "bass"}
"""Kind of model to what followed the guitar in its training."""
CONFOUNDING = {"confounded": "t_dr-pno", "independent": "t_dr-pno", "bass": "t_bs-pno"}
"""The test set in which the kind's confounder goes with the piano (for independent ones, that of the drums)."""


@dataclass(frozen=True)
class Model:
    """One network: its kind, the number of its run, where its weights come from, and the version of the mixes (None: both)."""

    kind: str
    run: int
    origin: str  # "trained", "shipped" or "untrained"
    version: str | None = None

    @property
    def name(self) -> str:
        """What its file is called."""
        return "-".join(filter(None, (self.origin, self.kind, self.version, str(self.run))))

    @property
    def pairing(self) -> Pairing:
        """Which stems play together in its training: others at random, or as in the version that it is made for."""
        known = CONFOUNDERS[KINDS[self.kind]]
        if self.version is None:
            return known
        others = dict(VERSIONS[self.version])
        if known.confounder is None:
            others["drums"] = VARIED["drums"]  # always playing, they would be no control
        return replace(known, others=others)


@dataclass(frozen=True)
class Setting:
    """How much is done.

    Parameters
    ----------
    training
        How networks are trained.
    by_version
        Whether gpdb and gpdbs have networks of their own, as in the paper.
    runs, control_runs
        Networks of the confounded kind, and of each control.
    separator
        "unet" or "blstm", as published: of separators that are trained because none are given.
    shipped
        Whether the weights that come with hearwhy are asked too, about the true stems.
    per_song
        Test snippets of each song and class that are explained.
    n_untrained
        Networks that are asked before any training.
    limit, seconds
        Songs of each split, and seconds of each; None: all.
    """

    training: Settings
    by_version: bool
    runs: int
    control_runs: int
    separator: str
    shipped: bool
    per_song: int = 1
    n_untrained: int = 10
    limit: int | None = None
    seconds: float | None = None

    @property
    def models(self) -> tuple[Model, ...]:
        """Every network, the trained ones first."""
        versions = tuple(VERSIONS) if self.by_version else (None,)
        count = {kind: self.runs if kind == "confounded" else self.control_runs for kind in KINDS}
        made = [Model(kind, i, "trained", version) for kind in KINDS for version in versions for i in range(count[kind])]
        made += [Model(kind, 0, "shipped") for kind in KINDS if self.shipped]
        return (*made, *(Model("untrained", i, "untrained") for i in range(self.n_untrained)))


CONFIGURATIONS = {
    "cpu": Setting(Settings(epochs=6, per_song=4), by_version=False, runs=3, control_runs=1, separator="unet", shipped=True),
    "full": Setting(PAPER, by_version=True, runs=10, control_runs=3, separator="blstm", shipped=False),
}


@dataclass(frozen=True)
class Place:
    """Where a snippet stands: test set ("t_dr-pno"), version of the mixes, its class, and whether it is its song's only one
    that untrained networks are asked about."""

    test_set: str
    version: str
    label: str
    chosen: bool

    @property
    def confounding(self) -> bool:
        """Whether the confounder plays against its class: a piano where it goes with the piano."""
        return self.test_set.endswith("-pno") and self.label == "piano"


def places() -> dict[str, tuple[str, str]]:
    """Return the test sets that are explained, "t_dr-pno gpdb", as (set, version)."""
    return {name: (name.split()[0], name.split()[1]) for name in TEST_SETS if not name.startswith("t_bs-gtr")}


def asked(model: Model, place: Place) -> tuple[str, ...]:
    """Return by which separations a model is explained on a snippet; none: it is not asked."""
    if model.version not in (None, place.version):
        return ()
    if model.origin == "untrained":
        return ("oracle",) if place.chosen and place.test_set == "t_dr-pno" else ()
    first = (model.kind, model.run, model.origin) == ("confounded", 0, "trained")
    if place.test_set == "t_dr-gtr":
        return FIGURE_2 if first else ()
    if place.test_set != CONFOUNDING[model.kind] and (model.kind, place.test_set) != ("bass", "t_dr-pno"):
        return ()
    if model.origin == "trained" and place.confounding and place.test_set == CONFOUNDING[model.kind]:
        return SEPARATIONS
    return FIGURE_2 if first else ("oracle",)

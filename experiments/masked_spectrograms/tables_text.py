"""Tables as Markdown: I to VI with the published numbers beside ours, all masks, and what controls score."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from asking import TEST
from choosing import METHODS, PLACES, PUBLISHED_BEST, TABLE, of_mask, our_winners, published_winners, share_unmasked
from rows import Row, means
from scipy.stats import spearmanr

from hearwhy.masks import PAPER_MASKS
from hearwhy.metrics import SEVEN, holm, sign_flip_p

COLUMNS = ("ff", "ai", "ag", "fid_in", "sps", "ad", "comp")  # in the paper's order
HEADS = {"ff": "FF ↑", "ai": "AI ↑", "ag": "AG ↑", "fid_in": "Fid-In ↑", "sps": "SPS ↑", "ad": "AD ↓", "comp": "COMP ↓"}
NUMERALS = dict(zip(PLACES, ("II", "III", "IV", "V", "VI"), strict=True))
NAMES = {"saliency": "Saliency", "grad_cam": "Grad-CAM", "lime": "LIME", "deep_shap": "DeepSHAP"}
SEEN = {"stft": "STFT-dB", "mel": "Mel-dB"}


def table(head: Sequence[str], body: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def cells(row: Row | None) -> list[str]:
    """Return the seven metrics of a row."""
    if row is None:
        return ["not run"] * len(COLUMNS)
    return [f"{row[name]:.{2 if name in ('ai', 'ad', 'ag', 'comp') else 3}f}" for name in COLUMNS]


def of_accuracies(found: Sequence[dict[str, Any]]) -> str:
    """Return table I, and the accuracies that stand over tables IV to VI."""
    body = [
        [SEEN[row["features"]], row["condition"], row["part"], row["published"], row["accuracy"], row["n_clips"]]
        for row in found
    ]
    head = ["features", "condition", "part", "published (ESC-50, 50 classes)", "ours (10 classes)", "clips"]
    return f"## Table I: accuracy in per cent\n\n{table(head, body)}\n"


def of_winners(rows: list[Row], published: list[Row]) -> str:
    """Return tables II to VI."""
    ours = our_winners(rows)
    held = {kind: _by_mask(rows, *kind) for kind in (("paper", ""), ("corrected", ""), *((("corrected", c)) for c in CONTROLS))}
    theirs = {(*(row[key] for key in TABLE), row["mask"]): row for row in published}
    blocks = []
    for place, numeral in NUMERALS.items():
        body = [line for i, method in enumerate(METHODS) for line in _of_method(place, method, i, ours, held, theirs)]
        ends = means((r for r in rows if r["fold"] == TEST and r["control"] in ("identity", "empty")), *PLACE, "control")
        for control in ("identity", "empty"):
            for protocol in ("paper", "corrected"):
                row = ends.get((*place, protocol, control))
                body.append([f"no method ({protocol})", {"identity": "everything kept", "empty": "nothing kept"}[control],
                             "", *cells(row)])  # fmt: skip
        title = f"## Table {numeral}: {SEEN[place[0]]}, {place[1]}"
        blocks.append(f"{title}\n\n{table(['method', 'whose, and how chosen', 'mask', *(HEADS[c] for c in COLUMNS)], body)}\n")
    return "\n".join(blocks)


CONTROLS = ("random", "energy")
PLACE = ("features", "condition", "protocol")


def _by_mask(rows: list[Row], protocol: str, control: str) -> dict[tuple[Any, ...], Row]:
    return {(*(row[key] for key in TABLE), row["mask"]): row for row in of_mask(rows, protocol, TEST, control=control)}


def _of_method(place: Any, method: str, i: int, ours: Any, held: Any, theirs: Any) -> list[list[str]]:
    key, mask = (*place, method), PUBLISHED_BEST[place][i]
    row = theirs.get((*key, mask))
    lines = [["published", mask, *(cells(row) if row else ["not given"] * len(COLUMNS))]]
    chosen = [ours[rule][key] for rule in ("published", "text") if key in ours.get(rule, {})]
    for rule, mask in zip(("the published", "the text's"), chosen, strict=False):
        both = len(set(chosen)) == 1
        if not both or rule == "the published":
            told = f"ours as published, {'both rules' if both else f'{rule} rule'}"
            lines.append([told, mask, *cells(held["paper", ""].get((*key, mask)))])
    if key in ours.get("corrected", {}):
        mask = ours["corrected"][key]
        lines.append(["ours corrected, chosen on fold 4", mask, *cells(held["corrected", ""].get((*key, mask)))])
        for control in CONTROLS:
            told = {"random": "random cells, equal area", "energy": "loudest cells, equal area"}[control]
            lines.append([told, mask, *cells(held["corrected", control].get((*key, mask)))])
    return [[NAMES[method], *line] for line in lines]


def of_all_masks(rows: list[Row], published: list[Row] | None) -> str:
    """Return the seven metrics of every method and mask under every condition."""
    theirs = {(*(row[key] for key in TABLE), row["mask"]): row for row in published or ()}
    held = [_by_mask(rows, "paper", ""), _by_mask(rows, "corrected", ""), _by_mask(rows, "corrected", "random")]
    kinds = [*(["published"] * bool(theirs)), "ours as published", "ours corrected", "random cells of that area"]
    blocks = [f"# All masks\n\nMeans over the clips of fold 5. Each cell: {' / '.join(kinds)}; a dash: not there.\n"]
    for place in PLACES:
        for method in METHODS:
            masks = list(dict.fromkeys(key[3] for key in held[1] if key[:3] == (*place, method)))
            body = []
            for mask in masks:
                found = [one.get((*place, method, mask)) for one in ([theirs] if theirs else []) + held]
                columns = [cells(row) if row else ["–"] * len(COLUMNS) for row in found]
                body.append([mask, *(" / ".join(parts) for parts in zip(*columns, strict=True))])
            head = ["mask", *(HEADS[c] for c in COLUMNS)]
            blocks.append(f"## {SEEN[place[0]]}, {place[1]}, {NAMES[method]}\n\n{table(head, body)}\n")
    return "\n".join(blocks)


def of_published(published: list[Row]) -> str:
    """Return what the published rows show by themselves."""
    chosen = published_winners(published)
    half = {tuple(row[key] for key in TABLE): row for row in published if row["mask"] == "topK_50_pos"}
    body = []
    for place in PLACES:
        for i, method in enumerate(METHODS):
            key, mask = (*place, method), PUBLISHED_BEST[place][i]
            comp, sps = share_unmasked(half[key])
            shares = f"{100 * comp:.0f} / {100 * sps:.0f}" if mask == "topK_50_pos" else ""
            body.append([NUMERALS[place], NAMES[method], mask, chosen["published"][key], chosen["text"][key], shares])
    head = ["table", "method", "printed as best", "rule over all tables", "rule of the text (own table)",
            "% of its masks that kept everything, from COMP / SPS"]  # fmt: skip
    return f"## The published rows, chosen from again\n\n{table(head, body)}\n"


def of_agreement(rows: list[Row], published: list[Row]) -> str:
    """Return how alike the published and our numbers order the masks."""
    ours, theirs = _by_mask(rows, "paper", ""), {(*(row[key] for key in TABLE), row["mask"]): row for row in published}
    body = []
    for method in METHODS:
        line = [NAMES[method]]
        for name in COLUMNS:
            found = []
            for place in PLACES:
                keys = [(*place, method, mask) for mask in PAPER_MASKS if (*place, method, mask) in ours]
                pair = [[held[key][name] for key in keys] for held in (ours, theirs)]
                if len(keys) > 2 and all(len(set(side)) > 1 for side in pair):
                    found.append(float(spearmanr(*pair).statistic))
            line.append(f"{np.mean(found):+.2f} ({min(found):+.2f} to {max(found):+.2f})" if found else "–")
        body.append(line)
    title = "## Do the fourteen masks come in the published order? Spearman's correlation, mean (range) of the five conditions"
    return f"{title}\n\n{table(['method', *(HEADS[c] for c in COLUMNS)], body)}\n"


def of_controls(rows: list[Row]) -> str:
    """Return how many masks do better than cells of equal area that know nothing of the method."""
    some = [row for row in rows if row["protocol"] == "corrected" and row["fold"] == TEST and row["mask"]]
    body = []
    for place in PLACES:
        for method in METHODS:
            mine = [row for row in some if tuple(row[key] for key in TABLE) == (*place, method)]
            if mine:
                body.append([SEEN[place[0]], place[1], NAMES[method], *_against(mine)])
    head = ["features", "condition", "method", *(f"{HEADS[m]} over {c}" for c in CONTROLS for m in SHOWN)]
    told = (
        "Corrected protocol, fold 5. Each cell: masks whose mean is better / worse than that of their control (the rest are "
        "equal); in brackets those with p < 0.05 (signs of whole source recordings flipped, Holm's correction over all "
        "differences of the row)."
    )
    return f"## Masks against controls of equal area\n\n{told}\n\n{table(head, body)}\n"


SHOWN = ("ff", "fid_in", "ad")
ANSWERS = ("ff", "ai", "ag", "fid_in", "ad")  # of the model's answers, in which a control of equal area can differ
N_RESAMPLES = 2**16  # all patterns of 15 sources; 1 / 2**16 is small enough for the smallest p of 150 differences


def _against(mine: list[Row]) -> list[str]:
    """Return the cells of one method under one condition."""
    held = {(row["mask"], row["control"], row["clip"]): row for row in mine}
    clips = sorted({(row["clip"], row["source"]) for row in mine})
    columns, differences = [], []
    for mask, control in itertools.product(dict.fromkeys(row["mask"] for row in mine), CONTROLS):
        pairs = [(held[mask, "", clip], held[mask, control, clip]) for clip, _ in clips]
        for metric in ANSWERS:
            sign = -1 if metric == "ad" else 1
            columns.append((control, metric))
            differences.append([sign * (one[metric] - other[metric]) for one, other in pairs])
    gained = torch.tensor(differences, dtype=torch.float64).T
    sources = [source for _, source in clips]
    sure = (
        holm(sign_flip_p(gained, sources, n_resamples=N_RESAMPLES)) < 0.05
        if len(set(sources)) > 1
        else torch.zeros(len(columns))
    )
    gains = gained.mean(dim=0)
    cells = []
    for column in itertools.product(CONTROLS, SHOWN):
        at = [i for i, one in enumerate(columns) if one == column]
        better, worse = ([i for i in at if sign * gains[i] > 1e-9] for sign in (1, -1))
        cells.append(f"{len(better)} / {len(worse)} ({int(sum(sure[better]))} / {int(sum(sure[worse]))})")
    return cells


def n_clips(rows: list[Row]) -> str:
    """Return how many clips stand behind the tables."""
    counts = {(r["protocol"], r["fold"]): set() for r in rows}  # type: dict[tuple[str, int], set[str]]
    for row in rows:
        counts[row["protocol"], row["fold"]].add(row["clip"])
    return "; ".join(f"fold {fold}, protocol {protocol}: {len(clips)}" for (protocol, fold), clips in sorted(counts.items()))


assert set(COLUMNS) == set(SEVEN)

"""The mask of each method: by hand, and as published."""

from __future__ import annotations

import csv
import math

import pytest

from hearwhy.masks import PAPER_MASKS, parse_mask
from hearwhy.metrics import SEVEN, choose

COLUMNS = {"FF": "ff", "AI": "ai", "AD": "ad", "AG": "ag", "FidIn": "fid_in", "SPS": "sps", "COMP": "comp"}
# Pak & Teryokhina 2025, tables II to VI
PUBLISHED = {
    ("stft_db", "clean"): ("topK_50_pos", "topK_50_pos", "bin", "topK_50_pos"),
    ("mel_db", "clean"): ("topK_50_pos", "bin", "bin", "sigmoid"),
    ("mel_db", "white"): ("topK_50_pos", "bin", "bin", "sigmoid"),
    ("mel_db", "room"): ("topK_50_pos", "bin", "bin", "sigmoid"),
    ("mel_db", "horse"): ("minmax", "bin", "bin", "sigmoid"),
}
METHODS = ("saliency", "grad_cam", "lime", "deep_shap")
WINNERS = {(*where, method): mask for where, masks in PUBLISHED.items() for method, mask in zip(METHODS, masks, strict=True)}


def row(mask, ff=0.5, ai=0.5, ad=0.5, ag=0.5, fid_in=0.5, sps=0.5, comp=0.5, **where):
    return {"mask": mask, "method": "lime"} | where | dict(zip(SEVEN, (ff, ai, ad, ag, fid_in, sps, comp), strict=True))


def by_method(rows, **options):
    return choose(rows, table=["method"], **options)


def test_the_geometric_mean_by_hand_with_ad_and_comp_turned_round():
    rows = [row("a", ff=1, ad=0, comp=0), row("b", ff=0, ad=1, comp=1), row("c", ff=0.5, ad=0.2, comp=0.9)]
    choice = by_method(rows)[("lime",)]
    assert (choice.row, choice.score) == (0, 1.0)  # the four metrics without a spread have no say
    assert by_method([*rows[1:], row("d", ff=1, ad=0.4, comp=0)])[("lime",)].score == pytest.approx((0.75 * 1) ** (1 / 7))


def test_the_two_rules_scale_over_all_rows_or_over_the_methods_own():
    rows = [
        row("a", ff=0.9, ad=0.5),
        row("b", ff=0.2, ad=0.1),
        row("a", ff=0.0, ad=1, method="saliency"),
        row("b", ff=1, ad=0, method="saliency"),
    ]
    assert by_method(rows)[("lime",)].score == pytest.approx((0.9 * 0.5) ** (1 / 7))
    assert by_method(rows, rule="text")[("lime",)].score == 0.0  # each is the worst of its own table in something
    assert by_method(rows)[("lime",)].row == 0 and by_method(rows)[("saliency",)].row == 3


def test_controls_neither_win_nor_scale():
    rows = [row("a", ff=0.6, ad=0.3), row("b", ff=0.4, ad=0.4), row("c", ff=0.5, ad=0.3)]
    best = by_method(rows)
    controls = [
        row("identity", ff=5, ad=0),
        row("random(a)", ff=-5, ad=0),
        row("energy(b)", ff=9, ad=9),
        row("empty", ff=99, ad=0),
    ]
    mixed = by_method(controls + rows)
    assert mixed[("lime",)].row == best[("lime",)].row + 4 and mixed[("lime",)].score == best[("lime",)].score
    assert by_method(controls) == {}


def test_ties_go_to_the_better_plain_mean_then_to_the_earlier_row():
    rows = [row("a", ff=0, ad=1), row("b", ff=0, ad=0), row("c", ff=1, ad=1), row("d", ff=0, ad=0)]
    assert by_method(rows)[("lime",)].row == 1 and by_method(rows)[("lime",)].score == 0


def test_tables_that_cannot_be_judged_are_refused():
    with pytest.raises(ValueError, match="'published' or 'text'; got 'best'"):
        by_method([row("a")], rule="best")
    with pytest.raises(ValueError, match="missing: ag, condition, features"):
        choose([{key: value for key, value in row("a").items() if key != "ag"}])
    with pytest.raises(ValueError, match="7 finite metrics for each of 1 rows"):
        by_method([row("a", ff=float("nan"))])


@pytest.fixture(scope="module")
def published(shared_data):
    with (shared_data.parent / "reference" / "published_tables.csv").open() as file:
        return [{COLUMNS.get(key, key): value for key, value in line.items()} for line in csv.DictReader(file)]


@pytest.mark.shared_data
def test_the_published_winners_follow_from_the_published_numbers_by_the_first_rule_alone(published):
    assert {line["mask"] for line in published} == set(PAPER_MASKS)
    first, second = (
        {key: published[choice.row]["mask"] for key, choice in choose(published, rule=rule).items()}
        for rule in ("published", "text")
    )
    assert first == WINNERS and len(first) == 20
    assert {key: mask for key, mask in second.items() if mask != WINNERS[key]} == {
        ("mel_db", "clean", "deep_shap"): "pos_thresh_50",
        ("mel_db", "white", "deep_shap"): "pos_thresh_50",
        ("mel_db", "horse", "deep_shap"): "topK_5",
        ("mel_db", "horse", "saliency"): "topK_50_pos",
    }


@pytest.mark.shared_data
def test_six_published_winners_are_partly_no_mask_at_all(published):
    cells = {"mel_db": 64 * 501, "stft_db": 257 * 313}
    whole = {}
    for key, choice in choose(published).items():
        line = published[choice.row]
        k = parse_mask(line["mask"])[1].get("k")
        # a mask of k of the cells scores 1 - k and ln(k n); "everything kept" scored 0 and 0: both say the same share
        if k and float(line["sps"]) < 1 - k - 0.01:
            whole[key] = 1 - float(line["sps"]) / (1 - k)
            assert 1 - float(line["comp"]) / math.log(k * cells[key[0]]) == pytest.approx(whole[key], abs=0.003)
    assert {key: round(share, 2) for key, share in whole.items()} == {
        ("mel_db", "clean", "saliency"): 0.65,
        ("mel_db", "white", "saliency"): 0.74,
        ("mel_db", "room", "saliency"): 0.69,
        ("stft_db", "clean", "saliency"): 0.51,
        ("stft_db", "clean", "grad_cam"): 0.55,
        ("stft_db", "clean", "deep_shap"): 0.1,
    }

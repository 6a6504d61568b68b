"""Masks by hand-computed maps, their laws, and the answers to degenerate maps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from hearwhy.attribution.parsing import parse_method
from hearwhy.masks import ALL_MASKS, MASKS, PAPER_MASKS, make_mask, n_kept, nested_masks, parse_mask, steps
from hearwhy.one_line import split_list

MAP = torch.tensor([[-2.0, 0.0, 1.0], [3.0, 4.0, -1.0]])
BY_HAND = {
    "minmax": [[0, 2 / 6, 3 / 6], [5 / 6, 1, 1 / 6]],
    "sigmoid": [[0.119203, 0.5, 0.731059], [0.952574, 0.982014, 0.268941]],
    # root mean square: sqrt((4 + 0 + 1 + 9 + 16 + 1) / 6) = 2.273030
    "scaled_sigmoid": [[0.293202, 0.5, 0.608245], [0.789152, 0.85318, 0.391755]],
    "binary": [[0, 0, 1], [1, 1, 0]],
    "top_k(k=0.5)": [[0, 0, 1], [1, 1, 0]],
    "top_k(k=0.05)": [[0, 0, 0], [0, 1, 0]],
    "top_k(k=1.0)": [[1, 1, 1], [1, 1, 1]],
    "minmax_pos": [[0, 0, 0.25], [0.75, 1, 0]],
    "sigmoid_pos": [[0.5, 0.5, 0.731059], [0.952574, 0.982014, 0.5]],
    "threshold_pos(tau=0.25)": [[0, 0, 1], [1, 1, 0]],
    "threshold_pos(tau=0.75)": [[0, 0, 0], [1, 1, 0]],
    "top_k_pos(k=0.3)": [[0, 0, 0], [1, 1, 0]],
    "top_k_pos(k=1.0)": [[0, 0, 1], [1, 1, 0]],
}
SHAPE = (5, 8)


def maps(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("text", BY_HAND)
def test_a_mask_is_what_its_formula_says(text):
    mask, expected = make_mask(text, MAP), torch.tensor(BY_HAND[text])
    assert mask.dtype == (torch.bool if MASKS[parse_mask(text)[0]].binary else torch.float32)
    torch.testing.assert_close(mask.to(torch.float32), expected.to(torch.float32), atol=1e-6, rtol=0)


def test_the_14_published_masks_have_their_published_names_and_parameters():
    assert len(PAPER_MASKS) == 14 and {parse_mask(line)[0] for line in PAPER_MASKS.values()} == MASKS.keys() - {
        "scaled_sigmoid"
    }
    assert parse_mask("topK_5")[1]["k"] == 0.05 and parse_mask("topK_50_pos")[1]["k"] == 0.5
    assert parse_mask("pos_thresh_25")[1] == {"tau": 0.25}
    assert parse_mask("bin")[0] == "binary"
    for name, entry in MASKS.items():
        published = {
            tuple(parse_mask(line)[1].get(key) for key in entry.parameters)
            for line in PAPER_MASKS.values()
            if parse_mask(line)[0] == name
        }
        assert published == set(zip(*entry.parameters.values(), strict=True)) or not entry.parameters


@pytest.mark.parametrize("text", ALL_MASKS)
def test_each_map_of_a_batch_is_masked_by_itself(text):
    batch = maps(6) * torch.logspace(-3, 3, 6)[:, None, None]
    together = make_mask(text, batch.reshape(2, 3, *SHAPE)).reshape(6, *SHAPE)
    assert torch.equal(together, torch.stack([make_mask(text, one) for one in batch]))
    assert together.min() >= 0 and together.max() <= 1
    if not MASKS[parse_mask(text)[0]].signed:
        assert torch.equal(together, make_mask(text, batch.clamp(min=0)))


@pytest.mark.parametrize("text", [text for text in ALL_MASKS if not text.startswith("sigmoid")])
def test_a_mask_does_not_depend_on_the_unit_of_the_map(text):
    values = maps(4)
    mask, rescaled = make_mask(text, values), make_mask(text, values * 1e-4)
    if mask.dtype == torch.bool:
        assert torch.equal(mask, make_mask(text, values * 2**-10))
    else:
        torch.testing.assert_close(mask, rescaled, atol=1e-6, rtol=0)


def test_the_plain_sigmoid_of_a_small_map_is_no_mask_and_the_scaled_one_is():
    values = maps(1) * 1e-4
    assert make_mask("sigmoid", values).std() < 1e-4 < 0.1 < make_mask("scaled_sigmoid", values).std()


@pytest.mark.parametrize("text", [text for text in ALL_MASKS if "thresh" not in text])
def test_a_greater_value_is_never_kept_less(text):
    values = maps(1)[0]
    mask = make_mask(text, values).to(torch.float32).flatten()[values.flatten().argsort()]
    assert (mask.diff() >= 0).all()


@pytest.mark.parametrize("k", [0.01, 0.05, 0.3, 0.5, 0.71, 0.9, 1.0])
@pytest.mark.parametrize("n", [1, 2, 10, 11, 40, 101])
def test_without_ties_the_corrected_mask_is_the_published_one(k, n):
    values = torch.randn(1, n, generator=torch.Generator().manual_seed(n))
    rounded, verbatim = (
        values >= torch.from_numpy(np.quantile(values.double().numpy(), q, keepdims=True)) for q in (round(1 - k, 9), 1 - k)
    )
    corrected = make_mask(f"top_k(k={k})", values)
    assert corrected.sum() == n_kept(k, n) and torch.equal(corrected, rounded)
    assert torch.equal(make_mask(f"top_k(k={k})", values, protocol="paper"), verbatim)
    assert abs(n_kept(k, n) - k * n) < 1


def test_ties_are_broken_towards_the_lower_frequency_then_the_earlier_frame_and_the_area_is_exact():
    values = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    assert make_mask("top_k(k=0.5)", values).tolist() == [[True, False, True], [True, False, False]]
    assert make_mask("top_k(k=0.5)", values, protocol="paper").sum() == 4
    superpixels = torch.arange(4.0).repeat_interleave(10).reshape(8, 5)
    assert make_mask("top_k(k=0.3)", superpixels).sum() == n_kept(0.3, 40) == 12
    assert make_mask("top_k(k=0.3)", superpixels, protocol="paper").sum() == 20


def test_defect_2_fewer_than_k_positive_keeps_everything_in_the_published_protocol_only():
    values = -maps(1)[0].abs()
    values[0, :3] = torch.tensor([1.0, 2.0, 3.0])
    for k in (0.3, 0.5):
        assert make_mask(f"top_k_pos(k={k})", values, protocol="paper").all()
        assert torch.equal(make_mask(f"top_k_pos(k={k})", values), values > 0)
    enough = maps(1)[0].abs()
    assert torch.equal(make_mask("top_k_pos", enough, protocol="paper"), make_mask("top_k_pos", enough))


DEGENERATE = {
    # what every cell gets of a map of zeros, of -1 and of 2; None: part of the cells
    "minmax": (0, 0, 0),
    "sigmoid": (0.5, 0.268941, 0.880797),
    "scaled_sigmoid": (0.5, 0.268941, 0.731059),
    "binary": (0, 0, 1),
    "top_k": (None, None, None),
    "minmax_pos": (0, 0, 1),
    "sigmoid_pos": (0.5, 0.5, 0.880797),
    "threshold_pos": (0, 0, 1),
    "top_k_pos": (0, 0, None),
}


@pytest.mark.parametrize("name", MASKS)
def test_constant_maps_have_the_documented_answer(name):
    for constant, expected in zip((0.0, -1.0, 2.0), DEGENERATE[name], strict=True):
        mask = make_mask(name, torch.full(SHAPE, constant)).to(torch.float32)
        if expected is None:
            assert mask.flatten().tolist() == [1.0] * n_kept(0.3, 40) + [0.0] * (40 - n_kept(0.3, 40))
        else:
            torch.testing.assert_close(mask, torch.full(SHAPE, float(expected)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("protocol", ["corrected", "paper"])
@pytest.mark.parametrize("text", ALL_MASKS)
def test_no_finite_map_gives_anything_but_a_mask(text, protocol):
    one_cell = torch.tensor([[3.0]])
    huge, tiny = torch.tensor([[3e38, -3e38, 1.0]]), torch.tensor([[1e-45, -1e-45, 0.0]])
    for values in (one_cell, -one_cell, huge, tiny, MAP.double(), MAP.half(), MAP.bfloat16()):
        mask = make_mask(text, values, protocol=protocol)
        assert mask.shape == values.shape and torch.isfinite(mask.float()).all() and mask.min() >= 0 and mask.max() <= 1


@pytest.mark.parametrize("text", ALL_MASKS)
@pytest.mark.parametrize(
    "values, message",
    [
        (torch.tensor([[1.0, float("nan")]]), "1 of 2 values are NaN or infinite"),
        (torch.tensor([[1.0, float("inf")]]), "1 of 2 values are NaN or infinite"),
        (torch.tensor([1.0, 2.0]), r"\(\.\.\., freq, frame\).*got torch.float32 of shape \(2,\)"),
        (torch.tensor([[1, 2]]), "float tensor.*got torch.int64"),
        (torch.zeros(3, 0), "at least one cell"),
    ],
)
def test_what_is_no_map_is_refused(text, values, message):
    with pytest.raises(ValueError, match=message):
        make_mask(text, values)


@pytest.mark.parametrize(
    "text, message",
    [
        ("top_k(k=0)", "k must be a share above 0 and up to 1.*got 0"),
        ("top_k_pos(k=1.5)", "got 1.5"),
        ("top_k(k=True)", "got True"),
        ("threshold_pos(tau=high)", "tau must be a share.*got 'high'"),
        ("top_k(share=0.3)", "top_k has no option 'share=0.3'; it takes k, protocol"),
        ("minmax(k=0.3)", "minmax has no option 'k=0.3'; it takes none"),
        ("topk", "There is no mask 'topk'; give one of minmax, .*as in top_k"),
        ("top_k(protocol=published)", "the protocols 'corrected' and 'paper'; got 'published'"),
    ],
)
def test_a_wrong_line_says_what_is_right(text, message):
    with pytest.raises(ValueError, match=message):
        make_mask(text, MAP)


def test_a_line_is_read_as_a_methods_is():
    assert parse_mask(" top_k( k = 0.05 ) ")[:2] == ("top_k", {"k": 0.05, "protocol": "corrected"})
    assert parse_mask("topK_30_pos", protocol="paper")[1] == {"k": 0.3, "protocol": "paper"}
    assert parse_mask("top_k(protocol=corrected)", protocol="paper")[1]["protocol"] == "corrected"
    assert "protocol" not in parse_mask("minmax", protocol="paper")[1]
    assert parse_method("lime(protocol=paper)")[1]["protocol"] == "paper"
    assert split_list("top_k(k=0.3, protocol=paper),bin , minmax") == ["top_k(k=0.3, protocol=paper)", "bin", "minmax"]
    with pytest.raises(ValueError, match="protocols 'corrected' and 'paper'; got 'text'"):
        parse_mask("minmax", protocol="text")


def test_nested_masks_grow_from_nothing_to_all_and_each_lies_in_the_next():
    values = torch.cat([maps(2), torch.zeros(1, *SHAPE)])
    masks = list(nested_masks(values, steps(8)))
    assert [int(mask[0].sum()) for mask in masks] == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert all((small & ~large).sum() == 0 for small, large in itertools.pairwise(masks))
    assert torch.equal(masks[4][0], make_mask("top_k(k=0.5)", values[0]))
    with pytest.raises(ValueError, match=r"from 0 to 1; got 1\.5"):
        nested_masks(values, [0.5, 1.5])
    with pytest.raises(ValueError, match="n_steps must be a whole number from 1; got 0"):
        steps(0)

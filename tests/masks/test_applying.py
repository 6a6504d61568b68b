"""Applying masks bit by bit, and the controls."""

from __future__ import annotations

import pytest
import torch

from hearwhy.masks import CONTROLS, equal_area, make_mask, masked
from hearwhy.metrics.conciseness import comp, sps

SHAPE = (16, 24)


def decibels(n: int, seed: int = 1) -> torch.Tensor:
    return -90 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.int32)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_an_identity_mask_changes_no_bit_and_an_empty_one_leaves_the_fill(dtype):
    features, ones = decibels(3), torch.ones(3, *SHAPE, dtype=dtype)
    kept, removed = masked(features, ones)
    assert torch.equal(bits(kept), bits(features)) and (removed == -100).all()
    kept, removed = masked(features, torch.zeros(3, *SHAPE, dtype=dtype))
    assert torch.equal(bits(removed), bits(features)) and (kept == -100).all()


def test_defect_4_the_published_arithmetic_changes_what_an_identity_mask_keeps():
    features = decibels(3)
    for ones in (torch.ones(3, *SHAPE), torch.ones(3, *SHAPE, dtype=torch.bool)):
        kept, removed = masked(features, ones, protocol="paper")
        assert 0 < (kept - features).abs().max() < 1e-5 and (kept != features).float().mean() > 0.1
        assert torch.equal(kept, (features + 100) * 1 - 100) and (removed == -100).all()


def test_ones_and_zeros_within_a_soft_mask_change_no_bit_either():
    features, mask = decibels(1)[0], torch.rand(SHAPE, generator=torch.Generator().manual_seed(3))
    mask[::3], mask[1::3] = 1, 0
    kept, removed = masked(features, mask)
    assert torch.equal(bits(kept[::3]), bits(features[::3])) and (kept[1::3] == -100).all()
    assert torch.equal(bits(removed[1::3]), bits(features[1::3])) and (removed[::3] == -100).all()
    torch.testing.assert_close(kept, -100 + (features + 100) * mask)
    torch.testing.assert_close(removed, -100 + (features + 100) * (1 - mask))
    paper = masked(features, mask, protocol="paper")
    torch.testing.assert_close(torch.stack(paper), torch.stack([kept, removed]))


def test_masks_by_hand_with_a_fill_of_their_own():
    features = torch.tensor([[-20.0, -40.0, 0.0]])
    kept, removed = masked(features, torch.tensor([[1.0, 0.25, 0.5]]), fill=-80.0)
    assert kept.tolist() == [[-20.0, -70.0, -40.0]] and removed.tolist() == [[-80.0, -50.0, -40.0]]
    kept, _ = masked(features, torch.tensor([[False, True, False]]), fill=torch.tensor([[-1.0, -2.0, -3.0]]))
    assert kept.tolist() == [[-1.0, -40.0, -3.0]]


def test_many_masks_of_many_units_broadcast_and_each_is_as_by_itself():
    features, values = decibels(2), torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(5))
    masks = torch.stack([make_mask("minmax", values), make_mask("sigmoid", values)], dim=1)
    kept, removed = masked(features[:, None], masks)
    assert kept.shape == removed.shape == (2, 2, *SHAPE)
    for unit, which in ((0, 1), (1, 0)):
        alone = masked(features[unit], masks[unit, which])
        assert torch.equal(kept[unit, which], alone[0]) and torch.equal(removed[unit, which], alone[1])


def test_a_soft_mask_can_be_learned_through():
    mask = torch.full(SHAPE, 0.4, requires_grad=True)
    features = decibels(1)[0]
    masked(features, mask)[0].sum().backward()
    torch.testing.assert_close(mask.grad, features + 100)


@pytest.mark.parametrize(
    "features, mask, message",
    [
        (decibels(1), torch.full((1, *SHAPE), 1.5), "between 0 .* and 1 .* got 1.5 to 1.5"),
        (decibels(1), torch.full((1, *SHAPE), -0.1), "got -0.1 to -0.1"),
        (decibels(1), torch.ones(24, 16), r"mask \(24, 16\) does not fit features \(1, 16, 24\).*never transposed"),
        (decibels(2), torch.ones(3, *SHAPE), r"those before must broadcast"),
        (decibels(1) / 0, torch.ones(1, *SHAPE), "features are NaN or infinite"),
        (decibels(1), torch.ones(1, *SHAPE) / 0, "mask values are NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_refused(features, mask, message):
    with pytest.raises(ValueError, match=message.replace("never transposed", "neither is ever transposed")):
        masked(features, mask)


TEXTS = ["minmax", "top_k(k=0.3)"]


def unit_masks(text: str, n: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(9))
    return torch.stack([make_mask(text, values), make_mask(text, values.square())], dim=1), decibels(n)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["random", "energy"])
def test_controls_of_equal_area_only_move_the_masks_values(name, text):
    masks, features = unit_masks(text)
    control = CONTROLS[name](masks, features, [1, 2, 3])
    assert control.dtype == masks.dtype and control.shape == masks.shape and not torch.equal(control, masks)
    assert torch.equal(control.flatten(-2).sort(-1).values, masks.flatten(-2).sort(-1).values)
    torch.testing.assert_close(sps(control), sps(masks))
    torch.testing.assert_close(comp(control), comp(masks))


@pytest.mark.parametrize("text", TEXTS)
def test_the_random_control_is_a_units_own_in_any_batch_and_order(text):
    masks, features = unit_masks(text)
    control = CONTROLS["random"](masks, features, [1, 2, 3])
    assert torch.equal(CONTROLS["random"](masks[[2]], features[[2]], [3]), control[[2]])
    assert torch.equal(CONTROLS["random"](masks[:, [1]], features, [1, 2, 3]), control[:, [1]])
    assert not torch.equal(CONTROLS["random"](masks, features, [1, 2, 4])[2], control[2])
    # ignorant of mask and sound: over many seeds each cell is kept as often as any other
    often = torch.stack([CONTROLS["random"](masks[:1, :1], features[:1], [seed])[0, 0].double() for seed in range(300)])
    centred = (often.mean(0) - often[0].mean()) / (often[0].std() / 300**0.5)
    assert centred.abs().max() < 4.5 and 0.8 < centred.std() < 1.2  # 384 cells: beyond 4.5 once in 400


def test_the_energy_control_keeps_the_loudest_cells():
    masks, features = unit_masks("top_k(k=0.3)")
    control = CONTROLS["energy"](masks, features, [])
    assert torch.equal(control[:, 0], make_mask("top_k(k=0.3)", features))
    soft, _ = unit_masks("minmax")
    loud_first = features[0].flatten().argsort(descending=True)
    assert (CONTROLS["energy"](soft, features, [])[0, 1].flatten()[loud_first].diff() <= 0).all()


def test_identity_keeps_all_and_empty_nothing():
    masks, features = unit_masks("minmax")
    identity, empty = (CONTROLS[name](masks, features, []) for name in ("identity", "empty"))
    assert identity.dtype == empty.dtype == torch.bool and identity.shape == empty.shape == masks.shape
    assert identity.all() and not empty.any()


def test_two_methods_are_compared_at_equal_area():
    masks, _ = unit_masks("binary")
    other = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(10))
    matched = equal_area(masks, other)
    assert torch.equal(matched.sum((-2, -1)), masks.sum((-2, -1)))
    inside = torch.where(matched[:, 0], other, torch.inf).amin((-2, -1))
    assert (inside > torch.where(matched[:, 0], -torch.inf, other).amax((-2, -1))).all()
    for nothing in (torch.zeros(1, 1, 2, 2, dtype=torch.bool), torch.ones(1, 1, 2, 2, dtype=torch.bool)):
        assert torch.equal(equal_area(nothing, torch.zeros(1, 2, 2)), nothing)


def test_controls_refuse_what_does_not_fit():
    masks, features = unit_masks("binary")
    with pytest.raises(ValueError, match="one seed a unit: 3 of them; got 1"):
        CONTROLS["random"](masks, features, [1])
    with pytest.raises(ValueError, match=r"same units and cells.*Put a single one into a batch"):
        CONTROLS["energy"](masks[0], features[0], [])
    with pytest.raises(ValueError, match=r"seed must be a whole number; got 1\.5"):
        CONTROLS["random"](masks, features, [1, 2, 1.5])

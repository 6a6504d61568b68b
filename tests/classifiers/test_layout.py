"""Layouts: every order of axes there and back, and every wrong one refused in words."""

from itertools import permutations

import pytest
import torch

from hearwhy.classifiers.layout import ANSWERS, AUDIO, FEATURES, FRAME_ANSWERS, arrange, check_layout, restore


def test_features_arrive_as_they_are_asked_for():
    features = torch.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    laid_out = arrange(features, FEATURES, "batch 1 frame freq")
    assert laid_out.shape == (2, 1, 4, 3) and laid_out.is_contiguous()
    assert torch.equal(laid_out[1, 0, 3], features[1, :, 3])


@pytest.mark.parametrize("order", list(permutations(FEATURES)), ids=" ".join)
@pytest.mark.parametrize("one_at", range(4))
def test_every_order_of_axes_leads_back(order, one_at):
    features = torch.rand(2, 3, 4)
    layout = " ".join([*order[:one_at], "1", *order[one_at:]])
    laid_out = arrange(features, FEATURES, layout)
    assert laid_out.shape[one_at] == 1
    back = laid_out.squeeze(one_at).permute([order.index(axis) for axis in FEATURES])
    assert torch.equal(back, features)


@pytest.mark.parametrize("order", list(permutations(FRAME_ANSWERS)), ids=" ".join)
@pytest.mark.parametrize("one_at", range(4))
def test_answers_come_back_as_batch_label_frame(order, one_at):
    answers = torch.rand(2, 3, 4)
    layout = [*order[:one_at], "1", *order[one_at:]]
    said = answers.permute([FRAME_ANSWERS.index(axis) for axis in order]).unsqueeze(one_at)
    assert torch.equal(restore(said, " ".join(layout)), answers)


def test_answers_without_frames_may_stand_the_other_way_round():
    assert torch.equal(restore(torch.tensor([[1, 2, 3], [4, 5, 6]]), "label batch"), torch.tensor([[1, 4], [2, 5], [3, 6]]))


@pytest.mark.parametrize("answers", [torch.rand(3), torch.rand(2, 3, 4), torch.rand(2, 5, 3)])
def test_answers_of_other_axes_come_back_as_they_are(answers):
    assert restore(answers, "batch 1 label" if answers.ndim == 3 else "batch label") is answers


def test_an_only_channel_may_be_left_out():
    audio = torch.rand(2, 1, 8)
    assert torch.equal(arrange(audio, AUDIO, "batch time"), audio[:, 0])
    assert torch.equal(arrange(audio, AUDIO, "time batch"), audio[:, 0].T)
    with pytest.raises(ValueError, match=r"'batch time' has no channel, and there are 2: give it one"):
        arrange(torch.rand(2, 2, 8), AUDIO, "batch time")


def test_slopes_pass_through():
    audio = torch.rand(2, 1, 8, requires_grad=True)
    restore(arrange(audio, AUDIO, "time batch"), "label batch")[1, 3].backward()
    assert audio.grad[1, 0, 3] == 1 and audio.grad.sum() == 1


@pytest.mark.parametrize("layout", ["batch 1 freq frame", "frame freq batch", "1 batch freq 1 frame"])
def test_good_layouts_are_returned(layout):
    assert check_layout(layout, FEATURES) == layout


@pytest.mark.parametrize(
    ("layout", "axes", "optional"),
    [
        ("", AUDIO, None),
        ("batch time", AUDIO, None),
        ("batch channel", AUDIO, "channel"),
        ("batch time time", AUDIO, "channel"),
        ("batch channel time time", AUDIO, "channel"),
        ("batch chanel time", AUDIO, "channel"),
        ("batch freq time", FEATURES, None),
        ("batch 2 freq frame", FEATURES, None),
        ("label", ANSWERS, None),
    ],
)
def test_layouts_that_do_not_name_the_axes_are_refused(layout, axes, optional):
    may = r" \(channel may be left out\)" if optional else ""
    with pytest.raises(ValueError, match=rf"names the axes {', '.join(axes)}{may}, and 1 .* got '{layout}'"):
        check_layout(layout, axes, optional=optional)

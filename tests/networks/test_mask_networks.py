"""Separation networks: masks of every bin, heads where they belong, and no frame that hears further than it says."""

import pytest
import torch

from hearwhy.networks.mask_blstm import MaskBlstm
from hearwhy.networks.mask_heads import EVERY, KEYS, OneVsAll
from hearwhy.networks.mask_unet import CHANNELS, MaskUNet

SMALL = {"unet": (MaskUNet, {"channels": (4, 4, 4, 4, 4)}), "blstm": (MaskBlstm, {"units": 8, "layers": 2})}


def made(name, n_sources, **more):
    kind, sizes = SMALL[name]
    torch.manual_seed(0)
    return kind(n_sources, 129, **sizes, **more).eval()


def heard(n_frames, seed=1):
    return torch.rand(2, 129, n_frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("n_frames", [1, 31, 64, 65])
def test_masks_and_heads_have_a_place_for_every_bin_and_frame(name, n_frames):
    network = made(name, 3, embedding=6, transcribes=True)
    says = network.with_heads(heard(n_frames))
    assert says.masks.shape == (2, 3, 129, n_frames) and says.masks.min() > 0 and says.masks.max() < 1
    assert torch.equal(says.masks, network(heard(n_frames)))
    n_asked = len(range(0, n_frames, EVERY))
    assert says.embedding.shape == (2, 6, 128, n_asked) and says.rolls.shape == (2, 3, KEYS, n_frames)
    torch.testing.assert_close(says.embedding.norm(dim=1), torch.ones(2, 128, n_asked))


@pytest.mark.parametrize("name", SMALL)
def test_a_network_without_heads_says_masks_alone(name):
    says = made(name, 1).with_heads(heard(40))
    assert says.embedding is None and says.rolls is None and says.masks.shape == (2, 1, 129, 40)


def test_a_sources_keys_hear_that_source_alone():
    """The transcription head of one source must not be moved by what another one's bins say."""
    network = made("unet", 3, transcribes=True)
    before = network.with_heads(heard(32)).rolls
    with torch.no_grad():
        network.notes.bias[1] += 1
    moved = (network.with_heads(heard(32)).rolls - before).abs().amax((0, 2, 3))
    assert moved[0] == 0 and moved[1] > 0 and moved[2] == 0


@pytest.mark.parametrize(("frame", "first", "last"), [(150, 88, 212), (160, 98, 222), (191, 129, 253)])
def test_a_unet_hears_at_most_62_frames_away(frame, first, last):
    """Seen by its gradient; half of what a recording is cut with on either side stays unheard."""
    network = made("unet", 1)
    features = heard(320).requires_grad_()
    network(features)[:, :, :, frame].sum().backward()
    reached = features.grad.abs().amax((0, 1)).nonzero()
    assert first <= int(reached.min()) and int(reached.max()) <= last
    assert network.CONTEXT >= 62 and network.CONTEXT % network.MULTIPLE == 0


def test_where_a_partial_lies_counts():
    """The same shape elsewhere is another instrument: masks must not merely move along."""
    network = made("unet", 1)
    one = torch.zeros(1, 129, 64)
    one[:, 32:40] = 1
    moved = network(one.roll(32, dims=1))[0, 0, 64:72]
    assert (network(one)[0, 0, 32:40] - moved).abs().max() > 1e-3


def test_one_vs_all_is_its_networks_side_by_side():
    torch.manual_seed(0)
    both = OneVsAll({"bass": MaskUNet(1, 129, channels=(4,) * 5), "drums": MaskUNet(1, 129, channels=(4,) * 5)}).eval()
    masks = both(heard(40))
    assert torch.equal(masks[:, 1:], both["drums"](heard(40))) and not torch.equal(masks[:, :1], masks[:, 1:])
    assert {key.split(".")[0] for key in both.state_dict()} == {"bass", "drums"}
    both.with_heads(heard(40)).masks[:, 0].sum().backward()
    assert not any(weight.grad.any() for weight in both["drums"].parameters())
    assert any(weight.grad.any() for weight in both["bass"].parameters())


def test_sizes_are_as_said():
    def count(network):
        return sum(weight.numel() for weight in network.parameters())

    assert count(MaskUNet(1, channels=[n // 2 for n in CHANNELS])) == 106_281
    assert count(MaskUNet(5, embedding=12, transcribes=True)) == 649_838
    assert 8e6 < count(MaskBlstm(1)) < 10e6

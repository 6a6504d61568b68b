"""VGG16 with batch normalisation: its shape is that of the published one, counted by hand, and it can learn."""

import pytest
import torch
from torch import nn

from hearwhy.networks.vgg16_bn import Vgg16Bn


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Vgg16Bn(2).eval()


def test_it_has_the_weights_of_torchvisions_but_for_one_channel_and_two_classes(network):
    # vgg16_bn of torchvision has 138,365,992 weights: 3 channels in place of 1, and 1000 classes in place of 2
    expected = 138_365_992 - 2 * 64 * 9 - 998 * 4097
    assert sum(weight.numel() for weight in network.parameters()) == expected == 134_276_034
    names = [name for name in network.state_dict() if name.endswith("weight")]
    # where torchvision's convolutions, normalisations and linear layers stand
    places = [0, 1, 3, 4, 7, 8, 10, 11, 14, 15, 17, 18, 20, 21, 24, 25, 27, 28, 30, 31, 34, 35, 37, 38, 40, 41]
    assert names == [f"features.{i}.weight" for i in places] + [f"classifier.{i}.weight" for i in (0, 3, 6)]


def test_two_seconds_become_four_cells_that_the_pooling_spreads_over_seven_by_seven(network):
    with torch.inference_mode():
        cells = network.features(torch.rand(1, 1, 128, 63))
    assert cells.shape == (1, 512, 4, 1)
    spread = network.pool(torch.arange(4.0).reshape(1, 1, 4, 1))[0, 0]
    assert (spread == spread[:, :1]).all()  # one column, repeated
    # row i of 7 is the mean of the cells that it touches: floor(4 i / 7) to ceil(4 (i + 1) / 7)
    assert torch.equal(spread[:, 0], torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]))


def test_first_weights_are_drawn_as_published(network):
    first, last = network.features[0], network.classifier[6]
    deeper = network.features[40 - 3]  # 512 channels: 4608 values reach each of 512 outputs
    assert isinstance(deeper, nn.Conv2d)
    assert float(deeper.weight.detach().std()) == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)  # 2.4 million draws
    assert float(last.weight.detach().std()) == pytest.approx(0.01, rel=0.05)  # 8192 draws: 0.8 % standard error
    assert not first.bias.any() and not last.bias.any()


def test_every_activation_is_used_once_and_gradients_reach_the_input(network):
    calls = []
    handles = [
        module.register_forward_hook(lambda module, *_: calls.append(module))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    given = torch.rand(1, 128, 63, requires_grad=True)
    network(given)[0, 0].backward()
    for handle in handles:
        handle.remove()
    assert len(calls) == len(set(calls)) == 15
    assert given.grad.abs().sum() > 0


def test_too_small_features_are_refused(network):
    with pytest.raises(ValueError, match=r"at least 32 x 32; got \(1, 128, 31\)"):
        network(torch.zeros(1, 128, 31))

"""The network against Keras's own layers with the same weights."""

import os

import pytest
import torch

from hearwhy.networks.conv_lstm import ConvLstm

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def tutorial():
    """The tutorial's model, written in Keras."""
    layers = keras.layers
    model = keras.Sequential([layers.Input((40, 44, 1))])
    for filters in (64, 128, 128, 256):
        model.add(layers.Conv2D(filters, 2, activation="relu"))
        model.add(layers.MaxPooling2D(2, padding="same"))
        model.add(layers.Dropout(0.2))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Reshape((4, 64)))
    model.add(layers.LSTM(64, return_sequences=True))
    model.add(layers.Dropout(0.2))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(10))
    return model


def copied(model):
    """The same weights here: kernels are (out, in, row, column), the gates of the LSTM stand in the same order."""
    weights = [w.value.detach().cpu() for w in model.weights]
    network = ConvLstm(10).eval()
    convolutions = [layer for layer in network.blocks if isinstance(layer, torch.nn.Conv2d)]
    with torch.no_grad():
        for layer in convolutions:
            layer.weight.copy_(weights.pop(0).permute(3, 2, 0, 1))
            layer.bias.copy_(weights.pop(0))
        network.lstm.weight_ih_l0.copy_(weights.pop(0).T)
        network.lstm.weight_hh_l0.copy_(weights.pop(0).T)
        network.lstm.bias_ih_l0.copy_(weights.pop(0))
        network.lstm.bias_hh_l0.zero_()
        for layer in (network.head[2], network.head[5]):
            layer.weight.copy_(weights.pop(0).T)
            layer.bias.copy_(weights.pop(0))
    assert not weights
    return network


def test_logits_are_keras(tutorial):
    features = torch.randn(3, 40, 44, generator=torch.Generator().manual_seed(0)) * 20
    expected = torch.as_tensor(tutorial(features[..., None].numpy(), training=False)).detach().cpu()
    with torch.no_grad():
        assert torch.allclose(copied(tutorial)(features), expected, atol=1e-5)


def test_as_many_weights_as_keras(tutorial):
    ours = sum(p.numel() for p in ConvLstm(10).parameters()) - 256  # torch's LSTM has a second bias, which adds to the first
    assert ours == tutorial.count_params()


def test_fresh_weights_follow_keras_laws(tutorial):
    """Glorot's bound, an orthogonal recurrence, and a forget gate that is open at first."""
    torch.manual_seed(0)
    network = ConvLstm(10)
    kernel = network.blocks[4].weight
    bound = (6 / ((64 + 128) * 4)) ** 0.5
    assert 0.95 * bound < float(kernel.detach().abs().max()) <= bound
    recurrent = network.lstm.weight_hh_l0
    assert torch.allclose(recurrent.T @ recurrent, torch.eye(64), atol=1e-5)
    assert torch.equal(network.lstm.bias_ih_l0[64:128], torch.ones(64)) and not network.lstm.bias_hh_l0.any()
    assert [tuple(weight.shape) for weight in network.penalised] == [(128, 64, 2, 2), (128, 128, 2, 2)]

"""The shipped `band` network rebuilt in Keras with the same weights: how a Keras model on spectrograms is brought to hearwhy.

    python examples/export_band_keras.py band.keras        # writes band.keras and band.toml
    hearwhy explain src/hearwhy/demo_song/mix.flac --model keras:band.keras \\
        --components sources:stems=src/hearwhy/demo_song/stems

The description beside the file says what Keras does not: the sample rate, the labels, and how the spectrogram is made.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import torch

import hearwhy
from hearwhy.networks.band_cnn import CHANNELS

DESCRIPTION = """\
sample_rate = 16000
labels = ["guitar", "piano"]
activation = "softmax"              # which is not in the network: it gives logits
window_s = 2.0
input = "batch freq frame 1"        # channels last

[front_end]
kind = "log_mel"
n_fft = 1024
hop_length = 512
n_mels = 128
norm = "none"
power = 1.0
log = "log1p"
gain = 10.0
"""


def build() -> keras.Model:
    """Return the network of the `band` classifier in Keras, (batch, mel, frame, 1) to two logits, with first weights."""
    given = hidden = keras.Input((128, 63, 1), name="log_mel")
    for n_filters in CHANNELS:
        hidden = keras.layers.Conv2D(n_filters, 3, padding="same", use_bias=False)(hidden)
        hidden = keras.layers.BatchNormalization(epsilon=1e-5)(hidden)  # torch's; Keras would take 1e-3
        hidden = keras.layers.MaxPooling2D(2)(keras.layers.ReLU()(hidden))
    return keras.Model(given, keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(hidden)))


def copy(network: torch.nn.Module, model: keras.Model) -> None:
    """Give a Keras model the weights of a torch network whose layers with weights come in the same order."""
    theirs = [layer for layer in network.modules() if list(layer.parameters(recurse=False))]
    for here, there in zip((layer for layer in model.layers if layer.weights), theirs, strict=True):
        if isinstance(there, torch.nn.Conv2d):
            weights = [there.weight.permute(2, 3, 1, 0)]  # to (mel, frame, input, filter)
        elif isinstance(there, torch.nn.Linear):
            weights = [there.weight.T, there.bias]
        else:
            weights = [there.weight, there.bias, there.running_mean, there.running_var]
        here.set_weights([weight.numpy() for weight in weights])


def export(path: Path) -> None:
    """Write the model to `path` and its description beside it."""
    model = build()
    copy(hearwhy.classifier("band").network, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    path.with_suffix(".toml").write_text(DESCRIPTION)


if __name__ == "__main__":
    export(Path(sys.argv[1]))

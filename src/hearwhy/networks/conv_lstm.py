"""The network of the MFCC tutorial: four small convolutions and an LSTM over a spectrogram of 40 coefficients."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

CHANNELS = (1, 64, 128, 128, 256)
DROPOUT = 0.2
STEPS = 4  # the 256 channels are read as a sequence of 4 x 64
UNITS = 64
PENALISED = (1, 2)  # convolutions whose kernels the tutorial's l2 of 1e-4 shrinks


class ConvLstm(nn.Module):
    """MFCCs, (batch, coefficient, frame), to one logit a class: 346,000 weights for ten classes.

    Four times 2 x 2 convolution without padding, ReLU, 2 x 2 max-pooling (its last window may be cut off) and dropout; the
    mean over coefficients and frames; the 256 channels as a sequence of 4 times 64 through an LSTM; dropout, a dense layer of
    64 with ReLU, dropout, and the layer of logits.

    Parameters
    ----------
    n_labels
        How many classes.

    References
    ----------
    R. Midha, "SHAP feature importance in audio classification": its layers, in Keras's order and with Keras's first weights.
    The softmax stands outside the network, so that its answers are logits.
    """

    def __init__(self, n_labels: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in pairwise(CHANNELS):
            blocks += [nn.Conv2d(before, after, 2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(DROPOUT)]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.lstm = nn.LSTM(CHANNELS[-1] // STEPS, UNITS, batch_first=True)
        self.head = nn.Sequential(
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(STEPS * UNITS, UNITS),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(UNITS, n_labels),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as Keras does: Glorot's uniform law, orthogonal recurrence, biases 0 but 1 of the forget gate."""
        for name, weight in self.named_parameters():
            if "weight_hh" in name:
                nn.init.orthogonal_(weight)
            elif weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
            else:
                nn.init.zeros_(weight)
        with torch.no_grad():
            self.lstm.get_parameter("bias_ih_l0")[UNITS : 2 * UNITS] = 1.0

    @property
    def penalised(self) -> tuple[Tensor, ...]:
        """The kernels that training shrinks."""
        convolutions = [layer for layer in self.blocks if isinstance(layer, nn.Conv2d)]
        return tuple(convolutions[i].weight for i in PENALISED)

    def forward(self, features: Float[Tensor, "batch coefficient frame"]) -> Float[Tensor, "batch label"]:
        """Return the logits."""
        seen = self.pool(self.blocks(features[:, None])).flatten(1)
        sequence, _ = self.lstm(seen.unflatten(1, (STEPS, -1)))
        return self.head(sequence)

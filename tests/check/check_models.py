"""Models with one fault each, for the checks to find."""

from __future__ import annotations

import torch
from torch import nn

from hearwhy.front_ends import LogMel

FRONT_END = LogMel(sample_rate=8000, n_fft=256, hop_length=128, n_mels=32)


class Small(nn.Module):
    """Log-mel, one convolution, one activation, one linear layer; nothing is wrong with it."""

    sample_rate, channels, activation, window_s, fingerprint = 8000, 1, "softmax", None, None
    labels = ("a", "b", "c")

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv, self.act, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Linear(8, 3)
        self.eval()

    def forward(self, audio):
        return self.network(FRONT_END(audio[:, 0])[:, None] / 20)

    def network(self, features):
        return self.head(self.act(self.conv(features)).mean(dim=(2, 3)))


class Panns(Small):
    """PANNs' first layer: bins normalised as channels of a picture one pixel wide, transposed there and back."""

    def __init__(self, how="transposed"):
        super().__init__()
        self.bn0, self.how = nn.BatchNorm2d(32), how
        self.bn1 = nn.BatchNorm1d(32)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for bn in (self.bn0, self.bn1):
                bn.running_var.uniform_(0.5, 4.0, generator=generator.manual_seed(1))
                bn.weight.uniform_(0.5, 2.0, generator=generator.manual_seed(2))
        self.eval()

    def network(self, features):
        turned = features.transpose(2, 3).transpose(1, 3)  # (batch, freq, frame, 1)
        if self.how == "contiguous":
            turned = turned.contiguous()
        if self.how == "channels last":
            turned = turned.contiguous(memory_format=torch.channels_last)
        normal = self.bn1(turned[..., 0])[..., None] if self.how == "one-dimensional" else self.bn0(turned)
        return super().network(normal.transpose(1, 3))


class Reused(Small):
    def network(self, features):
        return self.act(self.head(self.act(self.conv(features)).mean(dim=(2, 3))))


class Functional(Small):
    def network(self, features):
        return self.head(torch.relu(self.conv(features)).mean(dim=(2, 3)))


class Dropping(Small):
    def network(self, features):
        return super().network(nn.functional.dropout(features, 0.5, training=True)) + 0.1 * torch.randn(3)


class Together(Small):
    """Normalises the batch as one."""

    def network(self, features):
        return super().network((features - features.mean()) / features.std())


class HalfBlind(Small):
    """Its gradient is that of the lower half of the spectrum only."""

    def network(self, features):
        return super().network(torch.cat([features[:, :, :16], features[:, :, 16:].detach()], dim=2))


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1.0

    @staticmethod
    def backward(ctx, slope):
        return slope.flip(-1)


class Flipped(Small):
    class Flip(nn.Module):
        def forward(self, x):
            return Wrong.apply(x)

    def __init__(self):
        super().__init__()
        self.flip = self.Flip()

    def network(self, features):
        return super().network(self.flip(features))

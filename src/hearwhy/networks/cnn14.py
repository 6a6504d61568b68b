"""The networks of PANNs (Cnn14, Cnn10, Cnn6) from a spectrogram to one logit a class, with frequency before time throughout.

Every activation, pooling and dropout is a module of its own, used once, so that methods that hook modules see all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_OURS = {"fc_audioset": "head"}  # PANNs' names that are other ones here
_FRONT_ENDS = ("spectrogram_extractor.", "logmel_extractor.")  # a front end of one's own is no part of these networks


class SpectrogramCnn(nn.Module):
    """Convolutions over (freq, frame), the mean over frequency, maximum plus mean over time, and linear layers.

    The input is normalised frequency by frequency (`bn0`) in the form whose gradient torch computes rightly: over
    (batch, freq, frame), never over transposed axes.

    Parameters
    ----------
    blocks
        Modules from (batch, 1, freq, frame) to (batch, channel, freq, frame), by name.
    n_labels
        How many classes.
    size
        Frequencies and frames of the spectrogram; it takes no other.
    n_channels, n_left
        Channels and frames that the blocks leave.
    hidden
        Whether a linear layer and a ReLU (`fc1`) stand before the last one.
    """

    def __init__(
        self,
        blocks: Mapping[str, nn.Module],
        *,
        n_labels: int,
        size: tuple[int, int],
        n_channels: int,
        n_left: int,
        hidden: bool = True,
    ) -> None:
        super().__init__()
        if n_left < 1:
            raise ValueError(f"{size[1]} frames are too few: nothing is left of them behind the pooling. Give longer windows.")
        self.n_features, self.n_frames = size
        self.bn0 = nn.BatchNorm2d(self.n_features)
        self._blocks = tuple(blocks)
        for name, block in blocks.items():
            self.add_module(name, block)
        self.mean_over_freq = nn.AdaptiveAvgPool2d((1, n_left))
        self.max_over_time = nn.MaxPool2d((1, n_left))
        self.mean_over_time = nn.AdaptiveAvgPool2d(1)
        self.dropout1 = nn.Dropout(0.5)
        if hidden:
            self.fc1 = nn.Linear(n_channels, n_channels)
            self.relu = nn.ReLU()
            self.dropout2 = nn.Dropout(0.5)
        self.hidden = hidden
        self.head = nn.Linear(n_channels, n_labels)
        self.apply(_first_weights)

    def forward(self, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "batch label"]:
        """Return the logits.

        Raises
        ------
        ValueError
            The spectrogram is of another size.
        """
        size = (self.n_features, self.n_frames)
        if features.ndim != 3 or tuple(features.shape[1:]) != size:
            raise ValueError(
                f"this network takes spectrograms (batch, {size[0]}, {size[1]}), frequency before time; got "
                f"{tuple(features.shape)}. Give it windows of its own length, as hearwhy.explain does."
            )
        plane = self.bn0(features.contiguous()[:, :, :, None])[:, None, :, :, 0].contiguous()
        for name in self._blocks:
            plane = self.get_submodule(name)(plane)
        over_time = self.mean_over_freq(plane)  # (batch, channel, 1, frame)
        # a tensor of its own: captum's DeepLift puts its hook on what a module takes, and would drop the mean's share of it
        loudest = self.max_over_time(over_time.clone())
        pooled = self.dropout1((loudest + self.mean_over_time(over_time))[:, :, 0, 0])
        return self.head(self.dropout2(self.relu(self.fc1(pooled))) if self.hidden else pooled)


class Cnn14(SpectrogramCnn):
    """Twelve 3 x 3 convolutions in six blocks of 64 to 2048 channels, pooled 2 x 2 five times; 80 million weights.

    Parameters
    ----------
    n_labels
        How many classes.
    n_features, n_frames
        Size of the spectrogram; the default is Mel-dB of 5 s.

    References
    ----------
    Kong, Cao, Iqbal, Wang, Wang, Plumbley: PANNs, IEEE/ACM TASLP 28, 2020. Deviations: the axes are (freq, frame) where
    the original has (frame, freq); the last linear layer answers with logits; augmentation stands outside.
    """

    def __init__(self, n_labels: int, n_features: int = 64, n_frames: int = 501) -> None:
        blocks = _blocks((64, 128, 256, 512, 1024, 2048), kernel=3, n_convolutions=2, n_pooled=5)
        size = (n_features, n_frames)
        super().__init__(blocks, n_labels=n_labels, size=size, n_channels=2048, n_left=n_frames // 32)


class Cnn10(SpectrogramCnn):
    """Eight 3 x 3 convolutions in four blocks of 64 to 512 channels, each pooled 2 x 2; 5 million weights.

    Parameters and references as in `Cnn14`.
    """

    def __init__(self, n_labels: int, n_features: int = 64, n_frames: int = 501) -> None:
        blocks = _blocks((64, 128, 256, 512), kernel=3, n_convolutions=2, n_pooled=4)
        size = (n_features, n_frames)
        super().__init__(blocks, n_labels=n_labels, size=size, n_channels=512, n_left=n_frames // 16)


class Cnn6(SpectrogramCnn):
    """Four 5 x 5 convolutions of 64 to 512 channels, each pooled 2 x 2; 5 million weights.

    Parameters and references as in `Cnn14`.
    """

    def __init__(self, n_labels: int, n_features: int = 64, n_frames: int = 501) -> None:
        blocks = _blocks((64, 128, 256, 512), kernel=5, n_convolutions=1, n_pooled=4)
        size = (n_features, n_frames)
        super().__init__(blocks, n_labels=n_labels, size=size, n_channels=512, n_left=n_frames // 16)


def conv_block(before: int, after: int, *, kernel: int = 3, n_convolutions: int = 1, pool: int = 2) -> nn.Sequential:
    """Return so many times convolution, batch normalisation and ReLU, then the mean over `pool` x `pool` cells."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, n_convolutions + 1):
        inputs = before if i == 1 else after
        layers[f"conv{i}"] = nn.Conv2d(inputs, after, kernel, padding=kernel // 2, bias=False)
        layers[f"bn{i}"] = nn.BatchNorm2d(after)
        layers[f"relu{i}"] = nn.ReLU()
    if pool > 1:
        layers["pool"] = nn.AvgPool2d(pool)
    return nn.Sequential(layers)


def load_panns(network: SpectrogramCnn, path: str | Path) -> tuple[str, ...]:
    """Load PANNs' weights into a network of the same kind, and return the names of those that it keeps as they were.

    Kernels, (time, freq) there, are turned to (freq, time) once. What has another size stays as it was: the last layer,
    where the classes are others, and the input's normalisation, where the frequencies are. PANNs' own front end (Slaney's mel
    filters of equal area) is no part of it.

    Parameters
    ----------
    network
        `Cnn14`, `Cnn10` or `Cnn6`; it is changed.
    path
        PANNs' ``.pth`` file or its state dict as ``.safetensors``. A ``.pth`` is read with ``weights_only=True``.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no such file, or holds the weights of another kind of network.
    """
    state = _read_panns(Path(path))
    own = network.state_dict()
    unknown, missing = sorted(state.keys() - own.keys()), sorted(own.keys() - state.keys())
    other = [name for name in state.keys() & own.keys() if state[name].shape != own[name].shape]
    wrong = unknown + missing + [name for name in other if name.split(".")[0] not in ("bn0", "head")]
    if wrong:
        shown = f"{', '.join(wrong[:3])}{', ...' if len(wrong) > 3 else ''}"
        raise ValueError(f"{path} does not fit {type(network).__name__} ({shown}); give the file of that kind of network.")
    network.load_state_dict({**own, **{name: state[name] for name in state if name not in other}})
    return tuple(sorted(other))


def _read_panns(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights {path}. Give PANNs' .pth file, or train without it.")
    held = _read_tensors(path)
    state = held.get("model", held)
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path} holds no state dict of PANNs. Give Cnn14_mAP=0.431.pth or a file like it.")
    named = {}
    for name, tensor in state.items():
        if name.startswith(_FRONT_ENDS):
            continue
        layer, _, rest = name.partition(".")
        named[f"{_OURS.get(layer, layer)}.{rest}"] = tensor.transpose(2, 3).contiguous() if tensor.ndim == 4 else tensor
    return named


def _read_tensors(path: Path) -> Mapping[str, Any]:
    from safetensors.torch import load_file

    try:
        held = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or unsafe file raises what it likes
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path} cannot be read safely as weights ({reason}). Where you trust it, save its state dict as .safetensors."
        ) from error
    return held if isinstance(held, Mapping) else {}


def _blocks(channels: Sequence[int], *, kernel: int, n_convolutions: int, n_pooled: int) -> dict[str, nn.Module]:
    blocks: dict[str, nn.Module] = {}
    for i, (before, after) in enumerate(zip((1, *channels), channels, strict=False), start=1):
        pool = 2 if i <= n_pooled else 1
        blocks[f"conv_block{i}"] = conv_block(before, after, kernel=kernel, n_convolutions=n_convolutions, pool=pool)
        blocks[f"dropout_block{i}"] = nn.Dropout(0.2)
    return blocks


def _first_weights(layer: nn.Module) -> None:
    """Draw weights as PANNs does: Xavier's uniform ones, no bias."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

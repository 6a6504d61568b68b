"""musicnn's four music taggers, from audio to 50 tags. `hearwhy fetch musicnn` brings their weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn

from hearwhy.cache import cache_folder
from hearwhy.front_ends import LogMel
from hearwhy.networks.musicnn import N_FRAMES, N_MELS, Musicnn, MusicnnVGG
from hearwhy.types import Activation, Classifier

VARIANTS: dict[str, type[Musicnn] | type[MusicnnVGG]] = {
    "MTT_musicnn": Musicnn,
    "MSD_musicnn": Musicnn,
    "MTT_vgg": MusicnnVGG,
    "MSD_vgg": MusicnnVGG,
}
FRONT_END = LogMel(sample_rate=16_000, n_fft=512, hop_length=256, n_mels=N_MELS, power=2.0, log="log10_1p", gain=10_000.0)
WINDOW = N_FRAMES * FRONT_END.hop_length


class MusicTagger(nn.Module):
    """A musicnn network with its front end: mono audio of 47872 samples at 16 kHz (2.992 s) to 50 logits.

    A window that begins at sample 256 k has frames k to k + 186 of the whole recording, except that the first half of
    its first frame is its own reflection rather than what came before (measured on a song: a window's probabilities
    move by up to 0.011, the song's by 0.001). A recording's prediction is the mean of the windows' probabilities. The
    two VGG networks are deaf to the last 0.42 s of a window.

    Parameters
    ----------
    network
        The network, in evaluation mode.
    labels
        The tags, in the order of its outputs.
    fingerprint
        Hash of weights and front end.

    Raises
    ------
    ValueError
        When called: audio is not (batch, 1, 47872).

    References
    ----------
    Pons, Serra: musicnn: pre-trained convolutional neural networks for music audio tagging, 2019. Deviation: musicnn
    rounds the mel powers to float16 before the logarithm, which has no slope; here they stay float32, and the
    log-mel values differ by up to 2.2e-4 (half a unit of float16's last place).
    """

    channels: Literal[1, 2] = 1
    activation: Activation = "sigmoid"

    def __init__(self, network: nn.Module, *, labels: tuple[str, ...], fingerprint: str | None) -> None:
        super().__init__()
        self.network = network
        self.front_end = FRONT_END
        self.labels: tuple[str, ...] = labels
        self.fingerprint: str | None = fingerprint
        self.sample_rate: int = FRONT_END.sample_rate
        self.window_s: float | None = WINDOW / FRONT_END.sample_rate

    def features(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch frame mel"]:
        """Return the log-mel spectrogram that the network is given, 187 frames by 96 bins."""
        if audio.ndim != 3 or tuple(audio.shape[1:]) != (1, WINDOW):
            raise ValueError(
                f"musicnn takes mono windows of shape (batch, 1, {WINDOW}), {self.window_s} s at 16 kHz; got "
                f"{tuple(audio.shape)}. Downmix, resample and cut the recording first."
            )
        # centred frames are one more than the window has hops; the last one would look past its end
        return self.front_end(audio[:, 0])[:, :, :N_FRAMES].transpose(1, 2)

    def forward(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return one logit per tag."""
        return self.network(self.features(audio))


def load(variant: str = "MTT_musicnn") -> Classifier:
    """Return one of musicnn's taggers, with weights from the user's cache.

    Parameters
    ----------
    variant
        "MTT_musicnn" or "MTT_vgg" (trained on MagnaTagATune: instruments, genres, voices), "MSD_musicnn" or "MSD_vgg"
        (on the Million Song Dataset: genres, eras, moods).

    Returns
    -------
    Classifier
        A torch module that takes (batch, 1, 47872) audio at 16 kHz and gives (batch, 50) logits, differentiable with
        respect to the audio. Its weights are frozen.

    Raises
    ------
    ValueError
        There is no such variant, or the file in the cache is not its weights.
    FileNotFoundError
        The weights are not in the cache.

    Examples
    --------
    >>> load("MTT_lstm")
    Traceback (most recent call last):
        ...
    ValueError: musicnn has no model 'MTT_lstm'. Choose one of MTT_musicnn, MSD_musicnn, MTT_vgg, MSD_vgg.
    """
    variant = variant or "MTT_musicnn"  # "musicnn" with nothing behind it
    if variant not in VARIANTS:
        raise ValueError(f"musicnn has no model {variant!r}. Choose one of {', '.join(VARIANTS)}.")
    path = weights_folder() / f"{variant}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"the weights of {variant} are not at {path}: run `hearwhy fetch musicnn` first.")
    try:
        with safe_open(path, framework="pt") as file:
            labels = tuple(json.loads(file.metadata()["labels"]))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        with torch.device("meta"):  # no first weights are drawn: the user's random state stays as it is
            network = VARIANTS[variant](len(labels))
        network.load_state_dict(weights, assign=True)
    except Exception as error:  # safetensors, json and torch each have their own
        raise ValueError(
            f"{path} does not hold the weights of {variant}; delete it and run `hearwhy fetch musicnn`."
        ) from error
    network.eval().requires_grad_(False)
    return MusicTagger(network, labels=labels, fingerprint=_fingerprint(weights)).eval()


def weights_folder(cache: Path | None = None) -> Path:
    """Return where the taggers' files lie, or would lie, in `cache` (None: the user's)."""
    return (cache or cache_folder()) / "musicnn"


def _fingerprint(weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(repr(FRONT_END).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]

"""Hub: models that Hugging Face's transformers saved, from a folder or the hub; safetensors only, and no code of theirs."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hearwhy.classifiers.extras import need

PARTS = {"AutoConfig": "config.json", "AutoFeatureExtractor": "feature extractor", "AutoProcessor": "processor"}
UNUSED = "masked_spec_embed"  # masks audio while training, so it may be missing
SAYS_NOTHING_OF_ANSWERS = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype")


@dataclass(frozen=True)
class Place:
    """Where a saved model is: a folder here, or an ID of the hub."""

    prefix: str
    argument: str
    folder: Path | None

    @property
    def name(self) -> str:
        """What the user calls it."""
        return f"{self.prefix}:{self.argument}"

    @property
    def where(self) -> str:
        """What transformers calls it."""
        return str(self.folder or self.argument)


def place(argument: str, prefix: str) -> Place:
    """Return where a model is.

    Raises
    ------
    ValueError
        Neither a folder nor an ID is given.
    FileNotFoundError
        There is no such folder, and an ID is written otherwise; or the folder holds no saved model.
    """
    if not argument:
        raise ValueError(f"{prefix}: takes a folder or an ID of the hub, as in {prefix}:my-model or {prefix}:owner/name.")
    folder = Path(argument).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(
                f"There is no config.json in {folder}; give a folder that save_pretrained of transformers wrote."
            )
        return Place(prefix, argument, folder)
    if folder.is_file():
        raise FileNotFoundError(f"{folder} is a file; give the folder that holds it, which save_pretrained wrote.")
    if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", argument):
        raise FileNotFoundError(f"There is no folder {argument}; give one, or an ID of the hub such as owner/name.")
    return Place(prefix, argument, None)


def load_part(where: Place, kind: str, **options: Any) -> Any:
    """Return what ``transformers.KIND.from_pretrained`` loads, ``kind`` being AutoConfig, AutoFeatureExtractor and so on.

    Raises
    ------
    FileNotFoundError
        It is neither here nor could the hub be asked.
    ValueError
        It is damaged, unknown to transformers, or needs code of its own.
    """
    load = getattr(need("transformers", extra="hf", what=where.name), kind).from_pretrained
    try:
        with _quiet():
            return load(where.where, local_files_only=where.folder is not None, trust_remote_code=False, **options)
    except OSError as error:
        raise _not_found(where, kind, error) from None  # the library's own causes are many, and say less
    except (ValueError, KeyError, ImportError) as error:
        if "trust_remote_code" in str(error):
            raise ValueError(
                f"{where.name} brings code of its own, which hearwhy does not run. Load it yourself and explain it as a "
                "Python callable (py:module:attribute)."
            ) from None
        raise ValueError(
            f"{where.name}: the installed transformers cannot read its {PARTS[kind]} ({_reason(error)}). Update "
            "transformers, or save model and extractor again with save_pretrained."
        ) from error


def _not_found(where: Place, kind: str, error: OSError) -> Exception:
    if where.folder is None:
        return FileNotFoundError(
            f"{where.name} is no folder here, and nothing came from the hub under that ID (no network, no such model, or no "
            f"leave to read it). Where there is network, download it first (hf download {where.argument} --local-dir "
            f"DIR) and then give the folder: {where.prefix}:DIR."
        )
    return ValueError(
        f"{where.name} has no {PARTS[kind]} that can be read ({_reason(error)}). Save model and feature "
        "extractor (or processor) into one folder, each with save_pretrained."
    )


def load_model(where: Place, kind: str, config: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a model in eval mode, frozen and in float32, and notes on what was done to it.

    Raises
    ------
    FileNotFoundError, ValueError
        There are no weights, none in safetensors, damaged ones, some for only a part of the model, or `config` is of
        another kind of model.
    """
    _check_weights(where)
    load = getattr(need("transformers", extra="hf", what=where.name), kind).from_pretrained
    try:
        with _quiet():
            model, about = load(
                where.where, config=config, local_files_only=where.folder is not None, trust_remote_code=False,
                use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True,
            )  # fmt: skip
    except OSError as error:
        raise ValueError(_no_safetensors(where, _reason(error))) from None
    except Exception as error:  # safetensors and torch each have their own
        raise ValueError(_not_such_model(where, config, error)) from error
    _check_all_loaded(where, about)
    stored = model.dtype
    notes = () if stored == torch.float32 else (f"its weights, stored as {str(stored)[6:]}, are computed with in float32",)
    return model.float().eval().requires_grad_(False), notes


def _not_such_model(where: Place, config: Any, error: Exception) -> str:
    if str(error).startswith("Unrecognized configuration class"):
        return (
            f"{where.name} is a model of type {config.model_type}, which transformers has no audio classifier of; give one of "
            "AST, wav2vec2, HuBERT, WavLM, Whisper or their like."
        )
    return f"{where.name} has weights that cannot be read ({_reason(error)}); copy or save the folder again."


def _check_all_loaded(where: Place, about: dict[str, Any]) -> None:
    wrong = sorted(str(key if isinstance(key, str) else key[0]) for key in about["mismatched_keys"])
    if wrong:
        raise ValueError(
            f"{where.name} has weights of another shape than its config.json says: {_some(wrong)}. Is the number of labels in "
            "id2label the model's own? Both must come from the same save_pretrained."
        )
    missing = sorted(key for key in about["missing_keys"] if not key.endswith(UNUSED))
    if missing:
        raise ValueError(
            f"{where.name} has no weights for {_some(missing)}, which would be random. Give a model that was trained for this "
            "task, head included."
        )


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}"


def _check_weights(where: Place) -> None:
    if where.folder is None or any(where.folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for ending in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in where.folder.glob(ending))
    if not pickled:
        raise FileNotFoundError(f"There are no weights in {where.folder}; save the model there with save_pretrained.")
    raise ValueError(_no_safetensors(where, f"only {', '.join(pickled)}"))


def _no_safetensors(where: Place, reason: str) -> str:
    return (
        f"{where.name} has no weights in safetensors ({reason}), and pickled files can run any code, so hearwhy opens none. "
        "If you trust it, load it with transformers and save it with model.save_pretrained(DIR), which writes safetensors."
    )


def fingerprint(weights: dict[str, Tensor], *settings: object) -> str:
    """Return a hash of weights and of whatever else decides the answers."""
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def settings_of(config: Any) -> str:
    """Return those settings of a config or an extractor that its answers depend on, as text."""
    settings = {key: value for key, value in config.to_dict().items() if key not in SAYS_NOTHING_OF_ANSWERS}
    return json.dumps(settings, sort_keys=True, default=str)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, advice or retries on the terminal while something is loaded; what matters is an exception."""
    from transformers.utils import logging as said

    bars, level = _bars(said), said.get_verbosity()
    hub = logging.getLogger("huggingface_hub")
    before = hub.level
    said.set_verbosity(logging.CRITICAL)
    said.disable_progress_bar()
    hub.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # ASTFeatureExtractor says so of its own defaults, 128 mel bands at 16 kHz: the lowest hold no bin of the spectrum
            warnings.filterwarnings("ignore", "At least one mel filter has all zero values", UserWarning)
            yield
    finally:
        hub.setLevel(before)
        said.set_verbosity(level)
        if bars:
            said.enable_progress_bar()


def _bars(said: Any) -> bool:
    shown: Callable[[], bool] | None = getattr(said, "is_progress_bar_enabled", None)  # not in every version
    return shown() if shown is not None else True


def _reason(error: BaseException) -> str:
    """The first sentence of what a library says, cut short."""
    said = str(error).strip() or type(error).__name__
    sentence = re.split(r"[.:!]?\s*\n|\. ", said)[0].rstrip(".:! ")
    return sentence if len(sentence) <= 160 else f"{sentence[:157]}..."

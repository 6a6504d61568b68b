"""What every method has in common, whatever it computes."""

import inspect
import subprocess
import sys

import pytest
import torch

from games import GAMES, Game, additive, random_unanimity, sigmoid
from hearwhy.attribution import Entry
from hearwhy.attribution.rise import rise
from hearwhy.types import Estimate
from laws import METHODS, ROUNDING, estimate, flat_values, one_thread  # noqa: F401 (a fixture)

EVERY = pytest.mark.parametrize("entry", METHODS.values(), ids=METHODS)
SIGNED = {name: entry for name, entry in METHODS.items() if entry.signed}
# RISE takes means, in which the other components are noise: only the fits and the exact ones find an additive game exactly.
FITS = {name: entry for name, entry in SIGNED.items() if name != "rise"}
FITTED = pytest.mark.parametrize("entry", FITS.values(), ids=FITS)
SAMPLED = pytest.mark.parametrize(
    "entry", [e for e in METHODS.values() if e.sampled], ids=[m for m in METHODS if METHODS[m].sampled]
)


class Asked:
    """A game that remembers what it was asked, as booleans; it has no gradient unless told to."""

    def __init__(self, game: Game, *, gradient: bool = True) -> None:
        self.game, self.masks = game, []
        if gradient:
            self.gradient = game.gradient

    def __call__(self, mask: torch.Tensor) -> torch.Tensor:
        assert mask.dtype == torch.bool
        self.masks.append(mask.clone())
        return self.game(mask)

    @property
    def n(self) -> int:
        return sum(len(mask) for mask in self.masks)


@EVERY
def test_the_docstring_says_what_a_reader_needs(entry):
    text = inspect.getdoc(entry.function)
    for part in (
        "Parameters\n----",
        "Returns\n----",
        "References\n----",
        "Examples\n----",
        "Laws:",
        "Bad at",
        "Costs",
        "float32",
    ):
        assert part in text, part
    first = text.splitlines()[0]
    assert first.startswith("Return") and first.endswith(".")
    assert ("Raises\n----" in text) == ("raise ValueError" in inspect.getsource(entry.function) or entry.sampled)


@EVERY
def test_the_signature_is_score_and_shape_then_options_by_name(entry):
    score, shape, *options = inspect.signature(entry.function).parameters.values()
    assert (score.name, shape.name) == ("score", "shape")
    assert all(option.kind is option.KEYWORD_ONLY and option.default is not option.empty for option in options)
    assert ("seed" in [option.name for option in options]) == entry.sampled


@EVERY
@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_an_estimate_has_the_shapes_and_types_it_promises(entry, game):
    result = estimate(entry, game)
    targets = len(game.ends[0])
    assert result.values.shape == (targets, *game.shape) and result.values.dtype == torch.float32
    assert result.base.shape == (targets,) and result.base.dtype == torch.float32
    assert (result.stderr is not None) == (entry.sampled and game.n >= 8)
    if result.stderr is not None:
        assert result.stderr.shape == result.values.shape and torch.isfinite(result.stderr).all()


@FITTED
def test_additive_games_come_back_exactly(entry):
    for game in (GAMES["additive"], additive(torch.linspace(-2, 3, 12).tolist(), shape=(3, 4), offset=-5.0)):
        torch.testing.assert_close(flat_values(entry, game), game.shapley, rtol=0, atol=8 * ROUNDING)
        torch.testing.assert_close(estimate(entry, game).base.double(), game.ends[1], rtol=0, atol=8 * ROUNDING)


@pytest.mark.parametrize("entry", SIGNED.values(), ids=SIGNED)
def test_one_component_is_worth_everything_less_nothing(entry):
    game = sigmoid(1, seed=0, targets=3)
    result = entry.function(game, (1,))
    ones, zeros = game.ends
    torch.testing.assert_close(result.values[:, 0].double(), ones - zeros, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(result.base.double(), zeros, rtol=0, atol=ROUNDING)


@EVERY
@pytest.mark.parametrize("shape", [(2, 4), (2, 2, 2), (8, 1)])
def test_the_shape_of_a_mask_changes_nothing_but_the_shape(entry, shape):
    game = sigmoid(8, seed=4, targets=2)
    flat = entry.function(game, (8,)).values
    shaped = entry.function(Game(shape, game.play), shape).values
    assert torch.equal(shaped, flat.reshape(2, *shape))


@pytest.mark.parametrize("method", [m for m in METHODS if m != "shapley"])
def test_thirty_two_tiles_are_explained(method):
    game = random_unanimity((4, 8), seed=5, terms=100)
    result = METHODS[method].function(game, (4, 8))
    assert result.values.shape == (2, 4, 8) and torch.isfinite(result.values).all()


def test_means_find_additive_games_within_their_error():
    game = additive(torch.linspace(-2, 3, 12).tolist())
    found = rise(game, (12,), n_samples=2000)
    assert ((found.values.double() - game.shapley).abs() < 4 * found.stderr).all()


def least(entry: Entry, n: int) -> int:
    """Masks that a method asks at least about so many components."""
    if entry is METHODS["kernel_shap"]:
        return 2 * n + 2
    return 8 * n if entry is METHODS["sobol"] else 4 * n


@SAMPLED
def test_more_components_than_a_float_can_count_the_masks_of(entry):
    if entry not in FITS.values():
        assert torch.isfinite(entry.function(additive([1.0] * 1100), (1100,), n_samples=least(entry, 1100)).values).all()
        return
    game = additive(torch.linspace(-1, 1, 1100).tolist())
    values = entry.function(game, (1100,), n_samples=4400).values
    torch.testing.assert_close(values.double(), game.shapley, rtol=0, atol=1e-5)  # sums of 1100 terms of up to 1


@EVERY
def test_each_target_is_explained_as_if_it_were_alone(entry):
    game = GAMES["large sigmoid"]
    both = flat_values(entry, game)
    for target in range(2):
        alone = Game(game.shape, lambda z, t=target: game.play(z)[:, [t]])
        torch.testing.assert_close(flat_values(entry, alone)[0], both[target], rtol=0, atol=ROUNDING)


@EVERY
def test_how_many_masks_were_asked_is_what_it_says(entry):
    for game in GAMES.values():
        asked = Asked(game)
        assert estimate(entry, asked_with_shape(asked)).n_calls == asked.n + (32 if entry.asks == "gradient" else 0)
        full = Asked(game)
        n_calls = entry.function(full, game.shape).n_calls
        forecast = entry.n_masks(game.n, {})
        assert n_calls == (forecast if entry.asks == "gradient" else min(forecast, 2**game.n))


def asked_with_shape(asked: Asked) -> Asked:
    asked.shape, asked.n_components = asked.game.shape, asked.game.n
    return asked


@SAMPLED
def test_the_same_seed_asks_the_same_masks_and_another_seed_others(entry):
    game = GAMES["large sigmoid"]
    runs = []
    for seed in (0, 0, 1):
        asked = Asked(game)
        values = entry.function(asked, game.shape, n_samples=100, seed=seed).values
        runs.append((torch.cat(asked.masks), values))
    assert torch.equal(runs[0][0], runs[1][0]) and torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[2][0]) and not torch.equal(runs[0][1], runs[2][1])


@EVERY
def test_the_global_random_state_is_neither_used_nor_touched(entry):
    torch.manual_seed(1)
    first = flat_values(entry, GAMES["large sigmoid"])
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, flat_values(entry, GAMES["large sigmoid"]))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


@EVERY
def test_smaller_chunks_ask_the_same_masks_and_give_the_same_values(entry, monkeypatch):
    game = GAMES["large sigmoid"]
    whole = Asked(game)
    values = flat_values(entry, game)
    entry.function(whole, game.shape)
    monkeypatch.setattr("hearwhy.attribution.sampling.MAX_ROWS", 7)
    pieces = Asked(game)
    entry.function(pieces, game.shape)
    assert max(len(mask) for mask in pieces.masks) <= 64 < 200
    assert torch.equal(torch.cat(whole.masks), torch.cat(pieces.masks))
    # The same numbers summed in other groups: rounding in float64, then once to float32.
    torch.testing.assert_close(flat_values(entry, game), values, rtol=0, atol=ROUNDING)


@EVERY
def test_a_score_in_float32_is_explained_to_its_own_precision(entry):
    game = GAMES["large sigmoid"]

    class Single:
        shape, n, gradient = game.shape, game.n, staticmethod(lambda mask: game.gradient(mask).float())

        def __call__(self, mask):
            return game(mask).float()

    # Scores in 0..1 are off by up to 6e-8 each; least squares on 10 columns takes no more than a few of them at once.
    torch.testing.assert_close(flat_values(entry, Single()), flat_values(entry, game), rtol=0, atol=1e-6)


def test_only_gradient_methods_ask_for_slopes():
    for entry in METHODS.values():
        blind = Asked(GAMES["glove"], gradient=False)
        if entry.asks == "gradient":
            with pytest.raises(ValueError, match=r"gives no gradients\. Use kernel_shap"):
                entry.function(blind, (3,))
        else:
            assert isinstance(entry.function(blind, (3,)), Estimate)


@EVERY
def test_held_out_masks_are_fresh_booleans_of_the_right_shape(entry):
    generator = torch.Generator().manual_seed(0)
    first, second = (entry.held_out((3, 4), 50, generator) for _ in range(2))
    assert first.shape == (50, 3, 4) and first.dtype == torch.bool
    assert not torch.equal(first, second)
    assert entry.held_out((1,), 50, generator).float().mean().item() not in (0.0, 1.0)


@pytest.mark.parametrize("method", ["shapley", "kernel_shap"])
def test_held_out_masks_of_shapley_methods_follow_the_kernel(method):
    d, n = 6, 20_000
    masks = METHODS[method].held_out((d,), n, torch.Generator().manual_seed(1))
    counts = torch.bincount(masks.sum(dim=1), minlength=d + 1).double()
    sizes = torch.arange(1, d)
    expected = 1 / (sizes * (d - sizes)).double()
    expected *= n / expected.sum()
    assert counts[0] == counts[d] == 0
    chi2 = ((counts[1:d] - expected) ** 2 / expected).sum()
    assert chi2 < 18.5  # 4 degrees of freedom: beyond in 1 of 1000
    within = masks[masks.sum(dim=1) == 2].double().mean(dim=0)  # any two of six alike: each in a third
    assert ((within - 1 / 3).abs() < 4 * (2 / 9 / counts[2]) ** 0.5).all()


@pytest.mark.parametrize("method", ["lime", "occlusion", "integrated_gradients"])
def test_held_out_masks_of_the_others_are_coin_flips(method):
    masks = METHODS[method].held_out((5,), 20_000, torch.Generator().manual_seed(1)).double()
    assert ((masks.mean(dim=0) - 0.5).abs() < 4 * 0.5 / 20_000**0.5).all()
    assert ((torch.corrcoef(masks.T) - torch.eye(5)).abs() < 4 / 20_000**0.5).all()


@SAMPLED
@pytest.mark.parametrize("n_samples", [1, "one less", 0, -5, "many", 50.5, True])
def test_too_few_masks_are_refused_with_the_number_it_takes(entry, n_samples):
    refusal = rf"needs at least {least(entry, 10)} masks for 10 components; got n_samples=.*Use \w+\(n_samples=1000\)"
    with pytest.raises(ValueError, match=refusal):
        entry.function(GAMES["large sigmoid"], (10,), n_samples=least(entry, 10) - 1 if n_samples == "one less" else n_samples)


@SAMPLED
def test_the_fewest_masks_allowed_are_enough(entry):
    for n in range(1, 12):
        result = entry.function(sigmoid(n, seed=n), (n,), n_samples=max(2, min(least(entry, n), 2**n)))
        assert torch.isfinite(result.values).all()
        assert result.stderr is None or torch.isfinite(result.stderr).all()


@SAMPLED
def test_a_seed_that_is_no_number_is_refused(entry):
    with pytest.raises(ValueError, match="seed must be a whole number; got 'x'"):
        entry.function(GAMES["large sigmoid"], (10,), n_samples=100, seed="x")


def test_importing_the_methods_loads_nothing_heavy():
    heavy = ("captum", "shap", "sklearn", "librosa", "scipy", "matplotlib")
    code = f"import sys, hearwhy.attribution; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

"""Networks that forget: everything that was named and nothing else, never in the user's model."""

import copy

import pytest
import torch
from sanity_scenes import Confounded, Meter, loudness, told
from torch import nn

from hearwhy.sanity.networks import MAX_LAYERS, layers, randomised

AUDIO = 0.1 * torch.randn(6, 1, 2000, generator=torch.Generator().manual_seed(0))


def ask(model):
    with torch.no_grad():
        model(AUDIO)


def drawn(model, names, *, seed=0, number=0):
    return randomised(model, names, ask, seed=seed, number=number)


class Turned(Confounded):
    """Holds its layers in another order than it uses them."""

    def __init__(self):
        super().__init__()
        self.last, self.first = self._modules.pop("last"), self._modules.pop("first")

    def forward(self, audio):
        return self.last(self.act(self.first(self.levels(audio))))


class Normed(Confounded):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        with torch.no_grad():
            self.norm.running_mean.fill_(5.0)
            self.norm.running_var.fill_(9.0)
            self.norm.weight.fill_(3.0)
        self.eval()

    def forward(self, audio):
        return self.last(self.norm(self.first(self.levels(audio))))


class Bare(Confounded):
    """Weights without a law of their own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.arange(4.0))

    def forward(self, audio):
        return self.last(self.act(self.first(self.levels(audio) * self.scale)))


def test_the_users_model_and_its_random_state_stay_as_they_are():
    model = Normed().requires_grad_(False)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    found = layers(model, ask)
    twin = drawn(model, found.until(len(found.steps)))
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in [*model.modules(), *twin.modules()])
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert not any(torch.equal(twin.state_dict()[name], before[name]) for name in ("first.weight", "last.weight", "last.bias"))


def test_layers_come_in_the_order_of_their_use_the_output_first():
    assert layers(Turned(), ask).steps == (("last",), ("first",))


def test_a_normalisation_goes_with_the_layer_before_it():
    assert layers(Normed(), ask).steps == (("last",), ("first", "norm"))


def test_many_layers_are_taken_several_at_a_time_but_the_output_alone():
    class Deep(Confounded):
        def __init__(self):
            super().__init__()
            self.more = nn.Sequential(*(nn.Linear(4, 4) for _ in range(20)))
            self.eval()

        def forward(self, audio):
            return self.last(self.act(self.first(self.more(self.levels(audio)))))

    steps = layers(Deep(), ask).steps
    assert len(steps) == MAX_LAYERS and steps[0] == ("last",)
    assert sorted(name for names in steps for name in names) == sorted(["first", "last", *(f"more.{i}" for i in range(20))])
    assert steps[-1][-1] == "more.0"


def test_only_what_is_named_forgets_and_steps_share_their_draws():
    model = Confounded()
    head, whole = drawn(model, ["last"]), drawn(model, ["last", "first"])
    assert torch.equal(head.first.weight, model.first.weight) and not torch.equal(head.last.weight, model.last.weight)
    assert torch.equal(head.last.weight, whole.last.weight)
    assert not torch.equal(whole.last.weight, drawn(model, ["last", "first"], number=1).last.weight)
    assert not torch.equal(whole.last.weight, drawn(model, ["last", "first"], seed=1).last.weight)


def test_weights_without_a_law_are_shuffled():
    model = Bare()
    found = layers(model, ask)
    twin = drawn(model, found.until(len(found.steps)), number=1)
    assert found.laws == (2, 1)
    assert not torch.equal(twin.scale, model.scale) and torch.equal(twin.scale.sort().values, model.scale)


def test_statistics_are_those_of_what_is_asked_about():
    model = Normed()
    twin = drawn(model, ["first", "norm", "last"])
    seen = twin.first(twin.levels(AUDIO)).detach()
    assert torch.allclose(twin.norm.running_mean, seen.mean(dim=0), atol=1e-5)  # float32 sums of six numbers near 1
    assert torch.allclose(twin.norm.running_var, seen.var(dim=0), atol=1e-5)
    kept = drawn(model, ["last"])
    assert torch.equal(kept.norm.running_mean, model.norm.running_mean)


def test_what_alone_is_frozen_is_no_part_of_what_was_learnt():
    model = Bare()
    model.scale.requires_grad_(False)
    found = layers(model, ask)
    twin = drawn(model, found.until(len(found.steps)))
    assert found.steps == (("last",), ("first",))
    assert torch.equal(twin.scale, model.scale) and not torch.equal(twin.first.weight, model.first.weight)


def test_what_is_no_torch_module_cannot_forget():
    with pytest.raises(ValueError, match="no torch module"):
        layers(told(loudness), ask)


def test_two_networks_forget_differently():
    one, other = (drawn(Meter(), ["first", "last"], number=i) for i in (0, 1))
    assert not torch.equal(one.first.weight, other.first.weight)

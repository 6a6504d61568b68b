"""The masks themselves."""

import itertools
import math

import pytest
import torch

from hearwhy.attribution import sampling
from laws import one_thread  # noqa: F401 (a fixture)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def distinct(masks):
    return len({tuple(row) for row in masks.flatten(1).int().tolist()})


@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3), (11,)])
def test_all_masks_are_all_of_them_from_everything_to_nothing(shape):
    masks = sampling.all_masks(shape)
    n = math.prod(shape)
    assert masks.shape == (2**n, *shape) and distinct(masks) == 2**n
    assert masks[0].all() and not masks[-1].any()


def test_leave_one_out_leaves_each_out_once_in_chunks(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_ROWS", 4)
    chunks = list(sampling.leave_one_out((2, 5)))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert torch.equal(torch.cat(chunks).flatten(1), ~torch.eye(10, dtype=torch.bool))


def test_a_chunk_never_holds_components_times_components():
    n = 200_000
    chunk = next(sampling.leave_one_out((400, 500)))
    assert chunk.numel() <= sampling.MAX_CELLS < n * n / 1000


def test_ask_hands_over_chunks_and_returns_float64(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_ROWS", 3)
    sizes = []
    scores = sampling.ask(
        lambda mask: (sizes.append(len(mask)), mask.float().sum(1, keepdim=True))[1], sampling.all_masks((3,))
    )
    assert sizes == [3, 3, 2] and scores.dtype == torch.float64
    assert scores[:, 0].tolist() == sampling.all_masks((3,)).sum(1).tolist()


@pytest.mark.parametrize(("n", "count"), [(10, 40), (10, 500), (7, 64), (30, 200)])
def test_paired_coin_flips_are_pairs_without_repeats_and_start_with_the_recording(n, count):
    masks = sampling.paired_coin_flips((n,), count, generator())
    assert masks.shape == (count, n)
    assert torch.equal(masks[0::2], ~masks[1::2])
    assert masks[0].all() and distinct(masks) == count


@pytest.mark.parametrize("n", [6, 25])
def test_paired_coin_flips_keep_any_two_components_independently(n):
    masks = torch.cat([sampling.paired_coin_flips((n,), 32, generator(s))[2::2] for s in range(1000)]).double()
    flips = torch.where(torch.rand(len(masks), 1, generator=generator(9)) < 0.5, masks, 1 - masks)  # either of a pair
    # All ones and all zeros came before: of the other 62 masks of six, signs of two agree in 30 and differ in 32.
    together = torch.corrcoef(flips.T) - torch.eye(n) + (1 / 31 if n == 6 else 0) * (1 - torch.eye(n))
    assert (together.abs() < 4.5 / len(masks) ** 0.5).all()


@pytest.mark.parametrize(("n", "pairs"), [(2, 1), (5, 9), (6, 11), (10, 19), (10, 149), (9, 255), (16, 239), (40, 499)])
def test_kernel_pairs_are_distinct_and_never_a_mask_and_its_own_complement(n, pairs):
    drawn = sampling.kernel_pairs(n, pairs, generator())
    both = torch.cat([drawn.masks, ~drawn.masks])
    assert len(drawn.masks) == pairs and distinct(both) == 2 * pairs
    assert not both.all(dim=1).any()


@pytest.mark.parametrize("n", range(2, 11))
def test_every_pair_comes_where_there_is_room_and_weighs_what_the_kernel_says(n):
    drawn = sampling.kernel_pairs(n, 10**6, generator())
    assert len(drawn.masks) == 2 ** (n - 1) - 1 and not drawn.left.any()
    sizes = drawn.masks.sum(dim=1).tolist()
    kernel = [(n - 1) / (math.comb(n, s) * s * (n - s)) for s in sizes]
    torch.testing.assert_close(drawn.weight, torch.tensor(kernel, dtype=torch.float64))


@pytest.mark.parametrize(("n", "pairs"), [(10, 60), (9, 40), (16, 100)])
def test_a_sample_of_pairs_weighs_as_much_as_all_of_them(n, pairs):
    drawn = sampling.kernel_pairs(n, pairs, generator())
    sizes = torch.minimum(drawn.masks.sum(dim=1), (~drawn.masks).sum(dim=1))
    for s in range(1, n // 2 + 1):
        mine = sizes == s
        total = (n - 1) / (s * (n - s)) * (0.5 if 2 * s == n else 1.0)
        assert drawn.weight[mine].sum().item() == pytest.approx(total, rel=1e-12)
        have = math.comb(n, s) // (2 if 2 * s == n else 1)
        assert drawn.left[mine][0].item() == pytest.approx(1 - int(mine.sum()) / have, rel=1e-12)


@pytest.mark.parametrize("listed", [2**20, 0])
@pytest.mark.parametrize(("n", "size", "count"), [(6, 2, 3), (6, 2, 15), (5, 3, 9), (8, 1, 8), (6, 3, 4)])
def test_every_subset_of_a_size_is_drawn_equally_often(n, size, count, listed, monkeypatch):
    """Both ways of drawing: by chance and again where it was there already, or by number out of all."""
    monkeypatch.setattr(sampling, "MAX_LISTED", listed)
    runs = 1000
    # Of half the components the complement is a mask of the same size: those that keep component 0 stand for both.
    sets = [s for s in itertools.combinations(range(n), size) if 2 * size != n or 0 in s]
    seen = dict.fromkeys(sets, 0)
    for seed in range(runs):
        for row in sampling._distinct(n, size, count, generator(seed)):
            seen[tuple(row.nonzero().flatten().tolist())] += 1
    share = count / len(seen)
    spread = 4.5 * (runs * share * (1 - share)) ** 0.5
    assert all(abs(times - runs * share) <= spread for times in seen.values())


@pytest.mark.parametrize(("n", "fewer", "more"), [(10, 20, 300), (16, 100, 700), (40, 60, 61), (9, 10, 10**6)])
def test_a_larger_sample_begins_with_the_smaller(n, fewer, more):
    small, large = (sampling.kernel_pairs(n, count, generator(5)).masks for count in (fewer, more))
    assert torch.equal(small, large[:fewer])
    small, large = (sampling.flipped_pairs((n,), count, generator(5)) for count in (fewer, more))
    assert torch.equal(small, large[:fewer])


def test_sizes_take_turns_until_they_are_used_up():
    sizes = sampling.kernel_pairs(9, 60, generator()).masks.sum(dim=1).tolist()
    assert sizes[:8] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [sizes.count(s) for s in (1, 2, 3, 4)] == [9, 17, 17, 17]  # there are 9 of one component alone


@pytest.mark.parametrize(
    ("pace", "available", "total", "expected"),
    [
        ([1.0, 1.0], [10, 10], 4, [0, 1, 0, 1]),
        ([1.0, 1.0], [2, 10], 6, [0, 1, 0, 1, 1, 1]),  # what one cannot take goes to the others
        ([1.0, 0.5], [10, 10], 6, [0, 1, 0, 0, 1, 0]),
        ([1.0, 2.0], [3, 4], 100, [0, 1, 1, 0, 1, 1, 0]),
        ([1.0], [10**400], 3, [0, 0, 0]),
        ([], [], 3, []),
    ],
)
def test_take_turns(pace, available, total, expected):
    assert sampling.take_turns(pace, available, total).tolist() == expected


@pytest.mark.parametrize(("n", "count"), [(4, 7), (5, 5), (10, 19), (40, 49)])
def test_lone_pairs_are_each_component_and_then_other_sizes_in_turn(n, count):
    pairs = sampling.lone_pairs(n, count, generator(3))
    sizes = pairs.masks.sum(dim=1)
    assert torch.equal(pairs.masks[:n], torch.eye(n, dtype=torch.bool))
    assert len(pairs.masks) == count and distinct(torch.cat([pairs.masks, ~pairs.masks])) == 2 * count
    turn = list(range(2, n // 2 + 1))
    assert sizes[n:].tolist()[: len(turn)] == turn[: count - n]
    torch.testing.assert_close(pairs.weight, (n - 1) / (sizes * (n - sizes)).double())
    assert torch.equal(sampling.lone_pairs(n, count - 2, generator(3)).masks[: count - 2], pairs.masks[: count - 2])

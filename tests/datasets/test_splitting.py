"""Splitting: no source on two sides, every class on both where it can be, shares as near as groups allow."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hearwhy.datasets import Dataset, shares, split
from hearwhy.datasets.files import SoundFile
from hearwhy.datasets.groups import groups_of
from hearwhy.datasets.headers import Header


def clip(name, group=None, label=None):
    return SoundFile(Path(name), Header(8000, 8000, 1), name, group or name, label)


def dataset(*clips):
    return Dataset("folder", tuple(clips))


def random_dataset(rng, *, mixed=False):
    """Up to eight classes with up to twelve groups of up to six items; `mixed`: groups may hold several classes."""
    clips = []
    n_groups = int(rng.integers(4, 30))
    classes = [f"class {i}" for i in range(rng.integers(1, 9))]
    for group in range(n_groups):
        of_group = rng.choice(classes)
        for _ in range(rng.integers(1, 7)):
            label = rng.choice(classes) if mixed and rng.random() < 0.4 else of_group
            clips.append(clip(f"{len(clips)}.wav", f"group {group}", str(label)))
    return dataset(*(clips[i] for i in rng.permutation(len(clips))))


def groups_in(items, label=None):
    return {item.group for item in items if label is None or item.label == label}


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("validation", [0.0, 0.15])
def test_no_group_is_on_two_sides_and_every_item_on_one(mixed, validation):
    for seed in range(60):
        rng = np.random.default_rng([seed, mixed])
        data = random_dataset(rng, mixed=mixed)
        parts = split(data, test=float(rng.uniform(0.05, 0.6)), validation=validation, seed=seed)
        assert list(parts) == ["train", "test"] + ["validation"] * bool(validation)
        assert sorted(item.name for items in parts.values() for item in items) == sorted(item.name for item in data.items)
        for one, other in product(parts, parts):
            assert one == other or not groups_in(parts[one]) & groups_in(parts[other])


def test_every_class_is_on_both_sides_where_it_can_be():
    seen = 0
    for seed in range(100):
        rng = np.random.default_rng([seed, 7])
        data = random_dataset(rng)
        validation = 0.1 * (seed % 2)
        parts = split(data, test=float(rng.uniform(0.02, 0.5)), validation=validation, seed=seed)
        for label in data.labels:
            n_groups = len(groups_in(data.items, label))
            sides = [part for part in parts if groups_in(parts[part], label)]
            order = ["train", "test", "validation"] if validation else ["train", "test"]
            assert sides == order[:n_groups] if n_groups < len(order) else len(sides) == len(order), (seed, label, sides)
            seen += n_groups < len(order)
    assert seen > 20  # classes with too few groups were among them


def test_a_class_within_mixed_groups_is_on_both_sides_where_some_division_has_all_of_them():
    possible = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 3])
        clips = [clip(f"{i}.wav", f"g{rng.integers(7)}", "abc"[rng.integers(3)]) for i in range(14)]
        data = dataset(*clips)
        groups = sorted(groups_in(data.items))
        complete = any(
            all(
                {side for group, side in zip(groups, sides, strict=True) if group in groups_in(data.items, label)} == {0, 1}
                for label in data.labels
            )
            for sides in product((0, 1), repeat=len(groups))
        )
        parts = split(data, test=0.3, seed=seed)
        both = all(groups_in(parts[part], label) for part in parts for label in data.labels)
        assert both <= complete
        possible += complete
        assert both or not complete, seed
    assert possible > 30


def test_without_groups_the_shares_are_those_asked_for_to_one_item():
    for n, test, validation in ((10, 0.2, 0.0), (40, 0.2, 0.1), (7, 0.5, 0.0), (33, 0.25, 0.25)):
        data = dataset(*(clip(f"{label}{i}", label=label) for label in "ab" for i in range(n)))
        parts = split(data, test=test, validation=validation)
        for part, share in {"test": test, "validation": validation, "train": 1 - test - validation}.items():
            for label in "ab":
                got = sum(item.label == label for item in parts.get(part, ()))
                assert abs(got - share * n) < 1
    assert shares(split(dataset(*(clip(f"{i}") for i in range(10))))) == {"train": {"": 0.8}, "test": {"": 0.2}}


def test_with_groups_the_shares_are_near_and_reported():
    rng = np.random.default_rng(0)
    sizes = {label: rng.integers(1, 6, 30) for label in "abc"}
    clips = [
        clip(f"{label}{g}-{i}", f"{label}{g}", label) for label in "abc" for g, n in enumerate(sizes[label]) for i in range(n)
    ]
    parts = split(dataset(*clips), test=0.2, validation=0.1)
    achieved = shares(parts)
    for label in "abc":
        n = sizes[label].sum()
        for part, share in {"train": 0.7, "test": 0.2, "validation": 0.1}.items():
            assert achieved[part][label] == round(sum(item.label == label for item in parts[part]) / n, 4)
            assert abs(achieved[part][label] - share) < 1 / n + 1e-4  # small groups come last and fill the rest


def test_the_order_of_items_changes_nothing_and_the_seed_does():
    data = random_dataset(np.random.default_rng(5))
    parts = split(data, test=0.3, seed=1)
    again = split(dataset(*reversed(data.items)), test=0.3, seed=1)
    assert {part: {item.name for item in items} for part, items in parts.items()} == {
        part: {item.name for item in items} for part, items in again.items()
    }
    singles = dataset(*(clip(f"{i}") for i in range(40)))
    drawn = {tuple(item.name for item in split(singles, seed=seed)["test"]) for seed in range(5)}
    assert len(drawn) == 5
    order = [item.name for item in singles.items]
    assert all(names == tuple(sorted(names, key=order.index)) for names in drawn)  # in the order of the dataset


def test_groups_of_ones_own_rule(tmp_path):
    clips = [clip(f"dog/{session}_{i}.wav", label="dog") for session in ("mon", "tue", "wed", "thu", "fri") for i in range(4)]
    data = dataset(*clips)
    assert groups_of(clips, r"/(\w+)_") == groups_of(clips, r"mon|tue|wed|thu|fri") == [c.name[4:7] for c in clips]
    parts = split(data, groups=r"/(\w+)_\d")
    assert len({item.name[4:7] for item in parts["test"]}) == 1 and len(parts["test"]) == 4
    table = tmp_path / "groups.csv"
    table.write_text("filename,group\n" + "".join(f"{c.name[4:]},{c.name[4:7]}\n" for c in clips))
    assert groups_of(clips, table) == groups_of(clips, str(table)) == [c.name[4:7] for c in clips]
    assert split(data, groups=table) == split(data, groups=r"/(\w+)_\d")
    # Two items of one file name need their whole names
    twins = [clip("a/1.wav"), clip("b/1.wav")]
    table.write_text("filename,group\na/1.wav,x\nb/1.wav,y\n")
    assert groups_of(twins, table) == ["x", "y"]
    table.write_text("filename,group\n1.wav,x\n")
    with pytest.raises(ValueError, match=r"gives no group to 2 \(a/1\.wav, b/1\.wav\) of 2"):
        groups_of(twins, table)


def test_rules_that_do_not_fit_are_refused(tmp_path):
    data = dataset(*(clip(f"{i}.wav") for i in range(5)))
    with pytest.raises(ValueError, match=r"5 \(0\.wav, 1\.wav, 2\.wav, \.\.\.\) of 5 do not match '\(x\)'"):
        split(data, groups="(x)")
    with pytest.raises(ValueError, match=r"a regular expression; '\(' is none"):
        split(data, groups="(")
    with pytest.raises(FileNotFoundError, match=r"There is no nowhere\.csv"):
        split(data, groups="nowhere.csv")
    table = tmp_path / "t.csv"
    table.write_text("file,group\n")
    with pytest.raises(ValueError, match=r"it needs filename and group"):
        split(data, groups=table)
    table.write_text("filename,group\n0.wav,a\n0.wav,b\n")
    with pytest.raises(ValueError, match=r"line 3: 0\.wav has two groups"):
        split(data, groups=table)
    with pytest.raises(ValueError, match=r"5 recordings from 1 sources cannot be divided into train, test"):
        split(data, groups=r"\.wav")


@pytest.mark.parametrize("wanted", [{"test": 0.0}, {"test": 1.0}, {"test": 0.6, "validation": 0.4}, {"validation": -0.1}])
def test_shares_that_leave_nothing_are_refused(wanted):
    with pytest.raises(ValueError, match=r"shares that leave some for training"):
        split(dataset(*(clip(f"{i}") for i in range(5))), **wanted)

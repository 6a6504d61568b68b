"""sps and comp by hand, against quantus, and on maps without an answer of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from quantus_oracle import maps

from hearwhy.metrics.conciseness import comp, sps

QUANTUS = json.loads(Path(__file__).with_name("quantus_numbers.json").read_text())
SHAPE = (6, 10)


@pytest.mark.parametrize("name", QUANTUS)
def test_quantus_agrees(name):
    values = torch.from_numpy(maps()[name])
    # quantus adds 1e-7 to every value (of size 0.1 to 1), which moves its Gini index by up to d * 1e-7 / sum |v| (one cell of
    # 240: 2.4e-5), and 1e-12 inside the logarithm
    slack = 2 * values.numel() * 1e-7 / float(values.abs().sum())
    assert sps(values).item() == pytest.approx(QUANTUS[name]["sps"], abs=slack)
    assert comp(values).item() == pytest.approx(QUANTUS[name]["comp"], abs=1e-9)


def test_by_hand():
    values = torch.tensor([[1.0, -3.0], [0.0, 4.0]])
    # ascending 0 1 3 4 of sum 8, weights 3.5 2.5 1.5 0.5 over 4: 1 - 2 (2.5 + 4.5 + 2) / 32
    assert sps(values).item() == pytest.approx(1 - 2 * 9 / 32)
    shares = (1 / 8, 3 / 8, 4 / 8)
    assert comp(values).item() == pytest.approx(-sum(p * math.log(p) for p in shares))


@pytest.mark.parametrize("kept", [0, 1, 7, 30, 60])
def test_a_binary_mask_scores_its_area_whether_it_is_bool_or_float(kept):
    mask = (torch.arange(60) < kept).reshape(SHAPE)
    for form in (mask, mask.float(), 5 * mask.double()):
        assert sps(form).item() == pytest.approx(1 - kept / 60 if kept else 0, abs=1e-12)
        assert comp(form).item() == pytest.approx(math.log(kept or 60), abs=1e-12)


def test_unit_sign_and_order_do_not_matter_and_a_batch_is_as_one_by_one():
    values = torch.randn(3, 4, *SHAPE, generator=torch.Generator().manual_seed(0))
    for metric in (sps, comp):
        result = metric(values)
        assert result.shape == (3, 4) and result.dtype == torch.float64
        torch.testing.assert_close(result[1, 2], metric(values[1, 2]), atol=1e-13, rtol=0)  # sums in another order
        torch.testing.assert_close(metric(-1e6 * values.flip(-1)), result, atol=1e-6, rtol=0)


def test_more_concentrated_is_sparser_and_less_complex():
    values = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    series = [values**power for power in (0.0, 0.5, 1.0, 2.0, 8.0)]
    assert all(torch.stack([sps(one) for one in series]).diff() > 0)
    assert all(torch.stack([comp(one) for one in series]).diff() < 0)


@pytest.mark.parametrize("constant", [0.0, 0.3, -2.0, 1.0])
def test_a_constant_map_is_the_worst_and_in_the_published_protocol_the_best(constant):
    forms = [torch.full((2, *SHAPE), constant)]
    if constant in (0.0, 1.0):
        forms.append(forms[0].bool())
    for form in forms:
        assert sps(form).tolist() == sps(form, protocol="paper").tolist() == [0.0, 0.0]
        assert comp(form).tolist() == pytest.approx([math.log(60)] * 2)
        assert comp(form, protocol="paper").tolist() == [0.0, 0.0]
    spread = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    assert comp(spread, protocol="paper") == comp(spread)
    assert sps(torch.tensor([[2.0]])) == comp(torch.tensor([[2.0]])) == 0  # one cell is all there is


@pytest.mark.parametrize("metric", [sps, comp])
def test_what_is_no_map_is_refused(metric):
    with pytest.raises(ValueError, match="1 of 2 values are NaN or infinite"):
        metric(torch.tensor([[1.0, float("nan")]]))
    with pytest.raises(ValueError, match=r"\(\.\.\., freq, frame\)"):
        metric(torch.tensor([1.0]))
    with pytest.raises(ValueError, match="'corrected' and 'paper'; got 'text'"):
        metric(torch.ones(2, 2), protocol="text")

import math

import pytest
import torch

from spacy_crossner.dapt.settings import DaptSettings, has_bf16, linear_rate
from spacy_crossner.errors import CrossnerError


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_steps", 0),
        ("head_steps", -1),
        ("rate", 0.0),
        ("warmup", 1.5),
        ("held_out", 0.0),
        ("precision", "fp16"),
        ("weight_interpolation", 1.0),
    ],
)
def test_settings_that_make_no_sense(setting, value):
    with pytest.raises(CrossnerError, match=f"C425.*{setting} = {value}"):
        DaptSettings(**{setting: value})


@pytest.mark.parametrize(("total", "warmup"), [(100, 0.06), (7, 0.5), (5, 0.0), (1, 0.06), (4, 1.0)])
def test_the_rate_rises_and_falls(total, warmup):
    rates = [linear_rate(step, total, 2.0, warmup) for step in range(total)]
    peak = rates.index(max(rates))
    assert all(0 < rate <= 2.0 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert peak <= math.ceil(warmup * total)
    if warmup < 1:
        # As much as at each step after the peak: the step after the last one would have a rate of 0.
        assert rates[-1] == pytest.approx(2.0 / (total - warmup * total), rel=1e-6) or total == 1


def test_precision_is_that_of_the_hardware_unless_set():
    device = torch.device("cpu")
    assert DaptSettings(precision="fp32").dtype(device) == torch.float32
    assert DaptSettings(precision="bf16").dtype(device) == torch.bfloat16
    assert DaptSettings().dtype(device) == (torch.bfloat16 if has_bf16(device) else torch.float32)

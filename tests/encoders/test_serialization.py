import io
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from spacy_crossner.encoders.serialization import module_from_bytes, module_to_bytes, weights_dtype
from spacy_crossner.errors import CrossnerError

CPU = torch.device("cpu")


class Tied(nn.Module):
    """Two layers that share a weight, one laid out by columns, and a buffer."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(3, 4)
        self.second.weight = self.first.weight
        self.columns = nn.Parameter(torch.randn(2, 5).T)
        self.norm = nn.BatchNorm1d(3)
        self.norm.running_mean.normal_()


def state_of(module):
    return {name: value.clone(memory_format=torch.contiguous_format) for name, value in module.state_dict().items()}


def assert_same_state(module, state):
    assert module.state_dict().keys() == state.keys()
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_round_trip_is_exact():
    source, target = Tied(), Tied(seed=1)
    assert not torch.equal(source.columns, target.columns)
    assert module_from_bytes(target, module_to_bytes(source), CPU) is target
    assert_same_state(target, state_of(source))
    assert target.first.weight is target.second.weight


def test_same_weights_give_the_same_bytes():
    assert module_to_bytes(Tied()) == module_to_bytes(Tied())


def pickled(module):
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda module: b"",
        lambda module: b"\x00" * 100,
        lambda module: module_to_bytes(module)[:-1],
        lambda module: module_to_bytes(module)[:5],
        lambda module: module_to_bytes(module) + b"\x00",
        lambda module: pickle.dumps(module.state_dict()),
        pickled,
    ],
    ids=["empty", "zeros", "cut", "cut in the header", "longer", "pickle", "torch.save"],
)
def test_damaged_bytes_are_refused(damage):
    module = Tied()
    before = state_of(module)
    with pytest.raises(CrossnerError, match=r"C003.*Tied"):
        module_from_bytes(module, damage(Tied(seed=1)), CPU)
    assert_same_state(module, before)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_in_the_header_is_refused(data):
    module = nn.Linear(3, 2)
    before = state_of(module)
    saved = bytearray(module_to_bytes(nn.Linear(3, 2)))
    header = 8 + int.from_bytes(saved[:8], "little")
    saved[data.draw(st.integers(0, header - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CrossnerError):
        module_from_bytes(module, bytes(saved), CPU)
    assert_same_state(module, before)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"columns": None}, ["'columns' is missing"]),
        ({"other": torch.zeros(2)}, ["'other' is not known"]),
        ({"columns": torch.zeros(2, 5)}, ["'columns'", "(2, 5)", "(5, 2)"]),
        ({"first.bias": torch.zeros(1)}, ["'first.bias'", "(1,)", "(4,)"]),
        ({"columns": None, "column": torch.zeros(5, 2)}, ["'columns' is missing", "'column' is not known"]),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, named):
    module = Tied()
    before = state_of(module)
    state = {**state_of(Tied(seed=1)), **change}
    with pytest.raises(CrossnerError) as caught:
        module_from_bytes(module, save({name: value for name, value in state.items() if value is not None}), CPU)
    assert all(part in str(caught.value) for part in named)
    assert_same_state(module, before)


@pytest.mark.parametrize(
    ("tensors", "dtype"),
    [
        ({"a": torch.zeros(1, dtype=torch.int64), "b": torch.zeros(1, dtype=torch.bfloat16)}, torch.bfloat16),
        ({"a": torch.zeros(1, dtype=torch.float64)}, torch.float64),
        ({"a": torch.zeros(1, dtype=torch.int64)}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_the_type_of_saved_weights_is_read_from_them(tensors, dtype):
    module = torch.nn.Module()
    for name, tensor in tensors.items():
        module.register_buffer(name, tensor)
    assert weights_dtype(module_to_bytes(module)) == dtype
    assert weights_dtype(b"cut off") == torch.float32

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.training import Example
from thinc.api import SGD, Adam, Optimizer, RAdam, Shim, fix_random_seed, warmup_linear, xp2torch

from spacy_crossner.core.bridge import get_module
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.optimizers import HeadAdamW, can_be_saved, optimizer_from_state, optimizer_to_state

ENCODER_RATE, HEAD_RATE = 2e-3, 1e-2
TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 1, "embed_size": 50, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
COMPONENT = {"model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": TOK2VEC}}


@pytest.fixture
def nlp():
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner", name="ner", config=COMPONENT)
    return nlp


@pytest.fixture
def examples(nlp, annotated_docs):
    return [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]


@pytest.fixture
def ner(nlp, examples):
    nlp.initialize(lambda: examples)
    return nlp.get_pipe("ner")


def parameters(ner):
    """Return copies of all weights and gradients by name, those of thinc and those of torch."""
    found = {}
    for i, node in enumerate(ner.model.walk()):
        for name in node.param_names:
            gradient = node.get_grad(name).copy() if node.has_grad(name) else None
            found[f"{i}.{name}"] = (node.get_param(name).copy(), gradient)
    for name, parameter in get_module(ner.model).named_parameters():
        gradient = None if parameter.grad is None else parameter.grad.numpy().copy()
        found[f"head.{name}"] = (parameter.detach().numpy().copy(), gradient)
    return found


def weights(ner):
    return {name: weight for name, (weight, _) in parameters(ner).items()}


def learn(ner, examples, optimizer):
    """Take one step as `spacy train` does."""
    ner.update(examples)
    ner.finish_update(optimizer)
    optimizer.step_schedules()


def reference_adamw(start, **settings):
    """Return plain torch parameters and torch's AdamW over four groups: encoder and head, with and without decay."""
    copies = {name: torch.nn.Parameter(torch.tensor(weight)) for name, weight in start.items()}
    matrices = {"E", "W", "weight", "transitions"}
    groups = []
    for is_head, rate in ((False, ENCODER_RATE), (True, HEAD_RATE)):
        for decay in (0.0, settings["weight_decay"]):
            group = [
                parameter
                for name, parameter in copies.items()
                if name.startswith("head.") == is_head and (name.rpartition(".")[2] in matrices) == bool(decay)
            ]
            groups.append({"params": group, "lr": rate, "weight_decay": decay})
    return copies, torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-8)


# The encoder of these tests consists of thinc's layers.
@pytest.mark.parametrize("rates", [{"encoder_rate": ENCODER_RATE}, {"encoder_rate": 5.0, "thinc_rate": ENCODER_RATE}])
@pytest.mark.parametrize("grad_clip", [0.0, 0.1])
def test_ten_steps_equal_torch(ner, examples, grad_clip, rates):
    total = 12
    settings = {"weight_decay": 1.0, "grad_clip": grad_clip, "total_steps": total, "warmup": 0.25, "beta2": 0.99}
    optimizer = HeadAdamW(head_rate=HEAD_RATE, **rates, **settings)
    copies, adamw = reference_adamw(weights(ner), **settings)
    # The warm-up takes 3 steps: the first takes a third of the peak rate, the one after the last would take 0.
    schedule = torch.optim.lr_scheduler.LambdaLR(adamw, lambda step: np.interp(step, [-1, 2, 3, total], [0, 1, 1, 0]))
    for step in range(10):
        ner.update(examples[step : step + 8])
        for name, (_, gradient) in parameters(ner).items():
            copies[name].grad = torch.tensor(gradient)
        ner.finish_update(optimizer)
        optimizer.step_schedules()
        if grad_clip:
            norm = torch.nn.utils.clip_grad_norm_(copies.values(), grad_clip)
            assert norm > 2 * grad_clip
        adamw.step()
        schedule.step()
        for name, weight in weights(ner).items():
            np.testing.assert_allclose(weight, copies[name].detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("total", "warmup"), [(10, 0.1), (20, 0.5), (25, 0.1), (7, 0.0), (5, 1.0), (1, 0.1)])
def test_schedule_rises_and_falls_in_straight_lines(total, warmup):
    rise = max(1.0, warmup * total)
    optimizer = HeadAdamW(total_steps=total, warmup=warmup)
    found = [optimizer.rate_factor(step) for step in range(total + 1)]
    expected = np.interp(range(total + 1), [-1, rise - 1, rise, max(total, rise + 1)], [0, 1, 1, 0])
    assert all(factor > 0 for factor in found[:total])
    np.testing.assert_allclose(found[:total], expected[:total], atol=1e-12)
    if rise < total:
        assert found[total] == 0.0


def test_rates_are_constant_without_a_length():
    assert {HeadAdamW().rate_factor(step) for step in (0, 1, 1000)} == {1.0}


def test_first_step_changes_everything_at_the_rate_of_its_part(ner, examples):
    before = weights(ner)
    learn(ner, examples, HeadAdamW(ENCODER_RATE, HEAD_RATE, weight_decay=0.0, grad_clip=0.0, total_steps=4, warmup=0.5))
    for name, weight in weights(ner).items():
        change = np.abs(weight - before[name])
        # The first step of Adam is as long as the rate wherever there is a gradient; half of it in the warm-up.
        rate = 0.5 * (HEAD_RATE if name.startswith("head.") else ENCODER_RATE)
        assert change.max() == pytest.approx(rate, rel=1e-2), name


def test_a_thinc_layer_with_the_number_of_the_head_keeps_its_rate(nlp, examples, monkeypatch):
    ner = nlp.get_pipe("ner")
    embed = next(node for node in ner.model.walk() if "E" in node.param_names)
    # thinc numbers layers and shims each from 1.
    monkeypatch.setattr(Shim, "global_id", embed.id - 1)
    nlp.initialize(lambda: examples)
    assert ner.model.get_ref("head").shims[0].id == embed.id
    before = embed.get_param("E").copy()
    learn(ner, examples, HeadAdamW(ENCODER_RATE, HEAD_RATE, weight_decay=0.0, grad_clip=0.0))
    assert np.abs(embed.get_param("E") - before).max() == pytest.approx(ENCODER_RATE, rel=1e-2)


def test_growth_drops_the_moments_of_what_grew_only(ner, examples):
    optimizer = HeadAdamW(ENCODER_RATE, HEAD_RATE, weight_decay=0.0, grad_clip=0.0)
    for _ in range(3):
        learn(ner, examples, optimizer)
    ner.add_labels(["newcomer"])
    keys = set(optimizer.parameters)
    before = weights(ner)
    learn(ner, examples, optimizer)
    assert optimizer.parameters.keys() == keys
    assert len(optimizer.adamw.state) == len(keys)
    for (_, name), parameter in optimizer.parameters.items():
        grown = name.startswith(("output.", "crf."))
        assert optimizer.adamw.state[parameter]["step"].item() == (1 if grown else 4), name
    # A first step again for the head, in spite of its history.
    after = weights(ner)
    change = np.abs(after["head.output.bias"] - before["head.output.bias"])
    np.testing.assert_allclose(change, HEAD_RATE, rtol=1e-2)
    for name, weight in after.items():
        assert not np.array_equal(weight, before[name]), name


def test_two_sub_batches_equal_one_batch_of_both(nlp, ner, examples):
    # Two halves with as many annotated tokens each, so that the mean over both is half the sum of their means.
    halves = examples[:6], [*reversed(examples[:6])]
    start = ner.to_bytes()
    after = []
    for batches in ([[*halves[0], *halves[1]]], halves):
        ner.from_bytes(start)
        optimizer = HeadAdamW(ENCODER_RATE, HEAD_RATE, grad_clip=0.0, eps=1e-12)
        for _ in range(3):
            for batch in batches:
                nlp.update(batch, sgd=False)
            ner.finish_update(optimizer)
            optimizer.step_schedules()
        after.append(weights(ner))
    for name, (_, gradient) in parameters(ner).items():
        np.testing.assert_allclose(after[1][name], after[0][name], rtol=1e-3, atol=2e-5, err_msg=name)
        assert gradient is None or not gradient.any(), f"the gradient of {name} was not dropped"


def test_weights_that_were_moved_in_memory_are_still_trained(ner, examples):
    optimizer = HeadAdamW(ENCODER_RATE, HEAD_RATE)
    learn(ner, examples, optimizer)
    for parameter in get_module(ner.model).parameters():
        parameter.data = parameter.data.clone()
    before = weights(ner)
    learn(ner, examples, optimizer)
    for name, weight in weights(ner).items():
        assert not np.array_equal(weight, before[name]), name
    # The moments went on.
    assert {state["step"].item() for state in optimizer.adamw.state.values()} == {2}


def test_layers_without_a_gradient_stay(ner, examples):
    optimizer = HeadAdamW(weight_decay=0.1)
    learn(ner, examples, optimizer)
    before = weights(ner)
    optimizer.step_schedules()
    after = weights(ner)
    assert all(np.array_equal(after[name], weight) for name, weight in before.items())


def keyed(ner):
    """Return key and tensor of all weights by names that hold no number of thinc's."""
    found = {}
    for i, node in enumerate(ner.model.walk()):
        for name in node.param_names:
            found[f"{i}/{name}"] = ((node.id, name), xp2torch(node.get_param(name)))
        for shim in node.shims:
            found.update({f"{i}/{n}": ((shim.id, n), tensor) for n, tensor in shim._model.state_dict().items()})
    return found


OPTIMIZERS = {
    "HeadAdamW": lambda: HeadAdamW(ENCODER_RATE, HEAD_RATE, total_steps=9, grad_clip=0.1),
    "Adam": lambda: Adam(warmup_linear(0.01, 2, 9), L2=0.01),
    "RAdam": lambda: RAdam(0.01),
    "SGD": lambda: SGD(0.1),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 4])
def test_an_optimizer_goes_on_from_its_state(make, steps, nlp, ner, examples):
    optimizer = make()
    assert can_be_saved(optimizer)
    for step in range(steps):
        learn(ner, examples[step : step + 4], optimizer)
    names = {key: name for name, (key, _) in keyed(ner).items()}
    settings, tensors = optimizer_to_state(optimizer, names)
    state = srsly.msgpack_loads(srsly.msgpack_dumps(settings)), {name: one.clone() for name, one in tensors.items()}

    # Another component, whose layers have other numbers, with the same weights.
    other = nlp.add_pipe("crf_ner", name="other", config=COMPONENT)
    other.from_bytes(ner.to_bytes())
    assert not {key for key, _ in keyed(other).values()} & {key for key, _ in keyed(ner).values()}
    resumed = make()
    optimizer_from_state(resumed, state, keyed(other), steps)
    assert resumed.learn_rate == optimizer.learn_rate
    averages = []
    for pipe, its in ((ner, optimizer), (other, resumed)):
        for step in range(3):
            learn(pipe, examples[step : step + 8], its)
        averages.append(
            {name: its.averages[key] for name, (key, _) in keyed(pipe).items() if key in (its.averages or ())}
        )
    for name, weight in weights(ner).items():
        assert np.array_equal(weight, weights(other)[name]), name
    assert averages[0].keys() == averages[1].keys()
    assert all(np.array_equal(average, averages[1][name]) for name, average in averages[0].items())


def test_a_foreign_optimizer_is_not_saved():
    class Foreign(Optimizer):
        pass

    assert not can_be_saved(Foreign(0.1))


def test_update_and_rehearse_take_turns(nlp, ner, examples):
    optimizer = HeadAdamW(ENCODER_RATE, HEAD_RATE)
    nlp.resume_training(sgd=optimizer)
    for _ in range(3):
        for learn_from in (nlp.update, nlp.rehearse):
            before = weights(ner)
            learn_from(examples[:4], sgd=optimizer)
            assert all(np.array_equal(before[name], weight) for name, weight in weights(ner).items())
            optimizer.step_schedules()
            assert not any(np.array_equal(before[name], weight) for name, weight in weights(ner).items())
    nlp.update(examples[:4], sgd=optimizer)
    with pytest.raises(CrossnerError, match="C014"):
        nlp.rehearse(examples[:4], sgd=optimizer)

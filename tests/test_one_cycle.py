import warnings

import pytest
import torch
from torch import nn

from d2lhelpers.one_cycle import one_cycle


def rates(steps):
    optimizer, scheduler = one_cycle(nn.Linear(1, 1), 0.5, steps)
    found = []
    for _ in range(steps):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scheduler.step()
    return found


def test_the_rate_rises_for_a_tenth_and_falls():
    found = rates(1000)
    top = found.index(max(found))
    assert top == pytest.approx(100, abs=2)
    assert max(found) == pytest.approx(0.5)
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert found[-1] < 0.001


# torch's own schedule divides by zero for 1 and, with a tenth to warm up, for 10
@pytest.mark.parametrize("steps", range(1, 31))
def test_any_number_of_steps_will_do(steps):
    found = rates(steps)
    assert len(found) == steps
    assert all(0 < rate <= 0.5 for rate in found)


def test_weights_that_are_not_used_decay():
    net = nn.Linear(1, 1)
    before = net.weight.item()
    optimizer, _ = one_cycle(net, 0.5, 10)
    net.weight.grad = torch.zeros_like(net.weight)
    optimizer.step()
    assert 0 < net.weight.item() / before < 1

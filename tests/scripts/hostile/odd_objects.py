"""Objects of every kind among the script's variables: whoever looks at them must not run their code."""

import enum
import functools
import threading
import unittest.mock
import weakref
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

torch.manual_seed(0)


def one() -> torch.Tensor:
    return torch.ones(1, requires_grad=True)


class List(list[Any]):
    """Says when it is looked at."""

    def __getitem__(self, place: Any) -> Any:
        print("looked at", place)
        return super().__getitem__(place)

    def __iter__(self) -> Any:
        print("walked through")
        return super().__iter__()

    def __len__(self) -> int:
        raise RuntimeError("no length")


class Dict(dict[Any, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")

    def values(self) -> Any:
        raise RuntimeError("no values")


class Key:
    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __hash__(self) -> int:
        return 1


class Shy:
    """Hides what it has, and what it is."""

    def __init__(self) -> None:
        self.weight = one()

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Computed:
    @property
    def weight(self) -> torch.Tensor:
        print("computed")
        return one()


@dataclass
class Slots:
    __slots__ = ("empty", "weight")
    weight: torch.Tensor


class Pair(NamedTuple):
    first: torch.Tensor
    second: int


class Color(enum.Enum):
    RED = 1


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Quiet:
    def __str__(self) -> str:
        print("written")
        return "quiet"


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, setting: Any) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient * 2, None


class Inner(nn.Module):
    def __init__(self, outer: nn.Module) -> None:
        super().__init__()
        self.outer = outer
        self.linear = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Net(nn.Module):
    """Cannot be compared or counted, and is inside itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner(self)
        self.lazy = nn.LazyLinear(2)

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    __hash__ = nn.Module.__hash__

    def forward(self, x: torch.Tensor, *others: Any) -> torch.Tensor:
        return self.inner(self.lazy(x))


class Fails(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise Silent


odd_list = List([one()])
odd_dict = Dict(x=one())
odd_keys = {Key(): one(), Color.RED: one(), (1, "a"): one()}
shy, computed, slots, pair = Shy(), Computed(), Slots(one()), Pair(one(), 2)
numbers = np.array([Computed(), None], dtype=object)
mock, lock, part = unittest.mock.MagicMock(), threading.Lock(), functools.partial(print, one())
target = Computed()
gone = weakref.proxy(target)
del target
every = (i for i in range(3))
net, fails = Net(), Fails()
parameters = [*net.inner.linear.parameters(), slots.weight]
optimizer = torch.optim.SGD(parameters, lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    output = net(torch.ones(3, 2), odd_list, odd_dict, shy)
    loss = Double.apply(output, Quiet()).sum() * slots.weight + odd_keys[Color.RED]
    loss.backward()
    optimizer.step()
    groups, optimizer.param_groups = optimizer.param_groups, [{"lr": 0.1}]
    torch.ones(1) * 2
    optimizer.param_groups = groups
    try:
        fails(torch.ones(1))
    except Silent:
        print("failed")
print(loss.item(), next(every), slots.weight)

"""The same simple functions under several optimizers: d2l.ai, optax's and Keras's documentation."""

import torch


def descend(make, function, start, steps):
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = make([x])
    for _ in range(steps):
        optimizer.zero_grad()
        loss = function(x)
        loss.backward()
        optimizer.step()
    function(x)


def square(x):
    return (x**2).sum()


def valley(x):
    return 0.1 * x[0] ** 2 + 2 * x[1] ** 2


def half(x):
    return (x**2 / 2).sum()


o = torch.optim
# https://d2l.ai/chapter_optimization/gd.html and momentum.html
descend(lambda p: o.SGD(p, lr=0.2), square, [10.0], 10)
descend(lambda p: o.SGD(p, lr=1.1), square, [10.0], 10)
descend(lambda p: o.SGD(p, lr=0.4), valley, [-5.0, -2.0], 20)
descend(lambda p: o.SGD(p, lr=0.6), valley, [-5.0, -2.0], 20)
# https://optax.readthedocs.io/en/latest/api/optimizers.html
descend(lambda p: o.SGD(p, lr=0.003), square, [1.0, 2.0, 3.0], 5)
descend(lambda p: o.Adam(p, lr=0.003), square, [1.0, 2.0, 3.0], 5)
descend(lambda p: o.AdamW(p, lr=0.003, weight_decay=1e-4), square, [1.0, 2.0, 3.0], 5)
descend(lambda p: o.Adagrad(p, lr=1, initial_accumulator_value=0.1, eps=1e-7), square, [1.0, 2.0, 3.0], 5)
# https://www.tensorflow.org/api_docs/python/tf/keras/optimizers
descend(lambda p: o.SGD(p, lr=0.1, momentum=0.9), half, [1.0], 2)
descend(lambda p: o.Adam(p, lr=0.1), half, [10.0], 1)

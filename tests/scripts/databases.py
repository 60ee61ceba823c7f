"""PyTorch's own test databases as one script: a digest per sample, on standard output.

    databases.py KIND [--every K] [--first F] [--samples N]

KIND is optimizers, schedulers, losses, modules or ops. Of the entries, every K-th from the F-th on is
run, with at most N samples each. Two runs of this script that print the same computed the same bits.
"""

import argparse
import functools
import hashlib
import itertools
import random
import warnings

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils._pytree import tree_flatten

UNREPRODUCIBLE = {
    # Uninitialised memory.
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "resize_",
    "resize_as_",
    "as_strided.partial_views",
    # Its result depends on the alignment of fresh memory.
    "linalg.lstsq",
    "linalg.lstsq.grad_oriented",
}


def digest(values):
    """Digest of every tensor's dtype, shape and bytes in nested containers, and of all other leaves."""
    sha = hashlib.sha256()
    for leaf in tree_flatten(values)[0]:
        sha.update(leaf_bytes(leaf))
    return sha.hexdigest()[:16]


def leaf_bytes(leaf):
    if not isinstance(leaf, torch.Tensor):
        return f"{type(leaf).__name__} {leaf!r}".encode() if isinstance(leaf, (int, float, str)) else b""
    head = f"{leaf.dtype} {tuple(leaf.shape)} {leaf.requires_grad} {leaf.layout}".encode()
    plain = leaf.detach().resolve_conj().resolve_neg()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    if plain.is_quantized:
        plain = plain.int_repr()
    contiguous = plain.clone(memory_format=torch.contiguous_format).reshape(-1)
    return head + contiguous.view(torch.uint8).numpy(force=True).tobytes()


def differentiable(outputs):
    return [t for t in tree_flatten(outputs)[0] if isinstance(t, torch.Tensor) and t.requires_grad]


def run_backward(outputs):
    """Backward from all outputs at once, each against a gradient that is not all ones."""
    roots = differentiable(outputs)
    if roots:
        torch.autograd.backward(roots, [torch.randn_like(t) for t in roots])


# -- optimizers and schedulers ------------------------------------------------------------------


class Dense(nn.Module):
    def __init__(self, bias=True):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 4, bias=bias), nn.Linear(4, 2, bias=bias)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x))).square().mean()


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 3, sparse=True)

    def forward(self, x):
        return self.embedding(x.abs().long().clamp(max=5)).square().mean()


def model_for(optimizer_class):
    if optimizer_class is torch.optim.SparseAdam:
        return Sparse()
    return Dense(bias=optimizer_class is not torch.optim.Muon)


def train(model, optimizer, scheduler=None, steps=6):
    """A few steps in which the loss is also a closure; returns the learning rates that were used."""
    x, rates = torch.randn(5, 3), []

    def closure():
        optimizer.zero_grad()
        loss = model(x)
        loss.backward()
        return loss

    for _ in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        loss = optimizer.step(closure)
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step(loss.detach())
        elif scheduler is not None:
            scheduler.step()
    return rates


def trained_state(model, optimizer, rates):
    return [
        rates,
        list(model.state_dict().values()),
        [p.grad for p in model.parameters()],
        optimizer.state_dict()["state"],
    ]


def optimizers():
    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db:
        for i, case in enumerate(info.optim_inputs_func(device="cpu")):
            yield (
                f"{info.optim_cls.__name__} {i} {case.desc}",
                functools.partial(run_optimizer, info.optim_cls, case.kwargs),
            )


def run_optimizer(optimizer_class, kwargs):
    model = model_for(optimizer_class)
    optimizer = optimizer_class(model.parameters(), **kwargs)
    rates = train(model, optimizer, steps=3)
    return trained_state(model, optimizer, rates)


SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.9**n),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 4], 0.5),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 3),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 4),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 5, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 2),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=8),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.5),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.01, anneal_epochs=3),
}


def schedulers():
    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db:
        for name, make in SCHEDULERS.items():
            yield f"{info.optim_cls.__name__} {name}", functools.partial(run_scheduler, info.optim_cls, make)


def run_scheduler(optimizer_class, make):
    model = model_for(optimizer_class)
    optimizer = optimizer_class(model.parameters(), lr=0.02)
    rates = train(model, optimizer, make(optimizer))
    return trained_state(model, optimizer, rates)


# -- modules, losses and operations -------------------------------------------------------------


def modules(only=lambda name: True):
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        if not only(info.name):
            continue
        for training in (True, False):
            # Each case is built when it is run, so that a case does not depend on which others are run.
            yield (
                f"{info.name} {'train' if training else 'eval'}",
                functools.partial(run_module, info, training),
            )


def losses():
    return modules(lambda name: name.endswith("Loss"))


def run_module(info, training, samples):
    inputs = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=True, training=training
    )
    return [outcome(run_module_input, info, training, case) for case in inputs[:samples]]


def run_module_input(info, training, case):
    made, call = case.constructor_input, case.forward_input
    module = info.module_cls(*made.args, **made.kwargs).train(training)
    if call is None:
        return []
    outputs = module(*call.args, **call.kwargs)
    run_backward(outputs)
    return [
        outputs,
        gradients((call.args, call.kwargs)),
        list(module.state_dict().values()),
        [p.grad for p in module.parameters()],
    ]


def gradients(inputs):
    return [t.grad for t in tree_flatten(inputs)[0] if isinstance(t, torch.Tensor) and t.is_leaf]


def outcome(run, *args):
    """What one sample computed, or the class of its exception: some are refused, and should still be."""
    torch.manual_seed(1)
    try:
        return run(*args)
    except Exception as error:
        return type(error).__name__


def ops():
    from torch.testing._internal.common_methods_invocations import op_db

    for op in op_db:
        name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
        if name not in UNREPRODUCIBLE and torch.float32 in op.supported_dtypes("cpu"):
            yield name, functools.partial(run_op, op)


def run_op(op, samples):
    cases = op.sample_inputs("cpu", torch.float32, requires_grad=op.supports_autograd)
    return [outcome(run_op_sample, op, sample) for sample in itertools.islice(cases, samples)]


def run_op_sample(op, sample):
    outputs = op(sample.input, *sample.args, **sample.kwargs)
    run_backward(outputs)
    return [outputs, gradients((sample.input, sample.args, sample.kwargs))]


KINDS = {f.__name__: f for f in (optimizers, schedulers, losses, modules, ops)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "plans", nargs="+", metavar="KIND[,EVERY[,FIRST[,SAMPLES]]]",
        help=f"one of {', '.join(KINDS)}; every EVERY-th entry from FIRST on, at most SAMPLES each",
    )  # fmt: skip
    warnings.simplefilter("ignore")
    for plan in parser.parse_args().plans:
        kind, *numbers = plan.split(",")
        print_digests(kind, *map(int, numbers))


def print_digests(kind, every=1, first=0, samples=1_000_000):
    for i, (name, run) in enumerate(KINDS[kind]()):
        if i % every != first % every:
            continue
        torch.manual_seed(0)
        random.seed(0)
        options = {"samples": samples} if kind in ("losses", "modules", "ops") else {}
        try:
            print(kind, i, name, digest(run(**options)))
        except Exception as error:
            print(kind, i, name, type(error).__name__)


if __name__ == "__main__":
    main()

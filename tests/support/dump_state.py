"""Run a script as Python would and write down, bit for bit, what it leaves behind.

    dump_state.py STATE_FILE SCRIPT [ARGS]
    dump_state.py FOLDER --several SCRIPT [ARGS] -- SCRIPT [ARGS] -- ...

STATE_FILE becomes a JSON object: a digest per tensor that the script's globals reach (modules with their
buffers and gradients, optimizers with their state and learning rates, schedulers, containers), and one
per random number generator. It is a script of its own, so that it can run under anything that runs scripts.
"""

import hashlib
import json
import random
import sys
import types

import numpy
import torch

MARK = "=== the end of one script"


def run(path, arguments, state_file):
    """Execute `path` as `__main__`; returns its globals even if it ends by an exception."""
    # Unseeded generators start from the system's entropy: no two runs of the same script would be equal.
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.argv, sys.path[0] = [path, *arguments], path.rpartition("/")[0]
    ours, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        with open(path, encoding="utf-8") as source:
            exec(compile(source.read(), path, "exec"), module.__dict__)
    finally:
        write_state(state_file, module.__dict__)
        sys.modules["__main__"] = ours


def write_state(path, script_globals):
    state = {
        "random": sha(repr(random.getstate()).encode()),
        "numpy": sha(repr(numpy.random.get_state()).encode()),
        "torch": tensor_digest(torch.get_rng_state()),
    }
    for name, value in list(script_globals.items()):
        if not name.startswith("__"):
            collect(name, value, state, depth=0)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)


def collect(name, value, state, depth):
    """Add what `value` holds to `state`, under names that say how it was reached."""
    if isinstance(value, torch.Tensor):
        state[name] = tensor_digest(value)
        if value.is_leaf:
            state[name + ".grad"] = None if value.grad is None else tensor_digest(value.grad)
    elif isinstance(value, (int, float, str, bool)) or value is None:
        state[name] = repr(value)
    elif depth < 6:
        for key, item in parts(value):
            collect(f"{name}{key}", item, state, depth + 1)


def parts(value):
    """(how to write the access, item) of each thing inside."""
    if isinstance(value, torch.nn.Module):
        return [(f".{k}", v) for k, v in (*value.named_parameters(), *value.named_buffers())]
    if isinstance(value, torch.optim.Optimizer):
        return [(".param_groups", value.param_groups), (".state", list(value.state.values()))]
    if isinstance(value, (torch.optim.lr_scheduler.LRScheduler, torch.Generator)):
        state = value.get_state() if isinstance(value, torch.Generator) else value.state_dict()
        return [(".state", state)]
    if isinstance(value, dict):
        return [(f"[{k!r}]", v) for k, v in value.items() if isinstance(k, (str, int))]
    if isinstance(value, (list, tuple)):
        return [(f"[{i}]", v) for i, v in enumerate(value)]
    if type(value).__module__ == "__main__":
        return [(f".{k}", v) for k, v in vars(value).items()]
    return []


def tensor_digest(tensor):
    plain = tensor.detach().cpu()
    head = f"{plain.dtype} {tuple(plain.shape)} {tensor.requires_grad}".encode()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    contiguous = plain.clone(memory_format=torch.contiguous_format).reshape(-1)
    return sha(head + contiguous.view(torch.uint8).numpy(force=True).tobytes())


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def run_several(folder, words):
    """One script after the other: torch is imported once. The state of the N-th goes to FOLDER/N.json."""
    number = 0
    while words:
        end = words.index("--") if "--" in words else len(words)
        path, *arguments = words[:end]
        words = words[end + 1 :]
        run(path, arguments, f"{folder}/{number}.json")
        for stream in (sys.stdout, sys.stderr):
            print(MARK, file=stream, flush=True)
        number += 1


if __name__ == "__main__":
    target, first, *rest = sys.argv[1:]
    if first == "--several":
        run_several(target, rest)
    else:
        run(first, rest, target)

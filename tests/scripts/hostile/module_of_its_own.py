"""Looks at itself the way scripts do: __main__, argv, path, pickling, introspection."""

import inspect
import os
import pickle
import sys

import torch

import __main__


class Point:
    def __init__(self, x):
        self.x = x


print(__name__, os.path.basename(__file__), __spec__, __package__ or None)
print([os.path.basename(sys.argv[0])] + sys.argv[1:], os.path.basename(sys.path[0]))
print(
    pickle.loads(pickle.dumps(Point(3))).x, __main__.Point is Point, "class Point" in inspect.getsource(Point)
)
print(sys.flags.optimize, __debug__, os.path.basename(os.getcwd()) != "", sys.stdin.read())
print(sorted(name for name in sys.modules if name.startswith(("textual", "rich", "plotext"))))
torch.ones(1, requires_grad=True).sum().backward()

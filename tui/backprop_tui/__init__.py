"""A debugger for PyTorch training loops, in the terminal."""

__version__ = "0.1.0"

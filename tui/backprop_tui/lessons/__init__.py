"""The lessons: each a plain PyTorch script NAME.py, which runs alone, and its guide NAME.toml.

How a guide is written is told in ``guide/reading.py``; ``backprop-tui lessons --check`` reads one and
walks it.
"""

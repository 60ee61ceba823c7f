"""Operations that make numbers rather than work them out: there is nothing to check."""

from __future__ import annotations

_GIVEN = "numbers that the script gives"
_MEMORY = "memory as it was found: no numbers yet"
_CHANCE = "drawn by chance from a random generator"
_READ = "read out of a tensor, into Python"
_EQUAL = "whether both have the same shape and the same elements, as a truth value of Python"
_CLOSE = "whether all |input − other| ≤ atol + rtol·|other|, as a truth value of Python"

SOURCES: dict[str, str] = {
    **dict.fromkeys(
        ("tensor", "as_tensor", "asarray", "from_numpy", "frombuffer", "scalar_tensor", "Parameter",
         "sparse_coo_tensor", "sparse_csr_tensor"), _GIVEN
    ),
    **dict.fromkeys(
        ("empty", "empty_like", "new_empty", "empty_strided", "empty_permuted", "resize_", "resize_as_"),
        _MEMORY,
    ),
    **dict.fromkeys(
        (
            "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal",
            "bernoulli", "multinomial", "poisson", "random_", "normal_", "uniform_", "bernoulli_",
            "exponential_", "geometric_", "cauchy_", "log_normal_", "kaiming_uniform_", "kaiming_normal_",
            "xavier_uniform_", "xavier_normal_", "trunc_normal_", "orthogonal_", "sparse_", "seed",
            "manual_seed", "initial_seed",
        ),
        _CHANCE,
    ),
    **dict.fromkeys(("item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__"), _READ),
    "equal": _EQUAL,
    "allclose": _CLOSE,
}  # fmt: skip
"""Name of a torch function or tensor method to where its numbers come from."""

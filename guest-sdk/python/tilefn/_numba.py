"""What a program gets as `numba` in the sandbox: decorators that leave functions as they are."""

from __future__ import annotations

from typing import Any


def jit(*args: Any, **kwargs: Any) -> Any:
    """Leaves a function as it is: `@jit`, `@jit(nopython=True)`, `@jit("f4(f4)")`."""
    if len(args) == 1 and not kwargs and callable(args[0]) and not isinstance(args[0], _Type):
        return args[0]
    return lambda function: function


njit = generated_jit = jit
prange = range


class _Type:
    """A type in a signature, such as `float32[:, :](float32[:, :])`."""

    def __getitem__(self, key: Any) -> _Type:
        return self

    def __call__(self, *args: Any) -> _Type:
        return self


boolean = int8 = int16 = int32 = int64 = uint8 = uint16 = uint32 = uint64 = float32 = float64 = void = _Type()

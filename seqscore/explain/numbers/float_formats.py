"""The four floating-point formats that are compared, by name."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError

FormatName: TypeAlias = Literal["float16", "bfloat16", "float32", "float64"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)

FloatArray: TypeAlias = NDArray[np.float64]


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype of a format.

    Raises:
        OptionError: there is no such format.
    """
    if name not in FORMATS:
        raise OptionError(f"number format {name!r} is unknown; expected one of {', '.join(FORMATS)}")
    if name == "bfloat16":
        import ml_dtypes

        name = ml_dtypes.bfloat16
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def largest_exponent(name: FormatName) -> float:
    """ln of the largest number of a format: exp of anything greater overflows."""
    import ml_dtypes

    return math.log(float(ml_dtypes.finfo(dtype_of(name)).max))  # type: ignore[no-untyped-call]


def smallest_normal(name: FormatName) -> float:
    """The smallest number that has all its digits."""
    # bfloat16 has the exponents of float32, hence the same smallest normal number.
    return float(np.finfo("float32" if name == "bfloat16" else name).smallest_normal)


def rounded(values: FloatArray, dtype: FormatName) -> NDArray[Any]:
    """``values`` rounded to a format, infinite where they are too large for it."""
    with np.errstate(all="ignore"):
        return values.astype(dtype_of(dtype))

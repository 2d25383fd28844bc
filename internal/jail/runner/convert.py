"""Single values that JSON has no word for, as what it has: dates, durations, exact numbers, ids, paths, the scalars of numpy and pandas."""
from __future__ import annotations

import base64
import datetime
import decimal
import enum

from runner import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNKNOWN = object()

# Their text is what people mean by them, and what they are made from. By name: most scripts import none of these modules.
_TEXTS = frozenset(
    [
        ("uuid", "UUID"), ("pathlib", "PurePath"), ("pathlib._local", "PurePath"), ("ipaddress", "_IPAddressBase"),
        ("fractions", "Fraction"), ("collections", "UserString"),
    ]
)  # fmt: skip


class Literal:
    """JSON text that is ready: a Decimal keeps every digit that a float would lose."""

    def __init__(self, text: str) -> None:
        self.text = text


def scalar(value: Any) -> Any:
    """A plain value in place of one that is not, a Literal, or UNKNOWN."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        # pandas' NaT is a datetime that is not equal to itself.
        return value.isoformat() if value == value else None
    if isinstance(value, datetime.timedelta):
        # pandas' total_seconds leaves out what is less than a microsecond.
        own: Any = value
        return own.value / 1e9 if getattr(own, "nanoseconds", 0) else own.total_seconds()
    if isinstance(value, decimal.Decimal):
        return Literal(str(value)) if value.is_finite() else None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if any((kind.__module__, kind.__qualname__) in _TEXTS for kind in type(value).__mro__):
        return str(value)
    if np := numpy():
        converted = _of_numpy(np, value)
        if converted is not UNKNOWN:
            return converted
    if pd := pandas():
        if value is pd.NA or value is pd.NaT:
            return None
        if isinstance(value, (pd.Period, pd.Interval, pd.api.extensions.ExtensionDtype)):
            return str(value)
    return UNKNOWN


def plain(value: Any) -> Any:
    """What json's encoder calls with a value that it does not know. Containers are not for it: their keys and their insides want a look."""
    converted = value.value if isinstance(value, enum.Enum) else scalar(value)
    if type(converted) in PLAIN:
        return converted
    raise TypeError


PLAIN = frozenset([str, int, float, bool, type(None)])


def numpy() -> Any:
    """numpy, if the script has it: a module of its own with that name is another."""
    module = modules.loaded("numpy")
    return module if hasattr(module, "ndarray") else None


def pandas() -> Any:
    module = modules.loaded("pandas")
    return module if hasattr(module, "DataFrame") and numpy() else None


def _of_numpy(np: Any, value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return date(str(value))
    if isinstance(value, np.timedelta64):
        return _seconds(np, value)
    if isinstance(value, np.floating):  # float64 is a float already; longdouble has no item() of Python's
        return float(value)
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, np.generic) and not isinstance(value, (np.complexfloating, np.void)):
        return value.item()
    return UNKNOWN


def date(text: str) -> str | None:
    """A datetime64 in ISO form, without the zeros that its unit puts behind the point."""
    if text == "NaT":
        return None
    whole, _, fraction = text.partition(".")
    fraction = fraction[:6] + fraction[6:].rstrip("0")
    return whole + "." + fraction if fraction.strip("0") else whole


def _seconds(np: Any, value: Any) -> float | str | None:
    if np.isnat(value):
        return None
    try:
        return float(value / np.timedelta64(1, "s"))
    except TypeError:  # months and years have no length in seconds
        return str(value)

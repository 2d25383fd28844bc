"""The keys of objects: what becomes of those that are no strings, and that no value is lost where two become one."""
from __future__ import annotations

import base64
import enum
import itertools
import math

from runner import convert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_NO_STRINGS = frozenset([int, float, bool, type(None)])


class Invalid(Exception):
    """The value is not JSON: what was found, and where."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self._found = found
        self._steps: list[str] = []  # innermost first

    def within(self, step: str) -> None:
        """Adds the step that led to the value; where a value lies is worked out only when it is wrong."""
        self._steps.append(step)

    def __str__(self) -> str:
        steps = self._steps[::-1]
        if len(steps) > 20:
            steps[10:-10] = ["[...]"]
        return "main() function must return valid JSON (got %s at result%s)" % (self._found, "".join(steps))


def same(one: object, other: object) -> Invalid:
    return Invalid("the keys %s and %s, which are the same in JSON," % (short(one), short(other)))


def key(value: Any) -> str:
    """An object's key: what json would make of it, and of numpy's and pandas' scalars and dates what their values would be."""
    if isinstance(value, enum.Enum):
        return key(value.value)
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else "null"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    converted = convert.scalar(value)
    if isinstance(converted, convert.Literal):
        return converted.text
    if converted is convert.UNKNOWN:
        raise Invalid(type(value).__name__ + " as a key")
    return key(converted)


def labels(values: Sequence[Any]) -> Sequence[str]:
    """The keys for an index: one of several levels is joined, and a label that comes again is numbered, so that no value is lost."""
    if set(map(type, values)) <= {str} and len(set(values)) == len(values):
        return values
    texts: list[str] = []
    taken: dict[str, int] = {}
    for value in values:
        if isinstance(value, tuple):
            label = "_".join([key(part) for part in value if part != ""])
        else:
            label = key(value)
        count = taken.get(label, 0)
        numbered = label
        while numbered in taken:
            count += 1
            numbered = "%s.%d" % (label, count)
        taken[label] = count
        taken.setdefault(numbered, 0)
        texts.append(numbered)
    return texts


def clash(value: object, text: str) -> bool:
    """Whether a dict in value, which json's encoder has made text of, may have keys that are one in JSON, such as 1 and "1".

    The encoder writes both without a word. Looking at every value would cost a quarter of what encoding does: so only as many dicts
    are looked for as there can be, which for numbers in lists is none, and for records as deep as they lie.
    """
    left = text.count("{")
    level: Sequence[Any] = (value,)
    while left > 0 and level:
        kinds: set[Any] = set(map(type, level))
        dicts, lists = _of(dict, kinds, level), _of((list, tuple), kinds, level)
        if dicts:
            own: set[Any] = set(map(type, dicts))
            if any(kind.items is not dict.items and kind.__module__ != "collections" for kind in own):
                return True  # what it says its items are only itself can tell
            found = set(map(type, itertools.chain.from_iterable(dicts)))
            if not found <= {str} and not found <= _NO_STRINGS and any(len(set(map(key, d))) < len(d) for d in dicts):
                return True
            left -= len(dicts)
        level = list(itertools.chain(itertools.chain.from_iterable(map(dict.values, dicts)), itertools.chain.from_iterable(lists)))
    return False


def _of(wanted: type | tuple[type, ...], kinds: set[type[Any]], level: Sequence[Any]) -> Sequence[Any]:
    """Those of the level's values, which are of these kinds, that are wanted."""
    fit = {kind for kind in kinds if issubclass(kind, wanted)}
    if fit == kinds:
        return level
    return [value for value in level if type(value) in fit] if fit else ()


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."

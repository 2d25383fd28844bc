"""Turns what main() returned into JSON text.

Plain values go through json's own C encoder, and so do scalars of other libraries, one by one. Only what it refuses (NaN, or a type that
JSON does not know) takes the slow way, and there the plain parts go through the C encoder again.
"""
from __future__ import annotations

import collections.abc
import dataclasses
import enum
import io
import itertools
import json
import math
import sys
import types

from runner import columns, convert, keys
from runner.keys import Invalid as Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

_fast: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=convert.plain).encode
_encoder: Any = json.encoder
_string: Callable[[str], str] = _encoder.encode_basestring

# Deeper values are refused, by the worker too: what reads JSON recursively must not fall over an answer of ours.
DEPTH = 1000

# Python's own limit of 1000 calls, the script's included, is less than that depth takes here.
_CALLS = 6000

# An iterator is written in pieces of so many values, and no further than a result may be long: it may have no end.
_PIECE = 4096

# The limit on a result, in bytes; see job.py.
most = 8 << 20

# range, deque, array and UserList among the first, the views of a dict, map, zip and generators.
_SEQUENCES: Any = (collections.abc.Sequence, collections.abc.Set, collections.abc.MappingView, collections.abc.Iterator)


class TooLong(Exception):
    """More than may be returned came out of an iterator."""


def dumps(value: object) -> bytes:
    """value as UTF-8 JSON. Raises Invalid and TooLong; MemoryError, and what an iterator raises, go through."""
    text = _quick(value)
    if text is None:
        text = _slow(value)
    # Lone surrogates: JSON can say them, UTF-8 cannot. They stand only inside strings, where JSON's escape and Python's are one.
    return text.encode("utf-8", "backslashreplace")


def _quick(value: object) -> str | None:
    """What the C encoder makes of the value; None when it refuses, or would lose a value."""
    try:
        text = _fast(value)
        return None if keys.clash(value, text) else text
    except (TypeError, ValueError, RecursionError, SystemError):  # the last is what Python 3.11 makes of a list nested much too deeply
        return None


def _slow(value: object) -> str:
    calls = sys.getrecursionlimit()
    sys.setrecursionlimit(max(calls, _CALLS))
    try:
        return _Writer().text(value)
    except RecursionError:
        raise Invalid("a value nested too deeply") from None
    finally:
        sys.setrecursionlimit(calls)


class _Writer:
    def __init__(self) -> None:
        self._open: set[int] = set()  # ids of the containers being written: a value inside itself has no JSON

    def text(self, value: Any) -> str:
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is int:
            return _fast(value)
        if isinstance(value, enum.Enum):
            return self.text(value.value)
        if isinstance(value, float):
            return float.__repr__(value) if math.isfinite(value) else "null"
        if isinstance(value, str):
            return _string(str.__str__(value))
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self._container(value)
        converted = convert.scalar(value)
        if isinstance(converted, convert.Literal):
            return converted.text
        if converted is not convert.UNKNOWN:
            return self.text(converted)
        text = columns.text(value, self.text)
        return self._container(value) if text is None else text

    def _container(self, value: Any) -> str:
        if id(value) in self._open:
            raise Invalid("a value that contains itself")
        if len(self._open) >= DEPTH:
            raise Invalid("more than %d levels of nesting" % DEPTH)
        self._open.add(id(value))
        try:
            if isinstance(value, dict):
                return self._dict(value)
            if isinstance(value, (list, tuple)):
                return self._list(value)
            if isinstance(value, (set, frozenset)):
                return self._set(value)
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self._object([(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)])
            return self._other(value)
        finally:
            self._open.discard(id(value))

    def _other(self, value: Any) -> str:
        """Whatever behaves as a dict or a list does."""
        if isinstance(value, collections.abc.Mapping):
            return self._object(value.items())
        if isinstance(value, types.SimpleNamespace):
            return self._object(vars(value).items())
        if isinstance(value, _SEQUENCES) and not isinstance(value, io.IOBase):
            return self._values(value)
        raise Invalid(type(value).__name__)

    def _dict(self, value: dict[Any, Any]) -> str:
        items = list(value.items())
        # Most of what the C encoder refuses is a NaN among plain values.
        plain = {k: None if type(v) is float and not math.isfinite(v) else v for k, v in items}
        text = _quick(plain) if len(plain) == len(items) else None
        return self._object(items) if text is None else text

    def _list(self, value: Iterable[Any]) -> str:
        plain = [None if type(v) is float and not math.isfinite(v) else v for v in value]
        text = _quick(plain)
        return "[%s]" % ",".join(self._texts(plain)) if text is None else text

    def _set(self, value: Collection[Any]) -> str:
        # The order of a set differs from run to run: by value where values have an order, else by their JSON.
        if len({type(v) for v in value}) <= 1 and not any(isinstance(v, (set, frozenset)) for v in value):
            try:
                return "[%s]" % ",".join(self._texts(sorted(value)))
            except TypeError:
                pass
        return "[%s]" % ",".join(sorted(self._texts(value)))

    def _values(self, value: Iterable[Any]) -> str:
        """Each value once, in order, as an iterator gives them."""
        values, pieces, length, written = iter(value), [], 0, 0
        size = 1 if isinstance(value, itertools.groupby) else _PIECE  # a group is gone once the next one has been asked for
        while piece := list(itertools.islice(values, size)):
            text = _quick(piece)
            text = ",".join(self._texts(piece, written)) if text is None else text[1:-1]
            pieces.append(text)
            written += len(piece)
            length += len(text) + 1
            if length > most:
                message = "Script execution failed: the result has an iterator of more than %d bytes of JSON, the limit; return less"
                raise TooLong(message % most)
        return "[%s]" % ",".join(pieces)

    def _object(self, items: Iterable[tuple[Any, Any]]) -> str:
        texts: list[str] = []
        taken: dict[str, Any] = {}
        for key, value in items:
            name = keys.key(key)
            if name in taken:
                raise keys.same(taken[name], key)
            taken[name] = key
            try:
                texts.append(_string(name) + ":" + self.text(value))
            except Invalid as invalid:
                invalid.within("[%s]" % keys.short(name))
                raise
        return "{%s}" % ",".join(texts)

    def _texts(self, values: Iterable[Any], before: int = 0) -> list[str]:
        texts = []
        for value in values:
            try:
                texts.append(self.text(value))
            except Invalid as invalid:
                invalid.within("[%d]" % (before + len(texts)))
                raise
        return texts

"""Turns what main() returned into JSON text.

Plain values go through json's own C encoder. Only what it refuses (NaN, or a type JSON does not know) takes the slow way,
and there the plain parts go through the C encoder again.
"""
import base64
import dataclasses
import datetime
import decimal
import json
import math
import sys

_fast = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_string = json.encoder.encode_basestring


class Invalid(Exception):
    """The value is not JSON: what was found, and where."""

    def __init__(self, found, path):
        super().__init__("main() function must return valid JSON (got %s at %s)" % (found, path))


def dumps(value):
    """value as UTF-8 JSON. Raises Invalid; MemoryError goes through."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)  # integers are exact, however long
    try:
        text = _fast(value)
    except (TypeError, ValueError, RecursionError):
        try:
            text = _Writer().text(value, "result")
        except RecursionError:
            raise Invalid("more levels of nesting than can be written", "result") from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates: JSON can say them, UTF-8 cannot
        return b"".join(_escape_surrogates(text))


def _escape_surrogates(text):
    # They can stand only inside strings, where an escape means the same.
    for character in text:
        code = ord(character)
        yield b"\\u%04x" % code if 0xD800 <= code <= 0xDFFF else character.encode()


class _Writer:
    def __init__(self):
        self._open = set()  # ids of the containers being written: a value inside itself has no JSON

    def text(self, value, path):
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is int:
            return _fast(value)
        if isinstance(value, float):
            return float.__repr__(value) if math.isfinite(value) else "null"
        if isinstance(value, str):
            return _string(str.__str__(value))
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self._container(value, path)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _string(base64.b64encode(value).decode())
        converted = _convert(value)
        if converted is _UNKNOWN:
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self._container(value, path)
            raise Invalid(kind.__name__, path)
        if isinstance(converted, _Literal):
            return converted.text
        return self.text(converted, path)

    def _container(self, value, path):
        if id(value) in self._open:
            raise Invalid("a value that contains itself", path)
        self._open.add(id(value))
        try:
            if dataclasses.is_dataclass(value) and not isinstance(value, (dict, list, tuple, set, frozenset)):
                return self._object(((f.name, getattr(value, f.name)) for f in dataclasses.fields(value)), path)
            try:
                if not isinstance(value, (set, frozenset)):
                    return _fast(value)
            except (TypeError, ValueError, RecursionError):
                pass
            if isinstance(value, dict):
                return self._object(((_key(k, path), v) for k, v in value.items()), path)
            return self._array(_in_order(value), path)
        finally:
            self._open.discard(id(value))

    def _object(self, items, path):
        return "{%s}" % ",".join([_string(k) + ":" + self.text(v, "%s[%s]" % (path, _short(k))) for k, v in items])

    def _array(self, values, path):
        return "[%s]" % ",".join([self.text(v, "%s[%d]" % (path, i)) for i, v in enumerate(values)])


class _Literal:
    """JSON text that is ready: a Decimal keeps every digit that a float would lose."""

    def __init__(self, text):
        self.text = text


_UNKNOWN = object()


def _convert(value):
    """A value that can be written in place of one that cannot, or _UNKNOWN."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        # pandas' NaT is a datetime that is not equal to itself.
        return value.isoformat() if value == value else None
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return _Literal(str(value)) if value.is_finite() else None
    if "numpy" in sys.modules:
        converted = _convert_numpy(sys.modules["numpy"], value)
        if converted is not _UNKNOWN:
            return converted
    if "pandas" in sys.modules:
        return _convert_pandas(sys.modules["pandas"], value)
    return _UNKNOWN


def _convert_numpy(np, value):
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.timedelta64):
        return None if np.isnat(value) else float(value / np.timedelta64(1, "s"))
    if isinstance(value, np.floating):  # float64 is a float already; longdouble has no item() of Python's
        return float(value)
    if isinstance(value, np.complexfloating):
        return _UNKNOWN
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "mM":
            return [_convert_numpy(np, v) for v in value] if value.ndim else _convert_numpy(np, value[()])
        if value.dtype.kind == "f" and value.dtype.itemsize > 8:
            value = value.astype(float)
        return value.tolist()
    return _UNKNOWN


def _convert_pandas(pd, value):
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, pd.DataFrame):
        return _records(pd, value)
    if isinstance(value, pd.Series):
        if _is_default(pd, value.index):
            return value.tolist()
        return dict(zip(value.index.tolist(), value.tolist()))
    if isinstance(value, (pd.Index, pd.api.extensions.ExtensionArray)):
        return value.tolist()
    if isinstance(value, (pd.Period, pd.Interval)):
        return str(value)
    return _UNKNOWN


def _records(pd, frame):
    """A DataFrame as a list of objects, one a row; an index that says something comes first, as columns."""
    names, columns = [], []
    if not _is_default(pd, frame.index):
        index = frame.index
        for level in range(index.nlevels):
            names.append(index.names[level] if index.names[level] is not None else "index" if index.nlevels == 1 else "level_%d" % level)
            columns.append(index.get_level_values(level).tolist())
    for position, name in enumerate(frame.columns):
        names.append(name)
        columns.append(frame.iloc[:, position].tolist())
    names = _unique(["_".join(str(n) for n in name) if isinstance(name, tuple) else _key(name, "result") for name in names])
    return [dict(zip(names, row)) for row in zip(*columns)]


def _is_default(pd, index):
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _unique(names):
    seen = {}
    for i, name in enumerate(names):
        count = seen.get(name, 0)
        seen[name] = count + 1
        if count:  # two columns of one name would overwrite one another
            names[i] = "%s.%d" % (name, count)
    return names


def _in_order(values):
    if isinstance(values, (set, frozenset)):
        try:
            return sorted(values)  # the order of a set differs from run to run
        except TypeError:
            return list(values)
    return values


def _key(key, path):
    """An object's key: what json would make of it, and of numpy's and pandas' scalars and dates what their values would be."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key) if math.isfinite(key) else "null"
    if isinstance(key, bytes):
        return base64.b64encode(key).decode()
    converted = _convert(key)
    if isinstance(converted, _Literal):
        return converted.text
    if converted is _UNKNOWN or isinstance(converted, (list, dict)):
        raise Invalid(type(key).__name__ + " as a key", path)
    return _key(converted, path)


def _short(key):
    text = repr(key)
    return text if len(text) <= 60 else text[:60] + "..."

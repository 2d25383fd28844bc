"""numpy's arrays and pandas' frames and series as JSON text, by columns: each column becomes text at once, and then rows are put together
from the columns' pieces. Cell by cell it takes twenty times as long."""
from __future__ import annotations

import json
import math
import re

from runner import convert, keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Write = Callable[[Any], str]
    # Says of a wrong value at which position of the column it lies.
    At = Callable[[keys.Invalid, int], None]
    # The text of the cells from a start to a stop, with something between them.
    Cells = Callable[[int, int, str, At], str]

_encoder: Any = json.encoder
_string = _encoder.encode_basestring
_fast = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

# Rows are written in blocks: the pieces of all of them would take several times what their text does.
_BLOCK = 4096

# Parts the values of a column: in JSON as it is written here no line ends, since in strings that is an escape.
_BREAK = "\n"


def text(value: Any, write: Write) -> str | None:
    """The text of an array, a frame, a series or an index; None for what is none. write makes text of any value."""
    np, pd = convert.numpy(), convert.pandas()
    if np and isinstance(value, (np.ndarray, np.void)):
        return _array(np, value, write)
    if pd and isinstance(value, pd.DataFrame):
        return _frame(pd, value, write)
    if pd and isinstance(value, pd.Series):
        return _series(pd, value, write)
    if pd and isinstance(value, (pd.Index, pd.api.extensions.ExtensionArray)):
        if isinstance(value, pd.MultiIndex):
            return write(value.tolist())
        return "[%s]" % _cells(pd, value, write)(0, len(value), ",", _at_position)
    return None


def _array(np: Any, value: Any, write: Write) -> str:
    if value.dtype.names:
        if isinstance(value, np.void):
            return write({name: value[name] for name in value.dtype.names})
        if value.ndim != 1 or isinstance(value, np.ma.MaskedArray):
            return write(list(value) if value.ndim else value[()])
        return _rows(value.dtype.names, [_listed(value[name], write) for name in value.dtype.names], len(value))
    if isinstance(value, (np.ma.MaskedArray, np.void)):
        return write(value.tolist())
    kind = value.dtype.kind
    if kind in "mM":
        texts = np.empty(value.shape, dtype=object)
        texts.flat = _dates(np, value.ravel()) if kind == "M" else [convert.scalar(v) for v in value.flat]
        return write(texts.tolist())
    if kind == "f":
        value = _floats(np, value)
    return _fast(value.tolist()) if kind in "fiub" else write(value.tolist())


def _listed(values: Any, write: Write) -> Cells:
    """The cells of a field, whatever it holds."""
    listed = [values[i] for i in range(len(values))] if values.ndim > 1 or values.dtype.names else values.tolist()
    return lambda start, stop, between, at: _joined(listed[start:stop], start, between, at, write)


def _frame(pd: Any, frame: Any, write: Write) -> str:
    """A list of objects, one a row; an index that says something comes first, as columns.

    Integers without a name say nothing: they are where the rows were before somebody filtered or sorted them.
    """
    index, names, columns = frame.index, [], []
    if index.nlevels > 1 or index.name is not None or not pd.api.types.is_integer_dtype(index.dtype):
        for level, name in enumerate(index.names):
            names.append(name if name is not None else "index" if index.nlevels == 1 else "level_%d" % level)
            columns.append(_level(pd, index, level, write) if index.nlevels > 1 else _cells(pd, index, write))
    for position, name in enumerate(frame.columns):
        names.append(name)
        columns.append(_cells(pd, frame.iloc[:, position], write))
    return _rows(keys.labels(names), columns, len(frame))


def _rows(names: Sequence[str], columns: list[Cells], count: int) -> str:
    """Objects of the names and the columns' cells."""
    leads = [(",%s:" if i else "},{%s:") % _string(name) for i, name in enumerate(names)]
    if not count or not names:
        return "[]"
    blocks = []
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        pieces = [""] * ((stop - start) * len(names))
        for i, (name, lead, cells) in enumerate(zip(names, leads, columns)):
            pieces[i :: len(names)] = (lead + cells(start, stop, _BREAK + lead, _in_row(name))).split(_BREAK)
        blocks.append("".join(pieces))
    blocks[0] = "[" + blocks[0][2:]
    blocks.append("}]")
    return "".join(blocks)


def _series(pd: Any, series: Any, write: Write) -> str:
    index, cells = series.index, _cells(pd, series, write)
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
        return "[%s]" % cells(0, len(series), ",", _at_position)
    labels = keys.labels(_label_values(pd, index))
    blocks = []
    for start in range(0, len(labels), _BLOCK):
        stop = min(start + _BLOCK, len(labels))
        pieces = [""] * (2 * (stop - start))
        pieces[0::2] = _encoded(labels[start:stop], _BREAK).split(_BREAK)
        pieces[1::2] = (":" + cells(start, stop, "," + _BREAK + ":", _at_label(labels))).split(_BREAK)
        blocks.append("".join(pieces))
    return "{%s}" % ",".join(blocks)


def _label_values(pd: Any, index: Any) -> Any:
    """An index as a list: whole numbers, and dates, as the text that they are as keys."""
    np = convert.numpy()
    if isinstance(index.dtype, np.dtype) and index.dtype.kind in "iu":
        return list(map(int.__repr__, index.tolist()))
    if isinstance(index, pd.DatetimeIndex) and not index.hasnans:
        dates = _timestamps(np, index.array, '"' + _BREAK + '"')
        return dates[1:-1].split('"' + _BREAK + '"') if dates else index.tolist()
    return index.tolist()


def _in_row(name: str) -> At:
    def at(invalid: keys.Invalid, position: int) -> None:
        invalid.within("[%s]" % keys.short(name))
        _at_position(invalid, position)

    return at


def _at_label(labels: Sequence[str]) -> At:
    return lambda invalid, position: invalid.within("[%s]" % keys.short(labels[position]))


def _at_position(invalid: keys.Invalid, position: int) -> None:
    invalid.within("[%d]" % position)


def _cells(pd: Any, column: Any, write: Write) -> Cells:
    """A function that makes text of a column's cells from a start to a stop, with something between them; where one is no JSON, it has
    another function say at which position."""
    np, dtype = convert.numpy(), column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categorical = column if isinstance(column, pd.Categorical) else column.array
        return _coded(pd, categorical.categories, categorical.codes, write)
    if isinstance(dtype, np.dtype):
        values = column.to_numpy()
        if dtype.kind == "f":
            return lambda start, stop, between, at: _encoded(_floats(np, values[start:stop]).tolist(), between)
        if dtype.kind in "iub":
            return lambda start, stop, between, at: _encoded(values[start:stop].tolist(), between)
    if isinstance(dtype, pd.DatetimeTZDtype) or isinstance(dtype, np.dtype) and dtype.kind == "M":
        array = column if isinstance(column, pd.api.extensions.ExtensionArray) else column.array

        def dates(start: int, stop: int, between: str, at: At) -> str:
            part = _timestamps(np, array[start:stop], '"' + between + '"')
            return part or _joined(array[start:stop].tolist(), start, between, at, write)

        return dates
    listed = column.tolist()
    if pd.api.types.is_extension_array_dtype(dtype):
        listed = [None if v is pd.NA else v for v in listed]
    return lambda start, stop, between, at: _joined(listed[start:stop], start, between, at, write)


def _level(pd: Any, index: Any, level: int, write: Write) -> Cells:
    return _coded(pd, index.levels[level], index.codes[level], write)


def _coded(pd: Any, values: Any, codes: Any, write: Write) -> Cells:
    """The cells of few values, each of which is written once; the code -1 stands for none."""
    whole = _cells(pd, values, write)
    texts: list[str] | None = None

    def cells(start: int, stop: int, between: str, at: At) -> str:
        nonlocal texts
        if texts is None:
            first: dict[int, int] = {}

            def unlucky(invalid: keys.Invalid, position: int) -> None:
                at(invalid, first.setdefault(position, int((codes == position).argmax())))

            texts = (whole(0, len(values), _BREAK, unlucky).split(_BREAK) if len(values) else []) + ["null"]
        return between.join(map(texts.__getitem__, codes[start:stop].tolist()))

    return cells


def _joined(values: Sequence[Any], start: int, between: str, at: At, write: Write) -> str:
    """The values' texts with something between them."""
    if set(map(type, values)) <= convert.PLAIN:
        try:
            return _encoded(values, between)
        except ValueError:
            return _encoded([None if type(v) is float and not math.isfinite(v) else v for v in values], between)
    texts = []
    for value in values:
        try:
            texts.append(write(value))
        except keys.Invalid as invalid:
            at(invalid, start + len(texts))
            raise
    return between.join(texts)


def _encoded(values: Sequence[Any], between: str) -> str:
    """Plain values as json writes them, with something else between them than a comma."""
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(between, ":")).encode(values)[1:-1]


def _floats(np: Any, values: Any) -> Any:
    """With None for what is no number: much faster than to find each one later."""
    if values.dtype.itemsize > 8:
        values = values.astype(float)
    finite = np.isfinite(values)
    if not finite.all():
        values = values.astype(object)
        values[~finite] = None
    return values


def _dates(np: Any, values: Any) -> list[str | None]:
    try:
        texts = np.datetime_as_string(values).tolist()
    except (TypeError, ValueError):  # of no unit
        texts = map(str, values)
    return list(map(convert.date, texts))


# Two digits each, and the days of what is neither before the year 1 nor after 9999.
_DIGITS = "".join("%02d" % n for n in range(100)).encode()
_FIRST_DAY, _LAST_DAY = -719162, 2932896
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _timestamps(np: Any, array: Any, between: str) -> str | None:
    """pandas' dates as isoformat has them, in quotes, with something between them that brings its own. They are written side by side as
    bytes of one width, and what some have too much is taken out. None where they are not of one width, which is for isoformat then."""
    unit = np.datetime_data(array.dtype if isinstance(array.dtype, np.dtype) else array._ndarray.dtype)[0]
    if unit not in _PER_SECOND or not len(array):
        return None
    missing = np.asarray(array.isna())
    local, offsets = np.where(missing, 0, array.asi8), None
    if getattr(array, "tz", None) is not None:
        utc, local = local, np.where(missing, 0, array.tz_localize(None).asi8)
        offsets = _offsets(np, (local - utc) // _PER_SECOND[unit])
        if offsets is None:
            return None
    seconds, fraction = np.divmod(local, _PER_SECOND[unit])
    days, seconds = np.divmod(seconds, 86400)
    if days.min() < _FIRST_DAY or days.max() > _LAST_DAY:
        return None
    fraction *= 10**9 // _PER_SECOND[unit]
    digits = 0 if not fraction.any() else 6 if not (fraction % 1000).any() else 9
    end = between.encode()
    width = 19 + (digits and digits + 1)
    whole = width + (0 if offsets is None else 6)
    lines = np.empty((len(local), whole + len(end)), np.uint8)
    lines[:, :19] = np.frombuffer(b"0000-00-00T00:00:00", np.uint8)
    if offsets is not None:
        lines[:, width:whole] = offsets
    lines[:, whole:] = np.frombuffer(end, np.uint8)
    pairs = np.frombuffer(_DIGITS, np.uint8).reshape(100, 2)
    dates = days.astype("M8[D]")
    months = dates.astype("M8[M]")
    years = months.astype("M8[Y]")
    year = years.astype(np.int64) + 1970
    for place, number in (
        (0, year // 100), (2, year % 100), (5, (months - years).astype(np.int64) + 1), (8, (dates - months).astype(np.int64) + 1),
        (11, seconds // 3600), (14, seconds // 60 % 60), (17, seconds % 60),
    ):  # fmt: skip
        lines[:, place : place + 2] = pairs[number]
    if digits:
        lines[:, 19] = ord(".")
        if digits == 6:
            fraction //= 1000
        for place in range(width - 1, 19, -1):
            fraction, last = np.divmod(fraction, 10)
            lines[:, place] = last + ord("0")
    lines[missing, :whole] = ord("!")
    text: str = '"' + lines.tobytes()[: -len(end)].decode() + '"'
    if digits:
        text = text.replace("." + "0" * digits, "")
    if digits == 9:
        text = re.sub(r'(\.\d{6})000(?=["+-])', r"\1", text)
    return text.replace('"%s"' % ("!" * whole), "null")


def _offsets(np: Any, offsets: Any) -> Any:
    """What stands behind local times for their offsets from UTC, six characters each; None where an offset needs more."""
    known, which = np.unique(offsets, return_inverse=True)
    if (known % 60).any():
        return None
    texts = [b"%c%02d:%02d" % (ord("-" if o < 0 else "+"), abs(o) // 3600, abs(o) // 60 % 60) for o in known.tolist()]
    return np.frombuffer(b"".join(texts), np.uint8).reshape(-1, 6)[which]

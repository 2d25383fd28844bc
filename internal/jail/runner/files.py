"""The job's working directory: the request's files go in, what the script made or changed comes out.

A job that is killed cannot say what it leaves; the worker then looks for itself, by the same rules (leftovers.go).
"""
from __future__ import annotations

import base64
import binascii
import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from runner.protocol import Document, File, Found

_encoder: Any = json.encoder
_string = _encoder.encode_basestring

# Why a file is named and not handed back.
TOO_LARGE, TOO_MANY, UNREADABLE, LINK, SPECIAL, NAME = "too_large", "too_many", "unreadable", "link", "special", "name"

# So many files that are not handed back are named; of more only the number is told.
NAMED_MOST = 256

# So many names are looked at and no more: a script can make millions, and its answer waits.
ENTRIES_MOST = 10_000

# What a path may be, as for a request's files.
PATH_BYTES, PATH_LEVELS = 512, 16

# Where libraries keep settings and caches of their own, directly in the working directory, which is their home. A cache of Python's may
# be anywhere.
_CACHES = frozenset(
    (".cache", ".config", ".local", ".matplotlib", ".ipython", ".ipynb_checkpoints", ".jupyter", ".fontconfig", ".hypothesis",
     ".keras", ".astropy", ".dask", "tex.cache")
)  # fmt: skip
_CACHE_ANYWHERE, _FONT_LISTS = "__pycache__", "fontlist-v"

# What a tmpfs says is the size of a directory without a name in it; each adds to it. Other file systems count otherwise: XFS, say, has
# 40 for one name of 26 letters.
EMPTY = 40


class Directory:
    def __init__(self, path: str, tmpfs: bool, most: int, size: int) -> None:
        """tmpfs says that the directory is the root of one, and the job's alone. At most so many files of so many bytes are handed back."""
        self.path, self._tmpfs, self._most, self._size = path, tmpfs, most, size
        self._before: dict[str, tuple[int, int, int] | None] = {}

    def place(self, files: Iterable[File]) -> None:
        """Writes the request's files."""
        for file in files:
            path, content = os.path.join(self.path, file["path"]), file.get("content", "")
            data = base64.b64decode(content) if file.get("encoding") == "base64" else content.encode("utf-8", "surrogatepass")
            if "/" in file["path"]:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as f:
                f.write(data)
        if files:
            self._before = {path: _stamp(info) for path, info, _ in self._list([])}

    def used(self) -> bool:
        """Whether there is anything in it, found out in one look where it is a tmpfs."""
        try:
            return os.stat(self.path).st_size != EMPTY if self._tmpfs else bool(os.listdir(self.path))
        except OSError:
            return True

    def collect(self) -> Document:
        """The files that the script made or changed, by name, and what is not handed back with its reason; neither links nor special files
        are opened. unnamed is how many more there are at least."""
        try:
            found: list[Document] = []
            left, budget, unnamed = 0, self._size, [0]
            for path, info, reason in self._list(unnamed):
                if not reason and self._before.get(path) == _stamp(info):
                    continue
                data = None
                if not reason:
                    if len(found) - left >= self._most:
                        reason = TOO_MANY
                    elif info and info.st_size > budget:
                        reason = TOO_LARGE
                    else:
                        try:
                            data = self._read(path, budget + 1)
                        except FileNotFoundError:
                            continue  # a thread of the script has removed it meanwhile
                        except (OSError, MemoryError):
                            reason = UNREADABLE
                if data is not None and len(data) > budget:
                    reason = TOO_LARGE  # it is growing
                if data is not None and not reason:
                    budget -= len(data)
                    found.append(_document(path, data))
                elif left < NAMED_MOST:
                    left += 1
                    found.append({"path": path, "size": info.st_size if info else 0, "reason": reason})
                else:
                    unnamed[0] += 1
            return {"files": found, "unnamed": unnamed[0]}
        except BaseException:  # files are an extra: no result is lost over them
            return {"files": [], "unnamed": 1}

    def _read(self, path: str, most: int) -> bytes:
        fd = os.open(os.path.join(self.path, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as f:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError("it is no file any more")
            return f.read(most)

    def _list(self, unnamed: list[int]) -> list[Found]:
        """What there is but folders, by name: path, what is known of it, and why it cannot be handed back, where that shows already.
        unnamed[0] is raised where there is more than is looked at."""
        found: list[Found] = []
        folders, seen = [""], 0
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(os.path.join(self.path, folder)) as entries:
                    for entry in entries:
                        if seen == ENTRIES_MOST:
                            if unnamed:
                                unnamed[0] += 1
                            folders.clear()
                            break
                        if _is_cache(folder, entry.name):
                            continue
                        seen += 1
                        self._sort(folder + entry.name, entry, folders, found)
            except OSError:
                found.append((_printable(folder[:-1]), None, UNREADABLE))
        return sorted(found, key=lambda f: f[0])

    @staticmethod
    def _sort(path: str, entry: os.DirEntry[str], folders: list[str], found: list[Found]) -> None:
        """Puts one entry where it belongs."""
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError:
            found.append((_printable(path), None, UNREADABLE))
            return
        kind, named = stat.S_IFMT(info.st_mode), _printable(path)
        if kind == stat.S_IFDIR:
            if named == path and path.count("/") < PATH_LEVELS - 1:
                folders.append(path + "/")
            else:
                found.append((named, None, NAME))
        elif kind == stat.S_IFLNK:
            found.append((named, info, LINK))
        elif kind != stat.S_IFREG:
            found.append((named, info, SPECIAL))
        else:
            found.append((named, info, "" if named == path else NAME))


def _is_cache(folder: str, name: str) -> bool:
    if name == _CACHE_ANYWHERE:
        return True
    return not folder and (name in _CACHES or name.startswith(_FONT_LISTS) or name.startswith(".") and name.endswith("cache"))


def _printable(path: str) -> str:
    """The path as it is where it is one that a request could have; else with what is wrong in it as %XX, and cut."""
    if path.isascii() and path.isprintable() and "\\" not in path and len(path) <= PATH_BYTES:
        return path
    data = os.fsencode(path)
    try:
        data.decode()
        bad = _is_bad
    except UnicodeDecodeError:
        bad = _is_bad_or_not_ascii
    text = "".join("".join("%%%02X" % byte for byte in os.fsencode(c)) if bad(c) else c for c in path)
    data = text.encode()
    return text if len(data) <= PATH_BYTES else data[: PATH_BYTES - 3].decode("utf-8", "ignore") + "..."


def _is_bad(c: str) -> bool:
    return c == "\\" or c < " " or "\x7f" <= c <= "\x9f"


def _is_bad_or_not_ascii(c: str) -> bool:
    return _is_bad(c) or c > "\x7f"


def _document(path: str, data: bytes) -> Document:
    encoded = binascii.b2a_base64(data, newline=False).decode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    # Control characters take six bytes each in JSON: a file of them is no text to anybody.
    if text is not None and len(_string(text)) <= len(encoded) + 1024:
        return {"path": path, "size": len(data), "content": text, "encoding": "utf-8"}
    return {"path": path, "size": len(data), "content": encoded, "encoding": "base64"}


def _stamp(info: os.stat_result | None) -> tuple[int, int, int] | None:
    return info and (info.st_ino, info.st_size, info.st_mtime_ns)

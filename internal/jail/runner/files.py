"""The job's working directory: the request's files go in, what the script made or changed comes out."""
import base64
import binascii
import json
import os
import stat

# The largest files that are handed back, and how many of them. More stay behind with the jail.
FILES_MOST, FILES_BYTES = 32, 4 << 20

# So many names are looked at and no more: a script can make millions, and its answer waits.
ENTRIES_MOST = 10_000

# What a tmpfs says is the size of a directory without a name in it; each adds to it. Other file systems count otherwise: XFS, say, has
# 40 for one name of 26 letters.
_EMPTY = 40


class Directory:
    def __init__(self, path, tmpfs):
        """tmpfs says that the directory is the root of one, and the job's alone."""
        self.path, self._tmpfs = path, tmpfs
        self._before = None

    def place(self, files):
        """Writes the request's files."""
        for file in files:
            path, content = os.path.join(self.path, file["path"]), file.get("content", "")
            data = base64.b64decode(content) if file.get("encoding") == "base64" else content.encode("utf-8", "surrogatepass")
            if "/" in file["path"]:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as f:
                f.write(data)
        if files:
            self._before = {path: _stamp(info) for path, info in self._list()}

    def collect(self):
        """The files that the script made or changed, by name; links are not followed and special files left alone."""
        try:
            if self._tmpfs and os.stat(self.path).st_size == _EMPTY:
                return []  # as most are, and found out in one look
            before = self._before or {}
            found, budget = [], FILES_BYTES
            for path, info in self._list():
                if before.get(path) == _stamp(info) or info.st_size > budget or len(found) == FILES_MOST:
                    continue
                fd = os.open(os.path.join(self.path, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                with open(fd, "rb") as f:
                    data = f.read(budget + 1)
                if len(data) <= budget:
                    budget -= len(data)
                    found.append(_document(path, data))
            return found
        except Exception:  # files are an extra: no result is lost over them
            return []

    def _list(self):
        folders, files, seen = [""], [], 0
        while folders:
            folder = folders.pop()
            with os.scandir(os.path.join(self.path, folder)) as entries:
                for entry in entries:
                    seen += 1
                    if seen > ENTRIES_MOST:
                        return sorted(files, key=lambda f: f[0])
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode):
                        files.append((folder + entry.name, info))
                    elif stat.S_ISDIR(info.st_mode) and entry.name != "__pycache__":
                        folders.append(folder + entry.name + "/")
        return sorted(files, key=lambda f: f[0])


def _document(path, data):
    encoded = binascii.b2a_base64(data, newline=False).decode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    # Control characters take six bytes each in JSON: a file of them is no text to anybody.
    if text is not None and len(json.encoder.encode_basestring(text)) <= len(encoded) + 1024:
        return {"path": path, "size": len(data), "content": text, "encoding": "utf-8"}
    return {"path": path, "size": len(data), "content": encoded, "encoding": "base64"}


def _stamp(info):
    return info.st_ino, info.st_size, info.st_mtime_ns

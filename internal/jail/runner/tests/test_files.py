from __future__ import annotations

import os
import tempfile
import unittest
from typing import Any

from runner import files


class DirectoryTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        self.directory = files.Directory(self.path, tmpfs=False, most=4, size=1000)

    def write(self, name: str, data: bytes = b"x") -> None:
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def collected(self) -> dict[str, Any]:
        document = self.directory.collect()
        return {file["path"]: file.get("reason") or file["content"] for file in document["files"]}

    def test_place(self) -> None:
        self.directory.place([
            {"path": "a.txt", "content": "\u00e4\n"}, {"path": "deep/er/b.bin", "content": "AAE=", "encoding": "base64"}, {"path": "empty"},
        ])  # fmt: skip
        for name, want in (("a.txt", "\u00e4\n".encode()), ("deep/er/b.bin", b"\0\1"), ("empty", b"")):
            with self.subTest(name), open(os.path.join(self.path, name), "rb") as f:
                self.assertEqual(f.read(), want)
        self.assertEqual(self.collected(), {}, "the request's own files do not come back")

    def test_collect_what_is_new_or_changed(self) -> None:
        self.directory.place([{"path": "same", "content": "1"}, {"path": "changed", "content": "1"}])
        self.write("changed", b"22")
        self.write("out/new.csv", b"a,b\n")
        self.assertEqual(self.collected(), {"changed": "22", "out/new.csv": "a,b\n"})

    def test_text_and_bytes(self) -> None:
        self.write("text", "\u00e4".encode())
        self.write("bytes", b"\xff\xfe")
        self.write("controls", b"\1" * 600)  # six characters each in JSON: base64 is shorter
        found = {f["path"]: f for f in self.directory.collect()["files"]}
        self.assertEqual(found["text"], {"path": "text", "size": 2, "content": "\u00e4", "encoding": "utf-8"})
        self.assertEqual(found["bytes"], {"path": "bytes", "size": 2, "content": "//4=", "encoding": "base64"})
        self.assertEqual(found["controls"]["encoding"], "base64")

    def test_too_large_and_too_many(self) -> None:
        self.write("a", b"a" * 900)
        self.write("b", b"b" * 101)
        self.write("c", b"c" * 100)
        self.assertEqual(self.collected(), {"a": "a" * 900, "b": files.TOO_LARGE, "c": "c" * 100})
        for name in "defg":
            self.write(name, b"")
        self.assertEqual(self.collected(), {
            "a": "a" * 900, "b": files.TOO_LARGE, "c": "c" * 100, "d": "", "e": "", "f": files.TOO_MANY, "g": files.TOO_MANY,
        })  # fmt: skip

    def test_what_is_not_opened(self) -> None:
        os.symlink("/etc/passwd", os.path.join(self.path, "link"))
        os.mkfifo(os.path.join(self.path, "pipe"))
        os.symlink("/", os.path.join(self.path, "root"))
        self.assertEqual(self.collected(), {"link": files.LINK, "pipe": files.SPECIAL, "root": files.LINK})

    def test_names(self) -> None:
        for name in ("a\nb", "back\\slash", "c\u0085", "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200):
            self.write(name)
        with open(os.path.join(os.fsencode(self.path), b"\xff"), "wb"):
            pass
        found = self.collected()
        self.assertEqual(set(found.values()), {files.NAME})
        self.assertLessEqual({"a%0Ab", "back%5Cslash", "c%C2%85", "%FF"}, set(found))
        self.assertTrue(all(len(path.encode()) <= files.PATH_BYTES for path in found), found)

    def test_caches_are_no_results(self) -> None:
        for name in ("__pycache__/a.pyc", "deep/__pycache__/b.pyc", ".cache/x", ".config/y", "fontlist-v330.json", ".ruff_cache/z"):
            self.write(name)
        self.write(".env")
        self.write("deep/.cache/kept")
        self.assertEqual(self.collected(), {".env": "x", "deep/.cache/kept": "x"})

    def test_levels(self) -> None:
        deep = "/".join("d" * files.PATH_LEVELS)
        self.write(deep + "/f")
        self.assertEqual(self.collected(), {deep: files.NAME})

    def test_more_than_is_looked_at(self) -> None:
        kept, files.ENTRIES_MOST = files.ENTRIES_MOST, 3
        try:
            for name in "abcdef":
                self.write(name)
            document = self.directory.collect()
        finally:
            files.ENTRIES_MOST = kept
        self.assertEqual((len(document["files"]), document["unnamed"]), (3, 1))

    def test_used(self) -> None:
        self.assertFalse(self.directory.used())
        self.write("a")
        self.assertTrue(self.directory.used())
        self.assertTrue(files.Directory("/nowhere/at/all", tmpfs=True, most=1, size=1).used(), "what cannot be told may be something")


if __name__ == "__main__":
    unittest.main()

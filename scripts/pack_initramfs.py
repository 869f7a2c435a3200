#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs files as an initramfs: pack_initramfs.py OUT.cpio NAME=FILE...

The archive's format is "newc" (Linux: Documentation/driver-api/early-userspace/buffer-format.rst). Folders of a name are
made; /dev/console is there for what init prints. The same files give the same bytes: no times, no owners.
"""
import os
import stat
import sys
from pathlib import Path

CONSOLE = (5, 1)  # character device: major, minor


class Archive:
    """A cpio archive under construction."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.names: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self.names.add(name)
        word = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device of the file, device that it names, length of the name, checksum
        fields = (len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(word), 0)
        self.bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + word
        self._pad()
        self.bytes += data
        self._pad()

    def _pad(self) -> None:
        self.bytes += bytes(-len(self.bytes) % 4)

    def folder(self, name: str) -> None:
        if name in ("", ".") or name in self.names:
            return
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes) -> None:
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | 0o755, data)

    def console(self) -> None:
        self.folder("dev")
        self._entry("dev/console", stat.S_IFCHR | 0o600, device=CONSOLE)

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0)
        return bytes(self.bytes)


def pack(files: dict[str, bytes]) -> bytes:
    archive = Archive()
    archive.console()
    for name, data in files.items():
        archive.file(name, data)
    return archive.finish()


def main(arguments: list[str]) -> int:
    pairs = [word.partition("=") for word in arguments[1:]]
    if not pairs or any(not name or not file for name, _, file in pairs):
        print("pack_initramfs.py: expected OUT.cpio NAME=FILE...", file=sys.stderr)
        return 2
    try:
        Path(arguments[0]).write_bytes(pack({name: Path(file).read_bytes() for name, _, file in pairs}))
    except OSError as error:
        print(f"pack_initramfs.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

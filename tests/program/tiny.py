# SPDX-License-Identifier: Apache-2.0
"""Images of a few bytes: 32-bit code behind a multiboot header, loaded at 1 MiB."""
import struct
from pathlib import Path

LOAD = 0x100000
ENTRY = LOAD + 0x20


def image(path: Path, code: str) -> str:
    """Writes an image whose entry point, ENTRY, holds `code` (hexadecimal); returns its path as a word."""
    magic, flags = 0x1BADB002, 0x10000
    text = bytes.fromhex(code)
    header = struct.pack("<8I", magic, flags, -(magic + flags) & 0xFFFFFFFF, LOAD, LOAD, 0, 0, ENTRY)
    path.write_bytes(header + text)
    return str(path)


END = "b000 e6f4"  # mov al, 0; out 0xf4, al: status 1 of boot
LOOP = "ebfe"
# Prints A; reads an MSR and CR0; CPUID; then an undefined instruction without an IDT.
EVENTS = "66baf803 b041 ee b91b000000 0f32 0f20c0 0f22c0 31c0 0fa2 fa 0f0b"
EVENTS_UD2 = ENTRY + 25

# SPDX-License-Identifier: Apache-2.0
"""Small images made here: what a user passes to an image arrives."""
import struct

# mov esi, [ebx + 24]; mov esi, [esi + 8]: the first module's command line. mov edx, 3F8H; each character to COM1; then
# 0 to port F4H.
CODE = bytes.fromhex("8b7318 8b7608 baf8030000 ac 84c0 7403 ee ebf8 31c0 e6f4 f4")


def multiboot(code: bytes) -> bytes:
    """An ELF32 executable of one segment at 1 MiB: multiboot header, code."""
    magic, flags = 0x1BADB002, 0
    body = struct.pack("<3I", magic, flags, -(magic + flags) & 0xFFFFFFFF) + code
    ident = b"\x7fELF\1\1\1" + bytes(9)
    header = struct.pack("<2H5I6H", 2, 3, 1, 0x10000C, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    load = struct.pack("<8I", 1, 84, 0x100000, 0x100000, len(body), len(body), 7, 4)
    return ident + header + load + body


def test_words_behind_a_modules_file_are_its_command_line(vmxsim, tmp_path):
    image, module = tmp_path / "image.elf", tmp_path / "module.bin"
    image.write_bytes(multiboot(CODE))
    module.write_bytes(b"contents")
    ended = vmxsim("boot", str(image), "--initrd", f"{module} console=hvc0 a=b", "--quiet")
    assert ended.status == 1, ended
    assert ended.out.rstrip() == "module.bin console=hvc0 a=b"
    assert vmxsim("boot", str(image), "--initrd", str(module), "--quiet").out.rstrip() == "module.bin"


def test_a_modules_name_may_have_spaces(vmxsim, tmp_path):
    image, module = tmp_path / "image.elf", tmp_path / "my module"
    image.write_bytes(multiboot(CODE))
    module.write_bytes(b"contents")
    assert vmxsim("boot", str(image), "--initrd", str(module), "--quiet").out.rstrip() == "my module"

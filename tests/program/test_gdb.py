# SPDX-License-Identifier: Apache-2.0
"""--gdb: the remote protocol by hand, and a real gdb where there is one."""
import json
import re
import shutil
import socket
import struct
import subprocess
import xml.etree.ElementTree

import pytest
import tiny


class Session:
    """The simulator with a connection to its stub."""

    def __init__(self, program, *arguments: str):
        self.process = subprocess.Popen(
            [str(program), *arguments, "--gdb", "0", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        said = self.process.stderr.readline()
        self.port = int(re.search(r"localhost:(\d+)", said).group(1))
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def byte(self) -> bytes:
        if not self.buffer:
            self.buffer = self.socket.recv(65536)
            assert self.buffer, "the stub has gone"
        first, self.buffer = self.buffer[:1], self.buffer[1:]
        return first

    def receive(self) -> str:
        while self.byte() != b"$":
            pass
        data = b""
        while (c := self.byte()) != b"#":
            data += c
        assert int(self.byte() + self.byte(), 16) == sum(data) & 0xFF
        self.socket.sendall(b"+")
        return data.decode()

    def send(self, text: str) -> None:
        data = text.encode()
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xFF))

    def ask(self, text: str) -> str:
        self.send(text)
        return self.receive()

    def monitor(self, command: str) -> str:
        self.send("qRcmd," + command.encode().hex())
        text = ""
        while (part := self.receive()) != "OK":
            text += bytes.fromhex(part[1:]).decode()
        return text

    def register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def end(self) -> tuple[int, str]:
        error = self.process.stderr.read()
        return self.process.wait(timeout=60), error


RIP, RAX, RCX = 16, 0, 2


@pytest.fixture
def session(program, tmp_path):
    opened = []

    def start(*arguments: str) -> Session:
        opened.append(Session(program, *arguments))
        return opened[-1]

    yield start
    for s in opened:
        s.socket.close()
        s.process.kill()
        s.process.wait()


@pytest.mark.parametrize("l0", ["none", "unit"])
def test_stops_change_no_cycle_and_no_result(session, statistics, tmp_path, l0):
    plain = statistics("--l0", l0)
    stats = tmp_path / "debugged.json"
    s = session("run", "nested-exits", "--l0", l0, "--stats", str(stats))
    places = []
    for _ in range(300):
        places.append(s.register(RIP))
        assert s.ask("s") == "T05thread:1;"
    assert len(set(places)) > 15
    for at in set(places[::7]):
        assert s.ask(f"Z0,{at:x},1") == "OK"
    for _ in range(400):
        assert s.ask("c") == "T05thread:1;"
        assert s.register(RIP) in places
        s.ask("g")
        s.ask(f"m{places[0]:x},40")
        s.monitor("vmcs all")
    for at in set(places):
        s.ask(f"z0,{at:x},1")
    assert s.ask("c") == "W00"
    assert s.end()[0] == 0
    assert json.loads(stats.read_text()) == plain


def test_registers_are_what_the_target_description_says(session, tmp_path):
    s = session("boot", tiny.image(tmp_path / "a.elf", "b978563412 90" + tiny.END))
    xml_text = ""
    while True:
        part = s.ask(f"qXfer:features:read:target.xml:{len(xml_text):x},400")
        xml_text += part[1:]
        if part[0] == "l":
            break
    registers = xml.etree.ElementTree.fromstring(xml_text).findall("feature/reg")
    names = {r.get("name"): i for i, r in enumerate(registers)}
    assert {"rip", "eflags", "cs", "st0", "xmm15", "mxcsr", "fs_base", "k_gs_base", "cr0", "cr3", "cr8", "efer"} <= names.keys()
    assert len(s.ask("g")) == sum(int(r.get("bitsize")) for r in registers) // 4
    assert (names["rip"], names["rax"], names["rcx"]) == (RIP, RAX, RCX)
    assert s.register(RIP) == tiny.ENTRY and s.register(RAX) == 0x2BADB002
    assert s.ask("s") == "T05thread:1;"
    assert s.register(RCX) == 0x12345678 and s.register(RIP) == tiny.ENTRY + 5
    assert s.ask(f"P{RCX:x}=" + struct.pack("<Q", 77).hex()) == "OK"
    assert s.ask("s") == "T05thread:1;"
    assert s.register(RCX) == 77 and s.register(RIP) == tiny.ENTRY + 6
    assert s.ask("pffff") == "E22" and s.ask(f"P{names['cr0']:x}=" + "00" * 8) == "E22"
    assert s.ask("c") == "W01"
    assert s.end()[0] == 1


def test_memory_is_read_written_and_refused_where_there_is_none(session, tmp_path):
    s = session("boot", tiny.image(tmp_path / "a.elf", "90" + tiny.END))
    assert s.ask(f"m{tiny.ENTRY:x},5") == "90" + tiny.END.replace(" ", "")
    # The exit value in the instruction that has been decoded with the first one's block.
    assert s.ask("s") == "T05thread:1;"
    assert s.ask(f"M{tiny.ENTRY + 2:x},1:05") == "OK"
    assert s.ask("mffffffff000,4") == "E14" and s.ask("mfee00000,4") == "E14" and s.ask("mzz,1") == "E22"
    assert s.ask("c") == "W0b"
    assert s.end()[0] == 11


def test_a_watchpoint_stops_behind_the_instruction_that_changed_the_value(session, tmp_path):
    # mov dword [0x200000], 0; mov [0x200004], 1; mov [0x200000], 7
    code = "c7050000200000000000 c7050400200001000000 c7050000200007000000 90" + tiny.END
    s = session("boot", tiny.image(tmp_path / "a.elf", code))
    assert s.ask("Z2,200000,4") == "OK" and s.ask("Z3,200000,4") == ""
    assert s.ask("c") == "T05watch:200000;thread:1;"
    assert s.register(RIP) == tiny.ENTRY + 30
    assert s.ask("z2,200000,4") == "OK"
    assert s.ask("c") == "W01"


def test_an_interrupt_from_gdb_stops_a_loop_and_kill_ends_it(session, tmp_path):
    s = session("boot", tiny.image(tmp_path / "a.elf", tiny.LOOP))
    s.send("c")
    s.socket.sendall(b"\x03")
    assert s.receive() == "T02thread:1;"
    assert s.register(RIP) == tiny.ENTRY
    assert "cycle" in s.monitor("cycles") and "L0 root" in s.monitor("level")
    s.send("k")
    status, error = s.end()
    assert status == 3 and "rip" not in error


def test_an_interrupt_stops_a_halted_processor_too(session, tmp_path):
    # All lines are masked at the PIC, the PIT runs: sti; hlt
    code = "b0ff e621 e6a1 b034 e643 b000 e640 e640 fb f4 ebfd"
    s = session("boot", tiny.image(tmp_path / "a.elf", code), "--max-cycles", "100000000000000")
    s.send("c")
    s.socket.sendall(b"\x03")
    assert s.receive() == "T02thread:1;"
    assert s.register(RIP) == tiny.ENTRY + 18
    s.send("k")
    s.end()


def test_a_bad_end_leaves_the_machine_to_be_looked_at(session, tmp_path):
    s = session("boot", tiny.image(tmp_path / "events.elf", tiny.EVENTS))
    assert s.ask("c") == "T06thread:1;"
    assert s.register(RIP) == tiny.EVENTS_UD2
    assert "triple fault" in s.monitor("events")
    assert s.ask("c") == "W03"
    assert s.end()[0] == 3


def test_gdb_may_leave_and_the_run_goes_on(session, tmp_path):
    s = session("boot", tiny.image(tmp_path / "a.elf", "90" + tiny.END))
    assert s.ask("D") == "OK"
    assert s.end()[0] == 1
    s = session("boot", tiny.image(tmp_path / "a.elf", "90" + tiny.END))
    s.socket.close()
    assert s.end()[0] == 1


def test_nonsense_is_answered_or_ignored(session, tmp_path):
    s = session("boot", tiny.image(tmp_path / "a.elf", "90" + tiny.END))
    for packet in ("vMustReplyEmpty", "X", "Z9,1,1", "qNothing", "m", "M1,2:0", "G00", "Z0", "p", "P1", "Hg0", "vCont;x"):
        assert s.ask(packet) in ("", "OK", "E22")
    assert s.monitor("no such thing").startswith("monitor level")
    s.socket.sendall(b"$garbage#00")
    assert s.byte() == b"-"
    assert s.ask("c") == "W01"


def test_each_processor_is_a_thread(session, tmp_path):
    # The boot processor sends INIT and a start-up IPI to 2000H, to all others; both count in EBX, then it ends the run.
    # 2000H: inc ebx; jmp back (16 bit)
    wait = "b900100000 e2fe"  # mov ecx, 1000h; loop
    code = "c705002000006643ebfc" + "c7050003e0fe00450c00" + wait + "c7050003e0fe02460c00" + wait + tiny.END
    s = session("boot", tiny.image(tmp_path / "two.elf", code), "--cpus", "2")
    assert s.ask("qfThreadInfo") == "m1,2"
    assert bytes.fromhex(s.ask("qThreadExtraInfo,2")).decode() == "CPU 1, L0 root"
    assert s.ask("Z0,2000,1") == "OK"
    assert s.ask("c") == "T05thread:2;"
    assert s.register(RIP) == 0 and s.ask("qC") == "QC2"
    assert s.ask("vCont;s:2;c") == "T05thread:2;"
    assert s.register(RIP) == 2
    assert s.ask("Hg1") == "OK" and s.register(RIP) > tiny.ENTRY
    assert s.ask("Hg7") == "E22" and s.ask("T2") == "OK" and s.ask("T3") == "E22"
    assert s.ask("z0,2000,1") == "OK"
    assert s.ask("c") == "W01"


GDB = shutil.which("gdb")


@pytest.mark.skipif(not GDB, reason="there is no gdb (Debian package gdb)")
@pytest.mark.parametrize("l0", ["none", "unit"])
def test_gdb_itself_debugs_the_hypervisor(session, program, statistics, tmp_path, l0):
    plain = statistics("--l0", l0)
    stats = tmp_path / "debugged.json"
    s = session("run", "nested-exits", "--l0", l0, "--stats", str(stats))
    s.socket.close()
    s.process.kill()
    # gdb makes the connection: a free port is known only after it is had, so the session's, now free again, is used.
    simulator = subprocess.Popen(
        [str(program), "run", "nested-exits", "--l0", l0, "--stats", str(stats), "--quiet", "--gdb", str(s.port)],
        stderr=subprocess.PIPE, text=True,
    )
    simulator.stderr.readline()
    commands = [
        "set pagination off", "set confirm off", "set architecture i386:x86-64", f"target remote localhost:{s.port}",
        "info threads", "stepi", "x/2i $rip", "break guest::print_hex", "continue", "backtrace 1",
        "p/x $cr0", "p $eflags", "p $xmm0.uint128", "monitor level", "monitor vmcs", "continue", "continue", "delete", "continue",
    ]
    ran = subprocess.run(
        [GDB, "-nx", "-batch", *[w for c in commands for w in ("-ex", c)], str(program.parent / "guests" / "hypervisor.elf")],
        capture_output=True, text=True, timeout=120,
    )
    status = simulator.wait(timeout=60)
    assert status == 0, ran.stdout + ran.stderr
    assert "exited normally" in ran.stdout, ran.stdout + ran.stderr
    assert ran.stdout.count("Breakpoint 1, ") == 3
    assert "warning" not in ran.stderr.replace("warning: Error disabling address space", ""), ran.stderr
    assert ("L1 non-root" if l0 == "unit" else "L0 root") in ran.stdout + ran.stderr
    assert json.loads(stats.read_text()) == plain

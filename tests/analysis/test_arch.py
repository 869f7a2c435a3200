# SPDX-License-Identifier: Apache-2.0
"""The architecture's tables reach Python as the build generates them from the C++ rows."""
import os
import re
from pathlib import Path

import pytest
from analysis.arch import load_arch
from analysis.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TABLES = Path(os.environ.get("VMXSIM_ARCH", ROOT / "build" / "generated" / "arch.json"))


def test_every_row_of_the_field_table_is_there_with_its_encoding_and_offset():
    arch = load_arch(TABLES)
    rows = re.findall(
        r"^VMXSIM_FIELD\((\w+), (0x\w+), (\w+), (\w+), (0x\w+),",
        (ROOT / "model/arch/vmcs_fields.def").read_text(),
        re.MULTILINE,
    )
    assert len(rows) == len(arch.fields) == 206
    for name, encoding, width, kind, offset in rows:
        field = arch.fields[name]
        assert (field.encoding, field.width, field.type, field.offset) == (int(encoding, 16), width, kind, int(offset, 16))


def test_exit_reasons_have_their_numbers():
    arch = load_arch(TABLES)
    assert arch.exit_reasons[10].name == "CPUID"
    assert arch.exit_reasons[48].sdm_name == "EPT violation"


def test_a_file_that_is_no_table_is_one_line(tmp_path):
    bad = tmp_path / "arch.json"
    bad.write_text("{}")
    with pytest.raises(InputError, match="expected the tables that the build makes"):
        load_arch(bad)

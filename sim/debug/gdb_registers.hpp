// SPDX-License-Identifier: Apache-2.0
// The processor's registers as GDB numbers and names them.
#pragma once
#include <string>
#include <vector>

#include "model/core/core.hpp"

namespace vmxsim::sim {

/// The target description (GDB manual, "Target Descriptions"): what the numbers below mean.
const std::string& gdb_target_xml();
std::size_t gdb_register_count();
/// Little-endian bytes of register `number`, which exists.
std::vector<u8> gdb_read_register(core::Core& core, std::size_t number);
std::size_t gdb_register_bytes(std::size_t number);
/// False: this register cannot be written, or the bytes are too few.
bool gdb_write_register(core::Core& core, std::size_t number, const std::vector<u8>& bytes);

}  // namespace vmxsim::sim

// SPDX-License-Identifier: Apache-2.0
// RAM and cache hierarchy as a TLM-2.0 target: blocking transport with the hierarchy's latency, and direct memory.
#pragma once
#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include "model/arch/vmcs_port.hpp"
#include "model/memory/cache_hierarchy.hpp"
#include "model/memory/physical_memory.hpp"

namespace vmxsim::memory {

/// Target of line transfers. Latency: CacheHierarchy::reference() of the address. The core does not come this way: it has
/// the direct memory that get_direct_mem_ptr() grants.
class MemoryModule : public sc_core::sc_module {
public:
    tlm_utils::simple_target_socket<MemoryModule> socket{"socket"};

    MemoryModule(const sc_core::sc_module_name& name, PhysicalMemory& ram, CacheHierarchy& caches, sc_core::sc_time period)
        : sc_module(name), ram_(ram), caches_(caches), period_(period) {
        socket.register_b_transport(this, &MemoryModule::transport);
        socket.register_get_direct_mem_ptr(this, &MemoryModule::direct);
    }

private:
    void transport(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) {
        const HostPhysical at{p.get_address()};
        const bool write = p.is_write();
        const std::span<u8> data{p.get_data_ptr(), p.get_data_length()};
        if (write) ram_.write_block(at, data); else ram_.read_block(at, data);
        delay += period_ * static_cast<double>(caches_.reference(at, write ? MemoryAccess::Write : MemoryAccess::Read).raw);
        p.set_dmi_allowed(true);
        p.set_response_status(tlm::TLM_OK_RESPONSE);
    }
    bool direct(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
        dmi.set_dmi_ptr(ram_.host({0}));
        dmi.set_start_address(0);
        dmi.set_end_address(ram_.size() - 1);
        dmi.allow_read_write();
        return true;
    }
    PhysicalMemory& ram_;
    CacheHierarchy& caches_;
    sc_core::sc_time period_;
};

/// The initiator's side of 64-byte line transfers: what the VMCS cache fetches and writes back.
class TlmLineMemory : public arch::LineMemory {
public:
    explicit TlmLineMemory(const char* name, sc_core::sc_time period) : socket(name), period_(period) {}
    tlm_utils::simple_initiator_socket<TlmLineMemory> socket;
    Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override { return transfer(tlm::TLM_READ_COMMAND, line, bytes); }
    Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override {
        u8 copy[64];
        std::memcpy(copy, bytes, sizeof copy);
        return transfer(tlm::TLM_WRITE_COMMAND, line, copy);
    }

private:
    Cycles transfer(tlm::tlm_command command, HostPhysical line, u8* bytes) {
        payload_.set_command(command);
        payload_.set_address(line.raw);
        payload_.set_data_ptr(bytes);
        payload_.set_data_length(64);
        payload_.set_streaming_width(64);
        payload_.set_byte_enable_ptr(nullptr);
        payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
        sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
        socket->b_transport(payload_, delay);
        return {delay.value() / period_.value()};
    }
    sc_core::sc_time period_;
    tlm::tlm_generic_payload payload_;
};

}  // namespace vmxsim::memory

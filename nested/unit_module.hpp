// SPDX-License-Identifier: Apache-2.0
// The nested unit behind TLM-2.0 sockets: the core's VM exits arrive as transactions whose annotated delay is the time
// that the unit, as L0, took until a guest ran again.
#pragma once
#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include "nested/unit.hpp"

namespace vmxsim::nested {

/// What travels with an exit: the answer, an event to inject.
struct ExitExtension : tlm::tlm_extension<ExitExtension> {
    std::optional<vmx::Event> inject;
    tlm_extension_base* clone() const override { return new ExitExtension(*this); }
    void copy_from(const tlm_extension_base& other) override { *this = static_cast<const ExitExtension&>(other); }
};

class UnitModule : public sc_core::sc_module {
public:
    tlm_utils::simple_target_socket<UnitModule> exits{"exits"};

    UnitModule(const sc_core::sc_module_name& name, Unit& unit, const u64& cycles, sc_core::sc_time period)
        : sc_module(name), unit_(unit), cycles_(cycles), period_(period) {
        exits.register_b_transport(this, &UnitModule::transport);
    }

private:
    void transport(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) {
        const u64 before = cycles_;
        p.get_extension<ExitExtension>()->inject = unit_.vm_exit_taken();
        delay += period_ * static_cast<double>(cycles_ - before);
        p.set_response_status(tlm::TLM_OK_RESPONSE);
    }
    Unit& unit_;
    const u64& cycles_;
    sc_core::sc_time period_;
};

/// The core's side: a root agent that sends each exit to the unit.
class TlmRootAgent : public vmx::RootAgent {
public:
    TlmRootAgent(const char* name, const Unit& unit) : socket(name), unit_(unit) { payload_.set_extension(&extension_); }
    ~TlmRootAgent() override { payload_.clear_extension(&extension_); }
    tlm_utils::simple_initiator_socket<TlmRootAgent> socket;

    std::optional<vmx::Event> vm_exit_taken() override {
        sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
        payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
        socket->b_transport(payload_, delay);
        return extension_.inject;
    }
    bool stopped() const override { return unit_.stopped(); }

private:
    const Unit& unit_;
    ExitExtension extension_;
    tlm::tlm_generic_payload payload_;
};

}  // namespace vmxsim::nested

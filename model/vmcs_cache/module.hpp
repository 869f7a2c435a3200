// SPDX-License-Identifier: Apache-2.0
// The VMCS cache behind a TLM-2.0 socket. What a transaction asks and answers travels in an extension, since a VMCS request
// is no read or write of an address; its cost is the annotated delay. Blocking transport only, no temporal decoupling.
#pragma once
#include <systemc>
#include <stdexcept>
#include <string>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include "model/vmcs_cache/cache.hpp"

namespace vmxsim::vmcs_cache {

/// Points to the caller's request and to where the reply goes; lives as long as the transport call.
struct VmcsExtension : tlm::tlm_extension<VmcsExtension> {
    const arch::VmcsRequest* request = nullptr;
    arch::VmcsReply* reply = nullptr;
    arch::VmcsCacheStats* stats = nullptr;  ///< transport_dbg: filled with the target's counters
    const arch::VmcsPort** shown = nullptr;  ///< transport_dbg: filled with the port to look into
    /// Set by the target as it would grant direct memory: later requests may go to this port itself. Who stands between
    /// and adds time clears it.
    arch::VmcsPort* direct = nullptr;
    tlm::tlm_extension_base* clone() const override { return new VmcsExtension(*this); }
    void copy_from(const tlm::tlm_extension_base& other) override { *this = static_cast<const VmcsExtension&>(other); }
};

/// The target: any holder of VMCS data (TLM model, RTL, lockstep pair). A payload without VmcsExtension is answered with
/// TLM_GENERIC_ERROR_RESPONSE.
class VmcsTarget : public sc_core::sc_module {
public:
    tlm_utils::simple_target_socket<VmcsTarget> socket{"socket"};

    VmcsTarget(const sc_core::sc_module_name& name, arch::VmcsPort& port, sc_core::sc_time period)
        : sc_module(name), port_(port), period_(period) {
        socket.register_b_transport(this, &VmcsTarget::transport);
        socket.register_transport_dbg(this, &VmcsTarget::debug);
    }

private:
    void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
        auto* extension = payload.get_extension<VmcsExtension>();
        if (!extension || !extension->request || !extension->reply) {
            payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
            return;
        }
        *extension->reply = port_.transact(*extension->request);
        delay += sc_core::sc_time::from_value(period_.value() * extension->reply->cycles.raw);
        extension->direct = &port_;
        payload.set_response_status(tlm::TLM_OK_RESPONSE);
    }
    unsigned debug(tlm::tlm_generic_payload& payload) {
        const auto* extension = payload.get_extension<VmcsExtension>();
        if (!extension || !(extension->stats || extension->shown)) return 0;
        if (extension->stats) *extension->stats = port_.stats();
        if (extension->shown) *extension->shown = &port_;
        payload.set_response_status(tlm::TLM_OK_RESPONSE);
        return 1;
    }
    arch::VmcsPort& port_;
    sc_core::sc_time period_;
};

namespace detail {
/// Holds the port for a base class that comes after it.
template <class Port>
struct Holder {
    Holder(const VmcsCacheParams& params, arch::LineMemory& memory) : port(params, memory) {}
    Port port;
};
}  // namespace detail

/// A target together with the port that it serves: `VmcsModule<VmcsCache>` is the transaction-level cache.
template <class Port>
class VmcsModule : detail::Holder<Port>, public VmcsTarget {
public:
    VmcsModule(const sc_core::sc_module_name& name, const VmcsCacheParams& params, arch::LineMemory& memory,
               sc_core::sc_time period)
        : detail::Holder<Port>(params, memory), VmcsTarget(name, this->port, period) {}
    Port& held() { return this->port; }
};

/// The initiator's side, a member of the initiating module: a VmcsPort whose requests go through a socket. The reply's cycles are the delay that the target
/// annotated, so that what stands between the two (a router, a slower clock) counts.
class TlmVmcsPort : public arch::VmcsPort {
public:
    mutable tlm_utils::simple_initiator_socket<TlmVmcsPort> socket;  ///< mutable: counters are asked for through it too

    TlmVmcsPort(const char* name, sc_core::sc_time period) : socket(name), period_(period) {
        payload_.set_extension(&extension_);
    }
    ~TlmVmcsPort() override { payload_.clear_extension(&extension_); }
    TlmVmcsPort(const TlmVmcsPort&) = delete;
    TlmVmcsPort& operator=(const TlmVmcsPort&) = delete;

    arch::VmcsReply transact(const arch::VmcsRequest& request) override {
        if (direct_) return direct_->transact(request);
        arch::VmcsReply reply;
        extension_.request = &request;
        extension_.reply = &reply;
        payload_.set_command(tlm::TLM_IGNORE_COMMAND);
        payload_.set_address(request.vmcs.raw);
        payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
        sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
        socket->b_transport(payload_, delay);
        if (payload_.is_response_error())
            throw std::logic_error(std::string(socket.name()) + ": target of VMCS requests answered " +
                                   payload_.get_response_string());
        // Nothing between the two took time: the next requests need no transport (as with TLM's direct memory).
        if (delay.value() == reply.cycles.raw * period_.value()) direct_ = extension_.direct;
        else reply.cycles = {delay.value() / period_.value()};
        return reply;
    }
    arch::VmcsCacheStats stats() const override {
        arch::VmcsCacheStats stats;
        extension_.stats = &stats;
        socket->transport_dbg(payload_);
        extension_.stats = nullptr;
        return stats;
    }
    std::optional<arch::LineMask> inspect(HostPhysical vmcs, arch::VmcsPage& page) const override {
        const arch::VmcsPort* port = nullptr;
        extension_.shown = &port;
        socket->transport_dbg(payload_);
        extension_.shown = nullptr;
        return port ? port->inspect(vmcs, page) : std::nullopt;
    }

private:
    sc_core::sc_time period_;
    arch::VmcsPort* direct_ = nullptr;
    mutable VmcsExtension extension_;
    mutable tlm::tlm_generic_payload payload_;
};

}  // namespace vmxsim::vmcs_cache

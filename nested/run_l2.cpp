// SPDX-License-Identifier: Apache-2.0
// L1's VMLAUNCH and VMRESUME: checks, a vmcs02 from the pool, the switch to it.
#include "nested/l0.hpp"

#include <algorithm>

namespace vmxsim::nested {

using arch::Field;
using namespace vmx;

void L0::run_l2(bool launch) {
    enum : u32 { kNotClear = 4, kNotLaunched = 5, kMovSs = 26 };
    if (!vmx_permitted()) return;
    skip_instruction();
    if (!nested.current_vmptr) return vmx_fail_invalid();
    if (interruptibility & blocking::MOV_SS) return vmx_fail_valid(kMovSs);
    cpu.cycles += d.params.vmcs12_access;
    if (vmcs12().launched() == launch) return vmx_fail_valid(launch ? kNotClear : kNotLaunched);
    if (const u32 error = check_vmcs12()) return vmx_fail_valid(error);

    nested.l1_next_rip = rip();
    nested.launching = launch;
    if (const auto qualification = check_vmcs12_guest())
        return fail_entry(static_cast<u32>(arch::ExitReason::INVALID_STATE), *qualification);

    keep_pdptes();
    nested.l1 = vcpu;
    nested.guest_mode = true;
    nested.run_pending = true;
    nested.vmcs01_tsc_offset = read(Field::TSC_OFFSET);
    {
        const Charge charge(d.ledger, buckets.to_l2, cpu.cycles);
        PoolEntry& entry = take_vmcs02(*nested.current_vmptr);
        prepare_switch();
        load_vmcs(entry.vmcs02);
        if (!entry.loaded) write_per_cpu_host_state();
        entry.loaded = true;
        cpu.cycles += d.params.vmcs12_access;
        vmcs12().set_launched(true);
    }
    prepare_vmcs02();
}

/// Where the CPU refuses vmcs02, L1 goes on with the registers it has now. CR3 lies in vmcs01 then; only PDPTEs, which
/// an L1 with PAE paging has changed without an exit, are kept as well.
void L0::keep_pdptes() {
    if (config.ept && paging_in_memory().pae()) vcpu.pdpte = paging().pdpte;
}

PoolEntry& L0::take_vmcs02(GuestPhysical at) {
    auto& pool = nested.pool;
    const auto hit = std::find_if(pool.begin(), pool.end(), [at](const PoolEntry& e) { return e.vmcs12 == at; });
    if (hit != pool.end()) {
        std::rotate(pool.begin(), hit, hit + 1);
    } else if (pool.size() >= std::max<u64>(d.params.vmcs02_pool, 1)) {
        // The least recently used one gets a new owner: prepare_vmcs02 writes all that depends on it.
        std::rotate(pool.begin(), pool.end() - 1, pool.end());
        pool.front().vmcs12 = at;
    } else {
        PoolEntry fresh;
        fresh.vmcs02 = pages.take();
        fresh.vmcs12 = at;
        d.ram.write(fresh.vmcs02, 4, d.capabilities.revision_id());
        clear_vmcs(fresh.vmcs02);
        pool.push_front(fresh);
    }
    return pool.front();
}

void L0::free_vmcs02(GuestPhysical at) {
    auto& pool = nested.pool;
    const auto hit = std::find_if(pool.begin(), pool.end(), [at](const PoolEntry& e) { return e.vmcs12 == at; });
    if (hit == pool.end()) return;
    clear_vmcs(hit->vmcs02);
    pages.give_back(hit->vmcs02);
    pool.erase(hit);
}

}  // namespace vmxsim::nested

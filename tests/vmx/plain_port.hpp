// SPDX-License-Identifier: Apache-2.0
// A VMCS port without a cache: pages in a map, a fixed cost for each operation. For tests of model/vmx.
#pragma once
#include <map>

#include "model/arch/vmcs_port.hpp"

namespace vmxsim::test {

class PlainPort : public arch::VmcsPort {
public:
    static constexpr u64 kAccess = 10, kBulk = 100, kContext = 1000;  ///< cycles
    std::map<u64, arch::VmcsPage> pages;
    std::map<u64, bool> launched;
    arch::VmcsCacheStats counts;
    unsigned flushed = 0;
    const arch::VmcsLayout* layout = &arch::kGenericLayout;  ///< of the pages and of bulk transfers

    arch::VmcsReply transact(const arch::VmcsRequest& r) override {
        using Op = arch::VmcsOp;
        arch::VmcsReply reply;
        arch::VmcsPage& page = pages[r.vmcs.raw];
        switch (r.op) {
            case Op::Activate: ++counts.activates; reply.cycles = {kContext}; break;
            case Op::Clear: ++counts.clears; launched[r.vmcs.raw] = false; reply.cycles = {kContext}; break;
            case Op::Read:
            case Op::Write: {
                reply.cycles = {kAccess};
                const auto a = arch::decode_encoding(r.encoding);
                if (!a) return {arch::VmcsStatus::UnsupportedField, 0, {kAccess}};
                const u64 old = page.get(a->field, *layout);
                if (r.op == Op::Read) {
                    ++counts.reads;
                    reply.data = a->high ? old >> 32 : old;
                } else {
                    ++counts.writes;
                    page.set(a->field, a->high ? (old & 0xffffffff) | r.data << 32 : r.data, *layout);
                }
                break;
            }
            case Op::GetLaunchState: reply.data = launched[r.vmcs.raw]; reply.cycles = {kAccess}; break;
            case Op::SetLaunchState: launched[r.vmcs.raw] = r.data != 0; reply.cycles = {kAccess}; break;
            case Op::BulkRead: copy(*r.page, page, r.lines); ++counts.bulk_reads; reply.cycles = {kBulk}; break;
            case Op::BulkWrite: copy(page, *r.page, r.lines); ++counts.bulk_writes; reply.cycles = {kBulk}; break;
            case Op::Merge: copy(page, pages[r.source.raw], r.lines); reply.cycles = {kBulk}; break;
            case Op::FlushAll: ++flushed; reply.cycles = {kContext}; break;
        }
        return reply;
    }
    arch::VmcsCacheStats stats() const override { return counts; }

private:
    static void copy(arch::VmcsPage& to, const arch::VmcsPage& from, arch::LineMask lines) {
        for (unsigned l = 0; l < arch::kVmcsLines; ++l)
            if (lines >> l & 1) std::memcpy(to.bytes.data() + 64 * l, from.bytes.data() + 64 * l, 64);
    }
};

}  // namespace vmxsim::test

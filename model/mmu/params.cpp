// SPDX-License-Identifier: Apache-2.0
#include "model/mmu/params.hpp"

#include <bit>
#include <stdexcept>
#include <string>

namespace vmxsim::mmu {
namespace {

using P = MmuParams;
constexpr arch::Param<P> kRows[] = {
    {"mmu.dtlb_entries", &P::dtlb_entries, "entries", 1, 65536, "first-level data TLB: 4-KiB granules held"},
    {"mmu.dtlb_ways", &P::dtlb_ways, "ways", 1, 65536, "first-level data TLB: associativity"},
    {"mmu.itlb_entries", &P::itlb_entries, "entries", 1, 65536, "first-level instruction TLB: 4-KiB granules held"},
    {"mmu.itlb_ways", &P::itlb_ways, "ways", 1, 65536, "first-level instruction TLB: associativity"},
    {"mmu.stlb_entries", &P::stlb_entries, "entries", 1, 1u << 20, "second-level TLB: 4-KiB granules held"},
    {"mmu.stlb_ways", &P::stlb_ways, "ways", 1, 65536, "second-level TLB: associativity"},
    {"mmu.stlb_latency", &P::stlb_latency, "cycles", 0, 10000, "second-level hit, beyond a first-level one"},
    {"mmu.walk_overhead", &P::walk_overhead, "cycles", 0, 10000, "a walk, beside its references"},
    {"mmu.physical_address_bits", &P::physical_address_bits, "bits", 32, 52, "MAXPHYADDR"},
    {"mmu.page_1g", &P::page_1g, "flag", 0, 1, "4-level paging has 1-GiB pages"},
    {"mmu.ept_execute_only", &P::ept_execute_only, "flag", 0, 1, "EPT has execute-only translations"},
    {"mmu.ept_2m", &P::ept_2m, "flag", 0, 1, "EPT has 2-MiB pages"},
    {"mmu.ept_1g", &P::ept_1g, "flag", 0, 1, "EPT has 1-GiB pages"},
};

void check_tlb(std::string_view name, u64 entries, u64 ways) {
    if (entries % ways == 0 && std::has_single_bit(entries / ways)) return;
    throw std::invalid_argument("mmu." + std::string(name) + "_entries = " + std::to_string(entries) +
                                ", expected a power-of-two number of sets of mmu." + std::string(name) + "_ways = " +
                                std::to_string(ways));
}

}  // namespace

std::span<const arch::Param<MmuParams>> mmu_params() { return kRows; }

const MmuParams& checked(const MmuParams& params) {
    for (const auto& row : kRows)
        if (params.*row.member < row.min || params.*row.member > row.max)
            throw std::invalid_argument(std::string(row.key) + " = " + std::to_string(params.*row.member) +
                                        ", expected " + std::to_string(row.min) + " to " + std::to_string(row.max));
    check_tlb("dtlb", params.dtlb_entries, params.dtlb_ways);
    check_tlb("itlb", params.itlb_entries, params.itlb_ways);
    check_tlb("stlb", params.stlb_entries, params.stlb_ways);
    return params;
}

}  // namespace vmxsim::mmu

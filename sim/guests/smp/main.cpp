// SPDX-License-Identifier: Apache-2.0
// smp: starts all processors by INIT and start-up IPIs, and has them exchange interrupts, count under LOCK, and run
// code that another one changes. What it prints depends on the number of processors alone: the same on every machine.
// Options: x2apic=1 does the interrupts in x2APIC mode; vmx=1 adds INIT and SIPI under VMX (vmx.cpp).
#include "sim/guests/smp/smp.hpp"

#include "sim/guests/common/console.hpp"
#include "sim/guests/common/exceptions.hpp"
#include "sim/guests/smp/apic.hpp"

extern "C" {
extern const char ap_trampoline[], ap_trampoline_end[], ap_gdtr[];
extern unsigned char changing_code[];
extern guest::u64 boot_gdt[5], boot_pdpt[512];
}

namespace guest {
namespace {

constexpr u64 kTrampoline = 0x8000;
constexpr u8 kVector = 0x50, kTimerVector = 0x51, kSpurious = 0xff;

struct Frame;
struct Gate {
    u64 low, high;
};
alignas(16) Gate idt[256];

volatile u32 cpus = 1, started = 0, interrupts[kMaxCpus], nmis[kMaxCpus], ticks[kMaxCpus];
volatile u32 round_ = 0, done = 0;
Job volatile job = nullptr;
volatile u64 sum = 0;
volatile u32 lock_word = 0, last_seen = 0, wrong = 0;
volatile u64 last_tsc = 0;

__attribute__((interrupt)) void on_interrupt(Frame*) {
    interrupts[apic::id()] = interrupts[apic::id()] + 1;
    apic::write(apic::kEoi, 0);
}
__attribute__((interrupt)) void on_timer(Frame*) {
    ticks[apic::id()] = ticks[apic::id()] + 1;
    apic::write(apic::kEoi, 0);
}
__attribute__((interrupt)) void on_nmi(Frame*) { nmis[apic::id()] = nmis[apic::id()] + 1; }
__attribute__((interrupt)) void on_spurious(Frame*) {}

void set_gate(u8 vector, void (*handler)(Frame*)) {
    const u64 entry = reinterpret_cast<u64>(handler);
    idt[vector].low = (entry & 0xffff) | u64{kCodeSelector} << 16 | u64{0x8e00} << 32 | (entry >> 16 & 0xffff) << 48;
    idt[vector].high = entry >> 32;
}

void load_idt() {
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } const pointer{sizeof idt - 1, reinterpret_cast<u64>(idt)};
    asm volatile("lidt %0" ::"m"(pointer));
}

void set_up_processor() {
    load_idt();
    apic::write(apic::kSvr, 0x100 | kSpurious);
    apic::write(apic::kTpr, 0);
}

void map_apic() {
    u64* const pd = allocate_table();
    constexpr u64 kLargeUncached = 0x9b;
    pd[apic::kPage >> 21 & 511] = (apic::kPage & ~u64{0x1fffff}) | kLargeUncached;
    boot_pdpt[3] = reinterpret_cast<u64>(pd) | 3;
}

u32 number_of_processors() {
    constexpr u16 kSelector = 0x510, kData = 0x511, kCpuCount = 5;
    asm volatile("outw %0, %1" ::"a"(kCpuCount), "Nd"(kSelector));
    const u32 low = in8(kData);
    return low | u32{in8(kData)} << 8;
}

void pause() { asm volatile("pause" ::: "memory"); }
void wait_until(volatile u32& word, u32 value) {
    while (word != value) pause();
}

void add(volatile u32& word, u32 n) { asm volatile("lock addl %1, %0" : "+m"(word) : "r"(n) : "memory"); }

void take_lock() {
    u32 was;
    do {
        was = 1;
        asm volatile("xchgl %0, %1" : "+r"(was), "+m"(lock_word)::"memory");
        if (was) pause();
    } while (was);
}
void release_lock() { asm volatile("movl $0, %0" : "=m"(lock_word)::"memory"); }

// ---- Jobs that all processors do

void count(u32) {
    for (u32 i = 0; i < 1000; ++i) {
        u64 one = 1;
        asm volatile("lock xaddq %0, %1" : "+r"(one), "+m"(sum)::"memory");
    }
}

void count_under_lock(u32) {
    for (u32 i = 0; i < 200; ++i) {
        take_lock();
        sum = sum + 1;
        release_lock();
    }
}

/// The clock that all share never goes back, whoever reads it.
void compare_clocks(u32) {
    for (u32 i = 0; i < 200; ++i) {
        take_lock();
        const u64 now = rdtsc();
        if (now < last_tsc) wrong = wrong + 1;
        last_tsc = now;
        release_lock();
    }
}

void start_timer(u32 id) {
    apic::write(apic::kDivide, 0xb);
    apic::write(apic::kTimer, kTimerVector);
    apic::write(apic::kInitialCount, 1000);
    wait_until(ticks[id], 1);
}

constexpr u32 kChanges = 20;
/// Processor 0 changes the constant of a function; the others call it. A CPUID before it serializes (SDM 9.1.3).
void run_changing_code(u32 id) {
    const auto function = reinterpret_cast<u32 (*)()>(changing_code);
    for (u32 n = 1; n <= kChanges; ++n) {
        if (id == 0) {
            *reinterpret_cast<volatile u32*>(changing_code + 1) = n;
            add(round_, 1);
        }
        while (round_ < n) pause();
        cpuid(0);
        if (function() != n) add(wrong, 1);
        add(last_seen, 1);
        while (last_seen < n * cpus) pause();
    }
}

// ---- Interrupts, one line each

void clear() {
    for (u32 i = 0; i < kMaxCpus; ++i) {
        interrupts[i] = 0;
        nmis[i] = 0;
    }
}

void print_counts(const char* what, volatile u32 (&counts)[kMaxCpus], u32 expected) {
    for (u32 rounds = 0; rounds < 1000; ++rounds) {
        u32 all = 0;
        for (u32 i = 0; i < cpus; ++i) all += counts[i];
        if (all >= expected) break;
        a_while();
    }
    a_while();
    print_padded(what, 28);
    for (u32 i = 0; i < cpus; ++i) {
        print(" ");
        print_decimal(counts[i]);
    }
    print("\n");
    clear();
}

u32 logical_of(u32 cpu) { return apic::x2() ? cpu >> 4 << 16 | 1u << (cpu & 15) : 1u << cpu; }

void use_logical_flat(u32 id) {
    if (apic::x2()) return;
    apic::write(apic::kDfr, 0xffffffff);
    apic::write(apic::kLdr, 1u << (24 + id));
}
void use_logical_clusters(u32 id) {
    apic::write(apic::kDfr, 0x0fffffff);
    apic::write(apic::kLdr, ((id / 4) << 4 | 1u << (id % 4)) << 24);
}

void use_x2apic(u32) { wrmsr(0x1b, rdmsr(0x1b) | 1u << 10); }

void exchange_interrupts() {
    using namespace apic;
    asm volatile("sti");
    for (u32 i = 0; i < cpus; ++i)
        for (u32 n = 0; n <= i; ++n) {
            const u32 before = interrupts[i];
            send(kFixed | kVector, i);
            while (interrupts[i] == before) pause();
        }
    print_counts("fixed, physical", interrupts, cpus * (cpus + 1) / 2);
    send(kFixed | kVector | kSelf);
    print_counts("self", interrupts, 1);
    send(kFixed | kVector | kAll);
    print_counts("all", interrupts, cpus);
    send(kFixed | kVector | kOthers);
    print_counts("others", interrupts, cpus - 1);
    send(kFixed | kVector, x2() ? ~u32{0} : 0xff);
    print_counts("broadcast", interrupts, cpus);
    send(kNmi | kOthers);
    print_counts("NMI to others", nmis, cpus - 1);
    on_all(use_logical_flat);
    u32 even = 0;
    for (u32 i = 0; i < cpus; i += 2) even |= logical_of(i);
    send(kFixed | kVector | kLogical, even);
    print_counts("logical, even ones", interrupts, (cpus + 1) / 2);
    if (!x2()) {
        on_all(use_logical_clusters);
        send(kFixed | kVector | kLogical, 0x0f);
        print_counts("cluster 0", interrupts, cpus < 4 ? cpus : 4);
        send(kFixed | kVector | kLogical, 0x11);
        print_counts("first of cluster 1", interrupts, cpus > 4 ? 1 : 0);
        on_all(use_logical_flat);
    }
    // One of them takes it. All have the same priority, and QEMU knows no other.
    send(kLowestPriority | kVector | kLogical, logical_of(0) | logical_of(cpus - 1));
    print_counts("lowest priority", interrupts, 1);
    asm volatile("cli");
}

void copy_trampoline() {
    const u64 bytes = static_cast<u64>(ap_trampoline_end - ap_trampoline);
    for (u64 i = 0; i < bytes; ++i) reinterpret_cast<char*>(kTrampoline)[i] = ap_trampoline[i];
    volatile char* const gdtr = reinterpret_cast<volatile char*>(kTrampoline) + (ap_gdtr - ap_trampoline);
    *reinterpret_cast<volatile u16*>(gdtr) = 5 * 8 - 1;
    *reinterpret_cast<volatile u32*>(gdtr + 2) = static_cast<u32>(reinterpret_cast<u64>(boot_gdt));
}

}  // namespace

u32 processors() { return cpus; }
u32 times_started() { return started; }

void a_while() {
    for (u32 i = 0; i < 20000; ++i) pause();
}

void send_start_up(u32 id) {
    const u32 before = started;
    apic::send(apic::kStartUp | kTrampoline >> 12, id);
    wait_until(started, before + 1);
}

void start_processor(u32 id) {
    apic::send(apic::kInit, id);
    a_while();
    send_start_up(id);
    apic::send(apic::kStartUp | kTrampoline >> 12, id);  // as the protocol has it: it runs, so this one is lost
    a_while();
}

void on_all(Job what, u32 lost) {
    done = 0;
    job = what;
    clear();
    if (cpus > 1) apic::send(apic::kFixed | kVector | apic::kOthers);
    what(0);
    while (done != cpus - 1 - lost) pause();
    job = nullptr;
    while (done != 0) pause();
    clear();
}

extern "C" void ap_main(u32 id) {
    set_up_processor();
    add(started, 1);
    // A job comes with an interrupt, which ends HLT; all have left it before the next one.
    for (;;) {
        asm volatile("sti; hlt; cli" ::: "memory");
        const Job what = job;
        if (!what) continue;
        asm volatile("sti");
        what(id);
        add(done, 1);
        while (job) pause();
        asm volatile("cli");
        add(done, ~u32{0});
    }
}

void guest_main(const MultibootInfo& info) {
    print("vmxsim guest image: smp\n");
    out8(0x21, 0xff);  // what firmware left of the PIC's interrupts
    out8(0xa1, 0xff);
    map_apic();
    cpus = number_of_processors();
    print("processors ");
    print_decimal(cpus);
    print("\n");
    if (cpus == 0 || cpus > kMaxCpus) fail("1 to 8 processors expected");
    for (unsigned v = 0; v < 32; ++v) idt[v] = reinterpret_cast<const Gate*>(idt_base())[v];
    set_gate(2, on_nmi);
    set_gate(kVector, on_interrupt);
    set_gate(kTimerVector, on_timer);
    set_gate(kSpurious, on_spurious);
    set_up_processor();
    copy_trampoline();
    for (u32 i = 1; i < cpus; ++i) start_processor(i);
    print("started ");
    print_decimal(started);
    print("\n");

    if (option(info, "x2apic", 0)) {
        if (!(cpuid(1).ecx >> 21 & 1)) fail("no x2APIC");
        on_all(use_x2apic);
        print("x2APIC mode\n");
    }
    exchange_interrupts();

    on_all(count);
    print("lock xadd ");
    print_decimal(sum);
    sum = 0;
    on_all(count_under_lock);
    print(", under a lock ");
    print_decimal(sum);
    print("\n");
    on_all(run_changing_code);
    print("changed code: wrong results ");
    print_decimal(wrong);
    wrong = 0;
    on_all(compare_clocks);
    print("\nclocks that went back ");
    print_decimal(wrong);
    asm volatile("sti");
    on_all(start_timer);
    asm volatile("cli");
    print("\n");
    print_counts("timer", ticks, cpus);
    if (cpus > 1) {
        start_processor(cpus - 1);
        print("started anew ");
        print_decimal(started);
        print("\n");
        asm volatile("sti");
        print("it answers: ");
        interrupts[cpus - 1] = 0;
        apic::send(apic::kFixed | kVector, cpus - 1);
        wait_until(interrupts[cpus - 1], 1);
        print("yes\n");
        asm volatile("cli");
    }
    if (option(info, "vmx", 0)) test_vmx();
}

}  // namespace guest

// SPDX-License-Identifier: Apache-2.0
#include "model/devices/pic.hpp"

#include <bit>

namespace vmxsim::devices {

namespace {

constexpr u8 kIcw1 = 0x10, kIcw1NeedIcw4 = 1, kIcw1Single = 2;
constexpr u8 kIcw4AutoEoi = 2, kIcw4FullyNested = 0x10;
constexpr u8 kOcw3 = 8;
enum EoiCommand : u8 {
    kRotateAutoClear = 0, kNonSpecific = 1, kNone = 2, kSpecific = 3,
    kRotateAutoSet = 4, kRotateNonSpecific = 5, kSetPriority = 6, kRotateSpecific = 7
};
constexpr u16 kMaster = 0x20, kSlave = 0xa0, kElcr = 0x4d0;
constexpr u8 kLevelCapable[2] = {0xf8, 0xde};  ///< IRQ 0-2, 8 and 13 are edges on every PC

u8 bit(unsigned n) { return static_cast<u8>(1u << n); }

}  // namespace

unsigned Pic::rank(u8 set) const {
    const unsigned shift = (lowest_ + 1u) & 7;
    const u8 turned = std::rotr(set, static_cast<int>(shift));
    return static_cast<unsigned>(std::countr_zero(u32{turned} | 0x100));
}

int Pic::pending() const {
    const unsigned request = rank(irr_ & static_cast<u8>(~imr_));
    if (request == 8) return -1;
    // In special mask mode only the mask holds requests back, in the special fully nested mode a cascade that is in
    // service does not hold back another request of its own.
    u8 in_service = isr_;
    if (special_mask_) in_service &= static_cast<u8>(~imr_);
    if (icw4_ & kIcw4FullyNested && master_) in_service &= static_cast<u8>(~icw3_);
    if (special_mask_ ? (in_service >> ((lowest_ + 1 + request) & 7) & 1) : request >= rank(in_service)) return -1;
    return static_cast<int>((lowest_ + 1 + request) & 7);
}

void Pic::set_input(unsigned n, bool high) {
    const bool was = inputs_ & bit(n);
    inputs_ = static_cast<u8>(high ? inputs_ | bit(n) : inputs_ & ~bit(n));
    if (elcr_ & bit(n) ? high : high && !was) irr_ |= bit(n);
    // A request that goes away before its acknowledgement is lost (then IRQ 7 is spurious).
    if (!high) irr_ &= static_cast<u8>(~bit(n));
}

int Pic::acknowledge() {
    const int n = pending();
    if (n < 0) return -1;
    const unsigned input = static_cast<unsigned>(n);
    if (!(elcr_ & bit(input))) irr_ &= static_cast<u8>(~bit(input));
    if (!(icw4_ & kIcw4AutoEoi)) isr_ |= bit(input);
    else if (rotate_on_aeoi_) lowest_ = static_cast<u8>(input);
    return n;
}

u8 Pic::read_command() {
    if (poll_) {  // OCW3 P: this read is the acknowledge cycle
        poll_ = false;
        const int n = acknowledge();
        return n < 0 ? u8{0} : static_cast<u8>(0x80 | n);
    }
    return read_isr_ ? isr_ : irr_;
}

void Pic::end_of_interrupt(u8 command) {
    const unsigned named = command & 7;
    const unsigned highest = (lowest_ + 1u + rank(special_mask_ ? isr_ & static_cast<u8>(~imr_) : isr_)) & 7;
    const bool any = rank(special_mask_ ? isr_ & static_cast<u8>(~imr_) : isr_) < 8;
    switch (static_cast<EoiCommand>(command >> 5)) {
        case kRotateAutoClear: rotate_on_aeoi_ = false; break;
        case kRotateAutoSet: rotate_on_aeoi_ = true; break;
        case kNonSpecific: if (any) isr_ &= static_cast<u8>(~bit(highest)); break;
        case kRotateNonSpecific:
            if (any) isr_ &= static_cast<u8>(~bit(highest)), lowest_ = static_cast<u8>(highest);
            break;
        case kSpecific: isr_ &= static_cast<u8>(~bit(named)); break;
        case kRotateSpecific: isr_ &= static_cast<u8>(~bit(named)); lowest_ = static_cast<u8>(named); break;
        case kSetPriority: lowest_ = static_cast<u8>(named); break;
        case kNone: break;
    }
}

void Pic::write_command(u8 value) {
    if (value & kIcw1) {
        need_icw4_ = value & kIcw1NeedIcw4;
        single_ = value & kIcw1Single;
        // The data sheet's list: edge sense reset, mask cleared, input 7 lowest, special mask off, status is IRR.
        irr_ = elcr_ & inputs_;
        imr_ = isr_ = icw4_ = 0;
        lowest_ = 7;
        special_mask_ = read_isr_ = rotate_on_aeoi_ = poll_ = false;
        next_icw_ = 2;
    } else if (value & kOcw3) {
        poll_ = value & 4;
        if (value & 2) read_isr_ = value & 1;
        if (value & 0x40) special_mask_ = value & 0x20;
    } else {
        end_of_interrupt(value);
    }
}

void Pic::write_data(u8 value) {
    switch (next_icw_) {
        case 2:
            base_ = value & 0xf8;
            next_icw_ = !single_ ? 3 : need_icw4_ ? 4 : 0;
            break;
        case 3:
            icw3_ = value;
            next_icw_ = need_icw4_ ? 4 : 0;
            break;
        case 4:
            icw4_ = value;
            next_icw_ = 0;
            break;
        default: imr_ = value;
    }
}

void Pic::set_edge_level(u8 value) {
    elcr_ = value & kLevelCapable[master_ ? 0 : 1];
    irr_ |= elcr_ & inputs_;
}

void PicPair::attach_to(IoBus& bus) {
    for (const u16 first : {kMaster, kSlave, kElcr}) bus.attach(first, static_cast<u16>(first + 1), *this);
}

void PicPair::update() {
    master_.set_input(kCascade, slave_.output());
    if (master_.output() == high_) return;
    high_ = !high_;
    output_(high_);
}

void PicPair::set_irq(unsigned irq, bool high) {
    if (irq == kCascade || irq > 15) return;
    (irq < 8 ? master_ : slave_).set_input(irq & 7, high);
    update();
}

u8 PicPair::acknowledge() {
    const int n = master_.acknowledge();
    u8 vector;
    if (n == static_cast<int>(kCascade)) {
        const int m = slave_.acknowledge();
        vector = slave_.vector(m < 0 ? 7 : static_cast<unsigned>(m));
        master_.set_input(kCascade, false);  // the slave's INT falls with INTA; another request of it is a new edge
    } else {
        vector = master_.vector(n < 0 ? 7 : static_cast<unsigned>(n));
    }
    update();
    return vector;
}

u32 PicPair::in(u16 port, unsigned bytes) {
    if (bytes != 1) return in(port, 1) | in(static_cast<u16>(port + 1), 1) << 8;
    if (port == kElcr || port == kElcr + 1) return (port == kElcr ? master_ : slave_).edge_level();
    Pic& pic = (port & ~1) == kMaster ? master_ : slave_;
    const u8 value = port & 1 && !pic.polled() ? pic.read_mask() : pic.read_command();
    update();
    return value;
}

void PicPair::out(u16 port, unsigned bytes, u32 value) {
    if (bytes != 1) {
        out(port, 1, value & 0xff);
        out(static_cast<u16>(port + 1), 1, value >> 8 & 0xff);
        return;
    }
    const u8 byte = static_cast<u8>(value);
    if (port == kElcr || port == kElcr + 1) {
        (port == kElcr ? master_ : slave_).set_edge_level(byte);
    } else {
        Pic& pic = (port & ~1) == kMaster ? master_ : slave_;
        port & 1 ? pic.write_data(byte) : pic.write_command(byte);
    }
    // An edge is needed for the cascade where the slave's output did not fall in between.
    if ((port & ~1) == kSlave) master_.set_input(kCascade, false);
    update();
}

}  // namespace vmxsim::devices

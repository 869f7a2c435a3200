// SPDX-License-Identifier: Apache-2.0
#include "serial.h"

#include <stdio.h>

enum { kData, kInterruptEnable, kInterruptId, kLineControl, kModemControl, kLineStatus, kModemStatus, kScratch };
enum { kDivisorLatch = 0x80, kEmptyEnable = 2, kLoop = 0x10, kReady = 0x60, kConnected = 0xb0 };

bool serial_irq(const struct serial *s) { return s->empty && s->interrupt_enable & kEmptyEnable; }

/// With the loop, the four outputs of the modem control register are its four inputs.
static uint8_t modem_status(const struct serial *s) {
    const uint8_t out = s->modem_control;
    if (!(out & kLoop)) return kConnected;
    return (uint8_t)((out & 2) << 3 | (out & 1) << 5 | (out & 4) << 4 | (out & 8) << 4);
}

uint8_t serial_read(struct serial *s, unsigned reg) {
    const bool divisor = s->line_control & kDivisorLatch;
    switch (reg) {
        case kInterruptEnable: return divisor ? 0 : s->interrupt_enable;
        case kInterruptId: {
            const bool due = serial_irq(s);
            s->empty = s->empty && !due;  // reading it answers it
            return due ? 2 : 1;
        }
        case kLineControl: return s->line_control;
        case kModemControl: return s->modem_control;
        case kLineStatus: return kReady;
        case kModemStatus: return modem_status(s);
        case kScratch: return s->scratch;
        default: return 0;
    }
}

void serial_write(struct serial *s, unsigned reg, uint8_t value) {
    const bool divisor = s->line_control & kDivisorLatch;
    switch (reg) {
        case kData:
            if (divisor) return;
            if (!(s->modem_control & kLoop)) putchar(value);
            s->empty = true;
            return;
        case kInterruptEnable:
            if (divisor) return;
            if (value & ~s->interrupt_enable & kEmptyEnable) s->empty = true;
            s->interrupt_enable = value & 0xf;
            return;
        case kLineControl: s->line_control = value; return;
        case kModemControl: s->modem_control = value & 0x1f; return;
        case kScratch: s->scratch = value; return;
        default: return;
    }
}

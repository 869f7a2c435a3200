// SPDX-License-Identifier: Apache-2.0
// The serial port of a guest: a 8250, what it sends is printed. It never receives.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { kCom1 = 0x3f8, kCom1Irq = 4 };

struct serial {
    uint8_t interrupt_enable, line_control, modem_control, scratch;
    bool empty;  ///< the transmitter's interrupt is due: it fell empty, and no one has read so
};

uint8_t serial_read(struct serial *s, unsigned reg);
void serial_write(struct serial *s, unsigned reg, uint8_t value);
/// The level of its interrupt line.
bool serial_irq(const struct serial *s);

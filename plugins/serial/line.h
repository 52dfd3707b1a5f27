/* SPDX-License-Identifier: MIT */
/* The settings of a serial line. */
#ifndef DMAF_SERIAL_LINE_H
#define DMAF_SERIAL_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include <dmaflow/addr.h>

enum serial_parity { SERIAL_PARITY_NONE, SERIAL_PARITY_EVEN, SERIAL_PARITY_ODD };
enum serial_flow { SERIAL_FLOW_NONE, SERIAL_FLOW_RTSCTS, SERIAL_FLOW_XONXOFF };

struct serial_line;

/*
 * Open @path for ourselves alone (unless the address has `share`), remember its settings, make it
 * raw and as the address says. What the driver does not take is refused: settings are read back.
 * @flags: O_RDONLY or O_WRONLY. Return: 0 or negative errno explained; then *out is NULL.
 */
int serial_line_open(struct serial_line **out, const dmaf_addr *addr, int flags,
		     struct dmaf_err *err);

/* Restore the settings and close. NULL is accepted. */
void serial_line_close(struct serial_line *line);

int serial_line_fd(const struct serial_line *line);

/* Bytes written that have not left yet. */
unsigned serial_line_unsent(const struct serial_line *line);

/* What went wrong on the line since the last call, where the driver counts. */
struct serial_errors {
	unsigned framing, parity, overrun, breaks;
};
void serial_line_errors(struct serial_line *line, struct serial_errors *since);

#endif

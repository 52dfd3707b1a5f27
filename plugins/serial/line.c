// SPDX-License-Identifier: MIT
/*
 * termios2 (include/uapi/asm-generic/termbits.h, ioctl_tty(2)): with BOTHER the rate is a number,
 * any that the driver can make. glibc's termios.h knows only the classic ones, and the two headers
 * don't go together.
 */
#include "plugins/serial/line.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/serial.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAUD 115200

/* UARTs sample each bit in its middle: up to this much off they still understand each other. */
#define BAUD_OFF_PERCENT 3

struct serial_line {
	int fd;
	bool restore;
	struct termios2 was;
	bool counts;
	struct serial_icounter_struct icount;
};

static struct termios2 wanted(const dmaf_addr *addr, const struct termios2 *was)
{
	static const tcflag_t size[] = {CS5, CS6, CS7, CS8};
	struct termios2 t = *was;
	uint64_t parity = dmaf_addr_u64(addr, "parity", SERIAL_PARITY_NONE);
	uint64_t flow = dmaf_addr_u64(addr, "flow", SERIAL_FLOW_NONE);

	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_iflag = parity ? INPCK : 0;
	if (flow == SERIAL_FLOW_XONXOFF)
		t.c_iflag |= IXON | IXOFF;
	t.c_cflag &=
		~(tcflag_t)(CBAUD | CIBAUD | CSIZE | CSTOPB | PARENB | PARODD | CMSPAR | CRTSCTS);
	t.c_cflag |= CREAD | CLOCAL | BOTHER | size[dmaf_addr_u64(addr, "bits", 8) - 5];
	if (dmaf_addr_u64(addr, "stop", 1) == 2)
		t.c_cflag |= CSTOPB;
	if (parity)
		t.c_cflag |= parity == SERIAL_PARITY_ODD ? PARENB | PARODD : PARENB;
	if (flow == SERIAL_FLOW_RTSCTS)
		t.c_cflag |= CRTSCTS;
	t.c_ispeed = t.c_ospeed = (speed_t)dmaf_addr_u64(addr, "baud", BAUD);
	/* The descriptor does not wait, so one byte is enough to be told of. */
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	return t;
}

static bool near(speed_t got, speed_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	return off * 100 <= (uint64_t)want * BAUD_OFF_PERCENT;
}

static int check_taken(const dmaf_addr *addr, const struct termios2 *want,
		       const struct termios2 *got, struct dmaf_err *err)
{
	const tcflag_t frame = CSIZE | CSTOPB | PARENB;
	const char *path = dmaf_addr_main(addr);

	if (!near(got->c_ospeed, want->c_ospeed))
		return dmaf_fail(
			err, -EINVAL,
			"serial:%s: baud=%u: the driver makes %u of it; take a rate that it "
			"has",
			path, want->c_ospeed, got->c_ospeed);
	if ((got->c_cflag & frame) != (want->c_cflag & frame) ||
	    ((want->c_cflag & PARENB) && (got->c_cflag & PARODD) != (want->c_cflag & PARODD)))
		return dmaf_fail(err, -EINVAL,
				 "serial:%s: the driver does not take bits=%u, parity=%s, stop=%u; "
				 "bits=8, parity=none, stop=1 always goes",
				 path, (unsigned)dmaf_addr_u64(addr, "bits", 8),
				 dmaf_addr_str(addr, "parity", "none"),
				 (unsigned)dmaf_addr_u64(addr, "stop", 1));
	if ((want->c_cflag & CRTSCTS) && !(got->c_cflag & CRTSCTS))
		return dmaf_fail(
			err, -EINVAL,
			"serial:%s: flow=rtscts: the line has no RTS and CTS; take xonxoff or "
			"none",
			path);
	return 0;
}

static int configure(struct serial_line *l, const dmaf_addr *addr, struct dmaf_err *err)
{
	const char *path = dmaf_addr_main(addr);
	struct termios2 want, got;

	if (ioctl(l->fd, TCGETS2, &l->was))
		return dmaf_fail(err, -errno,
				 "serial:%s: not a serial line or terminal (%s); file: "
				 "or pipe: may be meant",
				 path, strerror(errno));
	want = wanted(addr, &l->was);
	l->restore = true;
	if (ioctl(l->fd, TCSETS2, &want) || ioctl(l->fd, TCGETS2, &got))
		return dmaf_fail(err, -errno, "serial:%s: baud=%u and the other settings: %s", path,
				 want.c_ospeed, strerror(errno));
	/* What came in at other settings is noise. */
	if (got.c_ospeed != l->was.c_ospeed || got.c_cflag != l->was.c_cflag ||
	    got.c_lflag != l->was.c_lflag)
		(void)ioctl(l->fd, TCFLSH, TCIFLUSH);
	return check_taken(addr, &want, &got, err);
}

static int claim(struct serial_line *l, const dmaf_addr *addr, struct dmaf_err *err)
{
	if (dmaf_addr_u64(addr, "share", 0))
		return 0;
	/* TIOCEXCL stops later openers, root not; the lock is what terminal programs look at. */
	if (flock(l->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return dmaf_fail(err, -EBUSY,
				 "serial:%s: another program has it; end that one, or give both "
				 "'share'",
				 dmaf_addr_main(addr));
	(void)ioctl(l->fd, TIOCEXCL);
	return 0;
}

static int open_fd(const dmaf_addr *addr, int flags, struct dmaf_err *err)
{
	const char *path = dmaf_addr_main(addr);
	int fd;

	if (!*path)
		return dmaf_fail(err, -EINVAL, "serial: names no line; serial:/dev/ttyUSB0 does");
	/* O_NONBLOCK: without it open waits for the other side's carrier. */
	fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT: return dmaf_fail(err, -ENOENT, "serial:%s: there is no such line", path);
	case EACCES:
		return dmaf_fail(err, -EACCES,
				 "serial:%s: no permission; who belongs to the group of the device "
				 "(often dialout) has it",
				 path);
	case EBUSY:
		return dmaf_fail(err, -EBUSY, "serial:%s: another program has it; end that one",
				 path);
	default: return dmaf_fail(err, -errno, "serial:%s: %s", path, strerror(errno));
	}
}

int serial_line_open(struct serial_line **out, const dmaf_addr *addr, int flags,
		     struct dmaf_err *err)
{
	struct serial_line *l = calloc(1, sizeof(*l));
	int rc;

	*out = NULL;
	if (!l)
		return dmaf_fail(err, -ENOMEM, "no memory for a serial line");
	l->fd = open_fd(addr, flags, err);
	rc = l->fd < 0 ? l->fd : claim(l, addr, err);
	if (!rc)
		rc = configure(l, addr, err);
	if (rc) {
		serial_line_close(l);
		return rc;
	}
	l->counts = !ioctl(l->fd, TIOCGICOUNT, &l->icount);
	*out = l;
	return 0;
}

void serial_line_close(struct serial_line *l)
{
	if (!l)
		return;
	if (l->fd >= 0) {
		if (l->restore)
			(void)ioctl(l->fd, TCSETS2, &l->was);
		(void)ioctl(l->fd, TIOCNXCL);
		(void)close(l->fd);
	}
	free(l);
}

int serial_line_fd(const struct serial_line *l)
{
	return l->fd;
}

unsigned serial_line_unsent(const struct serial_line *l)
{
	int n = 0;

	return ioctl(l->fd, TIOCOUTQ, &n) || n < 0 ? 0 : (unsigned)n;
}

void serial_line_errors(struct serial_line *l, struct serial_errors *since)
{
	struct serial_icounter_struct now;

	*since = (struct serial_errors){0};
	if (!l->counts || ioctl(l->fd, TIOCGICOUNT, &now))
		return;
	since->framing = (unsigned)(now.frame - l->icount.frame);
	since->parity = (unsigned)(now.parity - l->icount.parity);
	since->overrun = (unsigned)(now.overrun - l->icount.overrun) +
			 (unsigned)(now.buf_overrun - l->icount.buf_overrun);
	since->breaks = (unsigned)(now.brk - l->icount.brk);
	l->icount = now;
}

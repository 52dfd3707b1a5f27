// SPDX-License-Identifier: MIT
/* The user's end of dmaflow.ko: opening it, its two rings, and giving it back. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem/driver_internal.h"

bool dmaf_driver_loaded(void)
{
	return access("/sys/module/dmaflow", F_OK) == 0;
}

/* Some devices act on being opened, so another's is not. */
static int open_node(const char *path, const char *label, struct dmaf_err *err)
{
	struct stat st;
	int fd;

	if (stat(path, &st))
		return dmaf_driver_no_node(path, label, -errno, err);
	if (!S_ISCHR(st.st_mode))
		return dmaf_driver_no_node(path, label, -ENOTTY, err);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? dmaf_driver_no_node(path, label, -errno, err) : fd;
}

int dmaf_driver_open(struct dmaf_driver **out, const char *path, const char *label,
		     struct dmaf_err *err)
{
	struct dmaf_driver *d;
	int rc = 0;

	*out = NULL;
	d = aligned_alloc(64, sizeof(*d)); /* its size is a multiple of its alignment */
	if (!d)
		return dmaf_fail(err, -ENOMEM, "%s: no memory to describe a device", label);
	memset(d, 0, sizeof(*d));
	d->refs = 1;
	(void)snprintf(d->label, sizeof(d->label), "%s", label);
	(void)snprintf(d->path, sizeof(d->path), "%s", path);
	d->fd = open_node(path, label, err);
	if (d->fd < 0) {
		rc = d->fd;
		goto fail;
	}
	d->info.size = sizeof(d->info);
	if (ioctl(d->fd, DMAF_IOC_INFO, &d->info))
		rc = -errno;
	else if (d->info.version != DMAF_DRV_VERSION)
		rc = -EPROTO;
	if (rc) {
		rc = dmaf_driver_no_info(d, rc, err);
		goto fail;
	}
	d->info.front[sizeof(d->info.front) - 1] = '\0';
	d->info.name[sizeof(d->info.name) - 1] = '\0';
	*out = d;
	return 0;
fail:
	dmaf_driver_put(d);
	return rc;
}

void dmaf_driver_put(struct dmaf_driver *d)
{
	if (!d || --d->refs)
		return;
	dmaf_driver_stop(d);
	if (d->done_mem)
		(void)munmap(d->done_mem, (size_t)d->set.done_len);
	if (d->fill_mem)
		(void)munmap(d->fill_mem, (size_t)d->set.fill_len);
	if (d->fd >= 0)
		(void)close(d->fd);
	free(d);
}

const struct dmaf_drv_info *dmaf_driver_info(const struct dmaf_driver *d)
{
	return &d->info;
}

const struct dmaf_drv_setup *dmaf_driver_layout(const struct dmaf_driver *d)
{
	return &d->set;
}

dmaf_engine *dmaf_driver_engine(struct dmaf_driver *d)
{
	return &d->engine;
}

int dmaf_driver_fd(const struct dmaf_driver *d)
{
	return d->fd;
}

int dmaf_driver_start(struct dmaf_driver *d, struct dmaf_err *err)
{
	if (d->running)
		return 0;
	if (ioctl(d->fd, DMAF_IOC_START))
		return dmaf_driver_failed(d, "start", -errno, err);
	d->running = true;
	return 0;
}

void dmaf_driver_stop(struct dmaf_driver *d)
{
	if (!d->running)
		return;
	d->running = false;
	/* It fails for a device that is gone, which writes no more either. */
	while (ioctl(d->fd, DMAF_IOC_STOP) && errno == EINTR)
		;
}

int dmaf_driver_give(struct dmaf_driver *d, const uint32_t *index, const uint64_t *len, unsigned n,
		     struct dmaf_err *err)
{
	int room = dmaf_ring_reserve(&d->fill, n);

	if (room <= 0)
		return room ? dmaf_driver_failed(d, "the fill ring", room, err) : 0;
	for (uint32_t i = 0; i < (uint32_t)room; i++) {
		struct dmaf_drv_fill *e = dmaf_ring_prod_entry(&d->fill, i);

		*e = (struct dmaf_drv_fill){.index = index[i], .len = len ? len[i] : 0};
	}
	/* A queue that has stopped refuses it; dmaf_driver_state() tells, once the ring is empty.
	 */
	if (dmaf_ring_submit(&d->fill, (uint32_t)room) && d->running)
		while (ioctl(d->fd, DMAF_IOC_KICK) && errno == EINTR)
			;
	return room;
}

int dmaf_driver_take(struct dmaf_driver *d, struct dmaf_drv_done *e, unsigned n,
		     struct dmaf_err *err)
{
	int got;

	if (d->armed) {
		dmaf_ring_cons_awake(&d->done);
		d->armed = false;
	}
	got = dmaf_ring_dequeue_burst(&d->done, e, sizeof(*e), n, NULL);
	if (got < 0)
		return dmaf_driver_failed(d, "the done ring", got, err);
	for (int i = 0; i < got; i++)
		if (e[i].index >= d->set.count || e[i].len > d->set.block)
			return dmaf_driver_failed(d, "an entry of the done ring", -EPROTO, err);
	return got;
}

bool dmaf_driver_arm(struct dmaf_driver *d)
{
	if (!d->armed)
		d->armed = dmaf_ring_cons_sleep(&d->done, 1) == 1;
	return d->armed;
}

int dmaf_driver_stats(struct dmaf_driver *d, struct dmaf_drv_stats *s)
{
	*s = (struct dmaf_drv_stats){.size = sizeof(*s)};
	if (!ioctl(d->fd, DMAF_IOC_STATS, s))
		return 0;
	*s = (struct dmaf_drv_stats){0};
	return -errno;
}

int dmaf_driver_state(struct dmaf_driver *d, struct dmaf_err *err)
{
	struct pollfd p = {.fd = d->fd};
	struct dmaf_drv_stats s;

	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLERR | POLLHUP)))
		return 0;
	if (p.revents & POLLHUP)
		return dmaf_driver_failed(d, "the device", -ENODEV, err);
	if (dmaf_driver_stats(d, &s) || !s.error)
		s.error = -EIO;
	return dmaf_driver_failed(d, "the device", s.error, err);
}

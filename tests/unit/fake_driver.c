// SPDX-License-Identifier: MIT
#include "fake_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/common/pattern_data.h"

struct fake fake;

int __real_open64(const char *path, int flags, ...);
int __real_stat64(const char *path, struct stat *st);
int __real_ioctl(int fd, unsigned long request, ...);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_munmap(void *addr, size_t len);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_close(int fd);

int __wrap_open64(const char *path, int flags, ...);
int __wrap_stat64(const char *path, struct stat *st);
int __wrap_ioctl(int fd, unsigned long request, ...);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_munmap(void *addr, size_t len);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_close(int fd);

/* The last mapping of each of the three parts. */
static void *mapped[3];

void fake_reset(void)
{
	fake = (struct fake){
		.fd = -1,
		.data_fd = -1,
		.fill_fd = -1,
		.done_fd = -1,
		.info = {.version = DMAF_DRV_VERSION,
			 .caps = DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_COHERENT,
			 .cache_align = 64,
			 .dma_mask = (1ull << 48) - 1,
			 .max_segment = UINT64_MAX,
			 .max_mapping = UINT64_MAX,
			 .block_align = 1,
			 .front = "fake",
			 .name = "0000:00:04.0"},
	};
	memset(mapped, 0, sizeof(mapped));
}

void fake_check_closed(void)
{
	assert_int_equal(fake.opens, fake.closes);
	assert_int_equal(fake.maps, fake.unmaps);
	assert_false(fake.owned);
}

int __wrap_stat64(const char *path, struct stat *st)
{
	if (strcmp(path, FAKE_NODE) != 0)
		return __real_stat64(path, st);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFCHR | 0660;
	return 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
	if (strcmp(path, FAKE_NODE) != 0) {
		mode_t mode = 0;

		if (flags & (O_CREAT | __O_TMPFILE)) {
			va_list ap;

			va_start(ap, flags);
			mode = va_arg(ap, mode_t);
			va_end(ap);
		}
		return __real_open64(path, flags, mode);
	}
	if (fake.open_errno) {
		errno = fake.open_errno;
		return -1;
	}
	assert_int_equal(fake.fd, -1);
	fake.opens++;
	return fake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_close(int fd)
{
	if (fd >= 0 && fd == fake.fd) {
		if (fake.late_runs) {
			atomic_store(&fake.late_ends, true);
			pthread_join(fake.late, NULL);
			fake.late_runs = false;
		}
		fake.closes++;
		fake.fd = -1;
		if (fake.owned) {
			if (fake.data_fd >= 0)
				__real_munmap(fake.data, fake.set.data_len);
			__real_munmap(fake.fill_mem, fake.set.fill_len);
			__real_munmap(fake.done_mem, fake.set.done_len);
			if (fake.data_fd >= 0)
				__real_close(fake.data_fd);
			__real_close(fake.fill_fd);
			__real_close(fake.done_fd);
			fake.owned = false;
		}
	}
	return __real_close(fd);
}

static void *kernel_memory(int *fd, size_t len)
{
	void *p;

	*fd = memfd_create("fake", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, (off_t)len), 0);
	p = __real_mmap64(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static uint64_t pages(uint64_t bytes)
{
	return (bytes + 4095) & ~4095ull;
}

static int setup(struct dmaf_drv_setup *s)
{
	struct dmaf_ring_geometry fill = {s->ring, sizeof(struct dmaf_drv_fill)};
	struct dmaf_ring_geometry done = {s->ring, sizeof(struct dmaf_drv_done)};

	fake.set = *s;
	if (fake.setup_errno)
		return -fake.setup_errno;
	assert_int_equal(s->size, sizeof(*s));
	assert_int_equal(s->version, DMAF_DRV_VERSION);
	if (!s->stride)
		s->stride = (s->block + 63) & ~63ull;
	s->page = 4096;
	s->fill_len = pages(dmaf_ring_bytes(fill.count, fill.entry_size));
	s->done_len = pages(dmaf_ring_bytes(done.count, done.entry_size));
	if (s->memory == DMAF_DRV_MEM_DRIVER) {
		s->data_len = pages(s->stride * s->count);
		fake.data = kernel_memory(&fake.data_fd, s->data_len);
	} else {
		assert_true(s->user_len >= s->stride * s->count);
		fake.data = (unsigned char *)(uintptr_t)s->user_addr;
		fake.data_fd = -1;
	}
	s->segments = 1;
	if (fake.segment)
		s->segments =
			(uint32_t)((pages(s->stride * s->count) + fake.segment - 1) / fake.segment);
	fake.fill_mem = kernel_memory(&fake.fill_fd, s->fill_len);
	fake.done_mem = kernel_memory(&fake.done_fd, s->done_len);
	assert_int_equal(dmaf_ring_format(fake.fill_mem, s->fill_len, &fill), 0);
	assert_int_equal(dmaf_ring_format(fake.done_mem, s->done_len, &done), 0);
	assert_int_equal(dmaf_ring_cons_init(&fake.fill, fake.fill_mem, s->fill_len, &fill), 0);
	assert_int_equal(dmaf_ring_prod_init(&fake.done, fake.done_mem, s->done_len, &done), 0);
	fake.set = *s;
	fake.owned = true;
	fake.stats = (struct dmaf_drv_stats){0};
	fake.seq = fake.off = fake.taken = 0;
	fake.running = false;
	return 0;
}

static int segments(struct dmaf_drv_segments *s)
{
	uint64_t all = pages(fake.set.stride * fake.set.count);
	uint64_t each = fake.segment ? fake.segment : all;
	struct dmaf_drv_segment *to = (struct dmaf_drv_segment *)(uintptr_t)s->segments;
	uint32_t n = s->count;

	/* Two at a time, so that the caller has to come again. */
	if (n > 2)
		n = 2;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t off = (s->first + i) * each;

		/* Far apart, so that an address of one is never mistaken for the next's. */
		to[i].iova = dmaf_iova_make((fake.beyond_mask ? 1ull << 50 : FAKE_IOVA) + 2 * off);
		if (fake.no_iova)
			to[i].iova = dmaf_iova_none();
		to[i].off = off;
		to[i].len = all - off < each ? all - off : each;
	}
	s->count = n;
	return 0;
}

static void tell(uint32_t index, uint64_t len, uint64_t seq, uint32_t flags)
{
	struct dmaf_drv_done e = {
		.index = index, .len = len, .seq = seq, .flags = flags, .mono_ns = seq + 1};
	bool kick;

	assert_int_equal(dmaf_ring_enqueue_burst(&fake.done, &e, sizeof(e), 1, &kick), 1);
	if (kick)
		eventfd_write(fake.fd, 1);
}

static void *change(void *unused)
{
	while (!atomic_load(&fake.late_ends)) {
		(*(volatile unsigned char *)fake.late_at)++;
		usleep(100);
	}
	return unused;
}

/* The "DMA", with what a broken driver or device makes of it. */
static void land(unsigned char *to, uint64_t len, uint64_t n)
{
	unsigned char kept[64];
	bool keep = fake.stale_line == n;

	memcpy(kept, to + 128, sizeof(kept));
	dmaf_pattern_fill(to, len, fake.off, 0);
	if (keep)
		memcpy(to + 128, kept, sizeof(kept));
	if (fake.wrong_byte == n)
		to[1] ^= 1;
	if (fake.late_write == n && !fake.late_runs) {
		fake.late_at = to + 5;
		atomic_store(&fake.late_ends, false);
		fake.late_runs = !pthread_create(&fake.late, NULL, change, NULL);
	}
}

static void fill_block(uint32_t index)
{
	uint64_t len = fake.set.block, n = fake.stats.filled + 1;
	uint32_t flags = 0;

	if (fake.hide_lost == n) {
		fake.seq++;
		fake.off += fake.set.block;
	}

	if (fake.lose && fake.seq == fake.lose_after) {
		fake.seq += fake.lose;
		fake.off += fake.lose * fake.set.block;
		fake.stats.lost_no_block += fake.lose;
	}
	if (fake.short_at == n) {
		len /= 2;
		flags = DMAF_DRV_PARTIAL | DMAF_DRV_DAMAGED;
	}
	if (fake.last_after == n)
		flags |= DMAF_DRV_LAST;
	land(fake.data + index * fake.set.stride, len, n);
	fake.off += len;
	fake.stats.filled = n;
	fake.stats.bytes += len;
	fake.stats.bounced_bytes += fake.bounce;
	if (fake.lie_index == n)
		index = 0;
	tell(index, fake.lie_len == n ? fake.set.block + 1 : len, fake.seq++, flags);
}

static void read_block(uint32_t index, uint64_t len)
{
	if (dmaf_pattern_check(fake.data + index * fake.set.stride, len, fake.off, 0) != len)
		fake.read_wrong = true;
	fake.off += len;
	fake.read_bytes += len;
	fake.stats.filled++;
	tell(index, len, fake.seq++, 0);
}

static void work(void)
{
	struct dmaf_drv_fill e;

	do {
		while (fake.running && !fake.gone &&
		       dmaf_ring_dequeue_burst(&fake.fill, &e, sizeof(e), 1, NULL) == 1) {
			if (e.index >= fake.set.count) {
				if (fake.takes_any)
					continue;
				fake.stats.bad_index++;
				fake.stats.error = -EPROTO;
				return;
			}
			if (fake.keep_one && ++fake.taken == fake.keep_one)
				continue;
			if ((fake.hold_after && fake.stats.filled >= fake.hold_after) ||
			    (fake.last_after && fake.stats.filled >= fake.last_after))
				fake.held[fake.nheld++] = e.index;
			else if (fake.set.flags & DMAF_DRV_SETUP_FROM_MEM)
				read_block(e.index, e.len);
			else
				fill_block(e.index);
			if (fake.gone_after && fake.stats.filled >= fake.gone_after)
				fake.gone = true;
		}
	} while (fake.running && !fake.gone && dmaf_ring_cons_sleep(&fake.fill, 1) == 0);
}

/* Three times round, and a half: what was in the first places is gone. */
static void write_round(void)
{
	uint64_t blocks = fake.set.count * 7ull / 2;

	for (uint64_t i = 0; i < blocks; i++) {
		if (i + fake.set.count >= blocks)
			fill_block((uint32_t)(i % fake.set.count));
		else {
			fake.seq++;
			fake.off += fake.set.block;
			fake.stats.lost_done_full++;
		}
	}
}

static int stop(void)
{
	struct dmaf_drv_fill e;

	fake.stops++;
	if (fake.gone)
		return -ENODEV;
	fake.running = false;
	while (fake.nheld)
		tell(fake.held[--fake.nheld], 0, 0, DMAF_DRV_RETURNED);
	while (dmaf_ring_dequeue_burst(&fake.fill, &e, sizeof(e), 1, NULL) == 1)
		tell(e.index, 0, 0, DMAF_DRV_RETURNED);
	return 0;
}

static int answer(unsigned long request, void *arg)
{
	switch (request) {
	case DMAF_IOC_INFO:
		if (fake.info_errno)
			return -fake.info_errno;
		assert_int_equal(((struct dmaf_drv_info *)arg)->size, sizeof(fake.info));
		fake.info.size = sizeof(fake.info);
		*(struct dmaf_drv_info *)arg = fake.info;
		return 0;
	case DMAF_IOC_SETUP: return setup(arg);
	case DMAF_IOC_SEGMENTS: return segments(arg);
	case DMAF_IOC_START:
		fake.starts++;
		if (fake.start_errno)
			return -fake.start_errno;
		fake.running = true;
		if (fake.info.caps & DMAF_DRV_CAP_OVERWRITES)
			write_round();
		work();
		return 0;
	case DMAF_IOC_STOP: return stop();
	case DMAF_IOC_KICK:
		fake.stats.kicks++;
		work();
		return 0;
	case DMAF_IOC_SYNC:
		assert_in_range(fake.nsyncs, 0, FAKE_SYNCS - 1);
		fake.sync[fake.nsyncs++] = *(struct dmaf_drv_sync *)arg;
		return 0;
	case DMAF_IOC_STATS: *(struct dmaf_drv_stats *)arg = fake.stats; return 0;
	default: return -ENOTTY;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd < 0 || fd != fake.fd)
		return __real_ioctl(fd, request, arg);
	rc = answer(request, arg);
	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	int part = off == (off_t)DMAF_DRV_OFF_DATA ? 0 : off == (off_t)DMAF_DRV_OFF_FILL ? 1 : 2;
	const int fds[] = {fake.data_fd, fake.fill_fd, fake.done_fd};

	if (fd < 0 || fd != fake.fd)
		return __real_mmap64(addr, len, prot, flags, fd, off);
	assert_true(flags & MAP_SHARED);
	fake.maps++;
	return mapped[part] = __real_mmap64(addr, len, prot, flags, fds[part], 0);
}

int __wrap_munmap(void *addr, size_t len)
{
	for (int i = 0; i < 3; i++)
		if (addr && addr == mapped[i]) {
			fake.unmaps++;
			mapped[i] = NULL;
		}
	return __real_munmap(addr, len);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (n == 1 && fds->fd >= 0 && fds->fd == fake.fd) {
		fds->revents = fake.gone ? POLLHUP : fake.stats.error ? POLLERR : 0;
		return fds->revents != 0;
	}
	return __real_poll(fds, n, timeout);
}

// SPDX-License-Identifier: MIT
/* Memory and rings of a dmaflow.ko device: what SETUP gives, and how the CPU and the bus see it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dmaflow/align.h>

#include "mem/driver_internal.h"
#include "mem/mem.h"

static void detach(dmaf_engine *engine, dmaf_region *region, struct dmaf_attachment *att)
{
	struct dmaf_driver *d = engine->priv;

	(void)region;
	dmaf_driver_stop(d);
	free(att->segs);
	dmaf_driver_put(d);
}

static int read_segments(struct dmaf_driver *d, struct dmaf_drv_segment *raw, unsigned n)
{
	unsigned have = 0;

	while (have < n) {
		struct dmaf_drv_segments s = {
			.size = sizeof(s),
			.first = have,
			.count = n - have,
			.segments = (uintptr_t)&raw[have],
		};

		if (ioctl(d->fd, DMAF_IOC_SEGMENTS, &s))
			return -errno;
		if (!s.count || s.count > n - have)
			return -EPROTO;
		have += s.count;
	}
	return 0;
}

static int attach(dmaf_engine *engine, dmaf_region *region, struct dmaf_attachment *att,
		  struct dmaf_err *err)
{
	struct dmaf_driver *d = engine->priv;
	unsigned n = d->set.segments;
	struct dmaf_drv_segment *raw = calloc(n ? n : 1, sizeof(*raw));
	int rc;

	att->segs = calloc(n ? n : 1, sizeof(*att->segs));
	rc = raw && att->segs ? read_segments(d, raw, n) : -ENOMEM;
	for (unsigned i = 0; !rc && i < n; i++) {
		if (raw[i].off > region->len || raw[i].len > region->len - raw[i].off)
			rc = -EPROTO;
		att->segs[i].iova = raw[i].iova;
		att->segs[i].off = (size_t)raw[i].off;
		att->segs[i].len = (size_t)raw[i].len;
	}
	/* Where the device's bus maps each block by itself there are no addresses to tell. */
	if (!rc && n && dmaf_iova_is_none(raw[0].iova))
		n = 0;
	free(raw);
	if (rc) {
		free(att->segs);
		att->segs = NULL;
		return dmaf_driver_failed(d, "the list of bus segments", rc, err);
	}
	att->nsegs = n;
	d->refs++;
	return 0;
}

static void release(dmaf_region *r)
{
	struct dmaf_driver *d = r->priv;

	(void)munmap(r->cpu, r->len);
	free(r);
	dmaf_driver_put(d);
}

static int sync_range(dmaf_region *r, uint32_t to, size_t off, size_t len)
{
	struct dmaf_driver *d = r->priv;
	struct dmaf_drv_sync s = {.size = sizeof(s), .to = to, .off = off, .len = len};

	return ioctl(d->fd, DMAF_IOC_SYNC, &s) ? -errno : 0;
}

static int sync_for_cpu(dmaf_region *r, size_t off, size_t len)
{
	return sync_range(r, DMAF_DRV_SYNC_FOR_CPU, off, len);
}

static int sync_for_device(dmaf_region *r, size_t off, size_t len)
{
	return sync_range(r, DMAF_DRV_SYNC_FOR_DEVICE, off, len);
}

/* Where a queue runs, the driver hands over by itself, for each block that passes its rings. */
static const struct dmaf_region_ops queue_ops = {.release = release};
static const struct dmaf_region_ops memory_only_ops = {
	.release = release,
	.sync_for_cpu = sync_for_cpu,
	.sync_for_device = sync_for_device,
};

/* The kernel maps huge pages as such only where the address is a multiple of them too. */
static void *map_data(struct dmaf_driver *d, size_t len, size_t align)
{
	size_t room;
	char *hint, *at;
	void *cpu;

	if (dmaf_is_pow2(d->set.page) && d->set.page > align && len >= d->set.page)
		align = (size_t)d->set.page;
	if (align <= dmaf_mem_page())
		return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd,
			    DMAF_DRV_OFF_DATA);
	if (__builtin_add_overflow(len, align, &room)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	hint = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hint == MAP_FAILED)
		return MAP_FAILED;
	at = hint + (dmaf_align_down((uintptr_t)hint + align - 1, align) - (uintptr_t)hint);
	cpu = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, d->fd,
		   DMAF_DRV_OFF_DATA);
	if (cpu == MAP_FAILED) {
		int rc = errno;

		(void)munmap(hint, room);
		errno = rc;
		return MAP_FAILED;
	}
	if (at > hint)
		(void)munmap(hint, (size_t)(at - hint));
	if (hint + room > at + len)
		(void)munmap(at + len, (size_t)(hint + room - (at + len)));
	return cpu;
}

static int driver_region(struct dmaf_driver *d, size_t align, dmaf_region **out,
			 struct dmaf_err *err)
{
	size_t len = (size_t)d->set.data_len, page = (size_t)d->set.page;
	const char *base = strrchr(d->path, '/');
	dmaf_region *r = calloc(1, sizeof(*r));
	char name[48];
	void *cpu;

	if (!r)
		return dmaf_fail(err, -ENOMEM, "%s: no memory to describe a region", d->label);
	cpu = len == d->set.data_len ? map_data(d, len, align) : (errno = EOVERFLOW, MAP_FAILED);
	if (cpu == MAP_FAILED) {
		int rc = -errno;

		free(r);
		return dmaf_driver_failed(d, "mapping the blocks", rc, err);
	}
	/* A child's copy would keep the queue taken after its parent has gone. */
	(void)madvise(cpu, len, MADV_DONTFORK);
	if (!dmaf_is_pow2(page) || len % page)
		page = dmaf_mem_page();
	(void)snprintf(name, sizeof(name), "%.20s %zu KiB", base ? base + 1 : d->path, len / 1024);
	dmaf_region_init(r,
			 (d->info.caps & (DMAF_DRV_CAP_MEMORY_ONLY | DMAF_DRV_CAP_COHERENT)) ==
					 DMAF_DRV_CAP_MEMORY_ONLY
				 ? &memory_only_ops
				 : &queue_ops,
			 cpu, len, page, DMAF_PAGES, name);
	r->priv = d;
	d->refs++;
	*out = r;
	return 0;
}

static int map_ring(struct dmaf_driver *d, void **mem, uint64_t len, uint64_t off)
{
	if (len != (size_t)len)
		return -EOVERFLOW;
	*mem = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, (off_t)off);
	if (*mem == MAP_FAILED) {
		*mem = NULL;
		return -errno;
	}
	(void)madvise(*mem, (size_t)len, MADV_DONTFORK);
	return 0;
}

static int map_rings(struct dmaf_driver *d)
{
	struct dmaf_ring_geometry fill = {d->set.ring, sizeof(struct dmaf_drv_fill)};
	struct dmaf_ring_geometry done = {d->set.ring, sizeof(struct dmaf_drv_done)};
	int rc = map_ring(d, &d->fill_mem, d->set.fill_len, DMAF_DRV_OFF_FILL);

	if (!rc)
		rc = map_ring(d, &d->done_mem, d->set.done_len, DMAF_DRV_OFF_DONE);
	if (!rc)
		rc = dmaf_ring_prod_init(&d->fill, d->fill_mem, d->set.fill_len, &fill);
	if (!rc)
		rc = dmaf_ring_cons_init(&d->done, d->done_mem, d->set.done_len, &done);
	return rc;
}

/* What the answer must be for the rest to make sense; the kernel may be of another build. */
static bool plausible(const struct dmaf_drv_setup *s, const struct dmaf_driver_want *want)
{
	uint64_t room;

	return s->stride >= want->block && (!want->stride || s->stride == want->stride) &&
	       !__builtin_mul_overflow(s->stride, want->count, &room) &&
	       (want->memory
			? room <= want->memory->len
			: s->data_len && room <= s->data_len && s->data_len % dmaf_mem_page() == 0);
}

int dmaf_driver_setup(struct dmaf_driver *d, const struct dmaf_driver_want *want, dmaf_region **out,
		      struct dmaf_err *err)
{
	static const struct dmaf_engine_ops engine_ops = {.attach = attach, .detach = detach};
	dmaf_region *r = NULL;
	int rc;

	*out = NULL;
	d->engine = (dmaf_engine){.ops = &engine_ops, .name = d->path, .priv = d};
	d->set = (struct dmaf_drv_setup){
		.size = sizeof(d->set),
		.version = DMAF_DRV_VERSION,
		.flags = (want->contiguous ? DMAF_DRV_SETUP_CONTIGUOUS : 0) |
			 (want->base_pages ? DMAF_DRV_SETUP_NO_HUGE : 0) |
			 (want->from_memory ? DMAF_DRV_SETUP_FROM_MEM : 0),
		.memory = want->memory ? DMAF_DRV_MEM_USER : DMAF_DRV_MEM_DRIVER,
		.block = want->block,
		.count = want->count,
		.ring = 1,
		.stride = want->stride,
	};
	while (d->set.ring < want->count && d->set.ring < DMAF_RING_MAX_COUNT)
		d->set.ring *= 2;
	if (want->memory) {
		d->set.user_addr = (uintptr_t)want->memory->cpu;
		d->set.user_len = want->memory->len;
	}
	if (ioctl(d->fd, DMAF_IOC_SETUP, &d->set))
		return dmaf_driver_no_setup(d, want, -errno, err);
	if (!plausible(&d->set, want))
		return dmaf_driver_failed(d, "the answer to SETUP", -EPROTO, err);
	rc = map_rings(d);
	if (rc)
		return dmaf_driver_failed(d, "mapping the rings", rc, err);
	if (want->memory)
		r = dmaf_region_get(want->memory);
	else
		rc = driver_region(d, (size_t)want->align, &r, err);
	if (!rc)
		rc = dmaf_region_attach(r, &d->engine, err);
	if (rc) {
		dmaf_region_put(r);
		return rc;
	}
	*out = r;
	return 0;
}

// SPDX-License-Identifier: MIT
/* Memory behind a descriptor: made here to be shared, or another process's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dmaflow/align.h>

#include "mem/mem.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3, memfd_create(2); brings MFD_ALLOW_SEALING along */
#endif

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x0004U /* Linux 4.14 */
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int make_memfd(unsigned flags)
{
	int fd = memfd_create("dmaflow", flags | MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("dmaflow", flags | MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int make(dmaf_region **out, size_t len, size_t page, unsigned flags, struct dmaf_err *err)
{
	const char *of = flags ? "huge pages" : "memfd";
	const char *what;
	char name[48];
	void *cpu;
	int fd, rc;

	*out = NULL;
	rc = dmaf_mem_round(&len, page, err);
	if (rc)
		return rc;
	fd = make_memfd(flags);
	if (fd < 0)
		return dmaf_fail(err, fd, "a %s of %zu bytes: memfd_create: %s", of, len,
				 strerror(-fd));
	what = "ftruncate";
	if (ftruncate(fd, (off_t)len))
		goto fail;
	what = "sealing";
	if (fcntl(fd, F_ADD_SEALS, SEALS))
		goto fail;
	what = "mmap";
	cpu = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cpu == MAP_FAILED)
		goto fail;
	what = "filling it";
	rc = dmaf_mem_populate(cpu, len, page);
	if (rc) {
		(void)munmap(cpu, len);
		errno = -rc;
		goto fail;
	}
	(void)snprintf(name, sizeof(name), "%s %zu KiB%s", of, len / 1024, flags ? " (memfd)" : "");
	return dmaf_mem_region(out, cpu, len, cpu, len, page, fd, 0, name, err);
fail:
	rc = -errno;
	(void)close(fd);
	if (flags)
		return dmaf_mem_no_huge(err, rc, len, page, "user");
	return dmaf_fail(err, rc, "a memfd of %zu bytes: %s: %s", len, what, strerror(-rc));
}

int dmaf_region_memfd(dmaf_region **out, size_t len, struct dmaf_err *err)
{
	return make(out, len, dmaf_mem_page(), 0, err);
}

int dmaf_mem_memfd_huge(dmaf_region **out, size_t len, struct dmaf_err *err)
{
	size_t page = dmaf_mem_huge_page();

	*out = NULL;
	if (!page)
		return dmaf_mem_no_huge(err, -ENODEV, len, 0, "user");
	return make(out, len, page, MFD_HUGETLB, err);
}

/* What makes a stranger's memfd unfit, and from where to where it can be mapped. */
static int check_import(int fd, uint64_t off, size_t *len, size_t *page, struct dmaf_err *err)
{
	/* Seals first: once it can't shrink, the size read after is the least it will ever have. */
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	uint64_t size;

	if (seals < 0)
		return dmaf_fail(err, errno == EINVAL ? -EINVAL : -errno,
				 "import of descriptor %d: %s; a memfd is needed", fd,
				 errno == EINVAL ? "it has no seals" : strerror(errno));
	if (!(seals & F_SEAL_SHRINK))
		return dmaf_fail(
			err, -EPERM,
			"import of memfd %d: its owner could shrink it while it is in use; it "
			"must be sealed first: fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)",
			fd);
	if (seals & F_SEAL_WRITE)
		return dmaf_fail(
			err, -EPERM,
			"import of memfd %d: it is sealed against writing (F_SEAL_WRITE); a "
			"region must be writable",
			fd);
	if (fstat(fd, &st))
		return dmaf_fail(err, -errno, "import of memfd %d: fstat: %s", fd, strerror(errno));
	/* The block size of shmem and hugetlbfs is the page size. */
	*page = st.st_blksize > 0 && dmaf_is_pow2(st.st_blksize) ? (size_t)st.st_blksize
								 : dmaf_mem_page();
	if (*page < dmaf_mem_page())
		*page = dmaf_mem_page();
	size = dmaf_align_down((uint64_t)st.st_size, *page);
	if (!dmaf_is_aligned(off, *page))
		return dmaf_fail(err, -EINVAL,
				 "import of memfd %d from byte %" PRIu64
				 ": its pages are %zu bytes; the nearest start is %" PRIu64,
				 fd, off, *page, (uint64_t)dmaf_align_down(off, *page));
	if (!*len && off < size)
		*len = (size_t)(size - off);
	if (off >= size || dmaf_mem_round(len, *page, NULL) || *len > size - off)
		return dmaf_fail(err, -ERANGE,
				 "import of memfd %d: %zu bytes from byte %" PRIu64
				 " on; it has %" PRIu64 " bytes in whole pages",
				 fd, *len, off, size);
	return 0;
}

int dmaf_region_import(dmaf_region **out, int fd, uint64_t off, size_t len, struct dmaf_err *err)
{
	size_t page = 0;
	char name[48];
	void *cpu;
	int rc, own;

	*out = NULL;
	rc = check_import(fd, off, &len, &page, err);
	if (rc)
		return rc;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return dmaf_fail(err, -errno, "import of memfd %d: %s", fd, strerror(errno));
	cpu = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, own, (off_t)off);
	if (cpu == MAP_FAILED) {
		rc = -errno;
		(void)close(own);
		return dmaf_fail(
			err, rc, "import of memfd %d: mmap of %zu bytes: %s%s", fd, len,
			strerror(-rc),
			rc == -EPERM || rc == -EACCES
				? "; it must be open for writing, without F_SEAL_FUTURE_WRITE"
				: "");
	}
	rc = dmaf_mem_populate(cpu, len, page);
	if (rc) {
		(void)munmap(cpu, len);
		(void)close(own);
		return dmaf_fail(err, rc, "import of memfd %d: filling %zu bytes: %s", fd, len,
				 strerror(-rc));
	}
	(void)snprintf(name, sizeof(name), "imported memfd %zu KiB", len / 1024);
	return dmaf_mem_region(out, cpu, len, cpu, len, page, own, off, name, err);
}

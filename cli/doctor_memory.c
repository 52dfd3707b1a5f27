// SPDX-License-Identifier: MIT
/* Where device memory can come from: huge pages, udmabuf, VFIO and its IOMMU, dmaflow.ko. */
#include "cli/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dmaflow/inspect.h>

#define AREA "memory"

#define THP_SIZE (2UL << 20)

/* One page of the default size is taken: the counters alone promise nothing. */
static void huge_pool(struct doctor *d)
{
	long long total = doctor_read_number("/proc/sys/vm/nr_hugepages", -1);
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "huge page pool");
	struct dmaf_mapping *m = malloc(sizeof(*m));
	char size[32] = "one page";
	unsigned char there = 0;
	void *p;
	int err;

	if (!m) {
		d->no_memory = true;
		return;
	}
	if (total < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "the kernel is built without CONFIG_HUGETLBFS");
		doctor_remedy(d, row, "another kernel, or transparent huge pages");
		goto out;
	}
	/* Populated by mmap(), since touching a page that a cgroup refuses ends in SIGBUS. */
	p = mmap(NULL, 1, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (p != MAP_FAILED) {
		err = dmaf_inspect_addr(p, 1, m);
		if (!err)
			doctor_bytes(m->page_size, size, sizeof(size));
		if (mincore(p, 1, &there) < 0 || !(there & 1)) {
			row->verdict = DOCTOR_NO;
			doctor_reason(d, row,
				      "%lld in the pool, but none comes: a limit of this "
				      "control group (hugetlb.*.max)",
				      total);
			doctor_remedy(d, row, "raise the control group's limit");
		} else {
			doctor_detail(d, row,
				      "%lld in the pool; one of %s was taken and given back", total,
				      size);
		}
		munmap(p, err ? THP_SIZE : (size_t)m->page_size);
		goto out;
	}
	err = errno;
	row->verdict = DOCTOR_NO;
	doctor_detail(d, row, "%lld in the pool; mmap(MAP_HUGETLB): %s", total, strerror(err));
	doctor_reason(d, row, total ? "none of the pool is free" : "the pool is empty");
	doctor_remedy(d, row,
		      "as root: sysctl vm.nr_hugepages=64 (64 x 2 MiB), best at boot, "
		      "while memory is in one piece");
out:
	free(m);
}

static void thp(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "transparent huge pages");
	struct dmaf_mapping *m = malloc(sizeof(*m));
	char mode[64];
	char *p, *at;

	p = mmap(NULL, 2 * THP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!m || p == MAP_FAILED) {
		d->no_memory = true;
		goto out;
	}
	if (doctor_read("/sys/kernel/mm/transparent_hugepage/enabled", mode, sizeof(mode)) <= 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row,
			      "the kernel is built without "
			      "CONFIG_TRANSPARENT_HUGEPAGE");
		doctor_remedy(d, row, "another kernel, or the huge page pool");
		goto out;
	}
	at = p + (THP_SIZE - (uintptr_t)p % THP_SIZE) % THP_SIZE;
	madvise(at, THP_SIZE, MADV_HUGEPAGE);
	*(volatile char *)at = 1;
	if (!dmaf_inspect_addr(at, THP_SIZE, m) && m->huge) {
		doctor_detail(d, row, "mode %s; 2 MiB were asked for and came as one page", mode);
		goto out;
	}
	row->verdict = DOCTOR_NO;
	doctor_detail(d, row, "mode %s", mode);
	doctor_reason(d, row,
		      strstr(mode, "[never]") ? "turned off"
					      : "2 MiB were asked for and came as small pages");
	doctor_remedy(d, row,
		      "as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled "
		      "(and look for free memory in one piece)");
out:
	if (p != MAP_FAILED)
		munmap(p, 2 * THP_SIZE);
	free(m);
}

/* A small sealed memfd becomes a dma-buf, and both go. */
static int udmabuf_create(int dev)
{
	long page = sysconf(_SC_PAGESIZE);
	struct udmabuf_create create = {.flags = UDMABUF_FLAGS_CLOEXEC};
	int memfd, buf, err;

	memfd = memfd_create("dmaflow-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	create.memfd = (__u32)memfd;
	create.size = (__u64)page;
	if (ftruncate(memfd, page) < 0 || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
		err = -errno;
	} else {
		buf = ioctl(dev, UDMABUF_CREATE, &create);
		err = buf < 0 ? -errno : 0;
		if (buf >= 0)
			close(buf);
	}
	close(memfd);
	return err;
}

static void udmabuf(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "udmabuf");
	int fd, err;

	if (access("/dev/udmabuf", F_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row,
			      "no /dev/udmabuf: its module isn't loaded, or the kernel "
			      "is built without CONFIG_UDMABUF, as Debian's 6.1");
		doctor_remedy(d, row,
			      "modprobe udmabuf, or a kernel with it; wanted only for "
			      "drivers whose own memory can't be pinned and that import "
			      "dma-bufs (V4L2)");
		return;
	}
	if (access("/dev/udmabuf", R_OK | W_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "/dev/udmabuf: %s", strerror(errno));
		doctor_remedy(d, row, "a udev rule or group that lets you open it");
		return;
	}
	if (!d->open_ok) {
		doctor_detail(d, row, "/dev/udmabuf is there; not opened (--open would try it)");
		return;
	}
	fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	err = fd < 0 ? -errno : udmabuf_create(fd);
	if (fd >= 0)
		close(fd);
	if (err) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "making a dma-buf of a memfd: %s", strerror(-err));
		doctor_remedy(d, row, "see the kernel's log: dmesg");
	} else {
		doctor_detail(d, row, "a memfd was made a dma-buf");
	}
}

/* Entries of a directory whose names begin so; -1: it can't be read. */
static int count_entries(const char *dir, const char *prefix)
{
	DIR *dp = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (!dp)
		return -1;
	while ((e = readdir(dp)))
		n += e->d_name[0] != '.' && !strncmp(e->d_name, prefix, strlen(prefix));
	closedir(dp);
	return n;
}

static void iommu(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "IOMMU");
	int groups = count_entries("/sys/kernel/iommu_groups", "");
	int units = count_entries("/sys/class/iommu", "");

	if (groups > 0) {
		doctor_detail(d, row, "%d groups, %d units", groups, units < 0 ? 0 : units);
		return;
	}
	row->verdict = DOCTOR_NO;
	doctor_detail(d, row, "no IOMMU groups%s", units > 0 ? ", though there is a unit" : "");
	doctor_reason(d, row,
		      "the machine has none (many virtual ones), the firmware hides it "
		      "(VT-d, AMD-Vi, SMMU), or the kernel wasn't told to use it");
	doctor_remedy(d, row,
		      "turn it on in the firmware and boot with intel_iommu=on (Intel; "
		      "AMD and Arm need nothing); a guest needs a virtual one");
}

static void vfio(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "VFIO");
	bool pci = access("/sys/module/vfio_pci", F_OK) == 0 ||
		   access("/sys/bus/pci/drivers/vfio-pci", F_OK) == 0;
	int groups;
	char noiommu[8];

	if (access("/dev/vfio/vfio", F_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row,
			      "no /dev/vfio/vfio: the module vfio isn't loaded, or the "
			      "kernel has none");
		doctor_remedy(d, row, "as root: modprobe vfio-pci (needs CONFIG_VFIO_PCI)");
		return;
	}
	groups = count_entries("/dev/vfio", "") - 1;
	if (groups > 0 && count_entries("/dev/vfio", "devices") == 1)
		groups--;
	doctor_read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", noiommu,
		    sizeof(noiommu));
	doctor_detail(d, row, "%d groups to open, vfio-pci %s%s", groups,
		      pci ? "there" : "not loaded",
		      noiommu[0] == 'Y' ? ", unsafe no-IOMMU mode" : "");
	if (access("/dev/vfio/vfio", R_OK | W_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "/dev/vfio/vfio: %s", strerror(errno));
		doctor_remedy(d, row, "a udev rule or group that lets you open it");
	} else if (groups == 0) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row, "no device is bound to vfio-pci");
		doctor_remedy(d, row,
			      "as root: echo vfio-pci > /sys/bus/pci/devices/ADDRESS/"
			      "driver_override; echo ADDRESS > /sys/bus/pci/drivers_probe");
	}
}

static void driver_node(struct doctor *d, const char *name)
{
	struct dmaf_err err = {0};
	struct doctor_row *row;
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (d->open_ok && !doctor_driver(d, AREA, path, path, &err))
		return;
	row = doctor_row(d, AREA, DOCTOR_YES, "%s", path);
	if (d->open_ok) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s", err.text);
		doctor_remedy(d, row, "as the reason says; the kernel's log may tell more");
	} else if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode)) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "not a character device");
		doctor_remedy(d, row, "remove it and load dmaflow.ko again");
	} else if (access(path, R_OK | W_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s", strerror(errno));
		doctor_remedy(d, row, "a udev rule or group that lets you open it");
	} else {
		doctor_detail(d, row, "not opened; `dmaflow doctor dma:%s` does", path);
	}
}

static void dmaflow_ko(struct doctor *d)
{
	bool loaded = access("/sys/module/dmaflow", F_OK) == 0;
	struct doctor_row *row = doctor_row(d, AREA, loaded ? DOCTOR_YES : DOCTOR_NO, "dmaflow.ko");
	char version[64];
	struct dirent *e;
	DIR *dev;

	if (loaded) {
		/* "" where the module names no version */
		doctor_read("/sys/module/dmaflow/version", version, sizeof(version));
		doctor_detail(d, row, "loaded%s%s, %d devices", *version ? ", version " : "",
			      version, count_entries("/dev", "dmaflow"));
	} else {
		doctor_reason(d, row, "not loaded");
		doctor_remedy(d, row,
			      "as root: modprobe dmaflow, where \"unsigned modules\" "
			      "allows it; only device memory (dma:) needs it");
	}
	dev = opendir("/dev");
	while (dev && (e = readdir(dev)))
		if (!strncmp(e->d_name, "dmaflow", 7))
			driver_node(d, e->d_name);
	if (dev)
		closedir(dev);
}

void doctor_memory(struct doctor *d)
{
	huge_pool(d);
	thp(d);
	udmabuf(d);
	iommu(d);
	vfio(d);
	dmaflow_ko(d);
}

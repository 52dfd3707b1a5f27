// SPDX-License-Identifier: MIT
/* Zero-copy sends: what the kernel takes, what bounds it, and what each interface makes of it. */
#include "cli/doctor.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/ethtool.h>
#include <linux/if_xdp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define AREA "network"

#define TRY_LEN 32768U
#define WAIT_MS 1000

/*
 * optmem_max 20480 allowed 12 to 25 MB in flight, as measured; other values are taken as
 * proportional. It is a bound per socket.
 */
#define OPTMEM_MEASURED 20480
#define OPTMEM_LOW_MB   12
#define OPTMEM_HIGH_MB  25

static int loopback_pair(int *a, int *b)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in me = {0}, peer = {0};
	socklen_t len = sizeof(sa), plen = sizeof(peer);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;

	*a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*b = -1;
	if (l < 0 || *a < 0 || bind(l, (struct sockaddr *)&sa, len) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&sa, &len) < 0 ||
	    connect(*a, (struct sockaddr *)&sa, len) < 0 ||
	    (*b = accept4(l, (struct sockaddr *)&peer, &plen, SOCK_CLOEXEC)) < 0)
		err = -errno;
	/* Somebody else may have connected first. */
	len = sizeof(me);
	if (!err &&
	    (getsockname(*a, (struct sockaddr *)&me, &len) < 0 || me.sin_port != peer.sin_port))
		err = -EAGAIN;
	if (l >= 0)
		close(l);
	if (err) {
		if (*a >= 0)
			close(*a);
		if (*b >= 0)
			close(*b);
	}
	return err;
}

/* 1: the kernel copied, 0: it didn't, negative errno: no notice. */
static int notice(int fd)
{
	union {
		struct cmsghdr align;
		char bytes[256];
	} control;
	struct msghdr msg = {.msg_control = &control, .msg_controllen = sizeof(control)};
	struct pollfd pfd = {.fd = fd};
	struct sock_extended_err ee;
	struct cmsghdr *c;

	if (poll(&pfd, 1, WAIT_MS) <= 0)
		return -ETIMEDOUT;
	if (recvmsg(fd, &msg, MSG_ERRQUEUE) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_len < CMSG_LEN(sizeof(ee)))
		return -EPROTO;
	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	if (ee.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
		return -EPROTO;
	return ee.ee_code & SO_EE_CODE_ZEROCOPY_COPIED ? 1 : 0;
}

static int send_and_wait(int a, int b, const void *p)
{
	int one = 1;
	ssize_t n;
	char drop[4096];

	if (setsockopt(a, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) < 0)
		return -errno;
	n = send(a, p, TRY_LEN, MSG_ZEROCOPY | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	while (n > 0) {
		ssize_t got = recv(b, drop, sizeof(drop), 0);

		if (got <= 0)
			break;
		n -= got;
	}
	return notice(a);
}

static void zerocopy_tcp(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "MSG_ZEROCOPY over TCP");
	void *p = mmap(NULL, TRY_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int a, b, ret;

	if (p == MAP_FAILED) {
		d->no_memory = true;
		return;
	}
	ret = loopback_pair(&a, &b);
	if (ret < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "no TCP link on 127.0.0.1: %s", strerror(-ret));
		doctor_remedy(d, row, "ip link set lo up");
		munmap(p, TRY_LEN);
		return;
	}
	ret = send_and_wait(a, b, p);
	close(a);
	close(b);
	munmap(p, TRY_LEN);
	if (ret == 1) {
		doctor_detail(d, row,
			      "tried: sent and completed; reported as copied, as loopback "
			      "always is");
	} else if (ret == 0) {
		doctor_detail(d, row, "tried: sent and completed; reported as not copied");
	} else {
		row->verdict = DOCTOR_NO;
		doctor_detail(d, row, "tried: %s", strerror(-ret));
		doctor_reason(d, row,
			      ret == -ENOBUFS     ? "optmem_max or RLIMIT_MEMLOCK is too small"
			      : ret == -ETIMEDOUT ? "the kernel never said that the pages are free"
						  : "came with Linux 4.14; filters may forbid it");
		doctor_remedy(d, row, "mode=copy works everywhere");
	}
}

static void optmem(struct doctor *d)
{
	long long v = doctor_read_number("/proc/sys/net/core/optmem_max", -1);
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "optmem_max");

	if (v < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "/proc/sys/net/core/optmem_max can't be read here");
		doctor_remedy(d, row,
			      "kernels before 6.7 show it in the first network namespace "
			      "only; ENOBUFS is waited out in any case");
		return;
	}
	doctor_detail(d, row, "%lld: some %lld to %lld MB in flight by MSG_ZEROCOPY per socket", v,
		      v * OPTMEM_LOW_MB / OPTMEM_MEASURED, v * OPTMEM_HIGH_MB / OPTMEM_MEASURED);
	if (v > OPTMEM_MEASURED)
		return;
	row->verdict = DOCTOR_LIMITED;
	doctor_reason(d, row, "beyond that send says ENOBUFS and dmaflow waits for completions");
	doctor_remedy(d, row,
		      "as root, in this network namespace: "
		      "sysctl net.core.optmem_max=131072");
}

static void xdp(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "AF_XDP");
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		doctor_detail(d, row, "a socket was made; zero-copy depends on the driver");
		return;
	}
	row->verdict = DOCTOR_NO;
	doctor_detail(d, row, "socket: %s", strerror(errno));
	if (errno == EPERM || errno == EACCES) {
		doctor_reason(d, row, "needs CAP_NET_RAW");
		doctor_remedy(d, row,
			      "run as root, or setcap cap_net_raw,cap_net_admin,cap_bpf+ep "
			      "on the program");
	} else {
		doctor_reason(d, row,
			      "the kernel is built without CONFIG_XDP_SOCKETS, or a filter "
			      "forbids it");
		doctor_remedy(d, row, "another kernel; xdp: isn't to be had here");
	}
}

static int ethtool(int fd, const char *ifname, void *what)
{
	struct ifreq ifr = {.ifr_data = what};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* 1 on, 0 off, -1 not told. */
static int offload(int fd, const char *ifname, unsigned int cmd)
{
	struct ethtool_value v = {.cmd = cmd};

	return ethtool(fd, ifname, &v) ? -1 : v.data != 0;
}

struct interface {
	char driver[32];
	int sg, csum, tso, mtu;
	bool up, loopback;
};

static int look_at(const char *ifname, struct interface *i)
{
	struct ethtool_drvinfo drv = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0) {
		err = -errno;
		goto out;
	}
	i->up = ifr.ifr_flags & IFF_UP;
	i->loopback = ifr.ifr_flags & IFF_LOOPBACK;
	i->mtu = ioctl(fd, SIOCGIFMTU, &ifr) < 0 ? 0 : ifr.ifr_mtu;
	snprintf(i->driver, sizeof(i->driver), "%s",
		 ethtool(fd, ifname, &drv) == 0 && drv.driver[0] ? drv.driver : "driver not told");
	if (i->loopback)
		snprintf(i->driver, sizeof(i->driver), "loopback");
	i->sg = offload(fd, ifname, ETHTOOL_GSG);
	i->csum = offload(fd, ifname, ETHTOOL_GTXCSUM);
	i->tso = offload(fd, ifname, ETHTOOL_GTSO);
out:
	close(fd);
	return err;
}

static const char *on_off(int v)
{
	return v < 0 ? "not told" : v ? "on" : "off";
}

/* Drivers that hand a packet to this machine's own stack first make its pages their own. */
static bool copies_late(const struct interface *i)
{
	return i->loopback || !strcmp(i->driver, "veth") || !strcmp(i->driver, "tun");
}

static bool on_top_of_others(const struct interface *i)
{
	static const char *const drivers[] = {
		"bridge",  "bonding", "team",       "802.1Q VLAN Support",
		"macvlan", "ipvlan",  "openvswitch"};

	for (size_t n = 0; n < sizeof(drivers) / sizeof(drivers[0]); n++)
		if (!strcmp(i->driver, drivers[n]))
			return true;
	return false;
}

enum doctor_verdict doctor_interface(struct doctor *d, const char *area, const char *ifname)
{
	struct doctor_row *row = doctor_row(d, area, DOCTOR_YES, "interface %s", ifname);
	struct interface i = {0};
	int err = look_at(ifname, &i);

	if (err) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "it can't be looked at: %s", strerror(-err));
		doctor_remedy(d, row, "ip link shows what there is");
		return row->verdict;
	}
	doctor_detail(
		d, row, "%s, %s, MTU %d, scatter-gather %s, transmit checksum %s, segmentation %s",
		i.driver, i.up ? "up" : "down", i.mtu, on_off(i.sg), on_off(i.csum), on_off(i.tso));
	if (copies_late(&i)) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row,
			      "stays on this machine: a zero-copy send is taken and then "
			      "copied late, which costs more than send");
		doctor_remedy(d, row,
			      "nothing to do: mode=auto changes to copy, or to splice "
			      "where the receiver acknowledges");
	} else if (i.sg == 0 || i.csum == 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row,
			      "without %s the kernel copies each packet into one piece "
			      "before it is sent",
			      i.sg == 0 ? "scatter-gather" : "a checksum made by the device");
		doctor_remedy(d, row,
			      "as root: ethtool -K %s tx on sg on; where `ethtool -k %s` "
			      "says [fixed] the device or its driver can't",
			      ifname, ifname);
	} else if (i.sg < 0 || i.csum < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "the driver doesn't tell by ETHTOOL_GSG and ETHTOOL_GTXCSUM");
		doctor_remedy(d, row, "mode=auto finds out by what the completions say");
	} else if (on_top_of_others(&i)) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row, "allows it, but the interface beneath decides");
		doctor_remedy(d, row, "look at that one's row");
	} else if (!strcmp(i.driver, "virtio_net")) {
		doctor_detail(d, row, "%s; as far as this guest goes: its host may still copy",
			      row->detail ? row->detail : i.driver);
	}
	return row->verdict;
}

/* "sk refcnt type proto iface ...": proto 3 (ETH_P_ALL) takes every packet, sent ones too. */
bool doctor_captured(void)
{
	FILE *f = fopen("/proc/net/packet", "re");
	char line[256];
	unsigned int proto;
	bool yes = false;

	while (f && !yes && fgets(line, sizeof(line), f))
		yes = sscanf(line, "%*s %*s %*s %x", &proto) == 1 && proto == 3;
	if (f)
		fclose(f);
	return yes;
}

static void captures(struct doctor *d)
{
	struct doctor_row *row;

	if (!doctor_captured())
		return;
	row = doctor_row(d, AREA, DOCTOR_LIMITED, "packet capture");
	doctor_reason(d, row,
		      "a packet socket takes every protocol (tcpdump, some DHCP clients): "
		      "zero-copy sends are copied for it");
	doctor_remedy(d, row, "end it while measuring; its owner: ss -0p");
}

void doctor_network(struct doctor *d)
{
	struct if_nameindex *all, *i;
	struct doctor_row *row;

	zerocopy_tcp(d);
	optmem(d);
	xdp(d);
	captures(d);
	all = if_nameindex();
	if (!all) {
		row = doctor_row(d, AREA, DOCTOR_UNKNOWN, "interfaces");
		doctor_reason(d, row, "if_nameindex: %s", strerror(errno));
		doctor_remedy(d, row, "netlink sockets have to be let through");
		return;
	}
	for (i = all; i->if_index; i++)
		doctor_interface(d, AREA, i->if_name);
	if_freenameindex(all);
}

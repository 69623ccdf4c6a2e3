/* SPDX-License-Identifier: GPL-2.0-or-later */
/* datagrams.h - UDP and ICMP between a guest and a network, both played by the test; the host's kernel is the real one
 *
 *	guest            the program's                 host                       outside
 *	frames in,  <->  udp.c, ping.c, sock.c  <->  sockets in a namespace  <->  tun device: the test reads and writes
 *	frames out                                   of the test's own             IP packets, as the network would
 *
 * Host: 192.0.2.1 and .9, 2001:db8::1 and ::9 on the tun device "out", default routes through it; guest: the same
 * addresses, gateways 192.0.2.254 and fe80::1, which stand for the host's loopback. Frames and packets are read with
 * code of the test's own.
 */
#ifndef DATAGRAMS_H
#define DATAGRAMS_H

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "addresses.h"
#include "descriptors.h"
#include "t.h"
#include "../accept.h"
#include "../event.h"
#include "../icmp.h"
#include "../ping.h"
#include "../ctx.h"
#include "../sock.h"
#include "../tcp.h"
#include "../udp.h"

static struct ctx c;
static struct conf cf;
static struct guest *const g = &c.guest[0];
static int outside = -1;		/* tun device */

#define MUST(x)	do { if ((x) < 0) { printf("Bail out! %s: %s\n", #x, strerror(errno)); exit(1); } } while (0)

static struct end E(const char *s, uint16_t port)
{
	return (struct end){ A(s), port };
}

/* ---- packets: read and written without the program's help ---- */

static uint16_t slow_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t slow_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, size_t len)
{
	size_t skip = addr_is_v4(src) ? 12 : 0;

	return slow_sum(dst->b + skip, 16 - skip, slow_sum(src->b + skip, 16 - skip, (uint32_t)(proto + len)));
}

/* One IP packet taken apart */
struct ippkt {
	bool		good;		/* lengths and all checksums that are complete */
	bool		v4;
	struct end	src, dst;
	uint8_t		proto, ttl, tos;
	uint16_t	id, frag_off;
	bool		frag, more, df;
	uint8_t		type, code;	/* ICMP */
	uint32_t	rest;
	const uint8_t	*l4, *data;
	size_t		l4_len, len;	/* with and without transport header */
};

/* @csum: transport checksum is complete, and the packet not cut short (as quoted ones are) */
static struct ippkt ip_read(const uint8_t *p, size_t len, bool csum)
{
	struct ippkt i = { .v4 = p[0] >> 4 == 4 };
	size_t hlen = i.v4 ? (size_t)(p[0] & 15) * 4 : 40, total;
	uint32_t sum;

	if (len < hlen)
		return i;
	i.tos = i.v4 ? p[1] : (uint8_t)(p[0] << 4 | p[1] >> 4);
	i.proto = i.v4 ? p[9] : p[6];
	i.ttl = i.v4 ? p[8] : p[7];
	i.src.a = addr_from_bytes(p + (i.v4 ? 12 : 8), i.v4);
	i.dst.a = addr_from_bytes(p + (i.v4 ? 16 : 24), i.v4);
	total = i.v4 ? get_be16(p + 2) : 40U + get_be16(p + 4);
	if (i.v4) {
		uint16_t off = get_be16(p + 6);

		i.id = get_be16(p + 4);
		i.df = off & 0x4000;
		i.more = off & 0x2000;
		i.frag_off = (uint16_t)((off & 0x1fff) * 8);
		i.frag = i.more || i.frag_off;
		if (slow_sum(p, hlen, 0) != 0xffff)
			return i;
	} else if (i.proto == IPPROTO_FRAGMENT) {
		i.proto = p[40];
		i.frag_off = get_be16(p + 42) & 0xfff8;
		i.more = p[43] & 1;
		i.id = get_be16(p + 46);
		i.frag = true;
		hlen += 8;
	}
	i.l4 = p + hlen;
	i.l4_len = len - hlen;
	i.good = csum ? total == len : total >= len;
	if (i.frag && i.frag_off)
		return i;
	if (i.l4_len < 8) {
		i.good = false;
		return i;
	}
	if (i.proto == IPPROTO_UDP) {
		i.src.port = get_be16(i.l4);
		i.dst.port = get_be16(i.l4 + 2);
		if (csum && !i.frag && get_be16(i.l4 + 4) != i.l4_len)
			i.good = false;
	} else {
		i.type = i.l4[0];
		i.code = i.l4[1];
		i.rest = get_be32(i.l4 + 4);
	}
	i.data = i.l4 + 8;
	i.len = i.l4_len - 8;
	if (csum && !i.frag) {
		sum = i.proto == IPPROTO_ICMP ? 0 : slow_pseudo(&i.src.a, &i.dst.a, i.proto, i.l4_len);
		if (slow_sum(i.l4, i.l4_len, sum) != 0xffff)
			i.good = false;
	}
	return i;
}

/* IP packet with @l4 as it is: length */
static size_t ip_write(uint8_t *p, const struct addr *src, const struct addr *dst, uint8_t proto, uint8_t ttl,
		       const void *l4, size_t len)
{
	size_t hlen = addr_is_v4(src) ? 20 : 40;

	memset(p, 0, hlen);
	if (hlen == 20) {
		p[0] = 0x45;
		put_be16(p + 2, (uint16_t)(hlen + len));
		p[8] = ttl;
		p[9] = proto;
		addr_to_bytes(src, p + 12);
		addr_to_bytes(dst, p + 16);
		put_be16(p + 10, (uint16_t)~slow_sum(p, 20, 0));
	} else {
		p[0] = 0x60;
		put_be16(p + 4, (uint16_t)len);
		p[6] = proto;
		p[7] = ttl;
		addr_to_bytes(src, p + 8);
		addr_to_bytes(dst, p + 24);
	}
	if (len)
		memmove(p + hlen, l4, len);
	return hlen + len;
}

static size_t udp_write(uint8_t *p, const struct end *src, const struct end *dst, uint8_t ttl, const void *data,
			size_t len)
{
	static uint8_t l4[65535 + 8];
	uint16_t csum;

	put_be16(l4, src->port);
	put_be16(l4 + 2, dst->port);
	put_be16(l4 + 4, (uint16_t)(8 + len));
	put_be16(l4 + 6, 0);
	if (len)
		memcpy(l4 + 8, data, len);
	csum = (uint16_t)~slow_sum(l4, 8 + len, slow_pseudo(&src->a, &dst->a, IPPROTO_UDP, 8 + len));
	put_be16(l4 + 6, csum ? csum : 0xffff);
	return ip_write(p, &src->a, &dst->a, IPPROTO_UDP, ttl, l4, 8 + len);
}

static size_t icmp_write(uint8_t *p, const struct addr *src, const struct addr *dst, uint8_t ttl, uint8_t type,
			 uint8_t code, uint32_t rest, const void *data, size_t len)
{
	static uint8_t l4[65535 + 8];
	bool v4 = addr_is_v4(src);
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	l4[0] = type;
	l4[1] = code;
	put_be16(l4 + 2, 0);
	put_be32(l4 + 4, rest);
	if (len)
		memcpy(l4 + 8, data, len);
	put_be16(l4 + 2, (uint16_t)~slow_sum(l4, 8 + len, v4 ? 0 : slow_pseudo(src, dst, proto, 8 + len)));
	return ip_write(p, src, dst, proto, ttl, l4, 8 + len);
}

/* ---- the guest's link ---- */

#define GOT_MAX	1024

struct got {
	uint8_t		*buf;		/* Ethernet frame */
	size_t		len;
	struct offload	off;
	struct ippkt	ip;
};

static struct got got[GOT_MAX];
static unsigned ngot;			/* frames the guest got */
static unsigned link_room = UINT32_MAX;	/* how many more it takes */

static void link_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static int link_flush(struct tap *t)
{
	for (; t->qlen; tap_queue_pop(t)) {
		const struct frame *f = tap_queued(t, 0);
		struct iovec iov[1 + FRAME_IOV];
		unsigned n = frame_iov(f, iov);
		struct got *o = &got[ngot];

		if (!link_room)
			return -EAGAIN;
		link_room--;
		if (ngot == GOT_MAX)
			continue;
		o->buf = malloc(f->hlen + f->len);
		o->len = 0;
		for (unsigned i = 0; i < n; o->len += iov[i++].iov_len)
			memcpy(o->buf + o->len, iov[i].iov_base, iov[i].iov_len);
		o->off = f->off;
		o->ip = ip_read(o->buf + 14, o->len - 14, !f->off.partial);
		ngot++;
	}
	return 0;
}

static void got_clear(void)
{
	while (ngot)
		free(got[--ngot].buf);
}

static void link_init(const struct caps *caps)
{
	static const struct tap_ops ops = { .name = "test", .commit = link_commit, .flush = link_flush };

	tap_init(&g->tap, &ops, 0, caps, -1);
	link_room = UINT32_MAX;
}

/* ---- the network outside ---- */

/* Next IP packet that leaves the host, apart from the kernel's own (neighbours, groups); false if there is none */
static bool out_read(struct ippkt *i)
{
	static uint8_t buf[65536];

	for (;;) {
		ssize_t n = read(outside, buf, sizeof(buf));

		if (n <= 0)
			return false;
		*i = ip_read(buf, (size_t)n, true);
		if (i->proto == IPPROTO_UDP || (i->proto == IPPROTO_ICMP) ||
		    (i->proto == IPPROTO_ICMPV6 && i->type == 128))
			return true;
	}
}

static void out_write(const void *p, size_t len)
{
	MUST(write(outside, p, len));
}

static void out_drain(void)
{
	struct ippkt i;

	while (out_read(&i))
		;
}

/* Datagram from outside to the host */
static inline void out_udp(const struct end *src, const struct end *dst, const void *data, size_t len)
{
	static uint8_t p[65536];

	out_write(p, udp_write(p, src, dst, 64, data, len));
}

/* ICMP error of router @from about the packet @i that left the host */
static inline void out_error(const struct addr *from, const struct ippkt *i, uint8_t type, uint8_t code, uint32_t rest,
		      size_t quote)
{
	size_t hlen = i->v4 ? 20 : 40, len = MIN(hlen + i->l4_len, quote);
	static uint8_t p[65536];

	out_write(p, icmp_write(p, from, &i->src.a, 61, type, code, rest, i->l4 - hlen, len));
}

/* ---- the host ---- */

/* An address is there when its route is: a work queue of the kernel's puts it in, some time after the ioctl() */
static void host_wait_address(const struct in6_addr *a)
{
	char want[40], line[512];

	for (unsigned i = 0; i < 16; i++)
		snprintf(want + 2 * i, 3, "%02x", a->s6_addr[i]);
	snprintf(want + 32, 5, " 80 ");			/* length of the prefix: 128 */
	for (unsigned ms = 0; ms < 10000; ms++) {
		FILE *f = fopen("/proc/self/net/ipv6_route", "r");
		bool found = false;

		MUST(f ? 0 : -1);
		while (!found && fgets(line, sizeof(line), f))
			found = !strncmp(line, want, 36);
		fclose(f);
		if (found)
			return;
		poll(NULL, 0, 1);
	}
	ok(!"the kernel has a route to its address");
}

static void host_address(int s4, int s6, const char *dev, const char *a4, const char *mask4, const char *a6,
			 unsigned plen6)
{
	struct ifreq r = { 0 };
	struct sockaddr_in *sin = (void *)&r.ifr_addr;
	struct in6_ifreq r6 = { .ifr6_prefixlen = plen6, .ifr6_ifindex = (int)if_nametoindex(dev) };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
	if (a4) {
		sin->sin_family = AF_INET;
		inet_pton(AF_INET, a4, &sin->sin_addr);
		MUST(ioctl(s4, SIOCSIFADDR, &r));
		inet_pton(AF_INET, mask4, &sin->sin_addr);
		MUST(ioctl(s4, SIOCSIFNETMASK, &r));
	}
	MUST(ioctl(s4, SIOCGIFFLAGS, &r));
	r.ifr_flags |= IFF_UP;
	MUST(ioctl(s4, SIOCSIFFLAGS, &r));
	if (a6) {
		inet_pton(AF_INET6, a6, &r6.ifr6_addr);
		MUST(ioctl(s6, SIOCSIFADDR, &r6));
		host_wait_address(&r6.ifr6_addr);
	}
}

static int s4, s6;

static void host_default_routes(const char *dev, bool add)
{
	struct in6_rtmsg r6 = {
		.rtmsg_metric = 1, .rtmsg_flags = RTF_UP, .rtmsg_ifindex = (int)if_nametoindex(dev),
	};
	char name[IFNAMSIZ];
	struct rtentry r = { .rt_flags = RTF_UP, .rt_dev = name };

	snprintf(name, sizeof(name), "%s", dev);
	r.rt_dst.sa_family = r.rt_genmask.sa_family = AF_INET;
	MUST(ioctl(s4, add ? SIOCADDRT : SIOCDELRT, &r));
	MUST(ioctl(s6, add ? SIOCADDRT : SIOCDELRT, &r6));
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

/* Namespaces of our own, with the network described above */
static void host_init(void)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	MUST(unshare(CLONE_NEWUSER | CLONE_NEWNET));
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	write_file("/proc/sys/net/ipv4/icmp_ratelimit", "0");
	write_file("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	write_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	write_file("/proc/sys/net/ipv6/icmp/ratelimit", "0");

	MUST(s4 = socket(AF_INET, SOCK_DGRAM, 0));
	MUST(s6 = socket(AF_INET6, SOCK_DGRAM, 0));
	MUST(outside = open("/dev/net/tun", O_RDWR | O_NONBLOCK));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "out");
	MUST(ioctl(outside, TUNSETIFF, &r));
	host_address(s4, s6, "lo", NULL, NULL, NULL, 0);
	host_address(s4, s6, "out", "192.0.2.1", "255.255.255.0", "2001:db8::1", 64);
	host_address(s4, s6, "out:1", "192.0.2.9", "255.255.255.0", NULL, 0);
	host_address(s4, s6, "lo", NULL, NULL, "2001:db8::9", 128);
	host_default_routes("out", true);
	sock_probe();
	flows_init(&c.flows);
	accept_init(&c);
	log_level = LOG_ERR;
}

/* A new namespace permits ping sockets to nobody */
static inline void host_allow_ping(void)
{
	write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
	sock_probe();
}

/* A client or server on the host: UDP socket bound to @at */
static inline int host_socket(const struct end *at)
{
	union sockaddr_any sa;
	socklen_t len = end_to_sa(at, 0, &sa);
	int fd = socket(sa.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	MUST(fd);
	MUST(bind(fd, &sa.sa, len));
	return fd;
}

static inline void host_send(int fd, const struct end *to, const void *data, size_t len)
{
	union sockaddr_any sa;
	socklen_t salen = end_to_sa(to, 0, &sa);

	MUST(sendto(fd, data, len, 0, &sa.sa, salen));
}

/* Bytes received, or -1 */
static inline ssize_t host_recv(int fd, void *buf, size_t size, struct end *from)
{
	union sockaddr_any sa = { 0 };
	socklen_t len = sizeof(sa);
	ssize_t n = recvfrom(fd, buf, size, 0, &sa.sa, &len);

	if (n >= 0 && from)
		end_from_sa(from, &sa);
	return n;
}

/* ---- the program's loop, and input.c's part of it ---- */

static void link_resume(enum flow_wait list)
{
	struct flow *f;

	for (unsigned n = 0; n < 64 && (f = flow_next(&c.flows, list)); n++) {
		f->ops->ready(&c, f, HOST, EPOLLIN);
		if (f->wait == WAIT_STALLED)
			break;
	}
}

/* Until nothing is ready: number of events, which a test may bound */
static unsigned run(void)
{
	unsigned total = 0;

	for (unsigned turn = 0; turn < 10000; turn++) {
		struct epoll_event ev[16];
		bool ready = c.flows.wait[WAIT_READY].head != FLOW_NONE;
		int n = epoll_wait(c.epfd, ev, 16, 0);

		MUST(n);
		if (!n && !ready)
			return total;
		total += (unsigned)n;
		for (int i = 0; i < n; i++) {
			union ev_ref r = { .u64 = ev[i].data.u64 };
			struct flow *f = r.type == EV_FLOW ? flow_get(&c.flows, r.idx, (uint16_t)r.gen) : NULL;

			if (r.type == EV_TCP_LISTEN)
				tcp_accept(&c, r.idx);
			else if (r.type == EV_UDP_LISTEN)
				udp_listen_ready(&c, r.idx, ev[i].events);
			else if (f)
				f->ops->ready(&c, f, r.side, ev[i].events);
		}
		if (ready)
			link_resume(WAIT_READY);
		tap_flush(&g->tap);
		flow_bury(&c.flows);
	}
	ok(!"the loop came to rest");
	return total;
}

/* Lets @ms pass */
static void pass(uint64_t ms)
{
	uint64_t end = c.now + ms;
	struct timer *t;
	int left;

	while ((left = wheel_timeout(&c.wheel, c.now)) >= 0 && c.now + (unsigned)left <= end) {
		c.now += (unsigned)left;
		while ((t = timer_expire(&c.wheel, c.now))) {
			struct flow *f = container_of(t, struct flow, timer);

			f->ops->timeout(&c, f);
		}
		flow_bury(&c.flows);
	}
	c.now = end;
	while ((t = timer_expire(&c.wheel, c.now)))
		;
}

#define SEND_MAX	TAP_BATCH

static uint8_t guest_frame[SEND_MAX][2048];
static size_t guest_len[SEND_MAX];
static uint16_t guest_gso[SEND_MAX];
static uint8_t *guest_big;		/* instead of guest_frame[0], for more than that holds */

static size_t guest_eth(uint8_t *p, size_t ip_len)
{
	memset(p, 0x52, 12);
	p[0] = p[6] = 0x02;
	put_be16(p + 12, p[14] >> 4 == 4 ? 0x0800 : 0x86dd);
	return 14 + ip_len;
}

/* What input.c does with a batch */
static void guest_send(unsigned n)
{
	static struct pkt pkts[SEND_MAX];
	static struct iovec iov[SEND_MAX];
	static struct flow *touched[SEND_MAX];
	unsigned flows = 0;

	for (unsigned i = 0; i < n; i++) {
		struct raw raw = {
			.iov = &iov[i], .cnt = 1, .len = guest_len[i],
			.off = { .gso = guest_gso[i], .partial = guest_gso[i] }
		};
		struct pkt *p = &pkts[i];
		struct flow *f;
		enum drop why;

		iov[i] = (struct iovec){ !i && guest_big ? guest_big : guest_frame[i], guest_len[i] };
		why = pkt_parse(&raw, p);
		if (!eq(why, DROP_NONE))
			continue;
		p->next = PKT_NEXT_NONE;
		if (p->proto != IPPROTO_UDP) {
			ping_input(&c, g, p);
			continue;
		}
		f = flow_find_guest(&c.flows, 0, FLOW_UDP, &p->src, &p->dst);
		if (!f)
			f = udp_open(&c, g, p);
		if (!f)
			continue;
		if (f->batch_head == PKT_NEXT_NONE) {
			f->batch_head = (uint16_t)i;
			touched[flows++] = f;
		} else {
			pkts[f->batch_tail].next = (uint16_t)i;
		}
		f->batch_tail = (uint16_t)i;
	}
	for (unsigned i = 0; i < flows; i++)
		if (!touched[i]->dead)
			udp_input(&c, touched[i], pkts);
	tap_flush(&g->tap);
	flow_bury(&c.flows);
}

/* Datagram @i of the next batch */
static void guest_udp(unsigned i, const struct end *src, const struct end *dst, uint8_t ttl, const void *data,
		      size_t len)
{
	guest_len[i] = guest_eth(guest_frame[i], udp_write(guest_frame[i] + 14, src, dst, ttl, data, len));
	guest_gso[i] = 0;
}

static inline void guest_tos(unsigned i, uint8_t tos)
{
	uint8_t *p = guest_frame[i] + 14;

	if (p[0] >> 4 == 4) {
		p[1] = tos;
		put_be16(p + 10, 0);
		put_be16(p + 10, (uint16_t)~slow_sum(p, 20, 0));
	} else {
		p[0] = (uint8_t)(6 << 4 | tos >> 4);
		p[1] = (uint8_t)(tos << 4);
	}
}

/* One datagram, at once */
static inline void guest_say(const struct end *src, const struct end *dst, const char *text)
{
	guest_udp(0, src, dst, 64, text, strlen(text));
	guest_send(1);
}

/* ---- set-up of one test ---- */

static struct net_ip net_ip(const char *addr, uint8_t plen, const char *gw)
{
	struct addr a = A(addr), any = addr_is_v4(&a) ? addr_any4 : addr_any6;

	return (struct net_ip){
		.on = true,
		.guest = { .addr = a, .plen = plen, .ll = any },
		.gw = A(gw),
		.our_ll = addr_is_v4(&a) ? any : A("fe80::1"),
		.map_loopback = A(gw),
		.map_guest = any,
		.dns_forward = any,
		.dns_host = any,
		.ifindex = if_nametoindex("out"),
	};
}

/* Ends all flows and listeners, and begins anew; @caps of the link, NULL: plain, 65535 bytes */
static void begin(const struct caps *caps)
{
	static const struct caps plain = { .mtu = 65535 };

	for (uint32_t i = 0; i < c.flows.unused; i++) {
		struct flow *f = &c.flows.f[i];

		if ((f->type == FLOW_UDP || f->type == FLOW_UDP_SPLICE || f->type == FLOW_PING ||
		     f->type == FLOW_SPLICE) && !f->dead)
			ok(f->ops->end(&c, f));
	}
	flow_bury(&c.flows);
	for (uint32_t i = 0; i < c.flows.unused; i++)
		if (c.flows.f[i].type == FLOW_UDP_PORT && !c.flows.f[i].dead)
			flow_end(&c.flows, &c.flows.f[i]);	/* listeners */
	flow_bury(&c.flows);
	for (uint32_t i = 0; i < c.fwd.n; i++)
		fd_close(c.fwd.l[i].fd);
	c.fwd.n = 0;
	if (c.epfd > 0)
		close(c.epfd);

	cf = (struct conf){ .no_splice = true };
	c.net.ip[V4] = net_ip("192.0.2.1", 24, "192.0.2.254");
	c.net.ip[V6] = net_ip("2001:db8::1", 64, "fe80::1");
	cf.ip[V4].out_addr = addr_any4;
	cf.ip[V6].out_addr = addr_any6;
	c.net.cf = &cf;
	c.now = 1000000;
	wheel_init(&c.wheel, c.now);
	MUST(c.epfd = epoll_create1(EPOLL_CLOEXEC));
	memset(g, 0, sizeof(*g));
	g->seen = (struct seen){ .addr = { c.net.ip[V4].guest.addr, c.net.ip[V6].guest.addr } };
	got_clear();
	out_drain();
	link_init(caps ? caps : &plain);
}

/* Rule: host's ports @first to @last to the guest's from @to on */
static inline void publish(uint16_t first, uint16_t last, uint16_t to)
{
	cf.rules.rule[cf.rules.n++] =
		(struct rule){ .proto = IPPROTO_UDP, .any = true, .first = first, .last = last, .to = to };
}

/* Fragments in got[], put together: length of the IP payload, 0 if they don't fit */
static inline size_t reassemble(uint8_t *to, uint32_t mtu)
{
	size_t end = 0;

	for (unsigned k = 0; k < ngot; k++) {
		const struct ippkt *i = &got[k].ip;

		if (!ok(i->good && i->frag && i->id == got[0].ip.id) || !ok(got[k].len - 14 <= mtu) ||
		    !eq(i->frag_off, end) || !ok(i->more == (k + 1 < ngot)))
			return 0;
		memcpy(to + end, i->l4, i->l4_len);
		end += i->l4_len;
	}
	return end;
}

static unsigned drops(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		n += (unsigned)g->drops[i];
	return n;
}

#endif /* DATAGRAMS_H */

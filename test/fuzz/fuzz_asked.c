/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_asked.c - a UDP socket of the guest: senders that may answer its datagrams to groups and broadcast addresses,
 * options for these, and the filter in the kernel
 *
 * A datagram is an answer if a slow reference finds its question among the last UDP_ASKED different ones, no older than
 * UDP_ANSWER_TIME, and it comes from outside, and from that network. The filter takes the peers of all flows, and no
 * others, or there is none. Broadcast is on for broadcast addresses only.
 *
 * Input: settings (S_*), then steps: enum op in the lowest three bits of a byte, a number in the others. All is
 * big-endian, and 0 behind the end of the input.
 */
/* LDFLAGS: -Wl,--wrap=sock_opt,--wrap=sock_ip_opt,--wrap=sock_is_local,--wrap=filter_peers,--wrap=filter_none */
/* LDFLAGS: -Wl,--wrap=getentropy */
#include <netinet/in.h>
#include <stdlib.h>

#include "../../udp_asked.c"
#include "../../ctx.h"
#include "take.h"

#define CHECK(x)	((x) ? (void)0 : abort())
#define STEPS		500
#define FLOWS		(FILTER_PEERS + 4)
#define HOST_IF		2
#define FD		1000
#define PLEN		24		/* bits of the guest's network, and up to three more */

enum { S_V6 = 1, S_LISTENER = 2, S_PLEN = 12 };
enum op { DO_FLOW, DO_FLOW_ENDS, DO_ASK, DO_ANSWER, DO_FILTER, DO_FAIL, DO_TIME, DO_FROM, DO_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_sock_opt(int fd, int level, int name, int value);
int __wrap_sock_ip_opt(int fd, bool v6, int name4, int name6, int value);
bool __wrap_sock_is_local(const struct addr *a, unsigned scope);
int __wrap_filter_peers(int fd, const struct end *peer, unsigned n);
int __wrap_filter_none(int fd);
int __wrap_getentropy(void *b, size_t len);

static struct ctx c;
static const struct flow_ops port_ops = { .type = FLOW_UDP_PORT, .fds = 1 }, flow_ops = { .type = FLOW_UDP };
static struct flow *port, *flow[FLOWS];
static bool v6;

/* The kernel's side of the socket */
static struct {
	bool		broadcast, looped, info, filtered;
	struct end	peer[FILTER_PEERS];
	unsigned	n;
	bool		fails;		/* the next change of the filter is refused; */
	bool		stuck;		/* it was, and the filter is still there */
} kernel;

/* All different questions, each as it was asked last */
static struct question {
	uint64_t	at;
	uint16_t	port;
	unsigned	scope;
	struct addr	to;		/* of a broadcast address; unspecified: any of several */
} asked[STEPS];
static unsigned nasked;

int __wrap_sock_opt(int fd, int level, int name, int value)
{
	CHECK(fd == FD && level == SOL_SOCKET && name == SO_BROADCAST && !v6);
	kernel.broadcast = value;
	return 0;
}

int __wrap_sock_ip_opt(int fd, bool six, int name4, int name6, int value)
{
	CHECK(fd == FD && six == v6);
	if (name4 == IP_MULTICAST_LOOP) {
		CHECK(name6 == IPV6_MULTICAST_LOOP);
		kernel.looped = value;
	} else {
		CHECK(name4 == IP_PKTINFO && name6 == IPV6_RECVPKTINFO);
		kernel.info = value;
	}
	return 0;
}

int __wrap_filter_peers(int fd, const struct end *peer, unsigned n)
{
	CHECK(fd == FD && n && n <= FILTER_PEERS);
	if (kernel.fails) {
		kernel.fails = false;
		return -ENOMEM;
	}
	memcpy(kernel.peer, peer, n * sizeof(*peer));
	kernel.n = n;
	kernel.filtered = true;
	return 0;
}

int __wrap_filter_none(int fd)
{
	CHECK(fd == FD && kernel.filtered);
	if (kernel.fails) {
		kernel.fails = false;
		kernel.stuck = true;
		return -EPERM;
	}
	kernel.filtered = kernel.stuck = false;
	return 0;
}

int __wrap_getentropy(void *b, size_t len)
{
	memset(b, 0, len);
	return 0;
}

/* Addresses whose last byte is 9 are the host's */
bool __wrap_sock_is_local(const struct addr *a, unsigned scope)
{
	CHECK(!scope || addr_is_linklocal(a));
	return a->b[15] == 9;
}

/* Below 8: something special; else a host of a small or large network, or a broadcast address there */
static struct addr addr_take(void)
{
	static const char *const special[2][8] = {
		{ "127.0.0.1", "224.0.0.251", "255.255.255.255", "239.255.255.250", "192.0.2.255", "192.0.2.9",
		  "10.255.255.255", "192.0.2.0" },
		{ "::1", "ff02::fb", "ff02::1", "ff05::c", "2001:db8::1", "2001:db8::9", "fe80::9", "fe80::1" },
	};
	uint8_t n = (uint8_t)take(1);
	struct addr a;

	if (n < 8)
		CHECK(addr_parse(special[v6][n], strlen(special[v6][n]), &a));
	else if (v6)
		a = (struct addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = n } };
	else
		a = addr_from4(htonl(n & 128 ? 0x0a000000U | take(3) : 0xc0000200U | n));
	return a;
}

/* Is @from of a network whose broadcast address, or own address, is @to? By each length of its prefix */
static bool same_network(const struct addr *from, const struct addr *to)
{
	uint32_t a = ntohl(addr_v4(from)), b = ntohl(addr_v4(to));

	for (unsigned host = 0; host < 32; host++) {
		uint32_t mask = (1U << host) - 1;

		if (((b & mask) == mask || !(b & mask)) && a >> host == b >> host)
			return true;
	}
	return false;
}

static bool from_outside(const struct dgram *d, const struct addr *network)
{
	return d->ifindex > LOOPBACK_IF && !addr_is_loopback(&d->from.a) && !addr_eq(&d->from.a, &d->our) &&
	       d->from.a.b[15] != 9 && (!network || same_network(&d->from.a, network));
}

static bool is_answer(const struct dgram *d)
{
	unsigned later = 0;

	for (unsigned i = 0; i < nasked; i++) {
		const struct question *q = &asked[i];

		later = 0;
		for (unsigned k = 0; k < nasked; k++)
			later += asked[k].at > q->at;
		if (later < UDP_ASKED && c.now - q->at <= UDP_ANSWER_TIME && q->port == d->from.port &&
		    (!q->scope || q->scope == d->ifindex) && from_outside(d, addr_is_unspec(&q->to) ? NULL : &q->to))
			return true;
	}
	return false;
}

static struct dgram dgram_take(void)
{
	uint8_t how = (uint8_t)take(1);
	struct dgram d = { .from = { addr_take(), (uint16_t)(1 + (how >> 4)) }, .ifindex = how & 3 };

	d.our = how & 4 ? d.from.a : v6 ? addr_any6 : addr_from4(htonl(0xc0000202));
	return d;
}

/* The n-th flow, new or of another peer, sends its first datagram: as in udp_open() */
static void op_flow(unsigned n)
{
	struct flow *f = flow[n];
	struct end to = { .a = addr_take() };

	to.port = (uint16_t)(1 + take(1) % 8);
	if (!f) {
		f = flow[n] = flow_alloc(&c.flows, &flow_ops, 0, c.now);
		f->udp.next = port->udp.flows;
		port->udp.flows = flow_idx(&c.flows, f);
	}
	udp_unfilter(port);
	f->side[HOST].peer = to;
	f->udp.scope = addr_is_multicast(&to.a) ? take(1) % 4 : 0;
	f->udp.many = addr_is_many(&to.a);
	if (f->udp.many)
		udp_to_many(port, &to.a);
	else
		udp_to_one(port);
	CHECK(addr_is_multicast(&to.a) || kernel.broadcast == f->udp.many);
}

static void op_flow_ends(unsigned n)
{
	uint32_t *at = &port->udp.flows;

	if (!flow[n])
		return;
	while (*at != flow_idx(&c.flows, flow[n]))
		at = &c.flows.f[*at].udp.next;
	*at = flow[n]->udp.next;
	flow_end(&c.flows, flow[n]);
	flow_bury(&c.flows);
	flow[n] = NULL;
}

/* It has sent a datagram to many; an IPv4 address may turn out to be a network's broadcast address */
static void op_ask(unsigned n)
{
	const struct net_ip *ip = &c.net.ip[v6];
	struct question q = { .at = ++c.now };
	struct flow *f = flow[n];
	unsigned i = 0;

	if (!f || (!f->udp.many && v6))
		return;
	if (!addr_is_many(&f->side[HOST].peer.a)) {
		udp_to_many(port, &f->side[HOST].peer.a);
		CHECK(kernel.broadcast);
		q.to = f->side[HOST].peer.a;
		f->udp.many = true;
	}
	q.port = f->side[HOST].peer.port;
	if (addr_is_unspec(&q.to))
		q.scope = f->udp.scope;
	else if (!((ntohl(addr_v4(&q.to)) ^ ntohl(addr_v4(&ip->guest.addr))) & ~0U << (32 - ip->guest.plen)))
		q.scope = HOST_IF;
	udp_asks(&c, port, f);
	while (i < nasked && !(asked[i].port == q.port && asked[i].scope == q.scope && addr_eq(&asked[i].to, &q.to)))
		i++;
	nasked = MAX(nasked, i + 1);
	asked[i] = q;
}

static void op_filter(void)
{
	struct end peers[FLOWS];
	unsigned n = 0, found = 0;
	bool was = kernel.filtered, fails = kernel.fails, listener = port->udp.listener != FLOW_NONE;

	for (unsigned i = 0; i < FLOWS; i++)
		if (flow[i])
			peers[n++] = flow[i]->side[HOST].peer;
	udp_filter(&c, port);
	if (was)
		return;
	CHECK(kernel.filtered == (n && n <= FILTER_PEERS && !port->udp.many && !listener && !fails));
	for (unsigned i = 0; kernel.filtered && i < n; i++)
		for (unsigned k = 0; k < n; k++)
			if (end_eq(&kernel.peer[k], &peers[i])) {
				found++;
				break;
			}
	CHECK(!kernel.filtered || (kernel.n == n && found == n));
}

static void step(void)
{
	static const uint32_t ms[] = { 1, 4998, 4999, 5000, 5001, 2500, 100, 10000, 600000, 86400000 };
	const struct addr network = addr_from4(htonl(0xc00002ff));
	uint8_t first = (uint8_t)take(1);
	unsigned n = (first >> 3) % FLOWS;
	struct dgram d;

	switch ((enum op)(first & 7)) {
	case DO_FLOW:
		op_flow(n);
		break;
	case DO_FLOW_ENDS:
		op_flow_ends(n);
		break;
	case DO_ASK:
		op_ask(n);
		break;
	case DO_ANSWER:
		d = dgram_take();
		CHECK(udp_answers(&c, port, &d) == is_answer(&d));
		break;
	case DO_FILTER:
		op_filter();
		break;
	case DO_FAIL:
		kernel.fails = n & 1;
		break;
	case DO_TIME:
		c.now += ms[n % ARRAY_SIZE(ms)];
		break;
	case DO_FROM:
		d = dgram_take();
		CHECK(udp_from_network(&d, v6 ? NULL : &network) == from_outside(&d, v6 ? NULL : &network));
		break;
	case DO_COUNT:
		break;
	}
	CHECK(kernel.filtered == port->udp.filtered && kernel.broadcast == port->udp.bcast);
	CHECK(!port->udp.many || (!kernel.looped && kernel.info && (!kernel.filtered || kernel.stuck)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t set;

	in = data;
	in_left = size;
	set = (uint8_t)take(1);
	v6 = set & S_V6;
	memset(&kernel, 0, sizeof(kernel));
	kernel.looped = true;
	memset(flow, 0, sizeof(flow));
	nasked = 0;
	c.now = 1000000;
	flows_init(&c.flows);
	c.net.ip[v6] = (struct net_ip){ .on = true, .ifindex = HOST_IF };
	c.net.ip[v6].guest.addr = v6 ? (struct addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = 2 } } :
				       addr_from4(htonl(0xc0000202));
	c.net.ip[v6].guest.plen = (uint8_t)(v6 ? 64 : PLEN + (set & S_PLEN) / 4);
	port = flow_alloc(&c.flows, &port_ops, 0, c.now);
	port->udp = (struct udp){ .sock = FD, .flows = FLOW_NONE, .listener = set & S_LISTENER ? 1 : FLOW_NONE };
	for (unsigned i = 0; in_left && i < STEPS; i++)
		step();
	for (unsigned n = 0; n < FLOWS; n++)
		op_flow_ends(n);
	flow_end(&c.flows, port);
	flow_bury(&c.flows);
	return 0;
}

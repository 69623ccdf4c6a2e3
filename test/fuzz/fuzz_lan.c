/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_lan.c - guests on a network of their own, or a guest alone on the host's: the switch, groups, leases, names, and
 * answers from our address
 *
 * Whatever three guests send, tables hold together after each frame, an address has one owner at most, no guest gets a
 * frame from our MAC address that another one sent, and what we send ourselves is a proper packet.
 *
 * Input: settings (S_*, one byte), then steps. The lowest four bits of a step's first byte say what it is (enum op),
 * the next two which guest. Addresses are numbers, see mac_take() and addr_take(); bytes are behind their number, which
 * has two bytes. All is big-endian, and 0 behind the end of the input.
 */
/* LDFLAGS: -Wl,--wrap=siphash */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lan.c"
#include "../../lan_group.c"
#include "../../lease.c"
#define find	neigh_place		/* these names are others' here */
#define take	neigh_take
#include "../../neigh.c"
#undef find
#undef take

#include "../../answer.h"
#include "../../dns.h"
#include "../../resolve.h"
#include "take.h"

#define CHECK(x)	((x) ? (void)0 : abort())
#define GUESTS		3
#define STEPS		300
#define FRAME		70000

enum {
	S_SMALL = 1, S_ISOLATE = 2, S_FIXED = 4, S_OFFLOAD = 8, S_NO_V6 = 16, S_ALONE = 32, S_NO_HOST = 64, S_HOST = 128
};
enum { P_V6 = 1, P_PARTIAL = 2, P_GSO = 4, P_FRAGMENT = 8, P_OPTION = 16, P_FULL = 32, P_TTL1 = 64, P_CUT = 128 };
enum op { DO_FRAME, DO_PACKET, DO_ARP, DO_DHCP, DO_DHCP6, DO_QUERY, DO_TIME, DO_GUEST, DO_OWN, DO_COUNT };
enum ours { OWN_ADVERT, OWN_CHANGED, OWN_PROBE, OWN_NEIGHBOUR, OWN_FULL, OWN_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint64_t __wrap_siphash(const uint64_t key[2], const void *data, size_t len);

static struct ctx c;
static struct conf cf;
static unsigned sender;		/* of the frame that is looked at */
static bool full;		/* all links are */
static uint8_t frame[FRAME];

/* The same input, the same chains, and long ones */
uint64_t __wrap_siphash(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t sum = 0;

	(void)key;
	for (size_t i = 0; i < len; i++)
		sum += ((const uint8_t *)data)[i];
	return sum % 4;
}

static size_t take_bytes(uint8_t *b, size_t most)
{
	size_t len = take(2);

	len = MIN(MIN(len, in_left), most);
	memcpy(b, in, len);
	in += len;
	in_left -= len;
	return len;
}

/* 0: ours, 255: of all, 254: of the group @to, or none; else a guest's, or nobody's */
static struct mac mac_take(const struct addr *to)
{
	uint8_t n = (uint8_t)take(1);

	if (!n)
		return cf.our_mac;
	if (n == 255)
		return (struct mac){ { 255, 255, 255, 255, 255, 255 } };
	if (n == 254 && addr_is_v4(to))
		return (struct mac){ { 1, 0, 0x5e, to->b[13] & 0x7f, to->b[14], to->b[15] } };
	if (n == 254)
		return (struct mac){ { 0x33, 0x33, to->b[12], to->b[13], to->b[14], to->b[15] } };
	return (struct mac){ { n == 253 ? 0 : 2, [5] = n == 253 ? 0 : n } };
}

/* Below 16: something special; else one of the network's, or a group */
static struct addr addr_take(bool v6)
{
	static const char *const special[2][16] = {
		{ "0.0.0.0", "192.168.77.1", "255.255.255.255", "192.168.77.255", "192.168.77.0",
		  "224.0.0.1", "224.0.0.22",
		  "224.0.0.251", "239.1.2.3", "192.0.2.1", "192.168.77.2", "192.0.2.15", "169.254.1.1", "239.1.2.4",
		  "239.129.2.3", "127.0.0.1" },
		{ "::", "fd00:77::1", "fe80::1", "ff02::1", "ff02::16", "ff02::1:2", "ff02::2", "ff05::1:3", "ff01::5",
		  "2001:db8::1", "fd00:77::", "2001:db8::15", "fe80::ff:fe00:1", "ff02::1:ff00:1", "ff02::1:ff00:2",
		  "ff15::7" },
	};
	uint8_t n = (uint8_t)take(1);
	struct mac mac = { { 2, [5] = n & 15 } };
	struct addr a;

	if (n < 16)
		addr_parse(special[v6][n], strlen(special[v6][n]), &a);
	else if (!v6)
		a = addr_from4(htonl(n < 32 ? 0xef000000U + n : 0xc0a84d00U + n));
	else if (n < 32)
		a = (struct addr){ .b = { 0xff, 5, [15] = n } };
	else
		a = lan_address(&cf.lan.net[V6], &mac);
	return a;
}

/* ---- what guests get ---- */

static int sink_flush(struct tap *t)
{
	static uint8_t got[FRAME];

	if (full)
		return -EAGAIN;
	for (; t->qlen; tap_queue_pop(t)) {
		const struct frame *f = tap_queued(t, 0);
		struct iovec iov[1 + FRAME_IOV], whole = { got, 0 };
		struct raw raw = { &whole, 1, 0, f->off, 0 };
		unsigned n = frame_iov(f, iov);
		enum drop why;
		struct pkt p;

		for (unsigned i = 0; i < n; i++) {
			CHECK(whole.iov_len + iov[i].iov_len <= sizeof(got));
			memcpy(got + whole.iov_len, iov[i].iov_base, iov[i].iov_len);
			whole.iov_len += iov[i].iov_len;
		}
		raw.len = whole.iov_len;
		CHECK(raw.len >= ETH_HLEN && (f->off.gso || raw.len <= ETH_HLEN + t->caps.mtu));
		CHECK(!(f->off.partial && !t->caps.csum));
		if (memcmp(got + ETH_ALEN, cf.our_mac.b, ETH_ALEN)) {		/* another guest's */
			CHECK(t->index != sender);
			continue;
		}
		raw.off.full = !f->off.partial;
		why = pkt_parse(&raw, &p);
		CHECK(why == DROP_NONE || (why == DROP_PROTO && p.proto == IPPROTO_IGMP));
	}
	return 0;
}

static void sink_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static const struct tap_ops sink = { .name = "sink", .eager = true, .commit = sink_commit, .flush = sink_flush };
static const struct tap_ops later = {
	.name = "later", .pieces = FRAME_IOV, .commit = sink_commit, .flush = sink_flush,
};

/* ---- what always holds ---- */

static void check_switch(void)
{
	const struct lan_groups *t = &c.lan.groups;
	unsigned known[FAMILIES] = { 0 };

	for (unsigned i = 0; i < GUESTS; i++) {
		unsigned has = 0;

		for (const struct lan_entry *e = c.lan.e[i]; e < c.lan.e[i] + LAN_MACS; e++)
			CHECK(mac_is_zero(&e->mac) || entry_find(&c.lan, &e->mac) == e);
		for (const struct lan_group *e = t->e[i]; e < t->e[i] + LAN_GROUPS; e++) {
			if (!e->until)
				continue;
			CHECK(addr_is_multicast(&e->a) && group_find(&c.lan, i, &e->a) == e);
			known[addr_family(&e->a)]++;
			has++;
		}
		CHECK(has == t->has[i]);
	}
	CHECK(known[V4] == t->known[V4] && known[V6] == t->known[V6]);
	CHECK(timer_armed(&t->timer) || !(known[V4] + known[V6]));
}

static void check_owner(const struct addr *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GUESTS; i++)
		n += lease_owns(&c.leases, i, a);
	CHECK(n <= 1);
}

static void check_lease(const struct lease *l)
{
	struct addr facts[2 + CLAIMS_EACH];
	const char *name;
	unsigned n;

	CHECK(by_mac(&c.leases, &l->mac) == l && (l->guest < GUESTS || l->guest == LEASE_AWAY));
	CHECK(!l->name[0] || by_name(&c.leases, l->name, strlen(l->name)) == l);
	for (enum family f = V4; f < FAMILIES; f++) {
		CHECK(addr_is_unspec(&l->a[f]) || by_addr(&c.leases, &l->a[f]) == l);
		CHECK(!addr_is_unspec(&l->a[f]) || (!l->state[f] && !l->fixed[f]));
		if (l->guest != LEASE_AWAY && lease_has(l, f))
			check_owner(&l->a[f]);
	}
	if (l->guest == LEASE_AWAY)
		return;
	n = lease_facts(&c.leases, l->guest, facts, ARRAY_SIZE(facts), &name);
	for (unsigned i = 0; i < n; i++)
		CHECK(!addr_is_unspec(&facts[i]));
}

static void check_leases(void)
{
	unsigned count[GUESTS] = { 0 };

	for (const struct lease *l = c.leases.l; l < c.leases.l + c.leases.n; l++) {
		if (!l->used)
			continue;
		check_lease(l);
		if (l->guest != LEASE_AWAY && !is_fixed(l))
			count[l->guest]++;
	}
	for (unsigned i = 0; i < GUESTS; i++) {
		CHECK(count[i] == c.leases.count[i] && count[i] <= LEASES_EACH);
		for (const struct claim *cl = c.leases.claim[i]; cl < c.leases.claim[i] + CLAIMS_EACH; cl++) {
			if (!cl->age)
				continue;
			CHECK(claim_nr(&c.leases, claim_find(&c.leases, &cl->a) - 1) == cl);
			check_owner(&cl->a);
		}
	}
}

/* ---- steps ---- */

/* As input.c does it, without flows */
static enum drop frame_in(struct guest *g, const struct raw *raw)
{
	enum drop why;
	struct pkt p;
	bool ours;

	sender = g->index;
	ours = !cf.lan.on;
	why = cf.lan.on ? lan_input(&c, g, raw, &ours) : DROP_NONE;
	CHECK(!(why && ours));
	if (why || !ours)
		return why;
	sender = GUESTS;
	why = pkt_parse(raw, &p);
	if (why || p.fragment)
		return why;
	if (!guest_learn(&c, g, &p))
		return DROP_OWNER;
	return answer_local(&c, g, &p, &why) ? why : DROP_NONE;
}

/* In two pieces, an allocation each: a sanitizer sees a byte too many being read */
static void give(struct guest *g, size_t len, const struct offload *off)
{
	size_t cut = len > 37 && in_left & 1 ? 37 : len;
	struct iovec iov[2] = { { malloc(cut + !cut), cut }, { malloc(len - cut + 1), len - cut } };
	struct raw raw = { iov, cut < len ? 2 : 1, len, *off, 0 };

	memcpy(iov[0].iov_base, frame, cut);
	memcpy(iov[1].iov_base, frame + cut, len - cut);
	drop_count(g, frame_in(g, &raw));
	lan_settle(&c, g, 1);
	free(iov[0].iov_base);
	free(iov[1].iov_base);
	for (unsigned i = 0; i < GUESTS; i++)
		tap_flush(&c.guest[i].tap);
}

/* Ethernet's header, and an IP header for @len bytes behind it; of the transport header, @at is the checksum's place.
 * The frame's length
 */
static size_t headers(uint8_t flags, uint8_t proto, const struct addr *src, const struct addr *dst, size_t len,
		      size_t at)
{
	bool v4 = !(flags & P_V6);
	size_t opt = flags & P_OPTION ? v4 ? 4 : 8 : 0, hlen = ip_hlen(v4) + opt;
	uint8_t *ip = frame + ETH_HLEN, *l4 = ip + hlen;
	uint64_t pseudo = csum_pseudo(src, dst, proto, (uint32_t)len);

	memmove(l4, ip, len);
	put_be16(frame + 12, v4 ? ETH_P_IP : ETH_P_IPV6);
	memset(ip, 0, hlen);
	addr_to_bytes(src, ip + (v4 ? 12 : 8));
	addr_to_bytes(dst, ip + (v4 ? 16 : 24));
	if (at && at + 2 <= len) {
		uint16_t sum = 0;

		memset(l4 + at, 0, 2);
		if (proto == IPPROTO_IGMP || proto == IPPROTO_ICMP)
			pseudo = 0;
		sum = flags & P_PARTIAL ? csum_fold(pseudo) : csum_finish(csum_add(l4, len, pseudo));
		memcpy(l4 + at, &sum, 2);
	}
	if (v4) {
		ip[0] = (uint8_t)(0x45 + opt / 4);
		put_be16(ip + 2, (uint16_t)(hlen + len));
		ip[6] = flags & P_FRAGMENT ? 0x20 : 0;
		ip[8] = flags & P_TTL1 ? 1 : 64;
		ip[9] = proto;
		memcpy(ip + 20, "\x94\x04\0", opt);
		sum_at(ip, hlen, 10, 0);
		return ETH_HLEN + hlen + len;
	}
	ip[0] = 0x60;
	put_be16(ip + 4, (uint16_t)(opt + len));
	ip[6] = opt ? flags & P_FRAGMENT ? 44 : 0 : proto;
	ip[7] = flags & P_TTL1 ? 1 : 255;
	if (opt)
		memcpy(ip + 40, (uint8_t[]){ proto, 0, flags & P_FRAGMENT ? 0 : 5, flags & P_FRAGMENT ? 1 : 2, 0, 0,
					     flags & P_FRAGMENT ? 0 : 1, 0 }, 8);
	return ETH_HLEN + hlen + len;
}

static void op_packet(struct guest *g)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMPV6, IPPROTO_IGMP, IPPROTO_ICMP, 50 };
	static const uint8_t sums[] = { 6, 16, 2, 2, 2, 0 };
	uint8_t flags = (uint8_t)take(1), kind = (uint8_t)take(1) % sizeof(protos);
	const struct addr src = addr_take(flags & P_V6), dst = addr_take(flags & P_V6);
	struct mac to = mac_take(&dst), from = mac_take(&dst);
	struct offload off = { .partial = flags & P_PARTIAL, .full = flags & P_FULL };
	size_t len, more;

	off.gso = (uint16_t)(flags & P_GSO ? take(2) : 0);
	more = flags & P_CUT ? 0 : take(2) % 20000;		/* zeros behind the bytes */
	len = take_bytes(frame + ETH_HLEN, 2000);
	memset(frame + ETH_HLEN + len, 0, more);
	len = headers(flags, protos[kind], &src, &dst, len + more, sums[kind]);
	memcpy(frame, to.b, ETH_ALEN);
	memcpy(frame + ETH_ALEN, from.b, ETH_ALEN);
	more = flags & P_CUT ? take(1) : 0;			/* or bytes less */
	give(g, len - MIN(len, more), &off);
}

static void op_arp(struct guest *g)
{
	const struct addr none = addr_any4;
	struct mac to = mac_take(&none), from = mac_take(&none);
	uint8_t op = (uint8_t)take(1), *arp = frame + ETH_HLEN;
	struct addr spa = addr_take(false), tpa = addr_take(false);

	memcpy(frame, to.b, ETH_ALEN);
	memcpy(frame + ETH_ALEN, from.b, ETH_ALEN);
	memcpy(frame + 12, (uint8_t[]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, op }, 10);
	memcpy(arp + 8, from.b, ETH_ALEN);
	addr_to_bytes(&spa, arp + 14);
	memset(arp + 18, 0, ETH_ALEN);
	addr_to_bytes(&tpa, arp + 24);
	give(g, ETH_HLEN + 28 - (op > 200 ? 5U : 0U), &(struct offload){ 0 });
}

/* A message to the server, from unspecified or link-local addresses; options as they are */
static void op_dhcp(struct guest *g, bool v6)
{
	static const struct addr all6 = { .b = { 0xff, 2, [13] = 1, [15] = 2 } };
	struct addr src = addr_any4, dst = addr_from4(INADDR_BROADCAST);
	uint8_t *udp = frame + ETH_HLEN, *m = udp + UDP_HLEN;
	struct mac from = mac_take(&dst);
	size_t len;

	put_be16(udp, v6 ? 546 : 68);
	put_be16(udp + 2, v6 ? 547 : 67);
	if (v6) {
		const struct addr ll = { .b = { 0xfe, 0x80 } };

		src = lan_address(&ll, &from);
		dst = all6;
		len = take_bytes(m, 1000);
	} else {
		memset(m, 0, 240);
		memcpy(m, (uint8_t[]){ 1, 1, 6 }, 3);
		src = addr_take(false);
		addr_to_bytes(&src, m + 12);
		memcpy(m + 28, from.b, ETH_ALEN);
		put_be32(m + 236, 0x63825363);
		len = 240 + take_bytes(m + 240, 1000);
	}
	put_be16(udp + 4, (uint16_t)(UDP_HLEN + len));
	put_be16(udp + 6, 0);
	len = headers(v6 ? P_V6 : 0, IPPROTO_UDP, &src, &dst, UDP_HLEN + len, 6);
	memset(frame, 255, ETH_ALEN);
	memcpy(frame + ETH_ALEN, from.b, ETH_ALEN);
	give(g, len, &(struct offload){ 0 });
}

/* A query about a name, as text, or about an address */
static void op_query(void)
{
	static const char *const fixed[] = { "host.internal", "internal", "1.77.168.192.in-addr.arpa",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa", "2.77.168.192.in-addr.arpa",
		"fixed", "7.77.168.192.in-addr.arpa" };
	static uint8_t answer[DNS_RECORD_MAX];
	uint8_t type = (uint8_t)take(1), which = (uint8_t)take(1), query[400] = { 0, 7, 1, 0, 0, 1 };
	char name[DNS_NAME_LEN + 1] = "";
	struct dns_query q;
	size_t len, at = 12;

	if (which < ARRAY_SIZE(fixed))
		snprintf(name, sizeof(name), "%s", fixed[which]);
	else
		name[take_bytes((uint8_t *)name, 200)] = '\0';
	for (const char *p = name; *p; p += len + (p[len] == '.')) {
		len = strcspn(p, ".");
		query[at++] = (uint8_t)len;
		memcpy(query + at, p, len);
		at += len;
	}
	put_be16(query + at + 1, type);
	put_be16(query + at + 3, 1);
	if (dns_read(query, at + 5, &q) == DNS_PLAIN && cf.lan.on)
		CHECK(resolve_lan(&c, &q, answer) <= sizeof(answer));
}

static void op_time(void)
{
	static const uint64_t ms[] = { 1, 500, 2000, 2001, 60000, 125000, 260000, 300000 };
	const struct timer *t;

	c.now += ms[take(1) % ARRAY_SIZE(ms)];
	while ((t = timer_expire(&c.wheel, c.now))) {
		CHECK(t->kind == TIMER_GROUPS || t->kind == TIMER_NDP);
		if (t->kind == TIMER_GROUPS)
			lan_group_timeout(&c);
		else
			answer_advert(&c, container_of(t, struct guest, ndp));
	}
	for (unsigned i = 0; i < GUESTS; i++)
		tap_flush(&c.guest[i].tap);
}

/* The guest goes, and comes back, or another one of its name does; or its device is down */
static void op_guest(struct guest *g)
{
	uint8_t what = (uint8_t)take(1);

	if (what & 1)
		g->tap.down = !g->tap.down;
	if (what & 2) {
		lan_forget(&c.lan, g->index);
		guest_forget(&c, g);
	}
	if (!g->tap.down)
		lan_group_up(&c, g);
}

/* What we send by ourselves: advertisements, a search for the guest, other MAC addresses of neighbours */
static void op_own(struct guest *g)
{
	uint8_t what = (uint8_t)take(1);
	struct addr a;
	struct mac mac;

	switch ((enum ours)(what % OWN_COUNT)) {
	case OWN_ADVERT:
		answer_advert(&c, g);
		break;
	case OWN_CHANGED:
		answer_changed(&c, g);
		break;
	case OWN_PROBE:
		answer_probe(&c, g);
		break;
	case OWN_NEIGHBOUR:
		a = addr_take(what & 128);
		mac = mac_take(&a);
		if (is_neighbour(&c.net, &a)) {
			remember_mac(&c.neigh, &a, &mac);
			answer_neighbour(&c, g, &a);
		}
		mac = guest_mac_at(&c, g, &a);
		CHECK(mac_eq(&mac, &g->mac) || lease_use(&c.leases, g->index, &mac, &a));
		break;
	case OWN_FULL:
		full = !full;
		sender = GUESTS;		/* of frames that waited */
		break;
	case OWN_COUNT:
		break;
	}
	for (unsigned i = 0; i < GUESTS; i++)
		tap_flush(&c.guest[i].tap);
}

static void step(void)
{
	uint8_t first = (uint8_t)take(1);
	struct guest *g = &c.guest[cf.lan.on ? (first >> 4 & 3) % GUESTS : 0];
	struct offload off;

	switch ((enum op)((first & 15) % DO_COUNT)) {
	case DO_FRAME:
		off = (struct offload){ .full = first & 64, .partial = first & 128 };
		give(g, take_bytes(frame, 2000), &off);
		break;
	case DO_PACKET:
		op_packet(g);
		break;
	case DO_ARP:
		op_arp(g);
		break;
	case DO_DHCP:
	case DO_DHCP6:
		op_dhcp(g, (first & 15) % DO_COUNT == DO_DHCP6);
		break;
	case DO_QUERY:
		op_query();
		break;
	case DO_TIME:
		op_time();
		break;
	case DO_GUEST:
		op_guest(g);
		break;
	case DO_OWN:
		op_own(g);
		break;
	case DO_COUNT:
		break;
	}
	check_switch();
	check_leases();
}

/* Former addresses and names of the host, which advertisements withdraw */
static void set_former(struct net *net)
{
	const struct net_old old = { { .b = { 0xfe, 0x80, [15] = 9 } }, INT64_MAX };

	net->prefix[0] = net->rdnss[0] = net->router[0] = old;
	net->domain[0] = (struct net_old_name){ "old.example", INT64_MAX };
	net->search = (struct search){ { "example.com", "b.example.org" }, 2 };
}

/* 192.168.77.0/24, or /29, and fd00:77::/64, of guests or the host's. Else, the host is 192.0.2.15. */
static void set_network(uint8_t set)
{
	cf = (struct conf){ .our_mac = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } }, .mtu = 1500,
			    .mode = MODE_PASST, .dhcp_dns = true, .dhcp_search = true,
			    .guests = set & (S_ALONE | S_HOST) ? 1 : GUESTS };
	cf.lan = (struct lan_conf){ .on = !(set & S_HOST), .v6 = !(set & S_NO_V6), .isolate = set & S_ISOLATE,
				    .plen4 = set & S_SMALL ? 29 : 24, .net[V4] = addr_from4(htonl(0xc0a84d00)),
				    .net[V6] = { .b = { 0xfd, 0, 0, 0x77 } } };
	if (set & S_FIXED) {
		cf.lan.nlease = 3;
		cf.lan.lease[0] = (struct lan_lease){ { { 2, [5] = 7 } }, addr_from4(htonl(0xc0a84d07)), "fixed" };
		cf.lan.lease[1] = (struct lan_lease){ { { 2, [5] = 8 } }, { .b = { 0xfd, 0, 0, 0x77, [15] = 8 } }, "" };
		cf.lan.lease[2] = (struct lan_lease){ { { 2, [5] = 9 } }, { .b = { 0xfd, 0, 0, 0x77, [11] = 255, 254,
								    0, 0, 8 } }, "fixed" };
	}
	c.net = (struct net){ .cf = &cf };
	for (enum family f = V4; f < FAMILIES; f++) {
		struct net_ip *ip = &c.net.ip[f];

		ip->on = f == V4 || cf.lan.v6;
		ip->map_guest = cf.ip[f].out_addr = addr_any(f);
		ip->gw = ip->server = ip->dns_forward = ip->map_loopback = ip->guest.dns[0] =
			f == V4 ? addr_from4(htonl(0xc0a84d01)) : (struct addr){ .b = { 0xfd, 0, 0, 0x77, [15] = 1 } };
		if (set & S_NO_HOST)
			ip->map_loopback = addr_any(f);
		ip->guest.ndns = 1;
		ip->guest.addr = f == V4 ? addr_from4(htonl(0xc000020f)) :
				 (struct addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = 21 } };
		if (set & S_HOST)
			ip->guest.addr = f == V4 ? addr_from4(htonl(0xc0a84d0f)) :
					 (struct addr){ .b = { 0xfd, 0, 0, 0x77, [15] = 15 } };
		ip->guest.plen = f == V4 ? cf.lan.plen4 : 64;
		ip->dns_host = addr_from4(htonl(0xc0000235));
	}
	c.net.ip[V6].our_ll = (struct addr){ .b = { 0xfe, 0x80, [15] = 1 } };
	if (set & S_HOST)
		set_former(&c.net);
}

static void begin(uint8_t set)
{
	struct caps caps = { .mtu = 1500, .csum = set & S_OFFLOAD, .uso = set & S_OFFLOAD };

	caps.tso4 = caps.tso6 = set & S_OFFLOAD ? IP_MAX : 0;
	memset(c.guest, 0, GUESTS * sizeof(c.guest[0]));
	memset(&c.leases, 0, sizeof(c.leases));
	memset(&c.lan, 0, sizeof(c.lan));
	memset(&c.neigh, 0, sizeof(c.neigh));
	full = false;
	c.now = 1000000;
	set_network(set);
	wheel_init(&c.wheel, c.now);
	leases_start(&c.leases, &c.net);
	guest_init(&c);
	c.guests = GUESTS;
	c.here = (struct guests){ { set & (S_ALONE | S_HOST) ? 1 : (1U << GUESTS) - 1 } };
	for (unsigned i = 0; i < GUESTS; i++)
		tap_init(&c.guest[i].tap, set & S_OFFLOAD ? &later : &sink, 1, &caps, -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_level = LOG_EMERG;
	in = data;
	in_left = size;
	begin((uint8_t)take(1));
	for (unsigned i = 0; in_left && i < STEPS; i++)
		step();
	return 0;
}

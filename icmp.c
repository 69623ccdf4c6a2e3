/* SPDX-License-Identifier: GPL-2.0-or-later */
/* icmp.c - ICMP errors, towards the guest and from it
 *
 * Errors quote the guest's packet as the guest sent it, as far as RFC 1812 4.3.2.3 and RFC 4443 2.4 (c) allow. There is
 * none for packets of RFC 1122 3.2.2, RFC 4443 2.4 (e). Their rate is limited (RFC 4443 2.4 (f)).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#include "icmp.h"
#include "pmtu.h"

#define IP6_MTU_MIN	1280
#define IP4_ERROR_MAX	576

#define RATE		1			/* ms for an error, on average */
#define RATE_BURST	200			/* ms' errors that may be sent at once */

/* ICMP message for a local error; false if there is none (ICMP-09) */
static bool by_errno(int err, uint32_t info, bool v4, struct icmp_hdr *h)
{
	static const struct {
		int	err;
		uint8_t	type4, code4, type6, code6;
	} map[] = {
		{ ECONNREFUSED,	ICMP4_UNREACH, 3,	ICMP6_UNREACH, 4 },
		{ EHOSTUNREACH,	ICMP4_UNREACH, 1,	ICMP6_UNREACH, 3 },
		{ EHOSTDOWN,	ICMP4_UNREACH, 1,	ICMP6_UNREACH, 3 },
		{ ENETUNREACH,	ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ ENETDOWN,	ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ EADDRNOTAVAIL, ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ ENODEV,	ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ EACCES,	ICMP4_UNREACH, 13,	ICMP6_UNREACH, 1 },
		{ EPERM,	ICMP4_UNREACH, 13,	ICMP6_UNREACH, 1 },
		{ ENOPROTOOPT,	ICMP4_UNREACH, 2,	ICMP6_UNREACH, 4 },
		{ EMSGSIZE,	ICMP4_UNREACH, UNREACH4_TOO_BIG, ICMP6_TOO_BIG, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
		if (map[i].err != err)
			continue;
		*h = v4 ? (struct icmp_hdr){ .type = map[i].type4, .code = map[i].code4 } :
			  (struct icmp_hdr){ .type = map[i].type6, .code = map[i].code6 };
		if (err == EMSGSIZE)
			h->rest = v4 ? MIN(info, UINT16_MAX) : MAX(info, IP6_MTU_MIN);
		return true;
	}
	return false;
}

/* Message about a packet that left in the other family: to a resolver, see map_out(). The kernel's errno has types and
 * codes as RFC 7915 4.2 and 5.2 translate them, but for "time exceeded"; packets' sizes differ by their headers.
 */
static bool by_translation(const struct sock_err *e, bool v4, struct icmp_hdr *h)
{
	uint32_t info = v4 ? e->info - MIN(e->info, IP6_HLEN - IP4_HLEN) : e->info + (IP6_HLEN - IP4_HLEN);

	if (e->origin == (v4 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP) &&
	    e->type == (v4 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED)) {
		*h = (struct icmp_hdr){ .type = v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, .code = e->code };
		return true;
	}
	return by_errno(e->err, info, v4, h);
}

/* Message as it came from the network, or one for the errno */
static bool by_error(const struct sock_err *e, bool v4, struct icmp_hdr *h)
{
	bool param, big;

	if (!addr_is_unspec(&e->dst.a) && addr_is_v4(&e->dst.a) != v4)
		return by_translation(e, v4, h);
	if (e->origin != (v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6))
		return by_errno(e->err, e->info, v4, h);

	if (v4 && e->type != ICMP4_UNREACH && e->type != ICMP4_TIME_EXCEEDED && e->type != ICMP4_PARAM)
		return false;
	if (!v4 && (e->type < ICMP6_UNREACH || e->type > ICMP6_PARAM))
		return false;

	*h = (struct icmp_hdr){ .type = e->type, .code = e->code };
	big = v4 ? e->type == ICMP4_UNREACH && e->code == UNREACH4_TOO_BIG : e->type == ICMP6_TOO_BIG;
	param = e->type == (v4 ? ICMP4_PARAM : ICMP6_PARAM);
	if (big)
		h->rest = v4 ? MIN(e->info, UINT16_MAX) : MAX(e->info, IP6_MTU_MIN);
	else if (param)
		h->rest = v4 ? e->info << 24 : e->info;		/* pointer */
	return true;
}

static bool may_answer(const struct net *net, const struct addr *src, const struct addr *dst)
{
	const struct guest_ip *g = &net->ip[addr_family(dst)].guest;

	if (addr_is_unspec(src) || addr_is_many(src) || addr_is_many(dst))
		return false;
	/* Broadcast address of the guest's network */
	return !(addr_is_v4(dst) && g->plen && g->plen < 31 && addr_in_prefix(dst, &g->addr, g->plen) &&
		 !~(addr_v4(dst) | addr_mask4(g->plen)));
}

/* On average one in RATE ms, RATE_BURST ms' errors at once */
static bool rate_ok(struct guest *g, uint64_t now)
{
	if (g->icmp_next > now + RATE_BURST)
		return false;
	g->icmp_next = MAX(g->icmp_next, now) + RATE;
	return true;
}

/* The error's source: its real one, where the guest can be shown that, or the gateway */
static struct addr error_source(struct ctx *c, const struct guest *g, const struct sock_err *e, const struct addr *dst)
{
	const struct net_ip *ip = &c->net.ip[addr_family(dst)];

	if (!addr_is_unspec(&e->offender.a)) {
		if (addr_eq(&e->offender.a, &e->dst.a))	/* the destination itself, under the guest's name for it */
			return *dst;
		if (addr_family(&e->offender.a) == addr_family(dst))
			return map_icmp_src(&c->net, &g->seen, &e->offender.a);
	}
	if (!addr_is_unspec(&ip->gw))
		return ip->gw;
	return addr_is_unspec(&ip->our_ll) || addr_is_v4(dst) ? *dst : ip->our_ll;
}

/* Bytes of the guest's packet in an error, which has to pass the link in one piece */
static size_t quote_max(const struct guest *g, bool v4)
{
	return MIN(v4 ? IP4_ERROR_MAX : IP6_MTU_MIN, g->tap.caps.mtu) - ip_hlen(v4) - ICMP_HLEN;
}

/* Sends message @h about the packet @quote, from @src to @dst, if there may be one */
static void send_error(struct ctx *c, struct guest *g, const struct sock_err *e, const struct icmp_hdr *h,
		       const struct end *src, const struct end *dst, const struct view *quote)
{
	const struct end to = { .a = src->a };
	struct frame *fr;
	struct net_hdr n;

	if (!may_answer(&c->net, &src->a, &dst->a) || !rate_ok(g, c->now))
		return;
	if (!tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANSWER)) {
		drop_count(g, DROP_LINK_FULL);
		return;
	}
	fr->len = MIN(quote->len, quote_max(g, addr_is_v4(&dst->a)));
	view_copy(quote, 0, fr->pay[0].iov_base, fr->len);
	n = guest_hdr(c, g, &(struct end){ .a = error_source(c, g, e, &dst->a) }, &to);
	n.id = tap_ids(&g->tap, 1);
	frame_icmp(fr, &n, h);
	tap_commit(&g->tap, fr);
}

void icmp_error(struct ctx *c, struct guest *g, const struct sock_err *e, const struct end *src, const struct end *dst,
		uint8_t proto, const void *l4, size_t len)
{
	bool v4 = addr_is_v4(&dst->a);
	uint8_t ip[IP6_HLEN], ttl;
	unsigned hlen = ip_hlen(v4);
	struct iovec iov[] = { { ip, hlen }, { (void *)(uintptr_t)l4, len } };
	struct net_hdr quoted;
	struct icmp_hdr h;

	if (!by_error(e, v4, &h))
		return;
	ttl = h.type == (v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED) ? 1 : IPDEFTTL; /* as the router saw it */
	quoted = (struct net_hdr){ .src = *src, .dst = *dst, .ttl = ttl };
	put_ip(ip + hlen, &quoted, proto, len, IP4_DF);
	send_error(c, g, e, &h, src, dst, &(struct view){ iov, 2, 0, hlen + len });
}

void icmp_error_pkt(struct ctx *c, struct guest *g, int err, const struct pkt *p)
{
	const struct sock_err e = { .err = err, .origin = SO_EE_ORIGIN_LOCAL };
	struct icmp_hdr h;

	if (by_errno(err, 0, addr_is_v4(&p->dst.a), &h))
		send_error(c, g, &e, &h, &p->src, &p->dst, &p->ip);
}

void icmp_refuse(struct ctx *c, struct guest *g, enum drop why, const struct pkt *p)
{
	drop_count(g, why);
	if (why == DROP_POLICY)
		icmp_error_pkt(c, g, EACCES, p);
}

bool icmp_is_too_big(const struct pkt *p)
{
	return p->proto == IPPROTO_ICMP ? p->icmp.type == ICMP4_UNREACH && p->icmp.code == UNREACH4_TOO_BIG :
	       p->proto == IPPROTO_ICMPV6 && p->icmp.type == ICMP6_TOO_BIG;
}

enum drop icmp_too_big(struct ctx *c, struct guest *g, const struct pkt *p, struct icmp_size *s)
{
	uint32_t mtu = p->icmp.rest;
	struct flow *f = NULL;
	enum flow_type type;
	struct quote q;

	if (!pkt_quote(p, &q))
		return DROP_L4_HEADER;
	if (!addr_eq(&q.src.a, &p->dst.a))
		return DROP_ADDR;
	if (p->proto == IPPROTO_ICMP) {
		mtu &= UINT16_MAX;
		if (!mtu)			/* a router from before RFC 1191 */
			mtu = pmtu_plateau(q.len ? q.len : IP_MAX);
	} else if (mtu < PMTU_MIN6) {
		return DROP_L4_HEADER;
	}

	type = q.proto == IPPROTO_TCP ? FLOW_TCP : q.proto == IPPROTO_UDP ? FLOW_UDP : FLOW_PING;
	if (type != FLOW_PING || q.proto == p->proto)
		f = flow_find_guest(&c->flows, g->index, type, &q.dst, &q.src);
	if (!f)
		return DROP_NO_FLOW;
	if (type != FLOW_TCP)
		pmtu_set(&g->pmtu, &q.dst.a, mtu, c->now);
	*s = (struct icmp_size){ f, q.seq, mtu };
	return DROP_NONE;
}

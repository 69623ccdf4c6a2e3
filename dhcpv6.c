/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcpv6.c - one address for each guest (RFC 8415, 3646, 4704)
 *
 * No other address is on link, as far as leases go: a guest that names one has to start again. The first IA_NA of a
 * message gets the address; further ones get none, and there are no temporary addresses or prefixes.
 *
 * A reply is at most 1280 bytes of IP, which every link carries; entries that don't fit are left out whole.
 */
#include <string.h>

#include "answer.h"
#include "log.h"

#define REPLY6_MAX	(1280 - IP6_HLEN - UDP_HLEN)

#define HEAD_LEN	4		/* type and transaction ID; also of an option's header */
#define DUID_MIN	3		/* RFC 8415 11.1 */
#define DUID_MAX	130
#define DUID_LL		3
#define DUID_LEN	10		/* ours: type, hardware type, address */
#define IA_NA_LEN	12		/* IAID, T1, T2; also of IA_PD */
#define IA_TA_LEN	4		/* IAID */
#define IAADDR_LEN	24		/* address, lifetimes */

/* RFC 8415 7.3 */
enum {
	MSG6_SOLICIT = 1, MSG6_ADVERTISE, MSG6_REQUEST, MSG6_CONFIRM, MSG6_RENEW, MSG6_REBIND, MSG6_REPLY, MSG6_RELEASE,
	MSG6_DECLINE, MSG6_RECONFIGURE, MSG6_INFORMATION,
};

enum {
	OPT6_CLIENTID = 1, OPT6_SERVERID = 2, OPT6_IA_NA = 3, OPT6_IA_TA = 4, OPT6_IAADDR = 5, OPT6_ORO = 6,
	OPT6_PREFERENCE = 7, OPT6_STATUS = 13, OPT6_RAPID = 14, OPT6_DNS = 23, OPT6_SEARCH = 24, OPT6_IA_PD = 25,
	OPT6_FQDN = 39,
};

enum { ST_SUCCESS = 0, ST_NO_ADDRS = 2, ST_NOT_ON_LINK = 4, ST_USE_MULTICAST = 5, ST_NO_PREFIX = 6, ST_NONE = 0xffff };

enum { FQDN6_S = 1, FQDN6_O = 2, FQDN6_N = 4 };	/* RFC 4704 4.1 */

struct opt6 {
	uint16_t	code, len;
	const uint8_t	*data;
	const uint8_t	*next;		/* behind it */
};

/* A client's message, with pointers into the copy of it */
struct request6 {
	uint8_t		type;
	const uint8_t	*opts, *end;
	struct opt6	client, server, fqdn;	/* data NULL: not there */
	bool		rapid, wants_fqdn;
	bool		ia;			/* has any identity association */
};

/* Reads the option at @o->next; false if there is none. It is cut if @o->next isn't @end then. */
static bool opt6_next(struct opt6 *o, const uint8_t *end)
{
	const uint8_t *at = o->next;

	if (end - at < HEAD_LEN || end - at - HEAD_LEN < get_be16(at + 2))
		return false;
	o->code = get_be16(at);
	o->len = get_be16(at + 2);
	o->data = at + HEAD_LEN;
	o->next = o->data + o->len;
	return true;
}

static unsigned ia_fixed(const struct opt6 *ia)
{
	return ia->code == OPT6_IA_TA ? IA_TA_LEN : IA_NA_LEN;
}

/* Fixed part of an identity association, options behind it, and options in these */
static bool ia_ok(const struct opt6 *ia)
{
	struct opt6 o, sub;

	if (ia->len < ia_fixed(ia))
		return false;
	for (o.next = ia->data + ia_fixed(ia); opt6_next(&o, ia->next);) {
		if (o.code != OPT6_IAADDR)
			continue;
		if (o.len < IAADDR_LEN)
			return false;
		for (sub.next = o.data + IAADDR_LEN; opt6_next(&sub, o.next);)
			;
		if (sub.next != o.next)
			return false;
	}
	return o.next == ia->next;
}

/* The first one of its kind counts */
static void opt6_keep(struct opt6 *to, const struct opt6 *o)
{
	if (!to->data)
		*to = *o;
}

/* One option at the top level; false if it is malformed */
static bool option6_take(struct request6 *r, const struct opt6 *o)
{
	switch (o->code) {
	case OPT6_CLIENTID:
	case OPT6_SERVERID:
		opt6_keep(o->code == OPT6_CLIENTID ? &r->client : &r->server, o);
		return o->len >= DUID_MIN && o->len <= DUID_MAX;
	case OPT6_IA_NA:
	case OPT6_IA_TA:
	case OPT6_IA_PD:
		r->ia = true;
		return ia_ok(o);
	case OPT6_ORO:
		for (unsigned i = 0; i + 2 <= o->len; i += 2)
			r->wants_fqdn |= get_be16(o->data + i) == OPT6_FQDN;
		return o->len % 2 == 0;
	case OPT6_RAPID:
		r->rapid = true;
		return !o->len;
	case OPT6_FQDN:
		opt6_keep(&r->fqdn, o);
		return o->len >= 1;
	default:
		return true;
	}
}

/* Copies the message into @msg, of ANSWER_MAX bytes, and reads it; false if malformed */
static bool request6_parse(const struct pkt *p, uint8_t *msg, struct request6 *r)
{
	size_t len = p->data.len;
	struct opt6 o;

	if (len < HEAD_LEN || len > ANSWER_MAX || !view_copy(&p->data, 0, msg, len))
		return false;
	*r = (struct request6){ .type = msg[0], .opts = msg + HEAD_LEN, .end = msg + len };
	for (o.next = r->opts; opt6_next(&o, r->end);)
		if (!option6_take(r, &o))
			return false;
	return o.next == r->end;
}

/* RFC 8415 11.4: the same as long as our MAC address is */
static void duid_fill(const struct net *net, uint8_t duid[static DUID_LEN])
{
	put_be16(duid, DUID_LL);
	put_be16(duid + 2, 1);		/* Ethernet */
	memcpy(duid + 4, net->cf->our_mac.b, sizeof(net->cf->our_mac.b));
}

/* RFC 8415 16: options that a message must have and must not have; other types are not for servers */
static bool request6_valid(const struct request6 *r, const uint8_t duid[static DUID_LEN])
{
	bool ours = r->server.data && r->server.len == DUID_LEN && !memcmp(r->server.data, duid, DUID_LEN);

	switch (r->type) {
	case MSG6_SOLICIT:
	case MSG6_CONFIRM:
	case MSG6_REBIND:
		return r->client.data && !r->server.data;
	case MSG6_REQUEST:
	case MSG6_RENEW:
	case MSG6_RELEASE:
	case MSG6_DECLINE:
		return r->client.data && ours;
	case MSG6_INFORMATION:
		return (!r->server.data || ours) && !r->ia;
	default:
		return false;
	}
}

static void iaaddr_put(struct out *o, const uint8_t addr[static 16], uint32_t lifetime)
{
	uint8_t b[IAADDR_LEN];

	memcpy(b, addr, 16);
	put_be32(b + 16, lifetime);
	put_be32(b + 20, lifetime);
	out_opt(o, 2, OPT6_IAADDR, b, sizeof(b));
}

/* Addresses named in an IA: @addr, any other. Others get lifetime 0 in @o, or NULL (RFC 8415 18.3.4, 18.3.5) */
enum { IA_OURS = 1, IA_FOREIGN = 2 };

static unsigned ia_names(const struct opt6 *ia, const struct addr *addr, struct out *o)
{
	unsigned names = 0;
	struct opt6 sub;

	for (sub.next = ia->data + ia_fixed(ia); opt6_next(&sub, ia->next);) {
		bool ours;

		if (sub.code != OPT6_IAADDR)
			continue;
		ours = !memcmp(sub.data, addr->b, sizeof(addr->b));
		names |= ours ? IA_OURS : IA_FOREIGN;
		if (o && !ours)
			iaaddr_put(o, sub.data, 0);
	}
	return names;
}

/* Reply to one identity association; @addr NULL: no address to give. True if it got the address. */
static bool ia_put(struct out *o, const struct request6 *r, const struct opt6 *ia, const struct addr *addr,
		   uint32_t lease)
{
	size_t start = o->len, fixed = ia_fixed(ia);
	uint16_t status = ST_NONE;
	uint32_t t;

	if (ia->code == OPT6_IA_PD)
		status = ST_NO_PREFIX;
	else if (ia->code == OPT6_IA_TA || !addr)
		status = ST_NO_ADDRS;
	else if (r->type == MSG6_REQUEST && (ia_names(ia, addr, NULL) & IA_FOREIGN))
		status = ST_NOT_ON_LINK;

	if (!out_room(o, HEAD_LEN + fixed + HEAD_LEN + (status == ST_NONE ? IAADDR_LEN : 2)))
		return false;
	out_be(o, ia->code, 2);
	out_zero(o, 2);
	out_bytes(o, ia->data, 4);
	t = status == ST_NONE ? lease : 0;
	if (fixed == IA_NA_LEN) {			/* T1, T2: RFC 8415 21.4 */
		out_be(o, t == FOREVER ? t : t / 2, 4);
		out_be(o, t == FOREVER ? t : t / 5 * 4, 4);
	}
	if (status == ST_NONE)
		iaaddr_put(o, addr->b, lease);
	else
		out_opt_be(o, 2, OPT6_STATUS, status, 2);
	if (addr && ia->code == OPT6_IA_NA && (r->type == MSG6_RENEW || r->type == MSG6_REBIND))
		ia_names(ia, addr, o);
	put_be16(o->b + start + 2, (uint16_t)(o->len - start - HEAD_LEN));
	return status == ST_NONE;
}

static void ias_put(struct out *o, const struct request6 *r, const struct addr *addr, uint32_t lease)
{
	struct opt6 ia;

	if (!addr_is_global(addr))
		addr = NULL;
	for (ia.next = r->opts; opt6_next(&ia, r->end);)
		if (ia.code == OPT6_IA_NA || ia.code == OPT6_IA_TA || ia.code == OPT6_IA_PD)
			if (ia_put(o, r, &ia, addr, lease))
				addr = NULL;
}

/* RFC 8415 18.3.3: status, or ST_NONE if the message names no address */
static uint16_t confirm(const struct request6 *r, const struct addr *addr)
{
	unsigned names = 0;
	struct opt6 ia;

	for (ia.next = r->opts; opt6_next(&ia, r->end);)
		if (ia.code == OPT6_IA_NA || ia.code == OPT6_IA_TA)
			names |= ia_names(&ia, addr, NULL);
	return names & IA_FOREIGN ? ST_NOT_ON_LINK : names ? ST_SUCCESS : ST_NONE;
}

/* RFC 3646 3, 4; RFC 4704 4, 6 */
static void names_put(struct out *o, const struct net *net, const struct guest_ip *me, const struct request6 *r)
{
	const struct conf *cf = net->cf;
	struct out b = { .max = REPLY6_MAX };

	if (cf->dhcp_dns)
		out_opt_addrs(o, 2, OPT6_DNS, me->dns, me->ndns);
	if (r->wants_fqdn && cf->fqdn) {	/* also without a name of the client's own */
		out_be(&b, FQDN6_N | (r->fqdn.data && r->fqdn.data[0] & FQDN6_S ? FQDN6_O : 0), 1);
		if (out_name(&b, cf->fqdn))
			out_opt(o, 2, OPT6_FQDN, b.b, b.len);
	}
	if (cf->dhcp_search && out_room(o, HEAD_LEN)) {
		b = (struct out){ .max = o->max - o->len - HEAD_LEN };
		if (out_search(&b, net))
			out_opt(o, 2, OPT6_SEARCH, b.b, b.len);
	}
}

/* What the message makes of the client's lease */
static void lease_turn(const struct asker *k, const struct mac *mac, const struct request6 *r)
{
	const uint8_t *f = r->fqdn.data;
	unsigned label = f && r->fqdn.len > 2 ? f[1] : 0;	/* the first one: RFC 4704 4.2 */

	if (r->type == MSG6_RELEASE || r->type == MSG6_DECLINE)
		lease_release(k->leases, k->guest, mac, V6, r->type == MSG6_DECLINE);
	else if (r->type != MSG6_INFORMATION)
		lease_offer(k->leases, k->guest, mac, V6, NULL);
	if (!r->ia || (r->type == MSG6_SOLICIT && !r->rapid) || r->type == MSG6_RELEASE || r->type == MSG6_DECLINE)
		return;
	lease_take(k->leases, k->guest, mac, V6);
	if (label && label + 2U <= r->fqdn.len)
		lease_set_name(k->leases, k->guest, mac, (const char *)f + 2, label);
}

/* Options behind the identifiers; false if no reply is due. RFC 8415 18.3, 18.4. */
static bool reply_fill(struct out *o, const struct asker *k, const struct pkt *p, const struct request6 *r)
{
	uint16_t status = ST_SUCCESS;
	struct guest_ip me;

	if (!addr_is_multicast(&p->dst.a)) {
		if (r->type != MSG6_REQUEST && r->type != MSG6_RENEW && r->type != MSG6_RELEASE &&
		    r->type != MSG6_DECLINE)
			return false;
		out_opt_be(o, 2, OPT6_STATUS, ST_USE_MULTICAST, 2);
		return true;
	}

	if (k->leases)
		lease_turn(k, &p->smac, r);
	me = answer_ip(k, &p->smac, V6);
	switch (r->type) {
	case MSG6_CONFIRM:
	case MSG6_RELEASE:
	case MSG6_DECLINE:
		if (r->type == MSG6_DECLINE)
			log_limited(LOG_WARNING, "DHCPv6: guest says that its address is in use on its side");
		if (r->type == MSG6_CONFIRM)
			status = confirm(r, &me.addr);
		if (status != ST_NONE)
			out_opt_be(o, 2, OPT6_STATUS, status, 2);
		return status != ST_NONE;
	case MSG6_SOLICIT:
		if (r->rapid)
			out_opt(o, 2, OPT6_RAPID, NULL, 0);
		else
			out_opt_be(o, 2, OPT6_PREFERENCE, 255, 1);	/* no need to wait for other offers */
		break;
	}
	ias_put(o, r, &me.addr, answer_lease(k->net));
	names_put(o, k->net, &me, r);
	return true;
}

enum drop dhcpv6_answer(const struct asker *k, const struct pkt *p, struct answer *a)
{
	const struct net *net = k->net;
	uint8_t msg[ANSWER_MAX], duid[DUID_LEN];
	struct out *o = &a->out;
	struct request6 r;

	*a = (struct answer){
		.proto = IPPROTO_UDP, .ttl = ANSWER_TTL, .dmac = p->smac, .src = { net->ip[V6].our_ll, PORT_DHCPV6 },
		.dst = { p->src.a, PORT_DHCPV6_GUEST }, .out.max = REPLY6_MAX,
	};
	if (!net->ip[V6].on)
		return DROP_POLICY;
	duid_fill(net, duid);
	if (addr_is_unspec(&p->src.a) || !request6_parse(p, msg, &r) || !request6_valid(&r, duid))
		return DROP_RESPONDER;

	out_be(o, r.type == MSG6_SOLICIT && !r.rapid ? MSG6_ADVERTISE : MSG6_REPLY, 1);
	out_bytes(o, msg + 1, HEAD_LEN - 1);
	out_opt(o, 2, OPT6_SERVERID, duid, sizeof(duid));
	if (r.client.data)
		out_opt(o, 2, OPT6_CLIENTID, r.client.data, r.client.len);
	if (reply_fill(o, k, p, &r))
		return DROP_NONE;
	o->len = 0;
	return DROP_RESPONDER;
}

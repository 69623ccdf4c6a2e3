/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcpv6.c - one address for the one guest, for ever (RFC 8415, 3646, 4704)
 *
 * The address is the only one on the link, as far as leases go: any other is not on link, the guest has to ask again.
 * It goes to the first IA_NA of a message; there are none for further ones, none temporary, and no prefixes.
 *
 * A reply is at most 1280 bytes of IP, as every link carries; what does not fit is left out by whole entries.
 */
#include <string.h>

#include "answer.h"
#include "log.h"

#define PORT_CLIENT	546
#define PORT_SERVER	547
#define TTL		64
#define REPLY_MAX	(1280 - 40 - 8)
#define FOREVER		0xffffffffU

#define HEAD_LEN	4		/* type and transaction ID; also of an option's header */
#define DUID_MIN	3		/* RFC 8415 11.1 */
#define DUID_MAX	130
#define DUID_LL		3
#define DUID_LEN	10		/* ours: type, hardware type, address */
#define IA_NA_LEN	12		/* IAID, T1, T2 */
#define IA_TA_LEN	4		/* IAID */
#define IAADDR_LEN	24		/* address, lifetimes */

/* RFC 8415 7.3 */
enum {
	SOLICIT = 1, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE, RECONFIGURE,
	INFORMATION_REQUEST,
};

enum {
	OPT_CLIENTID = 1, OPT_SERVERID = 2, OPT_IA_NA = 3, OPT_IA_TA = 4, OPT_IAADDR = 5, OPT_ORO = 6,
	OPT_PREFERENCE = 7, OPT_STATUS = 13, OPT_RAPID = 14, OPT_DNS = 23, OPT_SEARCH = 24, OPT_IA_PD = 25,
	OPT_FQDN = 39,
};

enum { ST_SUCCESS = 0, ST_NO_ADDRS = 2, ST_NOT_ON_LINK = 4, ST_USE_MULTICAST = 5, ST_NO_PREFIX = 6, ST_NONE = 0xffff };

enum { FQDN_S = 1, FQDN_O = 2, FQDN_N = 4 };	/* RFC 4704 4.1 */

/* One option of a message: content, and what comes behind it */
struct opt {
	uint16_t	code, len;
	const uint8_t	*data;
	const uint8_t	*next;
};

/* What a client said, pointers into the copy of its message */
struct request {
	uint8_t		type;
	const uint8_t	*opts, *end;
	struct opt	client, server, fqdn;	/* data NULL: not there */
	bool		rapid, wants_fqdn;
	bool		ia;			/* has any identity association */
};

/* Reads the option at @at; false if there is none: at the end, or, then @ok is false as well, because it is cut */
static bool opt_next(const uint8_t *at, const uint8_t *end, struct opt *o, bool *ok)
{
	*ok = at == end;
	if (end - at < HEAD_LEN)
		return false;
	o->code = get_be16(at);
	o->len = get_be16(at + 2);
	o->data = at + HEAD_LEN;
	if (o->len > end - o->data)
		return false;
	o->next = o->data + o->len;
	return true;
}

/* Options within an identity association, behind its fixed part of @fixed bytes */
static bool ia_ok(const struct opt *ia, unsigned fixed)
{
	struct opt o, sub;
	bool ok;

	if (ia->len < fixed)
		return false;
	for (o.next = ia->data + fixed; opt_next(o.next, ia->next, &o, &ok); ) {
		if (o.code != OPT_IAADDR)
			continue;
		if (o.len < IAADDR_LEN)
			return false;
		for (sub.next = o.data + IAADDR_LEN; opt_next(sub.next, o.next, &sub, &ok); )
			;
		if (!ok)
			return false;
	}
	return ok;
}

/* The first one of its kind counts */
static void opt_keep(struct opt *to, const struct opt *o)
{
	if (!to->data)
		*to = *o;
}

/* Takes note of one option at the top level; false if it is malformed */
static bool option_take(struct request *r, const struct opt *o)
{
	switch (o->code) {
	case OPT_CLIENTID:
		opt_keep(&r->client, o);
		return o->len >= DUID_MIN && o->len <= DUID_MAX;
	case OPT_SERVERID:
		opt_keep(&r->server, o);
		return o->len >= DUID_MIN && o->len <= DUID_MAX;
	case OPT_IA_NA:
	case OPT_IA_PD:
		r->ia = true;
		return ia_ok(o, IA_NA_LEN);
	case OPT_IA_TA:
		r->ia = true;
		return ia_ok(o, IA_TA_LEN);
	case OPT_ORO:
		for (unsigned i = 0; i + 2 <= o->len; i += 2)
			r->wants_fqdn |= get_be16(o->data + i) == OPT_FQDN;
		return o->len % 2 == 0;
	case OPT_RAPID:
		r->rapid = true;
		return !o->len;
	case OPT_FQDN:
		opt_keep(&r->fqdn, o);
		return o->len >= 1;
	default:
		return true;
	}
}

/* Copies the message into @msg, of ANSWER_MAX bytes, and reads it; false if malformed */
static bool request_parse(const struct pkt *p, uint8_t *msg, struct request *r)
{
	size_t len = p->data.len;
	struct opt o;
	bool ok;

	if (len < HEAD_LEN || len > ANSWER_MAX || !view_copy(&p->data, 0, msg, len))
		return false;
	*r = (struct request){ .opts = msg + HEAD_LEN, .end = msg + len };
	r->type = msg[0];
	for (o.next = r->opts; opt_next(o.next, r->end, &o, &ok); )
		if (!option_take(r, &o))
			return false;
	return ok;
}

/* RFC 8415 11.4: the same as long as our MAC address is */
static void duid_fill(const struct net *net, uint8_t duid[static DUID_LEN])
{
	put_be16(duid, DUID_LL);
	put_be16(duid + 2, 1);		/* Ethernet */
	memcpy(duid + 4, net->cf->our_mac.b, sizeof(net->cf->our_mac.b));
}

/* RFC 8415 16: what a message must have and must not have; other types are not for servers */
static bool request_valid(const struct request *r, const uint8_t duid[static DUID_LEN])
{
	bool ours = r->server.data && r->server.len == DUID_LEN && !memcmp(r->server.data, duid, DUID_LEN);

	switch (r->type) {
	case SOLICIT:
	case CONFIRM:
	case REBIND:
		return r->client.data && !r->server.data;
	case REQUEST:
	case RENEW:
	case RELEASE:
	case DECLINE:
		return r->client.data && ours;
	case INFORMATION_REQUEST:
		return (!r->server.data || ours) && !r->ia;
	default:
		return false;
	}
}

static void opt_put(struct out *o, uint16_t code, const void *data, size_t len)
{
	if (!out_room(o, HEAD_LEN + len))
		return;
	out_be16(o, code);
	out_be16(o, (uint16_t)len);
	out_bytes(o, data, len);
}

static void status_put(struct out *o, uint16_t status)
{
	uint8_t b[2];

	put_be16(b, status);
	opt_put(o, OPT_STATUS, b, sizeof(b));
}

static void iaaddr_put(struct out *o, const struct addr *a, uint32_t lifetime)
{
	uint8_t b[IAADDR_LEN];

	memcpy(b, a->b, sizeof(a->b));	/* whatever the guest sent, mapped addresses too */
	put_be32(b + 16, lifetime);
	put_be32(b + 20, lifetime);
	opt_put(o, OPT_IAADDR, b, sizeof(b));
}

/* Next address named in an IA, from option @o on, @o being zero at first */
static bool ia_addr(const struct opt *ia, unsigned fixed, struct opt *o, struct addr *a)
{
	bool ok;

	if (!o->next)
		o->next = ia->data + fixed;
	while (opt_next(o->next, ia->next, o, &ok)) {
		if (o->code != OPT_IAADDR)
			continue;
		*a = addr_from_bytes(o->data, false);
		return true;
	}
	return false;
}

/* Does an IA name any address that is not @addr? */
static bool ia_foreign(const struct opt *ia, unsigned fixed, const struct addr *addr)
{
	struct opt o = { 0 };
	struct addr a;

	while (ia_addr(ia, fixed, &o, &a))
		if (!addr_eq(&a, addr))
			return true;
	return false;
}

/* RFC 8415 18.3.4, 18.3.5: lifetime 0 for what a guest should no longer use */
static void ia_retire(struct out *o, const struct opt *ia, const struct addr *addr)
{
	struct opt sub = { 0 };
	struct addr a;

	while (ia_addr(ia, IA_NA_LEN, &sub, &a))
		if (!addr_eq(&a, addr))
			iaaddr_put(o, &a, 0);
}

/* Reply to one identity association; @addr NULL: no address to give. True if it got the address. */
static bool ia_put(struct out *o, const struct request *r, const struct opt *ia, const struct addr *addr)
{
	size_t start = o->len, fixed = ia->code == OPT_IA_TA ? IA_TA_LEN : IA_NA_LEN;
	uint16_t status = ST_NONE;

	if (ia->code == OPT_IA_PD)
		status = ST_NO_PREFIX;
	else if (ia->code == OPT_IA_TA || !addr)
		status = ST_NO_ADDRS;
	else if (r->type == REQUEST && ia_foreign(ia, IA_NA_LEN, addr))
		status = ST_NOT_ON_LINK;

	if (!out_room(o, HEAD_LEN + fixed + HEAD_LEN + (status == ST_NONE ? IAADDR_LEN : 2)))
		return false;
	out_be16(o, ia->code);
	out_be16(o, 0);
	out_bytes(o, ia->data, 4);
	if (fixed == IA_NA_LEN) {
		uint32_t t = status == ST_NONE ? FOREVER : 0;

		out_be32(o, t);
		out_be32(o, t);
	}
	if (status == ST_NONE)
		iaaddr_put(o, addr, FOREVER);
	else
		status_put(o, status);
	if (addr && ia->code == OPT_IA_NA && (r->type == RENEW || r->type == REBIND))
		ia_retire(o, ia, addr);
	put_be16(o->b + start + 2, (uint16_t)(o->len - start - HEAD_LEN));
	return status == ST_NONE;
}

static void ias_put(struct out *o, const struct request *r, const struct addr *addr)
{
	struct opt ia;
	bool ok;

	if (!addr_is_global(addr))
		addr = NULL;
	for (ia.next = r->opts; opt_next(ia.next, r->end, &ia, &ok); ) {
		if (ia.code != OPT_IA_NA && ia.code != OPT_IA_TA && ia.code != OPT_IA_PD)
			continue;
		if (ia_put(o, r, &ia, addr))
			addr = NULL;
	}
}

/* RFC 8415 18.3.3: status, or ST_NONE if the message names no address */
static uint16_t confirm(const struct request *r, const struct addr *addr)
{
	uint16_t status = ST_NONE;
	struct opt ia;
	bool ok;

	for (ia.next = r->opts; opt_next(ia.next, r->end, &ia, &ok); ) {
		unsigned fixed = ia.code == OPT_IA_NA ? IA_NA_LEN : IA_TA_LEN;
		struct opt o = { 0 };
		struct addr a;

		if (ia.code != OPT_IA_NA && ia.code != OPT_IA_TA)
			continue;
		if (ia_foreign(&ia, fixed, addr))
			return ST_NOT_ON_LINK;
		if (ia_addr(&ia, fixed, &o, &a))
			status = ST_SUCCESS;
	}
	return status;
}

/* RFC 3646 3, 4; RFC 4704 4, 6 */
static void names_put(struct out *o, const struct net *net, const struct request *r)
{
	const struct net_ip *ip = &net->ip[V6];
	uint8_t buf[REPLY_MAX];
	struct out b = { .b = buf, .max = sizeof(buf) };

	if (net->cf->dhcp_dns) {
		for (unsigned i = 0; i < ip->guest.ndns; i++)
			out_addr(&b, &ip->guest.dns[i]);
		if (b.len)
			opt_put(o, OPT_DNS, buf, b.len);
	}
	if (r->wants_fqdn && net->cf->fqdn) {	/* also without a name of the client's own */
		b.len = 0;
		out_u8(&b, FQDN_N | (r->fqdn.data && r->fqdn.data[0] & FQDN_S ? FQDN_O : 0));
		if (out_name(&b, net->cf->fqdn))
			opt_put(o, OPT_FQDN, buf, b.len);
	}
	if (net->cf->dhcp_search && out_room(o, HEAD_LEN)) {
		b = (struct out){ .b = buf, .max = o->max - o->len - HEAD_LEN };
		if (out_search(&b, net))
			opt_put(o, OPT_SEARCH, buf, b.len);
	}
}

/* What follows the identifiers; false if nothing at all is to be sent. RFC 8415 18.3, 18.4. */
static bool reply_fill(struct out *o, const struct net *net, const struct pkt *p, const struct request *r)
{
	const struct addr *addr = &net->ip[V6].guest.addr;
	static const uint8_t preferred = 255;	/* no need to wait for another server's offer */
	uint16_t status;

	if (!addr_is_multicast(&p->dst.a)) {
		if (r->type != REQUEST && r->type != RENEW && r->type != RELEASE && r->type != DECLINE)
			return false;
		status_put(o, ST_USE_MULTICAST);
		return true;
	}

	switch (r->type) {
	case CONFIRM:
		status = confirm(r, addr);
		if (status == ST_NONE)
			return false;
		status_put(o, status);
		return true;
	case DECLINE:
		log_limited(LOG_WARNING, "DHCPv6: guest says that its address is in use on its side");
		/* fall through */
	case RELEASE:
		status_put(o, ST_SUCCESS);
		return true;
	case SOLICIT:
		if (r->rapid)
			opt_put(o, OPT_RAPID, NULL, 0);
		else
			opt_put(o, OPT_PREFERENCE, &preferred, 1);
		break;
	}
	ias_put(o, r, addr);
	names_put(o, net, r);
	return true;
}

enum drop dhcpv6_answer(const struct net *net, const struct pkt *p, uint8_t *out, struct answer *a)
{
	struct out o = { .b = out, .max = REPLY_MAX };
	uint8_t msg[ANSWER_MAX], duid[DUID_LEN];
	struct request r;

	*a = (struct answer){ 0 };
	if (!net->ip[V6].on)
		return DROP_POLICY;
	duid_fill(net, duid);
	if (addr_is_unspec(&p->src.a) || !request_parse(p, msg, &r) || !request_valid(&r, duid))
		return DROP_RESPONDER;

	out_u8(&o, r.type == SOLICIT && !r.rapid ? ADVERTISE : REPLY);
	out_bytes(&o, msg + 1, HEAD_LEN - 1);
	opt_put(&o, OPT_SERVERID, duid, sizeof(duid));
	if (r.client.data)
		opt_put(&o, OPT_CLIENTID, r.client.data, r.client.len);
	if (!reply_fill(&o, net, p, &r))
		return DROP_RESPONDER;

	a->src = (struct end){ net->ip[V6].our_ll, PORT_SERVER };
	a->dst = (struct end){ p->src.a, PORT_CLIENT };
	a->dmac = p->smac;
	a->ttl = TTL;
	a->len = o.len;
	return DROP_NONE;
}

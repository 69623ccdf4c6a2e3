/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcp.c - one address for each guest (RFC 2131, 2132, 3396, 3397, 3442, 4039, 4702, 6842)
 *
 * The server is the guest's default gateway, or was it at the start: without one, there is no answer.
 *
 * Address, mask, router, servers and MTU are always sent: some clients use options that they didn't request. Names are
 * sent to clients that list them in option 55, or have no such list. The reply is no longer than the client takes, 576
 * bytes of IP by default; entries are left out whole, the search list first.
 */
#include <string.h>

#include "answer.h"
#include "log.h"

/* Fixed part: offsets (RFC 2131 2) */
enum {
	M_OP = 0, M_HTYPE = 1, M_HLEN = 2, M_XID = 4, M_FLAGS = 10, M_CIADDR = 12, M_YIADDR = 16, M_GIADDR = 24,
	M_CHADDR = 28, M_SNAME = 44, M_FILE = 108, M_MAGIC = 236, M_OPTIONS = 240,
};

enum { BOOTREQUEST = 1, BOOTREPLY = 2 };

#define HTYPE_ETHER	1
#define FLAG_BROADCAST	0x8000
#define MAGIC		0x63825363U

#define REPLY_MIN	300		/* BOOTP's fixed size (RFC 1542 2.1) */
#define IP_MIN		576		/* every host takes that much (RFC 2131 2) */
#define HEADERS		(IP4_HLEN + UDP_HLEN)

enum {
	OPT_PAD = 0, OPT_MASK = 1, OPT_ROUTER = 3, OPT_DNS = 6, OPT_HOSTNAME = 12, OPT_MTU = 26, OPT_REQUESTED = 50,
	OPT_LEASE = 51, OPT_OVERLOAD = 52, OPT_TYPE = 53, OPT_SERVER = 54, OPT_WANTED = 55, OPT_MAX_SIZE = 57,
	OPT_CLIENT_ID = 61, OPT_RAPID = 80, OPT_FQDN = 81, OPT_SEARCH = 119, OPT_ROUTES = 121, OPT_END = 255,
};

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };

/* Flags of option 81 (RFC 4702 2.1) */
enum { FQDN_S = 1, FQDN_O = 2, FQDN_E = 4, FQDN_N = 8 };

/* A client's message, with pointers into the copy of it */
struct request {
	uint8_t		type, overload;
	bool		rapid, lists;		/* options 80, 55 present */
	uint8_t		wanted[32];		/* bit per option listed in option 55 */
	uint16_t	max;			/* option 57: IP packet it takes, or 0 */
	struct addr	ciaddr;
	struct addr	requested, server;	/* options 50 and 54, or 0.0.0.0 */
	const uint8_t	*id, *fqdn, *name;	/* options 61, 81, 12, from the length byte on, or NULL */
};

/* One option, @o at its code; false if its length is wrong */
static bool option_take(struct request *r, const uint8_t *o)
{
	static const uint8_t only[UINT8_MAX + 1] = {	/* length plus one, of options that have one length */
		[OPT_TYPE] = 2, [OPT_REQUESTED] = 5, [OPT_SERVER] = 5, [OPT_OVERLOAD] = 2, [OPT_MAX_SIZE] = 3,
		[OPT_RAPID] = 1,
	};
	const uint8_t *data = o + 2;
	uint8_t len = o[1];

	if (only[o[0]] && len + 1 != only[o[0]])
		return false;
	switch (o[0]) {
	case OPT_TYPE:
		r->type = data[0];
		break;
	case OPT_REQUESTED:
		r->requested = addr_from_bytes(data, true);
		break;
	case OPT_SERVER:
		r->server = addr_from_bytes(data, true);
		break;
	case OPT_OVERLOAD:
		r->overload = data[0];
		break;
	case OPT_MAX_SIZE:
		r->max = get_be16(data);
		break;
	case OPT_RAPID:
		r->rapid = true;
		break;
	case OPT_WANTED:		/* may be in several pieces (RFC 3396) */
		r->lists = true;
		for (unsigned i = 0; i < len; i++)
			bit_set(r->wanted, data[i]);
		break;
	case OPT_CLIENT_ID:
		if (len && !r->id)
			r->id = o + 1;
		break;
	case OPT_HOSTNAME:
		if (len && !r->name)
			r->name = o + 1;
		break;
	case OPT_FQDN:
		if (!r->fqdn)
			r->fqdn = o + 1;
		return len >= 3;
	}
	return true;
}

static bool options_parse(struct request *r, const uint8_t *o, size_t len)
{
	while (len && *o != OPT_END) {
		size_t n = 1;

		if (*o != OPT_PAD) {
			if (len < 2 || len - 2 < o[1] || !option_take(r, o))
				return false;
			n = 2U + o[1];
		}
		o += n;
		len -= n;
	}
	return true;
}

/* Copies the message into @msg, of ANSWER_MAX bytes, and reads it; false if malformed, relayed, or no client's */
static bool request_parse(const struct pkt *p, uint8_t *msg, struct request *r)
{
	size_t len = p->data.len;
	uint8_t overload;

	*r = (struct request){ .requested = addr_any4, .server = addr_any4 };
	if (len < M_OPTIONS || len > ANSWER_MAX || !view_copy(&p->data, 0, msg, len))
		return false;
	if (msg[M_OP] != BOOTREQUEST || msg[M_HTYPE] != HTYPE_ETHER || msg[M_HLEN] != ETH_ALEN ||
	    get_be32(msg + M_GIADDR) || get_be32(msg + M_MAGIC) != MAGIC)
		return false;

	r->ciaddr = addr_from_bytes(msg + M_CIADDR, true);
	if (!options_parse(r, msg + M_OPTIONS, len - M_OPTIONS))
		return false;
	/* RFC 2131 4.1: 'file' before 'sname' */
	overload = r->overload;
	if ((overload & 1) && !options_parse(r, msg + M_FILE, M_MAGIC - M_FILE))
		return false;
	if ((overload & 2) && !options_parse(r, msg + M_SNAME, M_FILE - M_SNAME))
		return false;
	return r->type == DISCOVER || r->type == REQUEST || r->type == DECLINE || r->type == RELEASE ||
	       r->type == INFORM;
}

/* Is the address that the client names, if it does, that of @me? */
static bool is_its(const struct request *r, const struct guest_ip *me)
{
	const struct addr *addr = addr_is_unspec(&r->requested) ? &r->ciaddr : &r->requested;

	return !addr_is_unspec(&me->addr) && (addr_is_unspec(addr) || addr_eq(addr, &me->addr));
}

/* Type of the reply, 0 for none: RFC 2131 4.3.1 to 4.3.5, RFC 4039 3 */
static uint8_t reply_type(const struct net_ip *ip, const struct guest_ip *me, const struct request *r)
{
	switch (r->type) {
	case DISCOVER:
		return addr_is_unspec(&me->addr) ? 0 : r->rapid ? ACK : OFFER;
	case REQUEST:
		if (!addr_is_unspec(&r->server) && !addr_eq(&r->server, &ip->server))
			return 0;	/* another server was selected */
		return is_its(r, me) ? ACK : NAK;
	case INFORM:
		return ACK;
	case DECLINE:
		log_limited(LOG_WARNING, "DHCP: guest says that its address is in use on its side");
		return 0;
	default:		/* RELEASE */
		return 0;
	}
}

/* The client's name for itself: option 81 as labels or text (RFC 4702 2.3), or else option 12 */
static void take_name(const struct asker *k, const struct mac *mac, const struct request *r)
{
	const uint8_t *f = r->fqdn;

	if (!f && r->name)
		lease_set_name(k->leases, k->guest, mac, (const char *)r->name + 1, r->name[0]);
	else if (f && f[1] & FQDN_E && f[0] > 4 && f[4] <= f[0] - 4)
		lease_set_name(k->leases, k->guest, mac, (const char *)f + 5, f[4]);
	else if (f && !(f[1] & FQDN_E))
		lease_set_name(k->leases, k->guest, mac, (const char *)f + 4, f[0] - 3U);
}

/* What the message makes of the client's lease: before the reply */
static void lease_before(const struct asker *k, const struct mac *mac, const struct request *r)
{
	const struct addr *wish = addr_is_unspec(&r->requested) ? &r->ciaddr : &r->requested;
	char m[MAC_STRLEN];

	if (r->type == RELEASE || r->type == DECLINE)
		lease_release(k->leases, k->guest, mac, V4, r->type == DECLINE);
	if ((r->type == DISCOVER || r->type == REQUEST) && !lease_offer(k->leases, k->guest, mac, V4, wish))
		log_limited(LOG_WARNING, "DHCP: no address for guest %u, at %s", k->guest, mac_fmt(mac, m));
}

/* And as the reply has it */
static void lease_after(const struct asker *k, const struct mac *mac, const struct request *r, uint8_t type)
{
	if (type != ACK || r->type == INFORM)
		return;
	lease_take(k->leases, k->guest, mac, V4);
	take_name(k, mac, r);
}

static bool wants(const struct request *r, uint8_t code)
{
	return !r->lists || bit_test(r->wanted, code);
}

/* RFC 3442: a router outside of the guest's network needs a route of its own. Option 3 is for older clients. */
static void opt_routes(struct out *o, const struct net_ip *ip, const struct guest_ip *me)
{
	uint8_t b[14] = { [0] = 32 };

	if (addr_is_unspec(&me->addr) || addr_in_prefix(&ip->gw, &me->addr, me->plen))
		return;
	addr_to_bytes(&ip->gw, b + 1);		/* gateway/32, on the link: router 0.0.0.0 */
	addr_to_bytes(&ip->gw, b + 10);		/* 0/0 */
	out_opt(o, 1, OPT_ROUTES, b, sizeof(b));
}

/* RFC 3397, in as many options as it takes (RFC 3396) */
static void opt_search(struct out *o, const struct net *net)
{
	size_t room = o->max - o->len;
	/* Two bytes of header for each 255 of content */
	struct out list = { .max = room - MIN(room, 2 * DIV_ROUND_UP(room, 257)) };

	out_search(&list, net);
	for (size_t at = 0; at < list.len; at += 255)
		out_opt(o, 1, OPT_SEARCH, list.b + at, MIN(list.len - at, 255));
}

/* RFC 4702 4: clients learn that no server updates their names. Encoding as in the request. */
static void opt_fqdn(struct out *o, const char *fqdn, uint8_t flags)
{
	struct out f = { .len = 3, .max = 255, .b = { FQDN_N | (flags & FQDN_E), 255, 255 } };

	if (flags & FQDN_S)
		f.b[0] |= FQDN_O;
	if (flags & FQDN_E)
		out_name(&f, fqdn);
	else
		out_bytes(&f, fqdn, strlen(fqdn));
	if (f.len > 3)
		out_opt(o, 1, OPT_FQDN, f.b, f.len);
}

static void options_fill(struct out *o, const struct net *net, const struct guest_ip *me, const struct request *r,
			 uint8_t type)
{
	const struct net_ip *ip = &net->ip[V4];
	const struct conf *cf = net->cf;

	out_opt_be(o, 1, OPT_TYPE, type, 1);
	out_opt_addrs(o, 1, OPT_SERVER, &ip->server, 1);
	if (r->id)				/* RFC 6842 3 */
		out_opt(o, 1, OPT_CLIENT_ID, r->id + 1, r->id[0]);
	if (type == NAK)
		return;

	if (r->type != INFORM)
		out_opt_be(o, 1, OPT_LEASE, answer_lease(net), 4);
	if (r->type == DISCOVER && type == ACK)
		out_opt(o, 1, OPT_RAPID, NULL, 0);
	out_opt_be(o, 1, OPT_MASK, ntohl(addr_mask4(me->plen)), 4);
	opt_routes(o, ip, me);
	out_opt_addrs(o, 1, OPT_ROUTER, &ip->gw, 1);
	if (cf->dhcp_dns)
		out_opt_addrs(o, 1, OPT_DNS, me->dns, me->ndns);
	if (cf->mtu)
		out_opt_be(o, 1, OPT_MTU, MIN(cf->mtu, UINT16_MAX), 2);
	if (cf->hostname && wants(r, OPT_HOSTNAME))
		out_opt(o, 1, OPT_HOSTNAME, cf->hostname, strlen(cf->hostname));
	if (r->fqdn && cf->fqdn)
		opt_fqdn(o, cf->fqdn, r->fqdn[1]);
	if (cf->dhcp_search && wants(r, OPT_SEARCH))
		opt_search(o, net);
}

/* Where the reply goes: RFC 2131 4.1 */
static void reply_to(const struct net_ip *ip, const struct guest_ip *me, const struct pkt *p, const uint8_t *msg,
		     const struct request *r, uint8_t type, struct answer *a)
{
	static const struct mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct addr *to = addr_is_unspec(&r->ciaddr) ? &me->addr : &r->ciaddr;

	if (r->type == INFORM && addr_is_unspec(&r->ciaddr))
		to = &p->src.a;

	a->src = (struct end){ ip->server, PORT_DHCP };
	a->dst = (struct end){ *to, PORT_DHCP_GUEST };
	a->dmac = p->smac;
	if (type == NAK || addr_is_unspec(to) || addr_is_multicast(to) || addr_is_loopback(to) ||
	    (addr_is_unspec(&r->ciaddr) && (get_be16(msg + M_FLAGS) & FLAG_BROADCAST))) {
		a->dst.a = addr_from4(INADDR_BROADCAST);
		a->dmac = broadcast;
	}
}

enum drop dhcp_answer(const struct asker *k, const struct pkt *p, struct answer *a)
{
	const struct net *net = k->net;
	const struct net_ip *ip = &net->ip[V4];
	struct out *o = &a->out;
	uint8_t msg[ANSWER_MAX], type, *m = o->b;
	struct guest_ip me;
	struct request r;

	*a = (struct answer){ .proto = IPPROTO_UDP, .ttl = ANSWER_TTL };
	if (!ip->on || (!k->leases && addr_is_unspec(&ip->guest.addr)) || addr_is_unspec(&ip->gw))
		return DROP_POLICY;
	if (!request_parse(p, msg, &r) || (k->leases && memcmp(msg + M_CHADDR, p->smac.b, sizeof(p->smac.b)) != 0))
		return DROP_RESPONDER;
	if (k->leases)
		lease_before(k, &p->smac, &r);
	me = answer_ip(k, &p->smac, V4);
	type = reply_type(ip, &me, &r);
	if (k->leases)
		lease_after(k, &p->smac, &r, type);
	if (!type)
		return DROP_NONE;

	o->max = MIN(MAX(IP_MIN, r.max), ANSWER_MAX) - HEADERS - 1;
	out_zero(o, M_OPTIONS);
	m[M_OP] = BOOTREPLY;
	m[M_HTYPE] = HTYPE_ETHER;
	m[M_HLEN] = ETH_ALEN;
	memcpy(m + M_XID, msg + M_XID, 4);
	memcpy(m + M_FLAGS, msg + M_FLAGS, 2);
	memcpy(m + M_CHADDR, msg + M_CHADDR, M_SNAME - M_CHADDR);
	put_be32(m + M_MAGIC, MAGIC);
	if (type == ACK && r.type != DISCOVER)
		memcpy(m + M_CIADDR, msg + M_CIADDR, 4);
	if (type != NAK && r.type != INFORM)
		addr_to_bytes(&me.addr, m + M_YIADDR);

	options_fill(o, net, &me, &r, type);
	o->max++;
	out_be(o, OPT_END, 1);
	if (o->len < REPLY_MIN)
		out_zero(o, REPLY_MIN - o->len);

	reply_to(ip, &me, p, msg, &r, type, a);
	return DROP_NONE;
}

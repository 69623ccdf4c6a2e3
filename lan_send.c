/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan_send.c - frames from guest to guest: filtered, and as they are, or as their receiver's link takes them
 *
 * Of IP, only what makes sense passes: a receiver without offloads gets super-packets in segments, with the headers of
 * the original (RFC 9293 3.1, RFC 768; Linux' generic segmentation does the same), and checksums that are complete.
 *
 * Guests don't play the router or the DHCP server for others, which are ours (RFC 6105, RFC 7610).
 */
#include <netinet/in.h>
#include <string.h>

#include "checksum.h"
#include "ctx.h"
#include "lan.h"

enum { ND_ADVERT = 134, ND_NEIGHBOR = 136, ND_REDIRECT = 137 };
enum { ARP_SENDER = 14 };
enum { ICMP_REDIRECT = 5, ICMP_ROUTER = 9 };	/* RFC 792, RFC 1256 */
enum { DHCP_SERVER = 67, DHCP6_SERVER = 547 };

#define BATCH_LEAST	16U		/* frames of a turn, however many receivers each has */
#define LAN_IOV		1024		/* iovecs of a frame behind its headers: one in more of them is dropped */
/* Frames of one sender that wait at a receiver: to all others, or to it alone; and to all others once its link is full,
 * when these are lost first
 */
#define QUEUE_MANY	(TAP_SLOTS / 4)
#define QUEUE_ONE	(TAP_SLOTS / 2)
#define FULL_MANY	4
#define COPY		512		/* bytes that are copied at once: less than to borrow them costs */

/* A frame to be forwarded */
struct fwd_frame {
	const struct raw *raw;
	uint8_t		from;		/* frame.from */
	bool		flood;		/* for all others */
	struct pkt	p;
	bool		ip;		/* the packet was understood, down to its transport header */
	size_t		l4, data;	/* of the frame: where transport header and payload start; payload ends at: */
	size_t		end;
};

/**
 * frame_own_head() - a frame with its headers in our memory: those that are checked are those that are sent
 * @mac:	read already, to and from
 *
 * A guest may write to its own memory at any time.
 *
 * Return: false if it is in too many pieces
 */
static bool frame_own_head(const struct raw *raw, const struct mac mac[static 2], struct raw *own)
{
	static uint8_t head[HEAD_MAX];
	static struct iovec iov[1 + LAN_IOV];
	const struct view v = { raw->iov, raw->cnt, 0, raw->len };
	size_t n = MIN(raw->len, sizeof(head)), left;
	const struct view rest = { raw->iov, raw->cnt, n, raw->len - n };

	view_copy(&v, 0, head, n);
	memcpy(head, mac, 2 * sizeof(*mac));
	iov[0] = (struct iovec){ head, n };
	*own = *raw;
	own->iov = iov;
	own->cnt = 1 + view_iov(&rest, iov + 1, LAN_IOV, &left);
	return left == rest.len;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT;
}

/* May a frame of another type be taken for IP or ARP? Behind a tag that names no VLAN (IEEE 802.1Q 6.9.1, VID 0), or by
 * SNAP (RFC 1042).
 */
static bool hides_ip(const struct raw *raw, uint16_t type)
{
	static const uint8_t snap[] = { 0xaa, 0xaa, 3, 0, 0, 0 };
	const struct view v = { raw->iov, raw->cnt, 0, raw->len };
	uint8_t b[sizeof(snap)];

	if (!view_copy(&v, ETH_HLEN, b, sizeof(b)))
		return false;
	if (type == ETH_P_8021Q || type == ETH_P_8021AD)
		return !(b[0] & 15) && !b[1];
	return type < ETH_P_802_3_MIN && !memcmp(b, snap, sizeof(snap));
}

/* Only with checks that protect others. A checksum is the receiver's to verify. */
static enum drop frame_read(struct fwd_frame *f)
{
	struct raw raw = *f->raw;
	enum drop why;

	raw.off.full = false;
	why = pkt_parse(&raw, &f->p);
	if (why == DROP_ETHERTYPE)
		return hides_ip(f->raw, f->p.ethertype) ? why : DROP_NONE;
	if (why == DROP_PROTO)
		return DROP_NONE;
	if (why || f->p.ethertype == ETH_P_ARP || f->p.fragment)
		return why;
	f->data = f->p.data.off;
	f->end = f->p.data.off + f->p.data.len;
	f->ip = f->p.proto == IPPROTO_TCP || f->p.proto == IPPROTO_UDP;
	f->l4 = f->p.l4;
	return DROP_NONE;
}

/* Does a guest speak as if it were we? In fragments, ports or type are in the first one. */
static bool plays_router(const struct pkt *p)
{
	bool v4 = p->ethertype == ETH_P_IP;
	unsigned port = p->src.port, type = p->icmp.type;
	uint8_t b[2];

	if (p->fragment) {
		/* RFC 6980 5: of neighbour discovery, there are none; RFC 7112 5: all headers are in the first one */
		if (p->proto == IPPROTO_ICMPV6 || (!v4 && is_extension(p->proto)))
			return true;
		if (p->frag.off)
			return false;
		if (!view_copy(&p->data, 0, b, sizeof(b)))
			return true;
		port = get_be16(b);
		type = b[0];
	}
	switch (p->proto) {
	case IPPROTO_UDP:
		return port == (v4 ? DHCP_SERVER : DHCP6_SERVER);
	case IPPROTO_ICMP:
		return type == ICMP_REDIRECT || type == ICMP_ROUTER;
	case IPPROTO_ICMPV6:
		return type == ND_ADVERT || type == ND_REDIRECT;
	}
	return false;
}

/* May it wait at @t? Each sender has its part of a queue: one that floods leaves room to others. */
static bool queue_takes(struct tap *t, const struct fwd_frame *ff)
{
	unsigned most = ff->flood ? QUEUE_MANY : QUEUE_ONE;

	if (!t->full && t->from[ff->from] >= most)
		tap_flush(t);
	if (t->full && ff->flood)
		return t->from[ff->from] < FULL_MANY && t->qbytes < TAP_QUEUE / 2;
	return !t->full || t->from[ff->from] < most;
}

/* Room for @len bytes behind the Ethernet header, in a frame to @to; NULL: it is lost */
static struct frame *frame_to(struct guest *to, const struct fwd_frame *ff, size_t len)
{
	struct frame *f;

	if (!queue_takes(&to->tap, ff) || !tap_reserve(&to->tap, &f, 1, len, TAP_ANY)) {
		drop_count(to, DROP_LINK_FULL);
		return NULL;
	}
	to->tap.pair = ff->raw->queue;
	f->from = ff->from;
	f->len = len;
	return f;
}

static void frame_send(struct guest *to, struct frame *f, const struct fwd_frame *ff, struct offload off)
{
	const struct view head = { ff->raw->iov, ff->raw->cnt, 0, ETH_HLEN };

	f->hoff = HDR_L4 - ETH_HLEN;
	f->hlen = ETH_HLEN;
	view_copy(&head, 0, f->hdr + f->hoff, ETH_HLEN);
	f->off = off;
	f->csum_start = (uint16_t)ff->l4;
	f->csum_off = ff->p.proto == IPPROTO_TCP ? 16 : 6;
	f->v6 = ff->p.ethertype == ETH_P_IPV6;
	f->proto = ff->p.proto;
	tap_commit(&to->tap, f);
}

/* The transport checksum of @len bytes behind the Ethernet header, at @b */
static void checksum_finish(const struct fwd_frame *ff, uint8_t *b, size_t len)
{
	size_t l4 = ff->l4 - ETH_HLEN, at = l4 + (ff->p.proto == IPPROTO_TCP ? 16 : 6);
	uint16_t sum;

	memset(b + at, 0, sizeof(sum));
	sum = csum_finish(csum_add(b + l4, len - l4,
				   csum_pseudo(&ff->p.src.a, &ff->p.dst.a, ff->p.proto, (uint32_t)(len - l4))));
	if (!sum && ff->p.proto == IPPROTO_UDP)
		sum = UINT16_MAX;			/* RFC 768: zero is none */
	memcpy(b + at, &sum, sizeof(sum));
}

/* As it is, or with a complete checksum */
static void send_whole(struct guest *to, const struct fwd_frame *ff)
{
	size_t len = (ff->ip ? ff->end : ff->raw->len) - ETH_HLEN;	/* without padding, as far as that is known */
	size_t head = MIN(ff->raw->iov->iov_len - ETH_HLEN, len);	/* is ours */
	const struct view v = { ff->raw->iov, ff->raw->cnt, ETH_HLEN, len };
	const struct view rest = { ff->raw->iov, ff->raw->cnt, ETH_HLEN + head, len - head };
	struct offload off = { .partial = ff->raw->off.partial, .gso = ff->ip ? ff->p.off.gso : 0 };
	bool finish = off.partial && !(ff->ip && to->tap.caps.csum);
	struct frame *f;

	if (!off.gso && len > to->tap.caps.mtu) {
		to->tap.stats.tx_lost++;
		return;
	}
	f = frame_to(to, ff, len);
	if (!f)
		return;
	f->pay[0].iov_len = head;
	if (finish || rest.len < COPY || !tap_borrow(&to->tap, f, &rest))
		f->pay[0].iov_len = len;
	view_copy(&v, 0, f->pay[0].iov_base, f->pay[0].iov_len);
	if (finish && ff->ip)
		checksum_finish(ff, f->pay[0].iov_base, len);
	off.partial &= !finish;
	frame_send(to, f, ff, off);
}

/* Lengths, numbers and flags of segment number @n, @len bytes behind the Ethernet header, at payload byte @at */
static void segment_headers(const struct fwd_frame *ff, uint8_t *b, unsigned n, size_t at, size_t len, bool last)
{
	uint8_t *l4 = b + ff->l4 - ETH_HLEN;

	if (ff->p.ethertype == ETH_P_IP) {
		size_t hlen = (b[0] & 15) * 4U;
		uint16_t sum;

		put_be16(b + 2, (uint16_t)len);
		put_be16(b + 4, (uint16_t)(get_be16(b + 4) + n));
		memset(b + 10, 0, sizeof(sum));
		sum = csum_finish(csum_add(b, hlen, 0));
		memcpy(b + 10, &sum, sizeof(sum));
	} else {
		put_be16(b + 4, (uint16_t)(len - IP6_HLEN));
	}
	if (ff->p.proto == IPPROTO_UDP) {
		put_be16(l4 + 4, (uint16_t)(len - (ff->l4 - ETH_HLEN)));
		return;
	}
	put_be32(l4 + 4, ff->p.tcp.seq + (uint32_t)at);
	if (!last)
		l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (n)
		l4[13] &= 0x7f;				/* CWR: in the first one only (RFC 3168 6.1.2) */
}

static void send_segments(struct guest *to, const struct fwd_frame *ff)
{
	size_t head = ff->data - ETH_HLEN, part, all = ff->end - ff->data;
	const struct view v = { ff->raw->iov, ff->raw->cnt, ETH_HLEN, ff->end - ETH_HLEN };
	unsigned n = 0;

	for (size_t at = 0; at < all; at += part, n++) {
		struct frame *f;

		part = MIN(all - at, ff->p.off.gso);
		if (head + part > to->tap.caps.mtu) {
			to->tap.stats.tx_lost++;
			return;
		}
		f = frame_to(to, ff, head + part);
		if (!f)
			return;
		view_copy(&v, 0, f->pay[0].iov_base, head);
		view_copy(&v, head + at, (uint8_t *)f->pay[0].iov_base + head, part);
		segment_headers(ff, f->pay[0].iov_base, n, at, head + part, at + part == all);
		checksum_finish(ff, f->pay[0].iov_base, head + part);
		frame_send(to, f, ff, (struct offload){ 0 });
	}
}

/* Does the link of @to take the super-packet? */
static bool takes_whole(const struct guest *to, const struct fwd_frame *ff)
{
	const struct caps *caps = &to->tap.caps;
	uint32_t most = ff->p.ethertype == ETH_P_IP ? caps->tso4 : caps->tso6;

	if (ff->p.proto == IPPROTO_UDP)
		return caps->uso;
	return ff->end - ETH_HLEN <= most && ff->data - ETH_HLEN + ff->p.off.gso <= caps->mtu;
}

static void frame_forward(struct guest *to, const struct fwd_frame *ff)
{
	if (!ff->ip || !ff->p.off.gso || takes_whole(to, ff))
		send_whole(to, ff);
	else
		send_segments(to, ff);
}

/* Address that an ARP packet, or a neighbour advertisement, is an answer for; unspecified: none */
static struct addr answered(const struct pkt *p)
{
	uint8_t b[16];

	if (p->ethertype == ETH_P_ARP && view_copy(&p->data, ARP_SENDER, b, 4))
		return addr_from_bytes(b, true);
	if (p->ethertype == ETH_P_IPV6 && !p->fragment && p->proto == IPPROTO_ICMPV6 &&
	    p->icmp.type == ND_NEIGHBOR && view_copy(&p->data, 0, b, 16))
		return addr_from_bytes(b, false);
	return addr_any6;
}

/* May the guest send that, as far as addresses go? The lease wins, with a line. */
static bool addresses_ok(struct ctx *c, const struct guest *g, const struct mac *mac, const struct pkt *p)
{
	const struct addr a = answered(p), *from = &p->src.a;

	if (p->ethertype != ETH_P_ARP && !addr_is_unspec(from) && !guest_checked(g, &c->leases, from) &&
	    !lease_claim(&c->leases, g->index, mac, from))
		return false;
	return addr_is_unspec(&a) || lease_claim(&c->leases, g->index, mac, &a);
}

static void log_owner(const struct ctx *c, const struct guest *g, const struct mac *mac)
{
	char text[MAC_STRLEN];

	log_limited(LOG_WARNING, "Guest %u sends from %s, the MAC address of %s", g->index, mac_fmt(mac, text),
		    mac_eq(mac, &c->net.cf->our_mac) ? "its gateway" : "another guest");
}

/* To the guests of a set, of a group to its members. @flood: nobody has the address. @ours: for us as well, false
 * afterwards if it is not
 */
static enum drop frame_spread(struct ctx *c, struct guest *g, const struct mac mac[static 2], const struct raw *raw,
			      struct guests set, bool flood, bool *ours)
{
	struct raw own;
	struct fwd_frame ff = { .raw = &own, .from = (uint8_t)(1 + g->index), .flood = flood };
	enum drop why = frame_own_head(raw, mac, &own) ? frame_read(&ff) : DROP_FRAME;
	bool many = *ours;
	struct guest *to;

	if (!why && ff.p.ethertype != ETH_P_ARP && plays_router(&ff.p))
		why = DROP_POLICY;
	*ours &= !why;
	if (!why && !addresses_ok(c, g, &mac[1], &ff.p))
		return *ours ? DROP_NONE : DROP_OWNER;		/* not for others; with us, the lease wins */
	if (!why && many && addr_is_multicast(&ff.p.dst.a)) {
		if (lan_group_report(c, g, &own, &ff.p)) {
			*ours = false;
			lan_group_routers(c, &set);
		} else {
			lan_group_members(c, &ff.p.dst.a, &set);
		}
	}
	while (!why && (to = guest_next(c, &set))) {
		if (to->tap.down || to->link_error)
			continue;
		frame_forward(to, &ff);
		c->lan.copies++;
		if (to->tap.borrowed)
			guests_add(&c->lan.borrowers, to->index);
	}
	return why;
}

void lan_settle(struct ctx *c, struct guest *g, unsigned n)
{
	struct guest *to;

	/* A turn has as many frames as it has receivers: with a flood, others wait no longer than without */
	g->tap.most = (uint16_t)(c->lan.copies > n ? MAX(TAP_BATCH * n / c->lan.copies, BATCH_LEAST) : TAP_BATCH);
	c->lan.copies = 0;
	while ((to = guest_next(c, &c->lan.borrowers)))
		tap_settle(&to->tap);
}

enum drop lan_input(struct ctx *c, struct guest *g, const struct raw *raw, bool *ours)
{
	const struct view v = { raw->iov, raw->cnt, 0, raw->len };
	const struct conf *cf = c->net.cf;
	struct mac mac[2];			/* to, from */
	struct guests set = { 0 };
	enum drop why;
	unsigned n = LAN_NOBODY;
	bool many, others;

	*ours = false;
	if (raw->len < ETH_HLEN)
		return DROP_FRAME;
	if (raw->iov->iov_len >= sizeof(mac))
		memcpy(mac, raw->iov->iov_base, sizeof(mac));
	else if (!view_copy(&v, 0, mac, sizeof(mac)))
		return DROP_FRAME;
	why = mac_eq(&mac[1], &cf->our_mac) ? DROP_OWNER : lan_learn(&c->lan, g->index, &mac[1], c->now);
	if (why == DROP_OWNER)
		log_owner(c, g, &mac[1]);
	if (why)
		return why;

	many = mac[0].b[0] & 1;
	*ours = many || mac_eq(&mac[0], &cf->our_mac);
	if (*ours && !many)
		return DROP_NONE;
	if (!many)
		n = lan_find(&c->lan, &mac[0], c->now);
	if (n == LAN_NOBODY)
		set = c->here;
	else
		guests_add(&set, n);
	guests_del(&set, g->index);
	others = guests_first(&set, 0) >= 0;
	if (others && cf->lan.isolate)
		return *ours ? DROP_NONE : DROP_POLICY;
	if (!others && (!many || cf->guests == 1 || cf->lan.isolate))
		return DROP_NONE;
	return frame_spread(c, g, mac, raw, set, n == LAN_NOBODY, ours);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packet.h - the one parser of frames from the guest, the one builder of frames to it
 *
 * Reading: pkt_parse() copies the headers out of the frame before it checks them (the memory may be the guest's own),
 * and leaves the payload in place, behind a view. Nothing is left to validate afterwards; no other file casts headers.
 *
 * Writing: a frame's payload is in place first; one call then builds Ethernet, IP and transport header in front of it
 * and finishes the checksums, or leaves them partial if the link takes that.
 */
#ifndef PACKET_H
#define PACKET_H

#include <linux/if_ether.h>

#include "addr.h"
#include "drop.h"
#include "util.h"

/* A cursor over buffers that cannot pass its end */
struct view {
	const struct iovec	*iov;
	unsigned		cnt;
	size_t			off, len;	/* bytes to skip in the buffers, bytes visible after that */
};

/* Drops up to @n bytes at the front */
void view_skip(struct view *v, size_t n);
/* Keeps at most @n bytes */
void view_trim(struct view *v, size_t n);
/* Copies @n bytes from @at on to @to; false if they are not all there */
bool view_copy(const struct view *v, size_t at, void *to, size_t n);
/* Fills up to @max iovecs with the visible bytes; returns their number, and their bytes in *@len */
unsigned view_iov(const struct view *v, struct iovec *iov, unsigned max, size_t *len);

/* Limits of a super-packet from the guest: GSO_SEGS_MAX segments; of segments below GSO_SIZE_MIN bytes, as many as of
 * that size. A few bytes of header can't claim 65,535 datagrams then.
 */
#define GSO_SEGS_MAX	128U
#define GSO_SIZE_MIN	64U

/* Work that one side leaves to the other, for a packet from the guest or to it */
struct offload {
	uint16_t	gso;		/* payload bytes per segment of a super-packet, 0: a single packet */
	bool		partial;	/* transport checksum holds the pseudo-header's sum only */
	bool		full;		/* the checksum is complete, and the frame's only protection */
};

/* Capabilities of the link, as found */
struct caps {
	uint32_t	mtu;		/* largest IP packet, 68 to 65535 */
	bool		csum;		/* accepts partial checksums */
	uint32_t	tso4, tso6;	/* largest TCP super-packet it accepts, bytes of IP: 65535, or more; 0: none */
	bool		uso;		/* accepts UDP super-packets */
	uint8_t		link_hdr;	/* bytes of the link's own header in front of each frame */
};

/* One frame as the link received it */
struct raw {
	const struct iovec	*iov;
	unsigned		cnt;
	size_t			len;
	struct offload		off;
	uint8_t			queue;	/* of the link, that it came by */
};

/* TCP header bits, as in byte 13 */
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

#define TCP_WSCALE_NONE	255
#define TCP_SACKS	4		/* blocks in an option, RFC 2018 3; 3 with timestamps */

/* Bytes behind a gap that have arrived: numbers [from, to) */
struct tcp_sack {
	uint32_t	from, to;
};

/* One TCP header, both ways. Options not listed here are ignored and never sent. MSS, window scale and permission of
 * SACK are in SYNs only, blocks of SACK in others only.
 */
struct tcp_seg {
	uint32_t	seq, ack;
	uint16_t	win;		/* as on the wire, unscaled */
	uint16_t	mss;		/* 0: option absent */
	uint8_t		wscale;		/* TCP_WSCALE_NONE: option absent */
	bool		sack_ok;	/* RFC 2018 2 */
	bool		ts;		/* @tsval and @tsecr are there: RFC 7323 3.2 */
	uint8_t		sacks;		/* used entries of @sack */
	uint8_t		flags;
	uint32_t	tsval, tsecr;
	struct tcp_sack	sack[TCP_SACKS];	/* in the option's order: the most recent one first */
};

/* ICMP and ICMPv6 header; @rest is the second word: identifier and sequence, MTU, or other, by type. The parser sets
 * all of them; for the builder, either @rest or @id and @seq are zero.
 */
struct icmp_hdr {
	uint8_t		type, code;
	uint16_t	id, seq;
	uint32_t	rest;
};

#define PKT_NEXT_NONE	UINT16_MAX

/* One packet from the guest, checked */
struct pkt {
	struct mac	smac, dmac;
	uint16_t	ethertype;	/* ETH_P_ARP, ETH_P_IP or ETH_P_IPV6 */
	uint16_t	l4;		/* of the frame: where the transport header starts, unless @fragment */
	struct end	src, dst;	/* ports 0 where the protocol has none */
	uint8_t		proto, ttl, tos;
	struct offload	off;
	bool		fragment;	/* needs reassembly: only @frag and @data are set beside the addresses */
	struct {
		uint32_t	id;
		uint32_t	off;	/* bytes */
		bool		more;
	} frag;
	union {
		struct tcp_seg	tcp;
		struct icmp_hdr	icmp;
	};
	struct view	ip;		/* from the IP header on, to its total length; for quotes in ICMP errors */
	struct view	data;		/* behind the transport header; behind Ethernet for ARP */
	uint16_t	next;		/* next packet of the same flow in this batch */
};

/**
 * pkt_parse() - the only way from bytes to a packet
 * @raw:	frame with its Ethernet header; padding behind the IP packet is cut off
 * @p:		filled in; views refer to @raw's buffers
 *
 * Checked: lengths (Ethernet, IP, transport), IP version, IPv4 header checksum, IPv6 extension header chain, loopback
 * and unspecified addresses where they must not be (RFC 1122 3.2.1.3), multicast sources, port 0, TCP options.
 *
 * Return: DROP_NONE, or the reason to drop; addresses, @p->proto and @p->ip are set with DROP_PROTO and DROP_PORT_ZERO
 */
enum drop pkt_parse(const struct raw *raw, struct pkt *p);

/* A packet of ours, as the guest quotes it in an ICMP error */
struct quote {
	struct end	src, dst;	/* ours and the guest's; the identifier of an echo reply is @dst's port */
	uint8_t		proto;
	uint32_t	len;		/* of the IP packet; 0: not known */
	uint32_t	seq;		/* of TCP */
};

/* Reads the quote in an ICMP error: IP header, and 8 bytes of the transport header. False if it is shorter, or not of
 * the first fragment.
 */
bool pkt_quote(const struct pkt *error, struct quote *q);

#define IP4_HLEN	20U
#define IP6_HLEN	40U
#define TCP_HLEN	20U
#define TCP_TS_LEN	12U		/* timestamps and their padding, in each segment that has them */
#define UDP_HLEN	8U
#define ICMP_HLEN	8U

#define IP4_DF		0x4000		/* flag beside the fragment offset */
#define IP4_FRAGMENT	0x7fff		/* the offset, and all flags that have a meaning */
#define IP_MAX		65535U		/* the most in IP's length fields */
#define JUMBO_HLEN	8		/* IPv6: hop-by-hop options, with the length of a larger packet (RFC 2675 2) */
#define DGRAM_ROOM	65536		/* holds any datagram */

#define EXT_BYTES	256		/* all extension headers of an IPv6 packet together */
#define HEAD_MAX	(ETH_HLEN + IP6_HLEN + EXT_BYTES + 60)	/* no byte behind is read by pkt_parse() */

#define HDR_L4	80		/* where transport headers start in a frame's header memory */
#define HDR_MAX	(HDR_L4 + 60)
#define FRAME_IOV	48		/* 64 KiB in buffers of 1,500 bytes */

/* Where the payload of a frame is */
enum frame_own {
	FRAME_POOL,		/* in the pool's memory */
	FRAME_LENT,		/* in the link's own, or rather the guest's */
	FRAME_BORROWED,		/* in another guest's, but for its first bytes, until tap_settle() */
	FRAME_DONE,		/* the link has all of the frame: only its slot is in use */
};

/* One frame on its way to the guest: a slot of the link */
struct frame {
	uint8_t		hdr[HDR_MAX];
	uint8_t		hoff, hlen;	/* used part of @hdr, from the link's own header on */
	uint8_t		npay;
	struct iovec	pay[FRAME_IOV];	/* room while reserved, the payload once built */
	size_t		len;		/* payload bytes */
	struct offload	off;
	uint16_t	csum_start;	/* from the Ethernet header on, if @off.partial */
	uint16_t	csum_off;
	uint16_t	slot;		/* index in the link's pool */
	uint8_t		own;		/* enum frame_own */
	uint8_t		queue;		/* of the link */
	uint8_t		from;		/* the guest that sent it, index + 1; 0: we */
	bool		ahead;		/* goes ahead of frames that wait */
	bool		v6;
	uint8_t		proto;		/* of the transport header */
};

/* Bytes of room in a reserved frame, of payload in a built one */
static inline size_t frame_room(const struct frame *f)
{
	size_t n = 0;

	for (unsigned i = 0; i < f->npay; i++)
		n += f->pay[i].iov_len;
	return n;
}

/**
 * frames_room() - the room of reserved frames as one list of iovecs, for a call that fills them
 * @n:		frames in @f, each with room; cut to those that fit, at least one
 * @max:	iovecs, FRAME_IOV or more
 * @len:	set to the bytes of room
 *
 * Return: number of iovecs
 */
unsigned frames_room(struct frame *const *f, unsigned *n, struct iovec *iov, unsigned max, size_t *len);

/* Fields of Ethernet and IP headers */
struct net_hdr {
	struct mac	dmac, smac;
	struct end	src, dst;
	uint8_t		ttl, tos;
	uint32_t	id;		/* identification: of IPv4 datagrams, 16 bits, and of IPv6 fragments */
};

static inline unsigned ip_hlen(bool v4)
{
	return v4 ? IP4_HLEN : IP6_HLEN;
}

/* Bytes of Ethernet and IP header, and @l4 of the transport header */
static inline unsigned net_hdr_len(bool v4, unsigned l4)
{
	return ETH_HLEN + ip_hlen(v4) + l4;
}

/**
 * put_ip() - IP header in front of @l4
 * @proto:	type of the header at @l4
 * @len:	bytes from @l4 on
 * @frag:	IPv4 flags and fragment offset
 *
 * A super-packet above IP_MAX bytes is Linux' BIG TCP: without a length in IPv4, a jumbogram in IPv6, whose header is
 * JUMBO_HLEN bytes longer (RFC 2675 2).
 *
 * Return: start of the header
 */
uint8_t *put_ip(uint8_t *l4, const struct net_hdr *n, uint8_t proto, size_t len, uint16_t frag);

/* Ethernet header in front of @behind; returns its start */
uint8_t *put_eth(uint8_t *behind, const struct mac *dmac, const struct mac *smac, uint16_t ethertype);

/* Builders. Payload: the first @f->len bytes of @f->pay. Lengths and checksums come out finished, or partial with @c.
 *
 * IPv4: TCP's segments have DF, as their size follows the path's MTU (RFC 1191). Datagrams have none: routers behind
 * the guest may fragment them, as their senders' wish is not known. Each needs its own identification (RFC 6864 4.3).
 */
void frame_tcp(struct frame *f, const struct net_hdr *n, const struct tcp_seg *s, uint16_t gso, const struct caps *c);
void frame_udp(struct frame *f, const struct net_hdr *n, uint16_t gso, const struct caps *c);
void frame_icmp(struct frame *f, const struct net_hdr *n, const struct icmp_hdr *h);
/* Ethernet only, for ARP */
void frame_eth(struct frame *f, const struct mac *dmac, const struct mac *smac, uint16_t ethertype);

/**
 * frame_fragment() - one IP fragment of a datagram too large for the link (RFC 791 3.2, RFC 8200 4.5)
 * @f:		payload room of at least @mtu bytes
 * @n:		addresses, identification
 * @icmp:	its header, or NULL for UDP
 * @dgram:	payload of the datagram
 * @off:	first byte to send: 0, or the previous call's result
 * @mtu:	largest IP packet
 *
 * Return: offset of the next fragment, or @dgram->len after the last one
 */
size_t frame_fragment(struct frame *f, const struct net_hdr *n, const struct icmp_hdr *icmp, const struct view *dgram,
		      size_t off, uint32_t mtu);

/* Whole frame as iovecs for writev(), pcap; returns their number, up to 1 + FRAME_IOV */
unsigned frame_iov(const struct frame *f, struct iovec *iov);

#endif /* PACKET_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire.h - packets as the guest sends and sees them; written apart from packet.c, so that each checks the other */
#ifndef WIRE_H
#define WIRE_H

#include "world.h"

#define WIRE_MAX	(14 + 65535)

/* Options of TCP beside those of struct wire */
struct wire_opts {
	bool		sack_ok, ts;
	uint32_t	tsval, tsecr;
	unsigned	sacks;
	struct {
		uint32_t	from, to;
	} sack[4];
};

/* One packet on the guest's link. Super-packets are cut into segments before anyone looks. */
struct wire {
	bool		v6;
	uint8_t		proto, ttl, tos;
	struct end	src, dst;
	uint32_t	seq, ack;
	uint16_t	win, mss;		/* mss 0, wscale -1: option absent */
	int		wscale;
	struct wire_opts opts;
	uint8_t		flags;
	uint8_t		type, code;		/* ICMP */
	const uint8_t	*data;			/* payload; of ICMP errors, what is quoted */
	size_t		len;
	size_t		ip_len;
	uint16_t	gso;
	uint16_t	id;			/* of an IPv4 datagram */
	struct end	q_src, q_dst;		/* of the packet that an ICMP error quotes (dgrams.c); identifier of
					 * echo as port */
	uint8_t		q_proto;
	uint64_t	at;			/* ns */
};

/* Frame from the guest with the payload's bytes in @w->data; returns its length */
size_t wire_build(uint8_t *frame, const struct wire *w, bool partial);

/* Decodes and checks all there is: lengths, checksums, MTU, what the link can do. NULL, or what is wrong. */
const char *wire_parse(const struct frame_out *f, const struct caps *caps, struct wire *w);

extern const struct mac wire_guest_mac, wire_our_mac;

#endif /* WIRE_H */

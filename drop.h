/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drop.h - reasons for which packets and datagrams are not delivered, with a counter per guest each */
#ifndef DROP_H
#define DROP_H

/* doc/pasta.1 explains the names */
#define DROPS(DROP)												\
	DROP(DROP_FRAME, "frame")		/* frame shorter than its headers */				\
	DROP(DROP_ETHERTYPE, "ethertype")	/* neither ARP, IPv4 nor IPv6 */				\
	DROP(DROP_IP_HEADER, "ip_header")	/* version, header length, total length */			\
	DROP(DROP_IP_CSUM, "ip_csum")		/* IPv4 header checksum */					\
	DROP(DROP_IP_EXT, "ip_ext")		/* IPv6 extension header chain: too long, cut, or not for us */	\
	DROP(DROP_FRAGMENT, "fragment")		/* fragment: overlap, tiny, out of time or of room */		\
	DROP(DROP_L4_HEADER, "l4_header")	/* transport header: cut, data offset, length */		\
	DROP(DROP_L4_CSUM, "l4_csum")		/* transport checksum, on links without other protection */	\
	DROP(DROP_SEGMENTS, "segments")		/* more segments than GSO_SEGS_MAX, or below GSO_SIZE_MIN */	\
	DROP(DROP_PROTO, "proto")		/* transport protocol not carried */				\
	DROP(DROP_PORT_ZERO, "port_zero")	/* port 0 */							\
	DROP(DROP_ADDR, "addr")			/* loopback, unspecified, multicast out of place */		\
	DROP(DROP_OWNER, "owner")		/* source address that is ours, or another guest's */		\
	DROP(DROP_POLICY, "policy")		/* switched off, no mapping, or refused by a rule */		\
	DROP(DROP_ASK, "ask")			/* its flow waits for an answer, and this packet doesn't */	\
	DROP(DROP_TCP_STATE, "tcp_state")	/* segment makes no sense in this state */			\
	DROP(DROP_TCP_SEQ, "tcp_seq")		/* out of the window, or out of order */			\
	DROP(DROP_NO_FLOW, "no_flow")		/* answer from the host's side without a flow */		\
	DROP(DROP_NO_RESOURCE, "no_resource")	/* flow table, socket or memory exhausted */			\
	DROP(DROP_SEND, "send")			/* refused by the host's socket */				\
	DROP(DROP_LINK_FULL, "link_full")	/* datagram towards the guest, and no slot free */		\
	DROP(DROP_RESPONDER, "responder")	/* ARP, NDP, DHCP, DHCPv6: malformed or not for us */

#define DROP_(reason, name)	reason,
/* DROP_NONE: the packet is fine; DROP_WAITS: it isn't dropped, but waits for an answer (ask.h) */
enum drop { DROP_NONE, DROPS(DROP_) DROP_COUNT, DROP_WAITS = DROP_COUNT };
#undef DROP_

#endif /* DROP_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.h - the responders: packet in, payload of a reply out; no flows, no sockets, no link
 *
 * Each writes its reply's payload into @out and fills in @a; the caller puts headers in front and sends it.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "conf.h"
#include "log.h"
#include "packet.h"

#define ANSWER_MAX	1500

struct answer {
	size_t		len;		/* bytes of payload, 0: no reply */
	struct mac	dmac;
	struct end	src, dst;	/* of the reply; UDP ports for DHCP and DHCPv6 */
	uint8_t		ttl;
	struct icmp_hdr	icmp;		/* NDP: header in front of the payload */
};

/* RFC 826, RFC 5227: answers for every address but the guest's own; never probes and announcements. @out: ARP packet. */
enum drop arp_answer(const struct conf *c, const struct pkt *p, uint8_t *out, struct answer *a);

/* RFC 4861: neighbour and router solicitations. @out: what follows the 8 bytes of ICMPv6 header. */
enum drop ndp_answer(const struct conf *c, const struct pkt *p, uint8_t *out, struct answer *a);

/* Unsolicited router advertisement (RFC 4861 6.2.4), to all nodes */
void ndp_advert(const struct conf *c, uint8_t *out, struct answer *a);

/* Milliseconds until the next unsolicited one: random between the bounds of RFC 4861 6.2.1, @n advertisements sent so far */
unsigned ndp_interval(unsigned n);

/* RFC 2131, 2132, 3397, 4039, 4702; @p is UDP to port 67 */
enum drop dhcp_answer(const struct conf *c, const struct pkt *p, uint8_t *out, struct answer *a);

/* RFC 8415, 3646, 4704; @p is UDP to port 547 */
enum drop dhcpv6_answer(const struct conf *c, const struct pkt *p, uint8_t *out, struct answer *a);

/* ARP request or neighbour solicitation for @target, to find a guest that has not spoken yet */
void arp_solicit(const struct conf *c, const struct addr *target, uint8_t *out, struct answer *a);
void ndp_solicit(const struct conf *c, const struct addr *target, uint8_t *out, struct answer *a);

#endif /* ANSWER_H */

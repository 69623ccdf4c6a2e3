/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder.h - for tests and fuzz targets of ARP, NDP, DHCP and DHCPv6: a configuration, frames from hexadecimal text,
 * and a run from frame to reply
 *
 * Frame and reply both end at a page that can't be touched, so that one byte too many ends the test with any compiler.
 */
#ifndef RESPONDER_H
#define RESPONDER_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../answer.h"
#include "../checksum.h"

typedef enum drop responder(const struct asker *k, const struct pkt *p, struct answer *a);

#define R_AREA		(1 << 17)	/* bytes in front of a guard page, more than any frame has */

static struct conf r_cf;			/* options, as r_net() made them */
static struct neighs r_hood;			/* neighbours that are known */
static struct leases *r_leases;			/* of several guests, or NULL: there is one */

/* Guest 52:54:00:12:34:56 is 192.0.2.15/24 and 2001:db8:1:2::15/64, we are 9a:55:9a:55:9a:55, 192.0.2.1 and fe80::1 */
__attribute__((unused)) static struct net r_net(void)
{
	static const char *const v6[] = { "2001:db8:1:2::15", "fe80::1", "fe80::15", "2001:db8::53", "2001:db8::54" };
	struct net c = { .cf = &r_cf, .search = { { "example.com", "b.example.org" }, 2 } };
	struct net_ip *ip = &c.ip[V4];
	struct addr *const to[] = { &c.ip[V6].guest.addr, &c.ip[V6].our_ll, &c.ip[V6].guest.ll, &c.ip[V6].guest.dns[0],
				    &c.ip[V6].guest.dns[1] };

	r_cf = (struct conf){
		.our_mac = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } }, .mtu = 65520,
		.dhcp_dns = true, .dhcp_search = true,
		.hostname = "guest", .fqdn = "guest.example.com",
	};
	for (size_t i = 0; i < ARRAY_SIZE(v6); i++)
		assert(addr_parse(v6[i], strlen(v6[i]), to[i]));
	c.ip[V6].gw = c.ip[V6].our_ll;
	c.ip[V6].guest.ndns = 2;
	c.ip[V6].guest.plen = 64;
	ip->guest.addr = addr_from4(htonl(0xc000020f));
	ip->gw = ip->server = addr_from4(htonl(0xc0000201));
	ip->guest.plen = 24;
	ip->guest.dns[0] = addr_from4(htonl(0xc0000235));
	ip->guest.dns[1] = addr_from4(htonl(0xc6336435));
	ip->guest.ndns = 2;
	ip->on = c.ip[V6].on = true;
	return c;
}

/* Text of hexadecimal digits, blanks anywhere, to bytes; returns how many */
__attribute__((unused)) static size_t r_hex(const char *s, uint8_t *b)
{
	size_t n = 0;

	for (; *s; s++) {
		static const char digits[] = "0123456789abcdef";
		const char *d = strchr(digits, *s);

		if (*s == ' ' || *s == '\n' || *s == '\t')
			continue;
		assert(d);
		if (n % 2)
			b[n / 2] = (uint8_t)(b[n / 2] << 4 | (d - digits));
		else
			b[n / 2] = (uint8_t)(d - digits);
		n++;
	}
	assert(n % 2 == 0);
	return n / 2;
}

/* Makes IP and UDP lengths and the IPv4 checksum those of a frame of @len bytes, if there are headers */
__attribute__((unused)) static void r_fix(uint8_t *f, size_t len)
{
	uint16_t type = len < ETH_HLEN ? 0 : get_be16(f + 12), csum;
	size_t at = 0;

	if (type == ETH_P_IP && len >= 34 && f[14] == 0x45) {
		put_be16(f + 16, (uint16_t)(len - 14));
		f[24] = f[25] = 0;
		csum = csum_finish(csum_add(f + 14, 20, 0));
		memcpy(f + 24, &csum, 2);
		at = f[23] == IPPROTO_UDP ? 34 : 0;
	} else if (type == ETH_P_IPV6 && len >= 54) {
		put_be16(f + 18, (uint16_t)(len - 54));
		at = f[20] == IPPROTO_UDP ? 54 : 0;
	}
	if (at && len >= at + 8)
		put_be16(f + at + 4, (uint16_t)(len - at));
}

/* End of an area followed by a page without access, one for each @which */
__attribute__((unused)) static uint8_t *r_guard(unsigned which)
{
	static uint8_t *end[4];

	if (!end[which]) {
		uint8_t *p = mmap(NULL, R_AREA + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert(p != MAP_FAILED);
		assert(!mprotect(p + R_AREA, 65536, PROT_NONE));
		end[which] = p + R_AREA;
	}
	return end[which];
}

/**
 * r_run() - frame in, reply out
 * @answer:	filled in; zero if the frame does not parse
 * @reply:	set to the bytes of the reply
 *
 * Runs twice, over different leftovers in @answer: every byte of a reply must have been written.
 */
__attribute__((unused)) static enum drop r_run(responder *fn, const struct net *c, const uint8_t *frame, size_t len,
					       struct answer *answer, uint8_t **reply)
{
	struct answer *again = (struct answer *)(void *)r_guard(1) - 1;
	uint8_t *f = r_guard(0) - len;
	struct iovec iov = { .iov_base = f, .iov_len = len };
	struct raw raw = { .iov = &iov, .cnt = 1, .len = len };
	const struct asker k = { .net = c, .neigh = &r_hood, .leases = r_leases };
	struct pkt p;
	enum drop rc;

	assert(len <= R_AREA);
	memcpy(f, frame, len);
	*answer = (struct answer){ 0 };
	*reply = answer->out.b;
	rc = pkt_parse(&raw, &p);
	if (rc || p.fragment)
		return rc ? rc : DROP_FRAGMENT;

	memset(again, 0, sizeof(*again));
	memset(answer, 0xa5, sizeof(*answer));
	rc = fn(&k, &p, answer);
	assert(fn(&k, &p, again) == rc);
	assert(answer->out.len == again->out.len && answer->out.len <= ANSWER_MAX);
	assert(rc || !answer->out.len ||
	       (!memcmp(answer->out.b, again->out.b, answer->out.len) && mac_eq(&answer->dmac, &again->dmac) &&
		end_eq(&answer->src, &again->src) && end_eq(&answer->dst, &again->dst)));
	assert(rc == DROP_NONE || !answer->out.len);
	return rc;
}

#endif /* RESPONDER_H */

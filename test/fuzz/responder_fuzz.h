/* SPDX-License-Identifier: GPL-2.0-or-later */
/* responder_fuzz.h - what the fuzz targets of the responders have in common
 *
 * Input: one byte of settings, then a frame. Lengths and header checksum are put right unless the lowest bit says not
 * to: chance alone would never get them. The higher bits leave out, or fill up, parts of the configuration.
 */
#ifndef RESPONDER_FUZZ_H
#define RESPONDER_FUZZ_H

#include "../../log.h"
#include "../responder.h"

#define CHECK(x)	((x) ? (void)0 : abort())

enum { S_RAW = 1, S_NO_DNS = 2, S_LONG = 4, S_NO_ADDR = 8, S_NO_GW = 16, S_NO_NAMES = 32, S_PLEN = 64, S_NO_MTU = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net fuzz_net(uint8_t set)
{
	struct net c = r_net();

	if (set & S_LONG) {
		c.search.n = SEARCH_MAX;
		for (unsigned i = 0; i < SEARCH_MAX; i++)
			memset(c.search.name[i], 'a', 30 * i + 20);
		for (unsigned i = 0; i < SEARCH_MAX; i++)
			for (unsigned k = 20; k < 30 * i + 20; k += 31)
				c.search.name[i][k] = '.';
	}
	for (unsigned v = 0; v < FAMILIES; v++) {
		if (set & S_LONG) {
			c.ip[v].guest.ndns = DNS_MAX;
			for (unsigned i = 2; i < DNS_MAX; i++)
				c.ip[v].guest.dns[i] = c.ip[v].guest.dns[0];
		}
		if (set & S_NO_DNS)
			c.ip[v].guest.ndns = 0;
		if (set & S_NO_ADDR)
			c.ip[v].guest.addr = (struct addr){ 0 };
		if (set & S_NO_GW)
			c.ip[v].gw = (struct addr){ 0 };
		if (set & S_PLEN)
			c.ip[v].guest.plen = 32;
	}
	if (set & S_NO_NAMES)
		r_cf.hostname = r_cf.fqdn = NULL;
	if (set & S_NO_MTU)
		r_cf.mtu = 0;
	return c;
}

/* Frame of the input to its reply, NULL if there is none; what holds for all responders is checked */
static const uint8_t *fuzz_run(responder *fn, const struct net *c, const uint8_t *data, size_t size, struct answer *a)
{
	static uint8_t frame[R_AREA];
	uint8_t *reply;

	log_level = LOG_CRIT;
	if (size < 1 || size - 1 > sizeof(frame))
		return NULL;
	memcpy(frame, data + 1, size - 1);
	if (!(data[0] & S_RAW))
		r_fix(frame, size - 1);
	r_run(fn, c, frame, size - 1, a, &reply);
	if (!a->out.len)
		return NULL;
	CHECK(addr_is_v4(&a->src.a) == addr_is_v4(&a->dst.a));
	return reply;
}

#endif /* RESPONDER_FUZZ_H */

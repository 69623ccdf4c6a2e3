/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stats.c - what happened so far, in the log */
#include <inttypes.h>

#include "stats.h"

void stats_log(const struct ctx *c)
{
	const uint32_t *n = c->flows.count;

	log_at(LOG_WARNING, "Flows: %u TCP, %u UDP on %u sockets, %u ping, %u spliced",
	       n[FLOW_TCP], n[FLOW_UDP], n[FLOW_UDP_PORT], n[FLOW_PING], n[FLOW_SPLICE] + n[FLOW_UDP_SPLICE]);
	if (c->splice.flows)
		log_at(LOG_WARNING, "Spliced: %" PRIu64 " connections and UDP flows, %" PRIu64 " bytes", c->splice.flows,
		       c->splice.bytes);

	for (unsigned i = 0; i < GUEST_MAX; i++) {
		const struct guest *g = &c->guest[i];
		const struct tap_stats *s = &g->tap.stats;

		log_at(LOG_WARNING, "From guest: %" PRIu64 " frames, %" PRIu64 " bytes", s->rx_frames, s->rx_bytes);
		log_at(LOG_WARNING, "To guest: %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " lost",
		       s->tx_frames, s->tx_bytes, s->tx_lost);
		for (unsigned why = DROP_NONE + 1; why < DROP_COUNT; why++)
			if (g->drops[why])
				log_at(LOG_WARNING, "Dropped: %" PRIu64 " %s", g->drops[why], drop_name[why]);
	}
}

bool stats_moved(const struct ctx *c)
{
	static uint64_t last;
	uint64_t sum = c->splice.flows + c->splice.bytes;

	for (unsigned i = 0; i < GUEST_MAX; i++) {
		const struct guest *g = &c->guest[i];

		sum += g->tap.stats.rx_frames + g->tap.stats.tx_frames + g->tap.stats.tx_lost;
		for (unsigned why = DROP_NONE + 1; why < DROP_COUNT; why++)
			sum += g->drops[why];
	}
	if (sum == last)
		return false;
	last = sum;
	return true;
}

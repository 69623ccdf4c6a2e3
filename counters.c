/* SPDX-License-Identifier: GPL-2.0-or-later */
/* counters.c - one table of all that is counted: for the log, control clients, and metrics
 *
 * The order of rows is that of Status (doc/control.md). In the log, the process's rows come before each guest's. A text
 * that begins with a comma or space continues a line, others begin one; a line that begins with '?' is left out if all
 * of its numbers are 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"

#define LINE		256

#define AT(type, member)	sizeof(((type *)NULL)->member), offsetof(type, member)
#define PROCESS(member)		false, AT(struct ctx, member)
#define IN_GUEST(member)	true, AT(struct guest, member)

/* Each type of flow; users see the two types that are spliced as one */
#define FLOWS(name, help, kind, of, line)									\
	{ name, "type", "tcp", help, kind, PROCESS(flows.of[FLOW_TCP]), line ": # TCP", name, "tcp" },		\
	{ name, "type", "udp", help, kind, PROCESS(flows.of[FLOW_UDP]), ", # UDP", name, "udp" },		\
	{ name, "type", "udp_socket", help, kind, PROCESS(flows.of[FLOW_UDP_PORT]), " on # sockets", NULL, NULL }, \
	{ name, "type", "ping", help, kind, PROCESS(flows.of[FLOW_PING]), ", # ping", name, "ping" },		\
	{ name, "type", "splice", help, kind, PROCESS(flows.of[FLOW_SPLICE]), NULL, NULL, NULL },		\
	{ name, "type", "udp_splice", help, kind, PROCESS(flows.of[FLOW_UDP_SPLICE]), ", # spliced", name, "spliced" },

#define DROPPED(reason, name)											\
	{ "dropped", "reason", name, "Packets and datagrams that were not delivered", TRAFFIC,			\
	  IN_GUEST(drops[reason]), "?Dropped: # " name, "dropped", name },

const struct counter counters[] = {
	FLOWS("flows", "Flows that exist", GAUGE, count, "Flows")
	{ "from_guest_frames", NULL, NULL, "Frames from the guest", TRAFFIC,
	  IN_GUEST(tap.stats.rx_frames), "From guest: # frames", "from_guest", "frames" },
	{ "from_guest_bytes", NULL, NULL, "Bytes of frames from the guest", TRAFFIC,
	  IN_GUEST(tap.stats.rx_bytes), ", # bytes", "from_guest", "bytes" },
	{ "to_guest_frames", NULL, NULL, "Frames to the guest", TRAFFIC,
	  IN_GUEST(tap.stats.tx_frames), "To guest: # frames", "to_guest", "frames" },
	{ "to_guest_bytes", NULL, NULL, "Bytes of frames to the guest", TRAFFIC,
	  IN_GUEST(tap.stats.tx_bytes), ", # bytes", "to_guest", "bytes" },
	{ "to_guest_lost", NULL, NULL, "Frames to the guest that its link refused", TRAFFIC,
	  IN_GUEST(tap.stats.tx_lost), ", # lost", NULL, "lost" },
	{ "spliced_connections", NULL, NULL, "Connections and UDP flows that were spliced", TRAFFIC,
	  PROCESS(splice.flows), "?Spliced: # connections and UDP flows", NULL, "spliced_connections" },
	{ "spliced_bytes", NULL, NULL, "Bytes of payload that were spliced", TRAFFIC,
	  PROCESS(splice.bytes), ", # bytes", NULL, "spliced_bytes" },
	DROPS(DROPPED)
	FLOWS("flows_opened", "Flows that began", COUNTER, opened, "?Opened")
	FLOWS("flows_ended", "Flows that ended", COUNTER, ended, "?Ended")
	{ "tcp_retransmissions", NULL, NULL, "Times that sending to the guest went back to bytes not acknowledged", COUNTER,
	  IN_GUEST(count.tcp_retransmissions), "?TCP: # retransmissions", "tcp", "retransmissions" },
	{ "tcp_timeouts", NULL, NULL, "Timeouts of SYN, data and window probes sent to the guest", COUNTER,
	  IN_GUEST(count.tcp_timeouts), ", # timeouts", "tcp", "timeouts" },
	{ "tcp_resets_sent", NULL, NULL, "Resets sent to the guest", COUNTER,
	  IN_GUEST(count.tcp_resets_sent), ", # resets sent", "tcp", "resets_sent" },
	{ "tcp_resets_received", NULL, NULL, "Resets received from the guest", COUNTER,
	  IN_GUEST(count.tcp_resets_received), ", # received", "tcp", "resets_received" },
	{ "tcp_refused", NULL, NULL, "Connections that failed on the host, or that the guest refused", COUNTER,
	  IN_GUEST(count.tcp_refused), ", # refused", "tcp", "refused" },
	{ "tcp_stalls", NULL, NULL, "Times that the guest's window closed", COUNTER,
	  IN_GUEST(count.tcp_stalls), ", # stalls", "tcp", "stalls" },
};
const unsigned counters_n = ARRAY_SIZE(counters);

uint64_t counter_value(const struct ctx *c, const struct counter *k, const struct guest *g)
{
	const void *at = (const char *)(k->guest ? (const void *)g : c) + k->offset;
	uint64_t sum = 0;

	if (!k->guest || g)
		return k->size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
	for (unsigned i = 0; i < GUEST_MAX; i++)
		sum += counter_value(c, k, &c->guest[i]);
	return sum;
}

/* Lines of guest @g, NULL: of the process */
static void log_lines(const struct ctx *c, const struct guest *g)
{
	const char *text, *hash;
	char line[LINE] = "";
	bool shown = false;
	uint64_t n = 0;
	size_t len = 0;

	for (const struct counter *k = counters; k < counters + counters_n; k++) {
		if (k->guest != (g != NULL))
			continue;
		n += counter_value(c, k, g);
		if (!k->log)
			continue;
		text = k->log + (*k->log == '?');
		if (!strchr(", ", *text)) {
			if (shown)
				log_at(LOG_WARNING, "%s", line);
			shown = text == k->log;
			len = 0;
		}
		shown |= n != 0;
		hash = strchr(text, '#');
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%.*s%" PRIu64 "%s", (int)(hash - text), text,
					n, hash + 1);
		n = 0;
	}
	if (shown)
		log_at(LOG_WARNING, "%s", line);
}

void counters_log(const struct ctx *c)
{
	log_lines(c, NULL);
	for (unsigned i = 0; i < GUEST_MAX; i++)
		log_lines(c, &c->guest[i]);
}

void counters_json(const struct ctx *c, struct json_out *o)
{
	const char *object = NULL;
	uint64_t n = 0;

	for (const struct counter *k = counters; k < counters + counters_n; k++) {
		n += counter_value(c, k, NULL);
		if (!k->log)
			continue;
		if (k->member) {
			if (object && (!k->object || strcmp(object, k->object)))
				json_close(o, '}');
			if (k->object && (!object || strcmp(object, k->object)))
				json_open(o, k->object, '{');
			object = k->object;
			json_int(o, k->member, (int64_t)n);
		}
		n = 0;
	}
	if (object)
		json_close(o, '}');
}

bool counters_moved(const struct ctx *c)
{
	static uint64_t last;
	uint64_t sum = 0;
	bool moved;

	for (const struct counter *k = counters; k < counters + counters_n; k++) {
		if (k->kind == TRAFFIC)
			sum += counter_value(c, k, NULL);
	}
	moved = sum != last;
	last = sum;
	return moved;
}

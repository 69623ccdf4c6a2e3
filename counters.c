/* SPDX-License-Identifier: GPL-2.0-or-later */
/* counters.c - the table of counters: for the log, control clients, and metrics
 *
 * Rows are in the order of Status (doc/control.md). In the log, the rows of the process come before those of guests. A
 * text that begins with a comma or space continues a line, others begin one; a line that begins with '?' is left out if
 * all of its numbers are 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"

#define LINE		256

enum counter_kind {
	GAUGE,			/* a number that exists now */
	COUNTER,		/* since the start */
	TRAFFIC,		/* same, of traffic or drops: see counters_moved() */
};

struct counter {
	const char	*name;		/* of a metric, without prefix and "_total"; rows of one name are adjacent */
	const char	*label, *value;	/* of this row among those; NULL: the only one */
	const char	*help;
	enum counter_kind kind;
	bool		guest;		/* @offset is in struct guest, not in struct ctx */
	uint8_t		size;		/* bytes: 4 or 8 */
	uint32_t	offset;
	const char	*log;		/* text with '#' for the number; NULL: part of the next row's number */
	const char	*object, *member;	/* of Status; "": no object; NULL: no member */
};

#define AT(type, member)	sizeof(((type *)NULL)->member), offsetof(type, member)
#define PROCESS(member)		false, AT(struct ctx, member)
#define IN_GUEST(member)	true, AT(struct guest, member)

/* Each type of flow; users see the two types that are spliced as one */
#define FLOWS(name, help, kind, of, line)									\
	{ name, "type", "tcp", help, kind, PROCESS(flows.of[FLOW_TCP]), line ": # TCP", name, "tcp" },		\
	{ name, "type", "udp", help, kind, PROCESS(flows.of[FLOW_UDP]), ", # UDP", name, "udp" },		\
	{ name, "type", "udp_socket", help, kind, PROCESS(flows.of[FLOW_UDP_PORT]), " on # sockets", "", NULL },\
	{ name, "type", "ping", help, kind, PROCESS(flows.of[FLOW_PING]), ", # ping", name, "ping" },		\
	{ name, "type", "splice", help, kind, PROCESS(flows.of[FLOW_SPLICE]), NULL, "", NULL },			\
	{ name, "type", "udp_splice", help, kind, PROCESS(flows.of[FLOW_UDP_SPLICE]), ", # spliced", name, "spliced" },

#define LINK(object, member, help, of, line)									\
	{ #object "_" #member, NULL, NULL, help, TRAFFIC, IN_GUEST(tap.stats.of), line, #object, #member },

#define SPLICED(member, help, of, line)										\
	{ #member, NULL, NULL, help, TRAFFIC, PROCESS(splice.of), line, "", #member },

#define DROPPED(reason, name)											\
	{ "dropped", "reason", name, "Packets and datagrams that were not delivered", TRAFFIC,			\
	  IN_GUEST(drops[reason]), "?Dropped: # " name, "dropped", name },

#define TCP_COUNT(member, help, line)										\
	{ "tcp_" #member, NULL, NULL, help, COUNTER, IN_GUEST(count.tcp_##member), line, "tcp", #member },

static const struct counter counters[] = {
	FLOWS("flows", "Flows that exist", GAUGE, count, "Flows")
	LINK(from_guest, frames, "Frames from the guest", rx_frames, "From guest: # frames")
	LINK(from_guest, bytes, "Bytes of frames from the guest", rx_bytes, ", # bytes")
	LINK(to_guest, frames, "Frames to the guest", tx_frames, "To guest: # frames")
	LINK(to_guest, bytes, "Bytes of frames to the guest", tx_bytes, ", # bytes")
	{ "to_guest_lost", NULL, NULL, "Frames to the guest that its link refused", TRAFFIC,
	  IN_GUEST(tap.stats.tx_lost), ", # lost", "", "lost" },
	SPLICED(spliced_connections, "Connections and UDP flows that were spliced", flows,
		"?Spliced: # connections and UDP flows")
	SPLICED(spliced_bytes, "Bytes of payload that were spliced", bytes, ", # bytes")
	DROPS(DROPPED)
	FLOWS("flows_opened", "Flows that began", COUNTER, opened, "?Opened")
	FLOWS("flows_ended", "Flows that ended", COUNTER, ended, "?Ended")
	TCP_COUNT(retransmissions, "Segments that were sent to the guest again",
		  "?TCP: # retransmissions")
	TCP_COUNT(timeouts, "Timeouts of SYN, data and window probes sent to the guest", ", # timeouts")
	TCP_COUNT(probes, "Probes for a tail that may be lost", ", # probes")
	TCP_COUNT(spurious, "Losses and timeouts that turned out to be none", ", # spurious")
	TCP_COUNT(resets_sent, "Resets sent to the guest", ", # resets sent")
	TCP_COUNT(resets_received, "Resets received from the guest", ", # received")
	TCP_COUNT(refused, "Connections that failed on the host, or that the guest refused", ", # refused")
	TCP_COUNT(stalls, "Times that the guest's window closed", ", # stalls")
	TCP_COUNT(out_of_order, "Segments from the guest that were kept behind a gap", ", # out of order")
	TCP_COUNT(gaps_dropped, "Queues behind a gap that were given up", ", # gaps dropped")
	{ "host_changes", NULL, NULL, "Changes of the host's network and resolvers", COUNTER, PROCESS(net.changes),
	  "?Host network: # changes", "", "host_changes" },
};

/* Number of a row: of guest @g, NULL: of all guests, or of the process */
static uint64_t counter_value(const struct ctx *c, const struct counter *k, const struct guest *g)
{
	const void *at = (const char *)(k->guest ? (const void *)g : c) + k->offset;
	uint64_t sum = 0;

	if (!k->guest || g)
		return k->size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
	for (unsigned i = 0; i < GUEST_MAX; i++)
		sum += counter_value(c, k, &c->guest[i]);
	return sum;
}

/* First row from @k on that users see, and its number, with those of hidden rows before it; NULL: none */
static const struct counter *counter_shown(const struct ctx *c, const struct counter *k, const struct guest *g,
					   uint64_t *n)
{
	for (*n = 0; k < counters + ARRAY_SIZE(counters); k++) {
		*n += counter_value(c, k, g);
		if (k->log)
			return k;
	}
	return NULL;
}

/* Lines of guest @g, NULL: of the process */
static void log_lines(const struct ctx *c, const struct guest *g)
{
	const char *text, *hash;
	char line[LINE] = "";
	bool shown = false;
	size_t len = 0;
	uint64_t n;

	for (const struct counter *k = counters; (k = counter_shown(c, k, g, &n)); k++) {
		if (k->guest != (g != NULL))
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
	const char *object = "";
	uint64_t n;

	for (const struct counter *k = counters; (k = counter_shown(c, k, NULL, &n)); k++) {
		if (!k->member)
			continue;
		if (strcmp(object, k->object)) {
			if (*object)
				json_close(o, '}');
			if (*k->object)
				json_open(o, k->object, '{');
			object = k->object;
		}
		json_int(o, k->member, (int64_t)n);
	}
	if (*object)
		json_close(o, '}');
}

bool counters_moved(const struct ctx *c)
{
	static uint64_t last;
	uint64_t before = last;

	last = 0;
	for (const struct counter *k = counters; k < counters + ARRAY_SIZE(counters); k++)
		last += k->kind == TRAFFIC ? counter_value(c, k, NULL) : 0;
	return last != before;
}

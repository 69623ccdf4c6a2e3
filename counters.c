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
#define METRIC		"passt_"
#define METRICS_END	UINT32_MAX
#define RULE_SHOWN	400		/* bytes of a rule */

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
	{ "drops", "reason", name, "Packets and datagrams that were not delivered", TRAFFIC,			\
	  IN_GUEST(drops[reason]), "?Dropped: # " name, "dropped", name },

#define TCP_COUNT(member, help, line)										\
	{ "tcp_" #member, NULL, NULL, help, COUNTER, IN_GUEST(count.tcp_##member), line, "tcp", #member },

#define TCP_RESETS(member, dir, line)										\
	{ "tcp_resets", "dir", dir, "Resets sent to the guest, and received from it", COUNTER,			\
	  IN_GUEST(count.tcp_##member), line, "tcp", #member },

#define USED(table, at)												\
	{ "table_used", "table", table, "Entries of a table that are in use", GAUGE, at, NULL, NULL, NULL },

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
	TCP_RESETS(resets_sent, "to_guest", ", # resets sent")
	TCP_RESETS(resets_received, "from_guest", ", # received")
	TCP_COUNT(refused, "Connections that failed on the host, or that the guest refused", ", # refused")
	TCP_COUNT(stalls, "Times that the guest's window closed", ", # stalls")
	TCP_COUNT(out_of_order, "Segments from the guest that were kept behind a gap", ", # out of order")
	TCP_COUNT(gaps_dropped, "Queues behind a gap that were given up", ", # gaps dropped")
	{ "host_changes", NULL, NULL, "Changes of the host's network and resolvers", COUNTER, PROCESS(net.changes),
	  "?Host network: # changes", "", "host_changes" },
};

/* Those that are metrics only */
static const struct counter metric_rows[] = {
	{ "flow_bytes", "dir", "from_guest", "Bytes of payload of all flows", COUNTER, PROCESS(flows.bytes[GUEST]),
	  NULL, NULL, NULL },
	{ "flow_bytes", "dir", "to_guest", "Bytes of payload of all flows", COUNTER, PROCESS(flows.bytes[HOST]),
	  NULL, NULL, NULL },
	USED("flows", PROCESS(flows.used))
	USED("descriptors", PROCESS(flows.fds))
	USED("sockets", IN_GUEST(sockets))
	USED("rules", PROCESS(fwd.nrules))
	{ "listeners", NULL, NULL, "Sockets that listen for flows from outside", GAUGE, PROCESS(fwd.used), NULL, NULL,
	  NULL },
};

/* Number of a row: of guest @g, NULL: of all guests, or of the process */
static uint64_t counter_value(const struct ctx *c, const struct counter *k, const struct guest *g)
{
	const char *from = k->guest ? (const char *)g : (const char *)c;
	const void *at = from ? from + k->offset : NULL;
	uint64_t sum = 0;

	if (at)
		return k->size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
	for (unsigned i = 0; i < c->guests; i++)
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
	for (unsigned i = 0; i < c->guests; i++)
		if (!i || c->guest[i].tap.stats.rx_frames)
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

/* ---- OpenMetrics ---- */

/* A row, or what it has of guest @g; the first one of its name has the family's type and help in front */
static void metric(const struct ctx *c, const struct counter *k, const struct guest *g, bool first,
		   char buf[static COUNTERS_LINE])
{
	bool gauge = k->kind == GAUGE;
	char guest[sizeof(",guest=\"255\"")] = "";
	int n = 0;

	if (first)
		n = snprintf(buf, COUNTERS_LINE, "# TYPE " METRIC "%s %s\n# HELP " METRIC "%s %s.\n", k->name,
			     gauge ? "gauge" : "counter", k->name, k->help);
	n += snprintf(buf + n, COUNTERS_LINE - (size_t)n, METRIC "%s%s", k->name, gauge ? "" : "_total");
	if (g)
		snprintf(guest, sizeof(guest), "%sguest=\"%u\"", k->label ? "," : "", g->index);
	if (k->label)
		n += snprintf(buf + n, COUNTERS_LINE - (size_t)n, "{%s=\"%s\"%s}", k->label, k->value, guest);
	else if (g)
		n += snprintf(buf + n, COUNTERS_LINE - (size_t)n, "{%s}", guest);
	snprintf(buf + n, COUNTERS_LINE - (size_t)n, " %" PRIu64 "\n", counter_value(c, k, g));
}

/* One of a table of rows, or false if it is behind the last. With several guests, theirs are a row each, from guest
 * *@first on, which becomes the next one; 0: there is none. The first guest is always in them.
 */
static bool metric_of(const struct ctx *c, const struct counter *table, size_t n, uint32_t i, uint32_t *first,
		      char buf[static COUNTERS_LINE])
{
	const struct guest *g = NULL;
	uint32_t at = *first;

	if (i >= n)
		return false;
	*first = 0;
	if (table[i].guest && c->net.cf->guests > 1) {
		g = &c->guest[at];
		while (++at < c->guests && !c->guest[at].tap.stats.rx_frames)
			;
		*first = at < c->guests ? at : 0;
	}
	metric(c, &table[i], g, (!g || !g->index) && (!i || strcmp(table[i].name, table[i - 1].name)), buf);
	return true;
}

static void denials(const char *rule, uint64_t n, char buf[static COUNTERS_LINE])
{
	snprintf(buf, COUNTERS_LINE, METRIC "denials_total{rule=\"%.*s\"} %" PRIu64 "\n", RULE_SHOWN, rule, n);
}

/* Have two rules one text, as far as it is shown? It is about one place then: long texts are long by their ports. The
 * text is compared last, as it is far from the rule.
 */
static bool same_text(const struct policy_rule *a, const struct policy_rule *b)
{
	return a->target == b->target && a->plen == b->plen && addr_eq(&a->addr, &b->addr) &&
	       !strncmp(a->text, b->text, RULE_SHOWN);
}

/* Denials of all rules that have rule @i's text, as far as it is shown: they are one row, at the first one; 0: not at
 * this one
 */
static uint64_t denials_of(const struct policy *p, uint32_t i)
{
	uint64_t sum = 0;

	if (!p->rule[i].denied)
		return 0;
	for (uint32_t j = 0; j < p->nrules; j++) {
		if (!p->rule[j].denied || !same_text(&p->rule[j], &p->rule[i]))
			continue;
		if (j < i)
			return 0;
		sum += p->rule[j].denied;
	}
	return sum;
}

/* Denials by rule, of those that denied anything: row @*i, and the end of all text */
static void metric_denials(const struct ctx *c, uint32_t *i, char buf[static COUNTERS_LINE])
{
	const struct policy *p = c->egress.policy;
	char text[32];
	uint64_t n;

	if (!*i) {
		snprintf(buf, COUNTERS_LINE, "# TYPE " METRIC "denials counter\n"
			 "# HELP " METRIC "denials Flows that were refused, by rule.\n");
		return;
	}
	for (; p && *i <= p->nrules; ++*i) {
		n = denials_of(p, *i - 1);
		if (n) {
			denials(p->rule[*i - 1].text, n, buf);
			return;
		}
	}
	if (p && *i == p->nrules + 1 && p->denied) {
		snprintf(text, sizeof(text), "egress %s", egress_name[p->egress]);
		denials(text, p->denied, buf);
		return;
	}
	snprintf(buf, COUNTERS_LINE, "# EOF\n");
	*i = METRICS_END;
}

bool counters_metrics(const struct ctx *c, uint32_t *at, char buf[static COUNTERS_LINE])
{
	const uint32_t n = ARRAY_SIZE(counters), all = n + ARRAY_SIZE(metric_rows);
	uint32_t row = *at / GUEST_MAX, guest = *at % GUEST_MAX, i;

	if (*at == METRICS_END)
		return false;
	if (metric_of(c, counters, n, row, &guest, buf) ||
	    (row >= n && metric_of(c, metric_rows, all - n, row - n, &guest, buf))) {
		*at = (row + !guest) * GUEST_MAX + guest;
		return true;
	}
	i = row - all;
	metric_denials(c, &i, buf);
	*at = i == METRICS_END ? i : (i + all + 1) * GUEST_MAX;
	return true;
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

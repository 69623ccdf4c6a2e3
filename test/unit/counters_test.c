/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LDFLAGS: -Wl,--wrap=log_at */
/* counters_test.c - what is counted, as the log and control clients have it, and as metrics could */
#include <ctype.h>
#include <stdarg.h>

#include "../t.h"
#include "../../counters.c"

void __wrap_log_at(int level, const char *fmt, ...) PRINTF_LIKE(2, 3);

static struct conf cf = { .guests = 1 };
static struct ctx c = { .guests = 1 };
static char text[8192];

/* Each line into @text */
void __wrap_log_at(int level, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	eq(level, LOG_WARNING);
	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len - 1, fmt, ap);
	va_end(ap);
	strcat(text, "\n");
}

static const char *logged(void)
{
	text[0] = '\0';
	counters_log(&c);
	return text;
}

static const char *status(void)
{
	struct json_out o = { .b = text, .max = sizeof(text) };

	json_open(&o, NULL, '{');
	json_int(&o, "pid", 1);
	counters_json(&c, &o);
	json_close(&o, '}');
	json_nul(&o);
	ok(!o.full && json_read(text, strlen(text)));
	return text;
}

static void test_table(void)
{
	test("names and labels are as OpenMetrics has them, those of one name follow each other, and none is there twice");
	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++) {
		const struct counter *k = &counters[i], *prev = i ? k - 1 : NULL;

		ok(strspn(k->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(k->name));
		ok(isupper((unsigned char)*k->help) && k->help[strlen(k->help) - 1] != '.');
		ok(!k->label == !k->value);
		ok(k->log || !k->member);
		for (unsigned j = 0; j < i; j++) {
			const struct counter *other = &counters[j];

			if (strcmp(k->name, other->name))
				continue;
			ok(!strcmp(k->name, prev->name));
			ok(k->label && !strcmp(k->label, other->label) && strcmp(k->value, other->value));
			ok(k->kind == other->kind && k->help == other->help);
		}
		ok(k->size == 4 || k->size == 8);
		ok(k->offset + k->size <= (k->guest ? sizeof(struct guest) : sizeof(struct ctx)));
		for (unsigned j = 0; j < i; j++)
			ok(counters[j].guest != k->guest || counters[j].offset != k->offset);
	}
}

static void test_zero(void)
{
	c = (struct ctx){ .guests = 1 };
	test("log: nothing happened");
	eq_str(logged(),
	       "Flows: 0 TCP, 0 UDP on 0 sockets, 0 ping, 0 spliced\n"
	       "From guest: 0 frames, 0 bytes\n"
	       "To guest: 0 frames, 0 bytes, 0 lost\n");
	test("nothing moved");
	ok(!counters_moved(&c));
}

static void test_all(void)
{
	struct guest *g = &c.guest[0];

	c = (struct ctx){
		.guests = 1,
		.flows.count = { [FLOW_TCP] = 1, [FLOW_UDP] = 2, [FLOW_UDP_PORT] = 3, [FLOW_PING] = 4,
				 [FLOW_SPLICE] = 5, [FLOW_UDP_SPLICE] = 6 },
		.flows.opened = { [FLOW_TCP] = 1ULL << 40, [FLOW_UDP] = 12, [FLOW_UDP_PORT] = 13 },
		.flows.ended = { [FLOW_UDP_SPLICE] = 26 },
		.splice = { .flows = 31, .bytes = 32 },
	};
	g->tap.stats = (struct tap_stats){ .rx_frames = 41, .rx_bytes = 42, .tx_frames = 43, .tx_bytes = 44,
					   .tx_lost = 45 };
	g->drops[DROP_NONE] = 50;
	g->drops[DROP_FRAME] = 51;
	g->drops[DROP_RESPONDER] = 52;
	g->count = (struct counts){ 61, 62, 63, 64, 65, 66, 67, 68, 69, 70 };

	test("log: all of it");
	eq_str(logged(),
	       "Flows: 1 TCP, 2 UDP on 3 sockets, 4 ping, 11 spliced\n"
	       "Spliced: 31 connections and UDP flows, 32 bytes\n"
	       "Opened: 1099511627776 TCP, 12 UDP on 13 sockets, 0 ping, 0 spliced\n"
	       "Ended: 0 TCP, 0 UDP on 0 sockets, 0 ping, 26 spliced\n"
	       "From guest: 41 frames, 42 bytes\n"
	       "To guest: 43 frames, 44 bytes, 45 lost\n"
	       "Dropped: 51 frame\n"
	       "Dropped: 52 responder\n"
	       "TCP: 61 retransmissions, 62 timeouts, 63 probes, 64 spurious, 65 resets sent, 66 received, "
	       "67 refused, 68 stalls, 69 out of order, 70 gaps dropped\n");

	test("Status");
	eq_str(status(),
	       "{\"pid\":1,\"flows\":{\"tcp\":1,\"udp\":2,\"ping\":4,\"spliced\":11},"
	       "\"from_guest\":{\"frames\":41,\"bytes\":42},\"to_guest\":{\"frames\":43,\"bytes\":44},\"lost\":45,"
	       "\"spliced_connections\":31,\"spliced_bytes\":32,"
	       "\"dropped\":{\"frame\":51,\"ethertype\":0,\"ip_header\":0,\"ip_csum\":0,\"ip_ext\":0,\"fragment\":0,"
	       "\"l4_header\":0,\"l4_csum\":0,\"segments\":0,\"proto\":0,\"port_zero\":0,\"addr\":0,\"owner\":0,"
	       "\"policy\":0,\"ask\":0,"
	       "\"tcp_state\":0,\"tcp_seq\":0,\"no_flow\":0,\"no_resource\":0,\"send\":0,\"link_full\":0,"
	       "\"responder\":52},"
	       "\"flows_opened\":{\"tcp\":1099511627776,\"udp\":12,\"ping\":0,\"spliced\":0},"
	       "\"flows_ended\":{\"tcp\":0,\"udp\":0,\"ping\":0,\"spliced\":26},"
	       "\"tcp\":{\"retransmissions\":61,\"timeouts\":62,\"probes\":63,\"spurious\":64,\"resets_sent\":65,"
	       "\"resets_received\":66,\"refused\":67,\"stalls\":68,\"out_of_order\":69,\"gaps_dropped\":70},"
	       "\"host_changes\":0}");
}

/* All metrics; checked: a family is in one place, type and help come first, and the end is the end */
static const char *scraped(void)
{
	static char all[32768], families[128][64];
	char line[COUNTERS_LINE], name[64], family[64] = "";
	unsigned n = 0;
	uint32_t at = 0;

	all[0] = '\0';
	while (counters_metrics(&c, &at, line)) {
		ok(line[strlen(line) - 1] == '\n' && strlen(all) + strlen(line) < sizeof(all));
		strcat(all, line);
	}
	ok(!counters_metrics(&c, &at, line));
	eq_str(all + strlen(all) - 7, "\n# EOF\n");
	for (char *s = all, *nl; (nl = strchr(s, '\n')); s = nl + 1) {
		if (sscanf(s, "# TYPE %63s", name) == 1) {
			for (unsigned i = 0; i < n; i++)
				ok(strcmp(families[i], name));
			strcpy(families[n++], strcpy(family, name));
		} else if (sscanf(s, "# HELP %63s", name) == 1) {
			eq_str(name, family);
		} else if (sscanf(s, "%63[a-z_]", name) == 1) {
			ok(!strncmp(name, family, strlen(family)) &&
			   (!name[strlen(family)] || !strcmp(name + strlen(family), "_total")));
		}
	}
	return all;
}

static void test_metrics(void)
{
	static char cut[RULE_SHOWN + 3], other[sizeof(cut)], want[2 * sizeof(cut)];
	static struct policy p;
	const char *s;

	test("metrics");
	c.net.cf = &cf;
	c.flows.bytes[GUEST] = 71;
	c.flows.bytes[HOST] = 72;
	c.flows.used = 73;
	c.fwd.used = 74;
	s = scraped();
	ok(!strncmp(s,
		    "# TYPE passt_flows gauge\n# HELP passt_flows Flows that exist.\n"
		    "passt_flows{type=\"tcp\"} 1\npasst_flows{type=\"udp\"} 2\n",
		    113));
	ok(strstr(s, "\npasst_drops_total{reason=\"responder\"} 52\n"));
	ok(strstr(s, "\npasst_flow_bytes_total{dir=\"from_guest\"} 71\npasst_flow_bytes_total{dir=\"to_guest\"} 72\n"));
	ok(strstr(s, "\n# TYPE passt_tcp_retransmissions counter\n"));
	ok(strstr(s, "\npasst_tcp_retransmissions_total 61\n"));
	ok(strstr(s, "\npasst_tcp_resets_total{dir=\"to_guest\"} 65\npasst_tcp_resets_total{dir=\"from_guest\"} 66\n"));
	ok(strstr(s, "\npasst_table_used{table=\"flows\"} 73\n"));
	ok(strstr(s, "\npasst_listeners 74\n"));
	ok(!strstr(s, "passt_denials_total"));

	test("metrics: with several guests, their numbers are a row for each that sent a frame, and the first one");
	c.guests = 4;
	cf.guests = 3;
	c.guest[2] = (struct guest){ .index = 2, .tap.stats.rx_frames = 1, .drops[DROP_OWNER] = 7 };
	s = scraped();
	ok(strstr(s, "\n# HELP passt_from_guest_frames Frames from the guest.\npasst_from_guest_frames_total{guest=\"0\"} 41\n"
		  "passt_from_guest_frames_total{guest=\"2\"} 1\n# TYPE "));
	ok(strstr(s, "\npasst_drops_total{reason=\"owner\",guest=\"0\"} 0\n"
		  "passt_drops_total{reason=\"owner\",guest=\"2\"} 7\npasst_drops_total{reason=\"policy\",guest=\"0\"} 0\n"));
	ok(strstr(s, "\npasst_table_used{table=\"flows\"} 73\n"));
	ok(strstr(s, "\n# EOF\n"));
	c.guests = cf.guests = 1;

	test("metrics: denials, of rules that denied anything");
	p = (struct policy){ .egress = EGRESS_LOCKED, .nrules = 4, .hits = 9, .denied = 8 };
	p.rule[0] = (struct policy_rule){ .text = "private", .verdict = DENY, .hits = 5, .denied = 5 };
	p.rule[1] = (struct policy_rule){ .text = "public", .verdict = ALLOW, .hits = 6 };
	p.rule[2] = (struct policy_rule){ .text = "host", .verdict = DENY };
	p.rule[3] = (struct policy_rule){ .text = "[fd00::/8]:53", .verdict = ASK, .hits = -1ULL,
					  .denied = 1ULL << 40 };
	c.egress.policy = &p;
	s = strstr(scraped(), "# TYPE passt_denials");
	eq_str(s,
	       "# TYPE passt_denials counter\n# HELP passt_denials Flows that were refused, by rule.\n"
	       "passt_denials_total{rule=\"private\"} 5\npasst_denials_total{rule=\"[fd00::/8]:53\"} 1099511627776\n"
	       "passt_denials_total{rule=\"egress locked\"} 8\n# EOF\n");

	test("metrics: rules of one text, or of texts that are cut to one, are one row: no two have the same labels");
	memset(cut, '1', sizeof(cut) - 1);
	memset(other, '1', sizeof(other) - 1);
	other[RULE_SHOWN] = '2';
	p.rule[0].text = cut;
	p.rule[1] = (struct policy_rule){ .text = "public", .verdict = ASK, .hits = 7, .denied = 7 };
	p.rule[2] = (struct policy_rule){ .text = "public", .verdict = DENY, .hits = 6, .denied = 6 };
	p.rule[3].text = other;
	s = strstr(scraped(), "\npasst_denials_total");
	snprintf(want, sizeof(want),
		 "\npasst_denials_total{rule=\"%.*s\"} 1099511627781\npasst_denials_total{rule=\"public\"} 13\n"
		 "passt_denials_total{rule=\"egress locked\"} 8\n# EOF\n",
		 RULE_SHOWN, cut);
	eq_str(s, want);
	c.egress.policy = NULL;
}

static void test_moved(void)
{
	struct guest *g = &c.guest[0];

	test("what moved: frames, datagrams that were dropped, what was spliced; but no flow that ends");
	ok(counters_moved(&c));
	ok(!counters_moved(&c));
	c.flows.count[FLOW_TCP]--;
	c.flows.ended[FLOW_TCP]++;
	ok(!counters_moved(&c));
	g->tap.stats.rx_frames++;
	ok(counters_moved(&c));
	g->tap.stats.tx_lost++;
	ok(counters_moved(&c));
	g->drops[DROP_SEND]++;
	ok(counters_moved(&c));
	c.splice.bytes++;
	ok(counters_moved(&c));
	ok(!counters_moved(&c));
}

int main(void)
{
	test_table();
	test_zero();
	test_all();
	test_metrics();
	test_moved();
	return done();
}

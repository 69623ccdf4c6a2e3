/* SPDX-License-Identifier: GPL-2.0-or-later */
/* input_more.h - fuzz_input's rarer events, and settings of the world that it begins in
 *
 * Part of fuzz_input.c. DO_MORE is one byte (enum more_kind), then its operands, see more_bytes[]. A connection's ends
 * and a datagram's are places in tables: so that addresses that lead somewhere else are as near as any.
 */
#ifndef INPUT_MORE_H
#define INPUT_MORE_H

enum more_kind {
	MORE_URGENT, MORE_LOSE, MORE_LATE, MORE_HONEST, MORE_CONN, MORE_CLIENT, MORE_UDP, MORE_DGRAM, MORE_ERROR,
	MORE_RULES, MORE_POLICY, MORE_RESOLVERS, MORE_RENUMBER, MORE_ADDR_GONE, MORE_LEAVE, MORE_UP, MORE_FAIL,
	MORE_COUNT
};

/* Bytes of operands */
static const uint8_t more_bytes[MORE_COUNT] = {
	[MORE_URGENT] = 2, [MORE_LOSE] = 2, [MORE_HONEST] = 1, [MORE_CONN] = 2, [MORE_CLIENT] = 2, [MORE_UDP] = 5,
	[MORE_DGRAM] = 7, [MORE_ERROR] = 8, [MORE_RULES] = 1, [MORE_POLICY] = 1, [MORE_RESOLVERS] = 1,
	[MORE_RENUMBER] = 1, [MORE_ADDR_GONE] = 1, [MORE_LEAVE] = 1, [MORE_FAIL] = 2,
};

/* The world, four bytes: one of these, */
enum {
	W_POOR = 1, W_FEW_BLOCKS = 2, W_NO_RECOVER = 4, W_NO_STASH = 8, W_ROUTED = 16, W_OUTWARD = 32, W_NO_ICMP = 64,
	W_NO_UDP = 128
};

/* another one, */
enum {
	W_NO_SPLICE = 1, W_LOOPBACK = 2, W_NO_GW = 4, W_OUT_IF = 8, W_MAP_GUEST = 16, W_GRANT = 32, W_NO_MEMINFO = 64,
	W_SENT = 128
};

/* and resolvers: number, and; then the place in rules[] in the lowest five bits, of hellos[] in the others */
enum { R_NUMBER = 3, R_FAMILY = 4, R_SELF = 8, R_NEAR = 16, R_FORMER = 32 };

#define OTHER	21			/* place of an address of the other family */

static uint32_t setting[4];
static bool other_rules;		/* than those that a run begins with */

#define SENT		2000000		/* bytes that the guest had sent before: nearly a round (tcp_seg.c) */

static const char *const rules[32] = {
	"", "allow a.example\n", "deny b.example\n", "ask any\nask icmp/any\n", "deny tcp/any\ndeny udp/any\n",
	"allow any:1-100\n", "deny loopback\n", "ask tcp/*.example:443\n", "deny icmp/any\n",
	"allow tcp/192.0.2.53\nallow udp/192.0.2.53\nallow tcp/2001:db8::c000:235\nallow udp/2001:db8::c000:235\n",
	"allow tcp/a.example:80\nallow tcp/a.example:443\n", "ask a.example\n",
};

static const struct {
	const char	*names;
	uint32_t	len;
	bool		http;
} hellos[] = {
	{ "", 0, false }, { "a.example", 300, false }, { "b.example", 300, false }, { "-", 300, false },
	{ "a.example", 100, true }, { "a.example", 16385, false }, { "192.0.2.1", 100, true }, { "b.example", 0, true },
};

/* Addresses as in scripts; where IPv6 has another one, that is behind it */
static const char *const places[32][2] = {
	{ "192.0.2.1" }, { "198.51.100.1" }, { "198.51.100.53" }, { "198.51.100.54" }, { "192.0.2.53" },
	{ "192.0.2.54" }, { "239.255.255.250" }, { "255.255.255.255", "ff02::1" }, { "192.0.2.255" }, { "127.0.0.1" },
	{ "198.51.100.2" }, { "169.254.9.9", "fe80::9" }, { "192.0.2.7" }, { "192.0.2.8" }, { "198.51.100.3" },
	{ "0.0.0.0", "::" }, { "198.51.100.55" }, { "198.51.100.56" }, { "203.0.113.5" }, { "198.51.100.9" },
	{ "169.254.2.2", "fe80::1234" }, [OTHER] = { "2001:db8::9", "192.0.2.9" }, { "198.51.100.255" },
	{ "192.0.2.2" },
};

/* But for OTHER, of the run's family */
static struct addr place(uint32_t i)
{
	const char *text = places[i % 32][0] ? places[i % 32][0] : places[0][0];
	struct addr a;

	if (run.v.v6 && places[i % 32][1])
		text = places[i % 32][1];
	addr_parse(text, strlen(text), &a);
	return i % 32 == OTHER ? a : run_addr(&run, &a);
}

/* An address, in the lowest five bits, and a port; 0: connection @n's */
static struct end place_end(unsigned n, uint32_t v)
{
	static const uint16_t ports[] = { 0, 53, 443, 0, 80, 1900, 1069, CLIENT_PORT };
	struct end e = { place(v), ports[v >> 5 & 7] };

	if (!(v >> 5))
		e.port = run.conn[n].peer.port;
	else if (v >> 5 == 7)
		e.port = (uint16_t)(CLIENT_PORT + n);
	return e;
}

/* ---- the world ---- */

static void resolvers_set(uint32_t set)
{
	struct net_ip *ip = &run.c.net.ip[run.v.v6 ? V6 : V4];
	unsigned n = set & R_NUMBER;

	for (unsigned i = 0; i < n; i++) {
		ip->dns_to[i].a = place(i < 2 ? 4 + i : 12);
		if (i == 1 && set & R_FAMILY)
			ip->dns_to[i].a = place(OTHER);
		else if (i == 1 && set & R_SELF)
			ip->dns_to[i].a = place(9);
		else if (i == 1 && set & R_NEAR)
			ip->dns_to[i] = (struct resolver){ .a = place(11), .scope = HOST_IF };
	}
	if (set & R_FORMER) {			/* in another order */
		const struct resolver first = ip->dns_to[0];

		ip->dns_to[0] = ip->dns_to[1];
		ip->dns_to[1] = first;
	}
	ip->ndns_to = n;
	ip->dns_first = 0;
	ip->dns_forward = ip->dns_host = run.v.v6 ? addr_any6 : addr_any4;
	if (!n)
		return;
	ip->dns_forward = place(2);
	ip->dns_host = ip->dns_to[0].a;
	ip->ndns_was = 0;
	for (unsigned i = 0; i < 3; i++)
		ip->dns_was[ip->ndns_was++] = place(i ? 15 + i : 3);
}

/* Before a run begins */
static void world_script(void)
{
	unsigned hello;

	memset(setting, 0, sizeof(setting));
	other_rules = false;
	if (in_left && (*in & 31) == DO_WORLD) {
		take(1);
		for (unsigned i = 0; i < ARRAY_SIZE(setting); i++)
			setting[i] = take(1);
	}
	hello = setting[3] >> 5;
	script.sockets_max = setting[0] & W_POOR ? 4 : 0;
	script.gap_blocks = setting[0] & W_FEW_BLOCKS ? 3 : 0;
	script.no_recover = setting[0] & W_NO_RECOVER;
	script.no_stash = setting[0] & W_NO_STASH;
	script.routed = setting[0] & W_ROUTED;
	script.outward = setting[0] & W_OUTWARD;
	script.no_icmp = setting[0] & W_NO_ICMP;
	script.no_udp = setting[0] & W_NO_UDP;
	snprintf(script.policy, sizeof(script.policy), "%s", rules[setting[3] & 31] ? rules[setting[3] & 31] : "");
	snprintf(script.grants, sizeof(script.grants), "%s", setting[1] & W_GRANT ? "a.example\n" : "");
	snprintf(script.hello, sizeof(script.hello), "%s", hellos[hello].names);
	script.hello_len = hellos[hello].len;
	script.request = hellos[hello].http;
}

/* Once it has begun */
static void world_settings(void)
{
	struct net_ip *ip = &run.c.net.ip[run.v.v6 ? V6 : V4];

	run.cf.no_splice = setting[1] & W_NO_SPLICE;
	run.cf.host_lo_to_ns_lo = setting[1] & W_LOOPBACK;
	if (setting[1] & W_NO_GW)
		ip->gw = ip->map_loopback = run.v.v6 ? addr_any6 : addr_any4;
	if (setting[1] & W_MAP_GUEST)
		ip->map_guest = place(14);
	if (setting[1] & W_OUT_IF)
		snprintf(run.cf.ip[run.v.v6 ? V6 : V4].out_if, IFNAMSIZ, "eth0");
	if (setting[1] & W_SENT)
		run.c.guest[0].senders = (struct senders){ .bytes = SENT, .squares = (uint64_t)SENT * SENT };
	if (setting[2])
		resolvers_set(setting[2]);
}

/* ---- events ---- */

/* Other ends of a connection: @guest: its address and port, in two bits each */
static void more_conn(unsigned n, uint32_t guest, uint32_t peer)
{
	static const uint16_t ports[] = { 0, SERVER_PORT, 53, 1069 };
	static const uint8_t from[] = { 10, 19, 20, 18 };
	struct conn *cn = &run.conn[n];
	uint32_t isn = cn->g_isn;
	struct end to = place_end(n, peer % 32 == OTHER ? 0 : peer);

	conn_init(&run, n, &to);
	cn->g_isn = isn + 100000;
	cn->reused = true;
	cn->guest.a = place(from[guest & 3]);
	if (guest >> 2 & 3)
		cn->guest.port = ports[guest >> 2 & 3];
	memset(&conn[n], 0, sizeof(conn[n]));
	conn[n].used = conn[n].moved = true;
}

static void more_client(unsigned n, uint32_t from, uint32_t to)
{
	struct fsock *l = fs_listener(FS_LISTEN, !run.v.v6);
	struct end asked = { .a = place(to) }, client = place_end(n, from);

	if (!l || from % 32 == OTHER || to % 32 == OTHER)
		return;
	foreign = true;				/* it may be spliced, by its address or by the one that it asks */
	more_conn(n, 4, from);
	conn[n].moved = false;
	run.conn[n].peer = client;
	fs_client(l, &client, &asked);
}

/* Number of datagrams in the @bits lowest bits: few, or many if the highest two of them are set */
static unsigned how_many(uint32_t how, unsigned bits)
{
	uint32_t many = 3U << (bits - 2);

	return 1 + (~how & many ? how & 3 : 4 * (how & ~many & ((1U << bits) - 1)));
}

/* Many, of the same size, or each longer than the one before; of IPv4 with DF, or not */
static void more_udp(unsigned n)
{
	static uint8_t frame[WIRE_MAX + 64];
	uint32_t how = take(1), len = take(2) % 2000, fill = take(1), ttl = take(1);
	struct offload off = { 0 };
	struct wire w = {
		.v6 = run.v.v6, .proto = IPPROTO_UDP, .ttl = (uint8_t)(ttl ? ttl : 64), .src = run.conn[n].guest,
		.dst = run.conn[n].peer, .data = filler,
	};

	filler[1] = fill >> 4;
	filler[2] = fill & 8 ? 128 : 0;
	filler[3] = fill & 7;
	for (unsigned i = 0; i < how_many(how, 7); i++) {
		w.len = len + (how & 128 ? i : 0);
		tap_sim_push(frame, wire_build(frame, &w, false), &off);
	}
	memset(filler, 0, 4);
}

/* A socket of datagrams; with the highest bit set, of echo */
static struct fsock *more_sock(uint32_t v)
{
	return nth_sock(v & 128 ? FS_PING : FS_UDP, v & 127);
}

static void more_dgram(unsigned n)
{
	struct fsock *s = more_sock(take(1));
	uint32_t from = take(1), to = take(1), how = take(1), len = take(2) % 4000, fill = take(1);
	static const uint8_t by[] = { 0, LOOPBACK_IF, HOST_IF, 3 };
	struct dgram d = { .peer = place_end(n, from), .our.a = place(to), .ifindex = by[to >> 5 & 3], .data = filler };

	if (!s || (s->domain == AF_INET) != addr_is_v4(&d.peer.a))
		return;
	if (addr_is_v4(&d.peer.a) != addr_is_v4(&d.our.a))
		d.our.a = addr_any(addr_family(&d.peer.a));
	filler[0] = s->kind == FS_PING ? run.v.v6 ? 129 : 0 : 0;
	filler[1] = fill >> 4;
	filler[2] = fill & 8 ? 128 : 0;
	filler[3] = fill & 7;
	for (unsigned i = 0; i < how_many(how, 6); i++) {
		d.len = len + (how & 128 ? i : 0);
		d.gso = (uint16_t)(s->gro && how & 64 && d.len > 100 ? 100 : 0);
		fs_dgram(s, &s->rx, &d);
	}
	memset(filler, 0, 4);
}

/* In an error queue: all that is in it is drawn */
static void more_error(unsigned n)
{
	static const int errs[] = {
		ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENOPROTOOPT, EPROTO, EACCES, ENETUNREACH, 0,
	};
	struct fsock *s = more_sock(take(1));
	uint32_t to = take(1), from = take(1), what = take(1), type = take(1), code = take(1), info = take(2);
	struct dgram d = {
		.peer = place_end(n, to), .our.a = place(from), .data = filler, .len = 64,
		.err = errs[what & 7], .origin = (uint8_t)(what >> 3 & 3), .type = (uint8_t)type, .code = (uint8_t)code,
		.info = info,
	};

	if (!s)
		return;
	if (s->kind == FS_PING)
		filler[0] = run.v.v6 ? 128 : 8;
	if (what & 128)
		d.peer = (struct end){ .a = run.v.v6 ? addr_any6 : addr_any4 };
	if (what & 64)
		d.peer.port = 0;
	s->err = d.err;
	fs_dgram(s, &s->errq, &d);
	filler[0] = 0;
}

/* Ports that the user forwards become others, as by the control socket: bits */
static void more_rules(uint32_t set)
{
	static struct rules want;
	struct rule udp = { .proto = IPPROTO_UDP, .any = true, .first = LISTEN_PORT, .last = LISTEN_PORT, .to = 53 };
	struct rule tcp = { .proto = IPPROTO_TCP, .any = true, .first = LISTEN_PORT, .last = LISTEN_PORT, .to = 80 };
	struct fwd_failure why;
	int rc;

	other_rules = true;
	want.n = 0;
	tcp.outward = set & 2;
	udp.outward = set & 8;
	if (set & 1)
		want.rule[want.n++] = tcp;
	if (set & 4)
		want.rule[want.n++] = udp;
	if (set & 16) {
		udp.first = GUEST_PORT + 1;	/* the guest's own sockets may have these */
		udp.last = GUEST_PORT + 2;
		udp.outward = false;
		want.rule[want.n++] = udp;
	}
	if (set & 32) {				/* of an address only */
		udp.first = udp.last = LISTEN_PORT;
		udp.any = udp.outward = false;
		udp.addr = place(set & 64 ? 9 : 10);
		want.rule[want.n++] = udp;
	}
	for (unsigned i = 0; i < 2; i++) {
		rc = fwd_replace(&run.c.fwd, &run.c.net, &want, &why);
		udp_listeners_gone(&run.c);
		if (rc != -EADDRINUSE || want.rule[why.rule].proto != IPPROTO_UDP || !udp_make_way(&run.c, &want))
			break;
	}
}

/* The guest's policy is another one; with the highest bit set, for flows that are there, too */
static void more_policy(uint32_t v)
{
	static char text[2][256];
	static unsigned last;
	const char *from = rules[v & 31] ? rules[v & 31] : "";
	struct policy *p = NULL;
	unsigned line;

	if (*from) {
		p = policy_new(run.c.guest[0].policy);
		last = !last;
		snprintf(text[last], sizeof(text[last]), "%s", from);
		check(!policy_lines(p, text[last], strlen(text[last]), &line), "rules");
		policy_compile(p);
	}
	egress_set(&run.c, p);
	if (v & 128)
		egress_end_refused(&run.c);
	input_asked(&run.c);
	batched = true;
}

/* The host's interface has another number, as in follow.c */
static void more_renumber(uint32_t to)
{
	enum family f = run.v.v6 ? V6 : V4;
	struct net_ip *ip = &run.c.net.ip[f];
	unsigned was = ip->ifindex;

	ip->ifindex = HOST_IF + to % 3;
	if (was == ip->ifindex)
		return;
	if (f == V6)
		fwd_rescope(&run.c.fwd, &run.c.net);
	udp_rescope(&run.c, f, was, ip->ifindex);
}

/* An address leaves the host, and with it all sockets of some types: bits */
static void more_addr_gone(uint32_t types)
{
	for (uint32_t i = 0; i < run.c.flows.unused; i++) {
		struct flow *f = &run.c.flows.f[i];

		if (f->type != FLOW_FREE && !f->dead && f->ops->lost && types >> f->type & 1)
			f->ops->lost(&run.c, f);
	}
	loop_end(&run.c);
}

/* The guest's link is lost, and some time later the next guest is there */
static void more_leave(uint32_t away)
{
	const struct caps caps = run.c.guest[0].tap.caps;
	struct guest *g = &run.c.guest[0];

	turn(world.now);
	g->link_error = -ECONNRESET;
	attach_lost(&run.c, g);
	for (uint32_t i = 0; i < run.c.flows.unused; i++) {
		const struct flow *f = &run.c.flows.f[i];

		check(f->type == FLOW_FREE || f->dead || (f->type == FLOW_UDP_PORT && f->udp.listener != FLOW_NONE),
		      "a flow of a guest that has left");
	}
	check(!g->sockets && !guest_heard(g), "something of a guest that has left");
	turn(world.now + away * 100 * MS);
	world.armed = false;			/* a guest that can't come would be none */
	world.fail_count = 0;
	tap_sim_attach(&g->tap, &caps);
	guests_add(&run.c.here, 0);
	g->device = wire_guest_mac;
	check(!ev_add(run.c.epfd, world.link->fs->fd, EV_TAP, 0, 0, EPOLLIN), "the next guest");
	tap_busy(&g->tap);
	world.armed = true;
	conns_init(true);
}

static void more_fail(uint32_t which, uint32_t count)
{
	static const struct {
		const char	*call;
		int		err;
	} faults[] = {
		{ "sendmmsg", EACCES }, { "sendmmsg", EMSGSIZE }, { "sendmmsg", EINVAL }, { "sendmmsg", EPERM },
		{ "sendmmsg", EIO }, { "sendmmsg", ENETUNREACH }, { "sendmmsg", ECONNREFUSED }, { "sendmmsg", EAGAIN },
		{ "recvmmsg", ECONNREFUSED }, { "recvmmsg", ENOMEM }, { "ns_socket", EMFILE }, { "socket", EMFILE },
		{ "getsockname", ENOBUFS }, { "getsockopt", ENOBUFS }, { "connect", ECONNREFUSED },
		{ "connect", ENETUNREACH }, { "bind", EADDRINUSE }, { "epoll_ctl", ENOSPC }, { "accept4", EMFILE },
		{ "recv", ENOMEM }, { "recvmsg", ENOMEM }, { "getpeername", ENOTCONN }, { "socket", ENOBUFS },
	};
	unsigned i = which % ARRAY_SIZE(faults);

	faulty = true;
	world.fail_call = faults[i].call;
	world.fail_err = faults[i].err;
	world.fail_count = script.no_stash && !strcmp(faults[i].call, "getsockopt") ? 0 : count;
}

static void op_more(unsigned n)
{
	enum more_kind kind = (enum more_kind)(take(1) % MORE_COUNT);
	uint32_t v = more_bytes[kind] == 1 || more_bytes[kind] == 2 ? take(1) : 0;
	uint32_t w = more_bytes[kind] == 2 ? take(1) : 0;
	struct fsock *s;

	switch (kind) {
	case MORE_URGENT:
		s = tcp_sock(n);
		if (s && s->state == FS_CONNECTED && !s->rx_eof)
			fs_urgent(s, 1 + (v << 8 | w));
		break;
	case MORE_LOSE:
		conn[n].lose = (uint16_t)(v << 8 | w);
		break;
	case MORE_LATE:				/* what was lost comes, after all */
		for (unsigned i = 0; i < conn[n].lost; i++)
			if (seq_lt(conn[n].ack, conn[n].gone[i].to))
				keep_range(n, conn[n].gone[i].from, conn[n].gone[i].to);
		conn[n].lost = 0;
		break;
	case MORE_HONEST:
		conn[n].odd |= conn[n].used;
		conn[n].honest = v & 1;
		conn[n].stamps = v & 2;
		break;
	case MORE_CONN:
		more_conn(n, v, w);
		break;
	case MORE_CLIENT:
		more_client(n, v, w);
		break;
	case MORE_UDP:
		more_udp(n);
		break;
	case MORE_DGRAM:
		more_dgram(n);
		break;
	case MORE_ERROR:
		more_error(n);
		break;
	case MORE_RULES:
		more_rules(v);
		break;
	case MORE_POLICY:
		more_policy(v);
		break;
	case MORE_RESOLVERS:
		resolvers_set(v);
		break;
	case MORE_RENUMBER:
		more_renumber(v);
		break;
	case MORE_ADDR_GONE:
		more_addr_gone(v);
		break;
	case MORE_LEAVE:
		more_leave(v);
		break;
	case MORE_UP:
		guest_announce(&run);
		break;
	case MORE_FAIL:
		more_fail(v, w);
		break;
	case MORE_COUNT:
		break;
	}
}

#endif /* INPUT_MORE_H */

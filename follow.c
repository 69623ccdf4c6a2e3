/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow.c - the host's network changes while the program runs: guests, flows and the namespace follow
 *
 * An address has left the host when it was deleted and isn't back after a moment, on any interface: managers of
 * networks, and routers that come back, delete addresses and add them again. Connections from an address that left are
 * reset: the guest's programs connect again, and need not wait for a timeout. A link that is down, or a default route
 * that is gone, is no reason: connections wait.
 *
 * All flows are walked for that, a number of them at a time. A walk waits for a link that is full.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "answer.h"
#include "event.h"
#include "follow.h"
#include "hint.h"
#include "log.h"
#include "netlink_msg.h"
#include "sock.h"
#include "udp.h"

#define READ_SOON	50		/* ms from a notification: several come at once */
#define READ_SHARE	100		/* a reading takes one part in so many of a CPU's time */
#define READ_MOST	10000		/* ms: the longest wait for one */
#define LATE_AGAIN	5000		/* ms until a process that didn't answer is asked again */
#define BACK		300		/* ms in which an address may come back */
#define KEPT_AGAIN	1000		/* ms between looks for connections of old addresses */
#define CHANGE_TIME	1000		/* ms between changes, where there are always more, */
#define CHANGE_BURST	10		/* but so many at once */
#define NOTES_TURN	32		/* datagrams, before others have their turn */
#define WALK_TURN	512		/* flows of a walk, the same */

/* ---- addresses that left ---- */

/* When it is known whether addresses are back */
static void leave_later(struct follow *w, struct ctx *c)
{
	if (!timer_armed(&w->leave))
		timer_set(&c->wheel, &w->leave, c->now + BACK);
}

/* Addresses went, or an interface: nobody knows whose */
static void gone_any(struct follow *w, struct ctx *c, bool *what)
{
	if (!w->any && !w->unbound)
		w->any_at = c->now;
	*what = true;
	leave_later(w, c);
}

static void gone_add(struct follow *w, struct ctx *c, const struct addr *a)
{
	unsigned i = 0;

	while (i < w->ngone && !addr_eq(&w->gone[i].a, a))
		i++;
	if (i == GONE_MAX) {
		gone_any(w, c, &w->any);
		return;
	}
	w->gone[i] = (struct gone){ *a, c->now, false };	/* once more: from now on */
	w->ngone = MAX(w->ngone, i + 1);
	leave_later(w, c);
}

/* Is that the local address of a flow that can't go on? Addresses of a walk are mostly the same one. */
static bool gone_has(struct follow *w, const struct addr *a)
{
	for (unsigned i = 0; i < w->ngone; i++) {
		if (w->gone[i].left && addr_eq(&w->gone[i].a, a))
			return true;
	}
	if (!w->walk_any || addr_is_loopback(a) || addr_is_unspec(a))
		return false;
	if (!addr_eq(&w->asked, a)) {
		w->asked = *a;
		w->there = nl_addr_there(&w->nl, a);
	}
	return !w->there;
}

/* SO_BINDTODEVICE looks an interface up once: was it removed? */
static bool device_gone(struct follow *w, int fd)
{
	struct nl_ifinfo info;
	socklen_t len = sizeof(int);
	int bound = 0;

	return w->walk_unbound && !getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &bound, &len) && bound &&
	       nl_link_get(&w->nl, (unsigned)bound, NULL, &info) == -ENODEV;
}

static void walk_end(struct follow *w, struct ctx *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->ngone; i++) {
		if (!w->gone[i].left)
			w->gone[n++] = w->gone[i];
	}
	w->ngone = n;
	w->walk_any = w->walk_unbound = false;
	w->walk = FLOW_NONE;
	timer_set(&c->wheel, &w->read, c->now + READ_SOON);	/* now it is known what is gone */
}

/* Some of the flows; false if there are more */
static bool walk(struct follow *w, struct ctx *c)
{
	w->full = NULL;
	w->asked = addr_any6;
	for (unsigned n = 0; n < WALK_TURN && w->walk < c->flows.unused; n++, w->walk++) {
		struct flow *f = &c->flows.f[w->walk];
		struct end our;

		if (f->type == FLOW_FREE || f->dead || !f->ops->lost)
			continue;
		if (!tap_takes(&flow_guest(c, f)->tap)) {
			w->full = &flow_guest(c, f)->tap;
			return false;
		}
		our = sock_name(f->sock);
		if (gone_has(w, &our.a) || device_gone(w, f->sock))
			f->ops->lost(c, f);
	}
	return w->walk >= c->flows.unused;
}

/* Addresses whose time to come back is over */
static void gone_check(struct follow *w, struct ctx *c)
{
	bool any = w->any || w->unbound;
	uint64_t next = any ? w->any_at + BACK : UINT64_MAX;
	unsigned n = 0;

	for (unsigned i = 0; i < w->ngone; i++) {
		struct gone *g = &w->gone[i];

		if (c->now < g->at + BACK)
			next = MIN(next, g->at + BACK);
		else if (nl_addr_there(&w->nl, &g->a))
			continue;
		else if (!g->left)
			w->walk = 0;		/* for this one, too */
		g->left = c->now >= g->at + BACK;
		w->gone[n++] = *g;
	}
	w->ngone = n;
	if (any && c->now >= w->any_at + BACK) {
		w->walk_any |= w->any;
		w->walk_unbound |= w->unbound;
		w->any = w->unbound = false;
		w->walk = 0;
	}
	if (w->walk != FLOW_NONE && walk(w, c))
		walk_end(w, c);
	if (w->walk != FLOW_NONE && !w->full)
		timer_set(&c->wheel, &w->leave, c->now + 1);
	else if (w->walk == FLOW_NONE && (w->ngone || w->any || w->unbound))
		timer_set(&c->wheel, &w->leave, MIN(MAX(next, c->now + 1), c->now + BACK));
}

/* ---- notifications ---- */

static void read_soon(struct follow *w, struct ctx *c)
{
	if (!timer_armed(&w->read))
		timer_set(&c->wheel, &w->read, MAX(c->now + READ_SOON, w->next));
}

/* An interface: is it one that matters beyond listeners? */
static bool note_link(struct follow *w, struct ctx *c, const struct nlmsghdr *nh)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nh);
	const struct rtattr *tb[IFLA_IFNAME + 1];
	const struct net *net = &c->net;
	char name[IFNAMSIZ] = "";
	unsigned i;

	if (!msg_has(nh, sizeof(*ifi)))
		return false;
	i = (unsigned)ifi->ifi_index;
	attrs_read(nh, sizeof(*ifi), tb, IFLA_IFNAME);
	attr_name(tb[IFLA_IFNAME], name);
	if (nh->nlmsg_type == RTM_NEWLINK && *name && fwd_names(&c->fwd, name))
		fwd_renew(&c->fwd, net, name, i);
	if (nh->nlmsg_type == RTM_DELLINK && *name)
		for (enum family f = V4; f < FAMILIES; f++)
			if (!strcmp(name, net->cf->ip[f].out_if))
				gone_any(w, c, &w->unbound);
	return i == net->ip[V4].ifindex || i == net->ip[V6].ifindex || net_resolver_on(net, name) ||
	       !strcmp(name, net->cf->ifname) || !strcmp(name, net->cf->ip[V4].out_if) ||
	       !strcmp(name, net->cf->ip[V6].out_if);
}

/* False if nothing has to be read again */
static bool note(struct follow *w, struct ctx *c, const struct nlmsghdr *nh)
{
	struct addr a;

	if (nh->nlmsg_type == RTM_NEWLINK || nh->nlmsg_type == RTM_DELLINK)
		return note_link(w, c, nh);
	if (nh->nlmsg_type == RTM_DELADDR && msg_addr(nh, &a))
		gone_add(w, c, &a);
	return true;
}

static void net_event(struct follow *w, struct ctx *c)
{
	static alignas(NLMSG_ALIGNTO) uint8_t buf[16384];
	bool again = false;
	ssize_t len = 0;

	for (unsigned i = 0; i < NOTES_TURN && len != -ETIMEDOUT; i++) {
		const struct nlmsghdr *nh;

		len = nl_recv(&w->notes, buf, sizeof(buf));
		if (len < 0 && len != -ETIMEDOUT) {	/* some were lost */
			again = true;
			gone_any(w, c, &w->any);
		}
		for (nh = (const void *)buf; len > 0 && NLMSG_OK(nh, len); nh = NLMSG_NEXT(nh, len))
			again |= note(w, c, nh);
	}
	if (again)
		read_soon(w, c);
}

/* ---- what follows ---- */

/* One line for each family that changed */
static void report(struct follow *w, const struct net *net, enum family f)
{
	const struct net_ip *ip = &net->ip[f];
	char a[ADDR_STRLEN], gw[ADDR_STRLEN], dns[ADDR_STRLEN];
	struct nl_ifinfo info = { .name = "" };

	if (ip->lost) {
		info("Host network: no %s any more", family_name[f]);
		return;
	}
	if (ip->ifindex && nl_link_get(&w->nl, ip->ifindex, NULL, &info))
		info.name[0] = '\0';
	info("Host network: %s %s/%u%s%s, gateway %s%s%s", family_name[f], addr_fmt(&ip->guest.addr, a),
	     ip->guest.plen, *info.name ? " on " : "", info.name, addr_fmt(&ip->gw, gw),
	     net->resolv.n[f] ? ", resolver " : "",
	     net->resolv.n[f] ? addr_fmt(&net->resolv.server[f][0].a, dns) : "");
}

/* Addresses of the namespace that connections still use, also those that are spliced to it */
static void find_kept(const struct ctx *c, enum family f, struct own_keep *k)
{
	*k = (struct own_keep){ .n = 0 };
	for (uint32_t i = 0; i < c->flows.unused && k->n < ARRAY_SIZE(k->a); i++) {
		const struct flow *fl = &c->flows.f[i];
		const struct addr *a = &fl->side[GUEST].peer.a;
		unsigned n = 0;

		if ((fl->type != FLOW_TCP && fl->type != FLOW_SPLICE) || fl->dead || addr_family(a) != f ||
		    addr_is_loopback(a) || addr_eq(a, &c->net.ip[f].guest.addr))
			continue;
		while (n < k->n && !addr_eq(&k->a[n], a))
			n++;
		if (n == k->n)
			k->a[k->n++] = *a;
	}
	k->conns = k->n;
}

/* Datagrams are no connection: the next one goes to the new address */
static void end_spliced(struct ctx *c, const struct addr *old)
{
	for (uint32_t i = 0; i < c->flows.unused; i++) {
		struct flow *fl = &c->flows.f[i];

		if (fl->type == FLOW_UDP_SPLICE && !fl->dead && fl->udp.near == HOST &&
		    addr_eq(&fl->side[GUEST].peer.a, old))
			fl->ops->end(c, fl);
	}
}

/* The namespace has the guest's address of now: connections from the host go to that one at once */
static void moved(struct follow *w, struct ctx *c, enum family f)
{
	const struct addr *now = &c->net.ip[f].guest.addr;
	struct addr *seen = &c->guest[0].seen.addr[f], was = w->in_ns[f];

	if (addr_eq(&was, now))
		return;
	if (addr_eq(seen, &was))
		*seen = *now;
	end_spliced(c, &was);
	w->in_ns[f] = *now;
}

/* The namespace's addresses and routes. True if it has to be tried again. */
static bool configure(struct follow *w, struct ctx *c)
{
	struct own_keep keep;

	if (!w->ns || w->ns->nl.fd < 0)
		return false;
	w->keeping = false;
	for (enum family f = V4; f < FAMILIES; f++) {
		find_kept(c, f, &keep);
		if (!ns_follow(w->ns, &c->net, &w->nl, f, &keep))
			return true;
		w->keeping |= keep.used;
		moved(w, c, f);
	}
	return false;
}

static void filter_again(struct follow *w, struct ctx *c)
{
	int rc = follow_filter(w, c);

	if (rc)
		debug("Host network: no filter for notifications: %s", errno_text(-rc));
	read_soon(w, c);		/* what the former filter kept from us */
}

/* The next change waits if there were many */
static void pay(struct follow *w, uint64_t now)
{
	w->busy = MAX(w->busy, now) + CHANGE_TIME;
	if (w->busy > now + CHANGE_BURST * CHANGE_TIME)
		w->next = MAX(w->next, w->busy - CHANGE_BURST * CHANGE_TIME);
}

static void changed(struct follow *w, struct ctx *c, unsigned families)
{
	struct guest *g;

	pay(w, c->now);
	filter_again(w, c);
	for (enum family f = V4; f < FAMILIES; f++)
		if (families & 1U << f)
			report(w, &c->net, f);
	if (c->neigh.net) {
		neigh_moved(&c->neigh);
		timer_set(&c->wheel, &c->neigh_again, c->now);
	}
	for (struct guests set = c->here; (g = guest_next(c, &set));)
		answer_changed(c, g);
}

/* Sockets know interfaces by number */
static void renumber(struct ctx *c, const struct net_ip old[FAMILIES])
{
	for (enum family f = V4; f < FAMILIES; f++) {
		if (old[f].ifindex == c->net.ip[f].ifindex)
			continue;
		if (f == V6)
			fwd_rescope(&c->fwd, &c->net);
		if (old[f].ifindex)
			udp_rescope(c, f, old[f].ifindex, c->net.ip[f].ifindex);
	}
}

/* Time of a CPU that we took, us. On a busy machine, much less than what passed. */
static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void read_again(struct follow *w, struct ctx *c)
{
	const struct net_ip old[FAMILIES] = { c->net.ip[V4], c->net.ip[V6] };
	uint64_t start = cpu_us(), took;
	unsigned families = net_again(&c->net, &w->nl, c->now, !w->ngone && !w->any);
	bool again;

	renumber(c, old);
	again = configure(w, c);
	took = (cpu_us() - start) * (w->ns ? 2 : 1);	/* the other process takes about the same */
	w->next = c->now + (again ? LATE_AGAIN : MIN(READ_SHARE * took / 1000, READ_MOST));
	if (again)
		read_soon(w, c);
	if (families)
		changed(w, c, families);
	else if (old[V4].has_addr != c->net.ip[V4].has_addr || old[V6].has_addr != c->net.ip[V6].has_addr)
		filter_again(w, c);
}

void follow_timer(struct follow *w, struct ctx *c, struct timer *t)
{
	if (t == &w->leave)
		gone_check(w, c);
	else
		read_again(w, c);
}

void follow_link_takes(struct follow *w, struct ctx *c)
{
	w->full = NULL;
	timer_set(&c->wheel, &w->leave, c->now);
}

void follow_flows_ended(struct follow *w, struct ctx *c)
{
	if (!timer_armed(&w->read))
		timer_set(&c->wheel, &w->read, MAX(c->now + KEPT_AGAIN, w->next));
}

/* Text of resolv.conf, or the end of the process that sends it */
static void names_event(struct follow *w, struct ctx *c)
{
	static char text[RESOLV_TEXT];
	ssize_t n = UNINTERRUPTED(recv(w->resolv, text, sizeof(text), MSG_DONTWAIT));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		warn("The process that watches %s is gone: resolvers stay as they are", net_resolv_path);
		fd_close(w->resolv);
		w->resolv = -1;
		return;
	}
	if (net_names(&c->net, &w->nl, text, (size_t)n))
		timer_set(&c->wheel, &w->read, MAX(c->now, w->next));
}

void follow_event(struct follow *w, struct ctx *c, union ev_ref ref)
{
	if (ref.idx)
		names_event(w, c);
	else
		net_event(w, c);
}

void follow_names(struct follow *w, struct ctx *c)
{
	int rc;

	if (w->nl.fd < 0 || !net_follows_names(&c->net))
		return;
	w->resolv = follow_resolv(net_resolv_path);
	rc = w->resolv < 0 ? w->resolv : ev_add(c->epfd, w->resolv, EV_HOST, 1, 0, EPOLLIN);
	if (!rc)
		return;
	warn("Changes of %s are not followed: %s%s", net_resolv_path, errno_text(-rc),
	     rc == -EMFILE ? " (sysctl fs.inotify.max_user_instances)" : hint_limit(-rc));
	fd_close(w->resolv);
	w->resolv = -1;
}

void follow_names_ready(struct follow *w)
{
	if (w->resolv < 0 || fd_ready(w->resolv))
		return;
	warn("Changes of %s are not followed: the process to read it didn't start", net_resolv_path);
	fd_close(w->resolv);
	w->resolv = -1;
}

static int join_groups(const struct follow *w)
{
	static const int group[] = {
		RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	};
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	/* A socket without a number of its own gets none of the kernel's messages */
	if (bind(w->notes.fd, (const struct sockaddr *)&any, sizeof(any)))
		return -errno;
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
		if (setsockopt(w->notes.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group[i], sizeof(*group)))
			return -errno;
	return 0;
}

static void watch_nothing(struct follow *w, int rc)
{
	warn("Changes of the host's network are not followed: %s", errno_text(-rc));
	nl_close(&w->notes);
	nl_close(&w->nl);
}

void follow_open(struct follow *w, const struct conf *cf)
{
	int rc;

	*w = (struct follow){
		.notes.fd = -1, .nl.fd = -1, .resolv = -1, .read.kind = TIMER_HOST, .leave.kind = TIMER_HOST,
		.walk = FLOW_NONE,
	};
	if (!cf->follow || cf->splice_only)
		return;
	rc = nl_open(&w->nl, NETLINK_ROUTE);
	rc = rc ? rc : nl_open(&w->notes, NETLINK_ROUTE);
	rc = rc ? rc : join_groups(w);
	if (rc)
		watch_nothing(w, rc);
}

void follow_start(struct follow *w, struct ctx *c, struct ns *ns)
{
	int rc;

	if (w->notes.fd < 0)
		return;
	w->ns = ns;
	for (enum family f = V4; f < FAMILIES; f++)
		w->in_ns[f] = c->net.ip[f].guest.addr;
	rc = follow_filter(w, c);
	rc = rc ? rc : ev_add(c->epfd, w->notes.fd, EV_HOST, 0, 0, EPOLLIN);
	if (rc)
		watch_nothing(w, rc);
}

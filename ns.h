/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns.h - namespace mode: create or enter the namespace, set it up, notice its end */
#ifndef NS_H
#define NS_H

#include "net.h"
#include "netlink.h"
#include "packet.h"

struct ns {
	int		netns;		/* the target network namespace, until start-up is over */
	pid_t		opener;		/* its process, during start-up; 0: none */
	pid_t		child;		/* COMMAND's process, 0: none */
	char		ifname[IFNAMSIZ];	/* of the tap device, or empty */
	int		go;		/* write end: lets the command run; -1: none */
	int		watch[3];	/* pidfd, inotify, mount table; -1: not used */
	int		dirfd;		/* where the namespace's name is, or -1 */
	char		name[NAME_MAX + 1];
	uint64_t	dev, ino;	/* the file of that name; 0: any file */
	bool		poll;		/* no event at its end: look every NS_POLL ms */
	struct nl	nl;		/* in the namespace, to follow the host; -1: none */
	unsigned	ifindex;	/* of the tap device */
	unsigned	late;		/* times in a row that the other process didn't answer */
	struct own	own;		/* addresses and routes that we set; the last member */
};

#define NS_POLL	1000

/**
 * ns_open() - open (PID, --netns, --userns) or create (COMMAND) the target namespaces; user namespace, opener
 *
 * Joins the user namespace, and starts the opener in the network namespace. The caller stays in the host's network
 * namespace. A path may be /proc/self/fd/N, a standard stream or spared by isolate_early(). After isolate_user(): root
 * keeps the capabilities for this, and the command runs as the user. May die().
 */
void ns_open(struct ns *ns, const struct conf *c);

/* A netlink socket in the target network namespace, during start-up: 0 or -errno */
int ns_netlink(struct nl *nl, int proto);

/* Creates the tap device, or takes @link (-1: none): descriptor, capabilities, and its name in @ns. May die(). */
int ns_tap(struct ns *ns, const struct net *net, int link, struct caps *caps);

/* Loopback up; with --config-net: addresses, MTU, and at last link and routes, for programs that wait for the link. A
 * family that the namespace doesn't take is switched off in @net. May die().
 */
void ns_configure(struct ns *ns, struct net *net);

/* From now on, @ns->nl is the line to a process that makes changes: after ns_configure(), before isolate_prefork() */
void ns_setter(struct ns *ns);

/* Waits for that process: it has let go of all that the main process has */
void ns_setter_ready(struct ns *ns);

/**
 * ns_follow() - addresses and routes in the namespace become those of the host now, as far as they are ours
 * @host:	in the host's namespace
 * @keep:	old addresses with connections that go on
 *
 * Return: false if it has to be tried again, later
 */
bool ns_follow(struct ns *ns, const struct net *net, struct nl *host, enum family f, struct own_keep *keep);

/* Watches for the namespace's end (EV_NETNS); before isolation */
void ns_watch(struct ns *ns, const struct conf *c, int epfd);

/* Is it gone? Called on EV_NETNS, and every NS_POLL ms if @ns->poll */
bool ns_gone(struct ns *ns);

/* The command may run. Closes the descriptor of the namespace, which would keep it alive. */
void ns_go(struct ns *ns);

/* The opener of ns_open() ends: before fork() */
void ns_opener_stop(struct ns *ns);

/* A thread without capabilities that opens sockets only: after the last fork(), before ns_go(). 0 or -errno */
int ns_opener_stay(struct ns *ns);

#endif /* NS_H */

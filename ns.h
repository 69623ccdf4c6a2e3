/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns.h - namespace mode: create or enter the namespace, set it up, know when it is gone */
#ifndef NS_H
#define NS_H

#include "conf.h"
#include "netlink.h"
#include "packet.h"

struct ns {
	int		netns;		/* the target network namespace, until start-up is over */
	pid_t		child;		/* COMMAND's process, 0: none */
	int		go;		/* write end: lets the command run */
	int		watch[3];	/* pidfd, inotify, mount table; -1: not used */
	int		dirfd;		/* where the namespace's name is, or -1 */
	char		name[NAME_MAX + 1];
	uint64_t	dev, ino;	/* identity of the namespace */
	bool		poll;		/* nothing can tell: look every NS_POLL ms */
};

#define NS_POLL	1000

/**
 * ns_open() - open (PID, --netns, --userns) or create (COMMAND) the target namespaces, and join the user namespace
 *
 * The caller stays in the host's network namespace: its sockets are the host's. May die().
 * Opened before descriptors are closed and standard streams are touched: a path may be /proc/self/fd/0.
 */
void ns_open(struct ns *ns, const struct conf *c);

/**
 * ns_call() - run a function in the target network namespace
 *
 * In a child that shares memory and descriptors: what @fn opens stays open here, in that namespace.
 *
 * Return: what @fn returned, or -errno if the namespace can't be entered
 */
int ns_call(const struct ns *ns, int (*fn)(void *), void *arg);

/* Host's side of the set-up: template interfaces, addresses, gateways into @c. Never fails because of the host's routing. */
void ns_host_network(struct conf *c);

/* Creates the tap device, and sets it up if --config-net was given: descriptor and capabilities. May die(). */
int ns_tap(const struct ns *ns, struct conf *c, struct caps *caps);

/* Addresses, routes, MTU, link up; loopback up. Last: the link, so that who waits for it finds the rest done. May die(). */
void ns_configure(const struct ns *ns, struct conf *c);

/* Starts to watch for the namespace's end; called before isolation. Events: EV_NETNS */
void ns_watch(struct ns *ns, const struct conf *c, int epfd);

/* Is it gone? Called on EV_NETNS, and every NS_POLL ms if @ns->poll */
bool ns_gone(struct ns *ns);

/* Everything is ready: the command may run */
void ns_go(struct ns *ns);

#endif /* NS_H */

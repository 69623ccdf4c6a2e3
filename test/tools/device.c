/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device.c - a tap device in another network namespace */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"

void fatal(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static int queue_open(struct ifreq *ifr, const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, ifr))
		fatal("tap device");
	return fd;
}

static void enter(const char *netns)
{
	int ns = open(netns, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		fatal(netns);
	close(ns);
}

static void set_up(struct ifreq *ifr, int mtu, const struct ether_addr *mac)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		fatal("socket");
	if (mac) {
		ifr->ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr->ifr_hwaddr.sa_data, mac, ETH_ALEN);
		if (ioctl(s, SIOCSIFHWADDR, ifr))
			fatal("MAC address");
	}
	if (mtu) {
		ifr->ifr_mtu = mtu;
		if (ioctl(s, SIOCSIFMTU, ifr))
			fatal("MTU");
	}
	if (ioctl(s, SIOCGIFFLAGS, ifr))
		fatal(ifr->ifr_name);
	ifr->ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, ifr))
		fatal(ifr->ifr_name);
	close(s);
}

int device_open(const char *netns, const char *name, int mtu, const struct ether_addr *mac)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	enter(netns);
	fd = queue_open(&ifr, name);
	set_up(&ifr, mtu, mac);
	return fd;
}

void device_open_queues(const char *netns, const char *name, int mtu, const struct ether_addr *mac, int *fd, unsigned n)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	enter(netns);
	for (unsigned i = 0; i < n; i++) {
		ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (n > 1 ? IFF_MULTI_QUEUE : 0));
		fd[i] = queue_open(&ifr, name);
	}
	set_up(&ifr, mtu, mac);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device.h - a tap device in another network namespace, for tools that carry its frames elsewhere */
#ifndef DEVICE_H
#define DEVICE_H

#include <netinet/ether.h>

/* Ends the tool: what failed, and the reason, from errno */
_Noreturn void fatal(const char *what);

/**
 * device_open() - enters a network namespace and makes a tap device there, without offloads, up
 * @netns:	path of the namespace: what is opened from now on is in it
 * @name:	of the device
 * @mtu:	or 0: the kernel's default
 * @mac:	address on the kernel's side, or NULL: random
 *
 * Return: descriptor that frames are read from and written to, non-blocking
 */
int device_open(const char *netns, const char *name, int mtu, const struct ether_addr *mac);

/* The same with virtio_net_hdr in front of frames, and @n queues: their descriptors in @fd */
void device_open_queues(const char *netns, const char *name, int mtu, const struct ether_addr *mac, int *fd,
			unsigned n);

#endif /* DEVICE_H */

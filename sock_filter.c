/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_filter.c - datagrams that the kernel drops in front of a UDP socket (SO_ATTACH_FILTER)
 *
 * The packet of a filter begins with the UDP header; SKF_NET_OFF leads to the IP header.
 */
#include <sys/socket.h>

#include "bpf.h"
#include "sock_filter.h"
#include "util.h"

/* Packets of @a (RFC 791 3.1, RFC 8200 3), and of one port unless @port is NULL */
static void pass_from(struct bpf *p, const struct addr *a, const uint16_t *port)
{
	struct bpf_part part[5];
	unsigned n = bpf_addr(part, (uint32_t)SKF_NET_OFF + (addr_is_v4(a) ? 12 : 8), a);

	if (port)
		part[n++] = (struct bpf_part){ BPF_H, 0, *port };
	bpf_ret_if(p, part, n, FILTER_PASS);
}

int filter_from(int fd, const struct addr *from, bool local)
{
	/* linux/filter.h: the interface that it arrived by, not its scope as in IPV6_PKTINFO */
	const struct bpf_part arrived = { BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX), LOOPBACK_IF };
	struct bpf p;

	p.n = 0;
	if (local)
		bpf_ret_if(&p, &arrived, 1, FILTER_PASS);
	pass_from(&p, from, NULL);
	if (addr_is_v4(from) && addr_is_loopback(from))
		pass_from(&p, &addr_loopback4, NULL);
	return bpf_attach(&p, fd, FILTER_DROP);
}

int filter_peers(int fd, const struct end *peer, unsigned n)
{
	struct bpf p;

	p.n = 0;
	for (unsigned i = 0; i < n; i++)
		pass_from(&p, &peer[i].a, &peer[i].port);
	return bpf_attach(&p, fd, FILTER_DROP);
}

int filter_none(int fd)
{
	const int ignored = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof(ignored)) ? -errno : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_vnet.c - the header of virtio_net in front of each frame */
#include <netinet/in.h>
#include <string.h>

#include "tap_vnet.h"

struct offload vnet_offload(const void *p)
{
	struct virtio_net_hdr h;

	memcpy(&h, p, sizeof(h));
	return (struct offload){
		.gso = h.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : h.gso_size,
		.partial = h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
	};
}

struct virtio_net_hdr_v1 vnet_hdr(const struct frame *f, unsigned buffers)
{
	struct virtio_net_hdr_v1 h = { .num_buffers = (uint16_t)buffers };

	if (f->off.partial) {
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h.csum_start = f->csum_start;
		h.csum_offset = f->csum_off;
	}
	if (f->off.gso) {
		h.gso_type = f->proto == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			     f->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		h.gso_size = f->off.gso;
		h.hdr_len = f->hlen;
	}
	return h;
}

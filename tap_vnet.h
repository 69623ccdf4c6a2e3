/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_vnet.h - the header of virtio_net in front of each frame (virtio 1.3, 5.1.6), on a tap device and in a ring
 *
 * In the byte order of the host: that of tap devices, and of virtio on little-endian hosts.
 */
#ifndef TAP_VNET_H
#define TAP_VNET_H

#include <linux/virtio_net.h>

#include "packet.h"

/* Linux 6.2; older headers don't have it */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif

/* What a frame from the guest leaves to us; @p: a header of 10 or 12 bytes */
struct offload vnet_offload(const void *p);

/* Header for a built frame, in @buffers buffers of the ring */
struct virtio_net_hdr_v1 vnet_hdr(const struct frame *f, unsigned buffers);

#endif /* TAP_VNET_H */

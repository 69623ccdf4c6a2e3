/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcap.h - capture of frames as they pass the link, in pcap format
 *
 * Frames are recorded as they are, partial checksums and super-packets included: capturing never changes the path.
 */
#ifndef PCAP_H
#define PCAP_H

#include "util.h"

#define PCAP_SNAPLEN	262144		/* above any frame; the most that readers take (libpcap, Wireshark) */

/* Creates @path, 0600, with the file header (LINKTYPE_ETHERNET, nanoseconds); descriptor, or -errno */
int pcap_open(const char *path);

/* Appends one frame; @fd -1 does nothing. A short or failed write ends the capture with one message: @fd becomes -1. */
void pcap_frame(int *fd, const struct iovec *iov, unsigned cnt, size_t len);

#endif /* PCAP_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcap.c - capture file writer (draft-ietf-opsawg-pcap), in the byte order of the machine
 *
 * One writev() a frame, header and data, without a copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "pcap.h"

#define PCAP_MAGIC_NS	0xa1b23c4d
#define PCAP_ETHERNET	1		/* LINKTYPE_ETHERNET */
#define PCAP_IOV	128		/* pieces of a frame; further ones are left out, and count as cut */

struct pcap_file {
	uint32_t	magic;
	uint16_t	major, minor;
	uint32_t	reserved1, reserved2;
	uint32_t	snaplen;
	uint32_t	linktype;
};

struct pcap_record {
	uint32_t	sec, nsec;
	uint32_t	caplen, len;
};

int pcap_open(const char *path)
{
	static const struct pcap_file h = { .magic = PCAP_MAGIC_NS, .major = 2, .minor = 4,
					    .snaplen = PCAP_SNAPLEN, .linktype = PCAP_ETHERNET };
	struct stat st;
	int fd, rc;

	fd = file_create(path, O_WRONLY);
	if (fd < 0)
		return fd;

	/* An existing file: only its owner may read the new contents; EPERM: the owner lets us write there. Modes of
	 * pipes and devices are the caller's.
	 */
	if (fstat(fd, &st) || (S_ISREG(st.st_mode) && ((fchmod(fd, 0600) && errno != EPERM) || ftruncate(fd, 0))))
		rc = -errno;
	else
		rc = fd_write_all(fd, &h, sizeof(h));
	if (rc) {
		fd_close(fd);
		return rc;
	}
	return fd;
}

void pcap_frame(int *fd, const struct iovec *iov, unsigned cnt, size_t len)
{
	struct iovec out[1 + PCAP_IOV];
	struct pcap_record r;
	struct timespec ts;
	size_t left = len;
	unsigned i;
	ssize_t n;

	if (*fd < 0)
		return;

	for (i = 0; i < cnt && i < PCAP_IOV && left; i++) {
		out[1 + i].iov_base = iov[i].iov_base;
		out[1 + i].iov_len = MIN(iov[i].iov_len, left);
		left -= out[1 + i].iov_len;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	r = (struct pcap_record){ .sec = (uint32_t)ts.tv_sec, .nsec = (uint32_t)ts.tv_nsec,
				  .caplen = (uint32_t)(len - left), .len = (uint32_t)len };
	out[0].iov_base = &r;
	out[0].iov_len = sizeof(r);

	n = UNINTERRUPTED(writev(*fd, out, (int)(1 + i)));
	if (n == (ssize_t)(sizeof(r) + r.caplen))
		return;

	err("Capture ends here: %s", n < 0 ? errno_text(errno) : "short write");
	fd_close(*fd);
	*fd = -1;
}

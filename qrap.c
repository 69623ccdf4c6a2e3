/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qrap.c - start qemu with a connection to passt as one of its descriptors
 *
 * A program of its own, for versions of qemu with "-netdev socket,fd=N", but without "-netdev stream" (before 7.2):
 *
 *	qrap FD QEMU ARG...	qemu's command line stays unchanged if one of its network options names the descriptor
 *	qrap ARG...		any qemu that is installed; any descriptor
 *
 * Otherwise, the command line is changed to name it: network backends go; the first network device stays, whatever its
 * model, address or properties, so that management software finds it, and is joined to our backend, which gets the
 * name of the device's own; without a device, one is added.
 *
 * The sockets' default names are tried in turn. passt may accept a connection, but be busy with another guest, or
 * stuck: so a question is sent, and exactly one frame taken as the answer: qemu takes the stream from there. The
 * connection is not closed and made anew, as a passt that ends with its guest would end.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json.h"
#include "util.h"

#define SOCKET_FMT	"/tmp/passt_%i.socket"
#define SOCKETS		64
#define ANSWER_MS	1000	/* one socket's time to answer */
#define PATIENCE_MS	3000	/* until the last round of all sockets begins */
#define ROUND_MS	100	/* between rounds */

#define FRAME_MIN	14
#define FRAME_MAX	65550

#define ARGS_MAX	4096	/* of qemu; libvirt's longest are some hundreds */
#define PROP_MAX	128	/* names, models, MAC addresses */
#define DEVICE_MAX	2048

/* An ARP request (RFC 826) from the IPv4 dummy address (RFC 7600, 4.8), and a router solicitation (RFC 4861, 4.1) in
 * case there is no IPv4: neither leaves an address behind at passt, but the MAC address that qemu gives a guest.
 */
static const uint8_t question[] = {
	0, 0, 0, 60,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x08, 0x06,
	0, 1, 0x08, 0x00, 6, 4, 0, 1,
	0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 192, 0, 0, 8,
	0, 0, 0, 0, 0, 0, 192, 0, 0, 1,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,

	0, 0, 0, 62,
	0x33, 0x33, 0, 0, 0, 2, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 8, 58, 255,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	133, 0, 0x7b, 0xb8, 0, 0, 0, 0,
};

/* Reads @len bytes until the time @end. 0, or -errno. */
static int take(int fd, uint8_t *buf, size_t len, uint64_t end)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (len) {
		ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);
		uint64_t now = now_ms();

		if (!n)
			return -ECONNRESET;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now >= end)
			return -ETIMEDOUT;
		poll(&pfd, 1, (int)(end - now));
	}
	return 0;
}

/* Takes one whole frame off the stream: 0, or -errno if the server is no passt, or busy */
static int answers(int fd)
{
	static uint8_t head[4], frame[FRAME_MAX];
	uint64_t end = now_ms() + ANSWER_MS;
	int rc;

	/* Fits the buffer of a socket that nothing was sent to yet */
	if (send(fd, question, sizeof(question), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(question))
		return -EPIPE;
	rc = take(fd, head, sizeof(head), end);
	if (rc < 0)
		return rc;
	if (get_be32(head) < FRAME_MIN || get_be32(head) > FRAME_MAX)
		return -EPROTO;
	return take(fd, frame, get_be32(head), end);
}

/* Connection to socket number @n, or -errno */
static int passt_connect(int n)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, rc;

	snprintf(sa.sun_path, sizeof(sa.sun_path), SOCKET_FMT, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		err(1, "socket");
	rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : answers(fd);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* Connection to the first passt that answers; if none does in time, the program ends */
static int passt_find(void)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	int why;

	for (;;) {
		bool last = now_ms() >= end;
		int n, fd;

		for (n = 1, why = -ENOENT; n <= SOCKETS; n++) {
			fd = passt_connect(n);
			if (fd >= 0)
				return fd;
			if (why == -ENOENT)
				why = fd;
		}
		if (last)
			break;
		poll(NULL, 0, ROUND_MS);
	}
	errno = -why;
	err(1, "no passt answers on " SOCKET_FMT " to " SOCKET_FMT, 1, SOCKETS);
}

/* Is @arg the option @name? qemu takes one dash or two. */
static bool is_opt(const char *arg, const char *name)
{
	return *arg == '-' && !strcmp(arg + 1 + (arg[1] == '-'), name);
}

/* Length of the property at @p, up to a comma; two commas are one in the value */
static size_t prop_len(const char *p)
{
	size_t len = 0;

	while (p[len] && (p[len] != ',' || p[len + 1] == ','))
		len += 1 + (p[len] == ',');
	return len;
}

/* Value of property @key in the argument of an option; @first: its name may be left out in front */
static bool prop(const char *arg, const char *key, bool first, char *val, size_t size)
{
	size_t klen = strlen(key), len = prop_len(arg);
	const char *p = arg;

	if (*arg == '{')
		return json_get_str(json_member(json_read(arg, strlen(arg)), key), val, size);
	if (!first || memchr(arg, '=', len)) {
		for (; len <= klen || p[klen] != '=' || strncmp(p, key, klen); len = prop_len(p)) {
			if (!p[len])
				return false;
			p += len + 1;
		}
		p += klen + 1;
		len -= klen + 1;
	}
	if (len >= size)
		return false;
	memcpy(val, p, len);
	val[len] = '\0';
	return true;
}

/* Options for a network backend, some with a device */
static bool is_net(const char *arg)
{
	return is_opt(arg, "netdev") || is_opt(arg, "net") || is_opt(arg, "nic");
}

/* Is the argument of -device a network device: one with a backend, or of a usual model? */
static bool is_nic(const char *arg)
{
	static const char *const models[] = { "virtio-net-pci", "virtio-net-ccw", "e1000", "e1000e", "rtl8139" };
	char val[PROP_MAX];

	if (prop(arg, "netdev", false, val, sizeof(val)))
		return true;
	if (!prop(arg, "driver", true, val, sizeof(val)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (!strcmp(val, models[i]))
			return true;
	}
	return false;
}

/* Does the command line run no machine, or one without a bus? Management software so detects qemu's features. */
static bool is_question(char *const *args)
{
	char val[PROP_MAX];

	for (; *args; args++) {
		if (is_opt(*args, "h") || is_opt(*args, "help") || is_opt(*args, "version"))
			return true;
		if ((is_opt(*args, "machine") || is_opt(*args, "M")) && args[1] &&
		    prop(args[1], "type", true, val, sizeof(val)) && !strcmp(val, "none"))
			return true;
	}
	return false;
}

/* Does a network option name descriptor @fd? */
static bool names_fd(char *const *args, int fd)
{
	char val[PROP_MAX], want[16];

	snprintf(want, sizeof(want), "%i", fd);
	for (; *args; args++) {
		if (is_net(*args) && args[1] && prop(args[1], "fd", false, val, sizeof(val)) && !strcmp(val, want))
			return true;
	}
	return false;
}

/* The network device and its backend */
struct nic {
	bool found;			/* among the devices */
	char id[PROP_MAX];		/* of the backend */
	char device[DEVICE_MAX];	/* argument of -device, if changed or added */
	char model[PROP_MAX], mac[PROP_MAX];	/* of -net nic, or -nic */
};

/* The first device, @arg, stays; if it has no backend, it gets one */
static char *nic_keep(struct nic *nic, char *arg)
{
	int n;

	nic->found = true;
	if (prop(arg, "netdev", false, nic->id, sizeof(nic->id)) && *nic->id)
		return arg;
	strcpy(nic->id, "passt");
	if (*arg == '{')
		n = snprintf(nic->device, sizeof(nic->device), "{\"netdev\":\"%s\",%s", nic->id, arg + 1);
	else
		n = snprintf(nic->device, sizeof(nic->device), "%s,netdev=%s", arg, nic->id);
	if (n >= (int)sizeof(nic->device))
		errx(1, "option too long: -device %.64s...", arg);
	return nic->device;
}

/* Properties of the device in @arg, of -net nic or -nic, unless known already */
static void nic_note(struct nic *nic, const char *arg)
{
	if (!*nic->model)
		prop(arg, "model", false, nic->model, sizeof(nic->model));
	if (!*nic->mac && !prop(arg, "mac", false, nic->mac, sizeof(nic->mac)))
		prop(arg, "macaddr", false, nic->mac, sizeof(nic->mac));
}

/* The argument of -device for a machine without one. "virtio-net" is right on every architecture. */
static char *nic_add(struct nic *nic)
{
	strcpy(nic->id, "passt");
	snprintf(nic->device, sizeof(nic->device), "%s,netdev=%s%s%s",
		 *nic->model && strcmp(nic->model, "virtio") ? nic->model : "virtio-net", nic->id,
		 *nic->mac ? ",mac=" : "", nic->mac);
	return nic->device;
}

/**
 * patch() - qemu's arguments, with network options for the descriptor instead of others
 * @args:	arguments, and a null pointer
 * @fd:		descriptor
 * @out:	arguments, partly static: room for four and a null pointer more than in @args
 */
static void patch(char *const *args, int fd, char **out)
{
	static char netdev[PROP_MAX + 64], opt_device[] = "-device", opt_netdev[] = "-netdev";
	static struct nic nic;

	nic = (struct nic){ 0 };
	for (; *args; args++) {
		if (is_net(*args) && args[1]) {
			if (!is_opt(*args, "netdev"))
				nic_note(&nic, args[1]);
			args++;
		} else if (is_opt(*args, "device") && args[1] && is_nic(args[1])) {
			args++;
			if (nic.found)
				continue;
			*out++ = opt_device;
			*out++ = nic_keep(&nic, *args);
		} else {
			*out++ = *args;
		}
	}
	if (!nic.found) {
		*out++ = opt_device;
		*out++ = nic_add(&nic);
	}
	snprintf(netdev, sizeof(netdev), "socket,fd=%i,id=%s", fd, nic.id);
	*out++ = opt_netdev;
	*out++ = netdev;
	*out = NULL;
}

/* @sock becomes descriptor @fd, unless that is -1, and outlives exec(): its number */
static int hand_over(int sock, int fd)
{
	if (fd >= 0 && fd != sock) {
		if (dup2(sock, fd) < 0)
			err(1, "descriptor %i", fd);
		close(sock);
		sock = fd;
	}
	/* Blocking, as qemu gets it from others */
	if (fcntl(sock, F_SETFD, 0) || fcntl(sock, F_SETFL, 0))
		err(1, "descriptor %i", sock);
	return sock;
}

/* Architecture in the names of qemu's programs for @machine of uname(2) */
static const char *qemu_arch(const char *machine)
{
	static const char *const arch[][2] = {
		{ "i686", "i386" }, { "i586", "i386" }, { "armv7l", "arm" }, { "armv6l", "arm" },
		{ "ppc64le", "ppc64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(arch); i++) {
		if (!strcmp(arch[i][0], machine))
			return arch[i][1];
	}
	return machine;
}

static void run_qemu(char **argv)
{
	static char names[][96] = { "", "qemu-kvm", "/usr/libexec/qemu-kvm", "kvm" };
	struct utsname uts;

	if (uname(&uts))
		err(1, "uname");
	snprintf(names[0], sizeof(names[0]), "qemu-system-%s", qemu_arch(uts.machine));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		argv[0] = names[i];
		execvp(argv[0], argv);
		if (errno != ENOENT)
			err(1, "%s", argv[0]);
	}
	errx(1, "no %s, qemu-kvm or kvm in PATH", names[0]);
}

int main(int argc, char **argv)
{
	static char *out[ARGS_MAX + 6];		/* command; arguments, see patch() */
	char **args = argv + 1;
	uint64_t num;
	int fd = -1, sock;

	if (argc > ARGS_MAX)
		errx(1, "more than %i arguments", ARGS_MAX);

	/* An image's name may be qemu's first argument, unless it is a number */
	if (argc > 1 && argv[1][0] && !argv[1][strspn(argv[1], "0123456789")]) {
		if (argc < 3 || argv[2][0] == '-')
			errx(1, "usage: qrap [FD QEMU] [ARG]...: no command after descriptor %s", argv[1]);
		if (!parse_num(argv[1], strlen(argv[1]), INT_MAX, &num) || num <= STDERR_FILENO)
			errx(1, "not a number for a descriptor of qemu's: %s", argv[1]);
		fd = (int)num;
		out[0] = argv[2];
		args = argv + 3;
	}

	sock = is_question(args) ? -1 : hand_over(passt_find(), fd);
	if (sock < 0 || (fd >= 0 && names_fd(args, fd)))
		memcpy(out + 1, args, (size_t)(argv + argc - args) * sizeof(*args));
	else
		patch(args, sock, out + 1);
	if (!out[0])
		run_qemu(out);
	execvp(out[0], out);
	err(1, "%s", out[0]);
}

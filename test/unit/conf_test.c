/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_test.c - command lines: what they set, or the one line they are refused with */
/* LDFLAGS: -Wl,--wrap=die,--wrap=exit,--wrap=log_at */

#include <ctype.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../t.h"
#include "../../opt.c"
#include "../../conf.c"
#include "../conf_run.h"

#define ARGS_MAX	64

static char words[16384];
static char *argv[ARGS_MAX + 1];

/* Splits at spaces; single quotes keep them */
static int split(const char *line)
{
	char *to = words;
	int argc = 0;

	while (*(line += strspn(line, " "))) {
		if (argc == ARGS_MAX || strlen(line) + 1 > (size_t)(words + sizeof(words) - to)) {
			printf("Bail out! line too long: %s\n", line);
			_exit(1);
		}
		argv[argc++] = to;
		for (bool quoted = false; *line && (quoted || *line != ' '); line++) {
			if (*line == '\'')
				quoted = !quoted;
			else
				*to++ = *line;
		}
		*to++ = '\0';
	}
	argv[argc] = NULL;
	return argc;
}

/* What a command line changed, in the order of struct conf: "foreground pid_file=/p a4=10.0.0.1/24 t:80>80" */

static char dump[8192];

static void put(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void put(const char *fmt, ...)
{
	size_t len = strlen(dump);
	va_list ap;

	va_start(ap, fmt);
	len += (size_t)snprintf(dump + len, sizeof(dump) - len, "%s", len ? " " : "");
	vsnprintf(dump + len, sizeof(dump) - len, fmt, ap);
	va_end(ap);
}

static void put_text(const char *name, const char *s)
{
	if (s && *s)
		put("%s=%s", name, s);
}

static void put_addr(const char *name, enum family f, const struct addr *a)
{
	char buf[ADDR_STRLEN];

	if (!addr_is_unspec(a))
		put("%s%c=%s", name, f == V4 ? '4' : '6', addr_fmt(a, buf));
	ok(addr_is_v4(a) == (f == V4));
}

static void put_ip(const struct conf *c, enum family f)
{
	const struct conf_ip *ip = &c->ip[f];
	char suffix = f == V4 ? '4' : '6';

	if (ip->off)
		put("off%c", suffix);
	put_addr("addr", f, &ip->addr);
	if (ip->plen)
		put("plen%c=%u", suffix, ip->plen);
	put_addr("gw", f, &ip->gw);
	put_addr("lo", f, &ip->map_loopback);
	put_addr("guest", f, &ip->map_guest);
	put_addr("fwd", f, &ip->dns_forward);
	put_addr("host", f, &ip->dns_host);
	for (unsigned i = 0; i < ip->ndns; i++)
		put_addr("dns", f, &ip->dns[i]);
	put_addr("out", f, &ip->out_addr);
	put_text(f == V4 ? "outif4" : "outif6", ip->out_if);
}

static void put_rule(const struct rule *r)
{
	char buf[ADDR_STRLEN], at[96] = "";

	if (r->automatic)			/* conf_ports_test.c's */
		return;
	if (!r->any || r->ifname[0])
		snprintf(at, sizeof(at), "%s%s%s/", r->any ? "" : addr_fmt(&r->addr, buf), r->ifname[0] ? "%" : "",
			 r->ifname);
	if (r->first == r->last)
		put("%c:%s%u>%u", r->proto == IPPROTO_TCP ? 't' : 'u', at, r->first, r->to);
	else
		put("%c:%s%u-%u>%u", r->proto == IPPROTO_TCP ? 't' : 'u', at, r->first, r->last, r->to);
}

static void put_policy(const struct policy *p)
{
	put("egress=%s", egress_name[p->egress]);
	for (const struct policy_rule *r = p->rule; r < p->rule + p->nrules; r++)
		put("%s=%s", verdict_name[r->verdict], r->text);
}

static void put_names(const struct conf *c)
{
	put_text("hostname", c->hostname);
	put_text("fqdn", c->fqdn);
	if (c->ip[V4].dns_given || c->ip[V6].dns_given)
		put(!c->ip[V6].dns_given ? "dns-4" : !c->ip[V4].dns_given ? "dns-6" : "dns");
	if (c->search_given)
		put("search");
	for (unsigned i = 0; i < c->search.n; i++)
		put_text("s", c->search.name[i]);
}

static void put_numbers(const struct conf *c)
{
	char mac[MAC_STRLEN];

	if (c->ask_timeout != ASK_TIMEOUT)
		put("ask_timeout=%u", c->ask_timeout);
	if (c->stats_interval)
		put("stats=%u", c->stats_interval);
	if (c->log_size != LOG_SIZE)
		put("log_size=%llu", (unsigned long long)c->log_size);
	if (c->runas)
		put("runas=%u:%u", c->uid, c->gid);
	if (c->ns_pid)
		put("pid=%i", c->ns_pid);
	if (!mac_is_zero(&c->ns_mac))
		put("ns_mac=%s", mac_fmt(&c->ns_mac, mac));
	if (!mac_eq(&c->our_mac, &mac_default))
		put("mac=%s", mac_fmt(&c->our_mac, mac));
	if (c->mtu != MTU_DEFAULT)
		put("mtu=%u", c->mtu);
	if (c->link_fd != -1)
		put("fd=%i", c->link_fd);
}

static const char *dumped(const struct conf *c)
{
	const struct {
		const char	*name;
		bool		on;
	} flags[] = {
		{ "foreground", c->foreground && !starts_command(c) }, { "quiet", c->log_level == LOG_WARNING },
		{ "debug", c->log_level >= LOG_DEBUG }, { "trace", c->log_level == LOG_TRACE },
		{ "chroot_fallback", c->chroot_fallback }, { "netns_only", c->netns_only },
		{ "no_netns_quit", c->no_netns_quit }, { "no_pidns", c->no_pidns }, { "config_net", c->config_net },
		{ "no_copy_routes", c->no_copy_routes }, { "no_copy_addrs", c->no_copy_addrs }, { "no_tcp", c->no_tcp },
		{ "no_udp", c->no_udp }, { "no_icmp", c->no_icmp }, { "no_dhcp", c->no_dhcp },
		{ "no_dhcpv6", c->no_dhcpv6 }, { "no_ndp", c->no_ndp }, { "no_ra", c->no_ra && !c->config_net },
		{ "dhcp_dns", c->dhcp_dns }, { "dhcp_search", c->dhcp_search }, { "no_map_gw", c->no_map_gw },
		{ "lo_to_lo", c->host_lo_to_ns_lo },
		{ "freebind", c->freebind },
	};

	dump[0] = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].on)
			put("%s", flags[i].name);
	}
	put_numbers(c);
	put_text("pid_file", c->pid_file);
	put_text("log_file", c->log_file);
	put_text("flow_log", c->flow_log);
	put_text("pcap", c->pcap);
	put_text("control", c->control);
	put_text("netns", c->netns);
	put_text("userns", c->userns);
	put_text("ns_ifname", c->ns_ifname);
	put_text("ifname", c->ifname);
	put_ip(c, V4);
	put_ip(c, V6);
	put_names(c);
	for (unsigned i = 0; i < c->rules.n; i++)
		put_rule(&c->rules.rule[i]);
	if (c->policy && policy_matters(c->policy))
		put_policy(c->policy);
	for (char *const *s = c->command; s && *s; s++)
		put("%s%s", s == c->command ? "-- " : "", *s);
	return dump;
}

static struct conf conf;

struct row {
	const char	*name, *line, *want;
};

static void test_rows(const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++) {
		int argc = split(r->line);

		test("%s", r->name);
		ok(run_parse(&conf, argc, argv));
		eq_str(run.error, "");
		eq_str(dumped(&conf), r->want);
	}
}

/* Command lines of callers, as they are, with names and numbers made up */
static const struct row clients[] = {
	{ "podman",
	  "pasta --config-net -t 8080-8080:80-80 -u 127.0.0.1/53-53:5353-5353 -t "
	  "fd77::2/5487-5487:80-80 --dns-forward 169.254.1.1 -T none -U none --no-map-gw --quiet "
	  "--netns /run/user/1000/netns/netns-1 --map-guest-addr 169.254.1.2",
	  "quiet config_net no_map_gw netns=/run/user/1000/netns/netns-1 "
	  "guest4=169.254.1.2 fwd4=169.254.1.1 t:8080>80 u:127.0.0.1/53>5353 t:fd77::2/5487>80" },
	{ "podman, no ports",
	  "pasta --config-net --dns-forward 169.254.1.1 -t none -u none -T none -U none --no-map-gw "
	  "--quiet --netns /n/n --map-guest-addr 169.254.1.2",
	  "quiet config_net no_map_gw netns=/n/n guest4=169.254.1.2 fwd4=169.254.1.1" },
	{ "podman, options of containers.conf come first: the last MAC address and name win",
	  "pasta --config-net -I myname --ns-mac-addr 02:00:00:00:00:01 --ns-mac-addr "
	  "02:00:00:00:00:02 -I other -q --netns /n/n",
	  "quiet config_net ns_mac=02:00:00:00:00:02 netns=/n/n ns_ifname=other" },
	{ "podman, slirp-like addresses",
	  "pasta --config-net --ipv4-only -a 10.0.2.0 -n 24 -g 10.0.2.2 --dns-forward 10.0.2.3 -m "
	  "1500 --no-ndp --no-dhcpv6 --no-dhcp -t none --netns /n/n",
	  "config_net no_dhcp no_dhcpv6 no_ndp mtu=1500 netns=/n/n addr4=10.0.2.0 plen4=24 "
	  "gw4=10.0.2.2 fwd4=10.0.2.3 off6" },
	{ "podman, rootless bridge networks",
	  "pasta --config-net --pid /r/rootless-netns-conn.pid --dns-forward 169.254.1.1 -t none -u "
	  "none -T none -U none --no-map-gw --quiet --netns /r/rootless-netns --map-guest-addr "
	  "169.254.1.2",
	  "quiet config_net no_map_gw pid_file=/r/rootless-netns-conn.pid "
	  "netns=/r/rootless-netns guest4=169.254.1.2 fwd4=169.254.1.1" },
	{ "podman, rootless bridge networks, rootless_port_forwarder=pasta",
	  "pasta --config-net --pid /r/rootless-netns-conn.pid -c /r/pasta.sock --dns-forward 169.254.1.1 -t none -u "
	  "none -T none -U none --no-map-gw --quiet --netns /r/rootless-netns --map-guest-addr "
	  "169.254.1.2",
	  "quiet config_net no_map_gw pid_file=/r/rootless-netns-conn.pid control=/r/pasta.sock "
	  "netns=/r/rootless-netns guest4=169.254.1.2 fwd4=169.254.1.1" },
	{ "podman, two PID files: the last one", "pasta --pid /a --pid /b --netns /n/n",
	  "pid_file=/b netns=/n/n" },
	{ "podman, automatic forwarding", "pasta --config-net -t auto -u auto -T auto -U auto --netns /n/n",
	  "config_net netns=/n/n" },
	{ "buildah",
	  "pasta --config-net --mtu 2000 --ns-mac-addr 9a:dd:31:ea:92:98 -t none -u none -T none -U "
	  "none --no-map-gw --quiet --netns /proc/77/ns/net --map-guest-addr 169.254.1.2",
	  "quiet config_net no_map_gw ns_mac=9a:dd:31:ea:92:98 mtu=2000 "
	  "netns=/proc/77/ns/net guest4=169.254.1.2" },
	{ "CLI-03 RootlessKit",
	  "pasta --stderr --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 --netmask=24 "
	  "--gateway=10.0.2.2 --dns-forward=10.0.2.3 --no-map-gw --ipv4-only --tcp-ports=auto "
	  "--udp-ports=auto --host-lo-to-ns-lo 4711",
	  "config_net no_map_gw lo_to_lo pid=4711 ns_ifname=tap0 addr4=10.0.2.100 plen4=24 "
	  "gw4=10.0.2.2 fwd4=10.0.2.3 off6" },
	{ "RootlessKit, detached namespace",
	  "pasta --stderr --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 --netmask=24 "
	  "--gateway=10.0.2.2 --dns-forward=10.0.2.3 --tcp-ports=none --udp-ports=none "
	  "--userns=/proc/4711/ns/user --netns=/s/netns",
	  "config_net netns=/s/netns userns=/proc/4711/ns/user ns_ifname=tap0 addr4=10.0.2.100 "
	  "plen4=24 gw4=10.0.2.2 fwd4=10.0.2.3" },
	{ "nsjail",
	  "pasta -f -q --no-dhcp --no-dhcpv6 --no-ra --config-net --dhcp-dns --dns-forward 10.0.2.3 "
	  "--no-icmp --no-map-gw -a 10.0.2.15 -n 255.255.255.0 -g 10.0.2.2 -a fd00::15 -g fd00::2 -I "
	  "eth0 -t none -u none -T none -U none 1234",
	  "foreground quiet config_net no_icmp no_dhcp no_dhcpv6 dhcp_dns no_map_gw pid=1234 "
	  "ns_ifname=eth0 addr4=10.0.2.15 plen4=24 gw4=10.0.2.2 fwd4=10.0.2.3 addr6=fd00::15 "
	  "gw6=fd00::2" },
	{ "nsjail without TCP: -t none is no conflict",
	  "pasta -f -q --no-tcp --no-udp -t none -u none -T none -U none 1234",
	  "foreground quiet no_tcp no_udp pid=1234" },
	{ "Lix: namespaces on standard streams",
	  "pasta --quiet --foreground --config-net --gateway 169.254.1.1 --address 169.254.1.2 "
	  "--netmask 16 --dns-forward 169.254.1.1 --gateway 64:ff9b:1:4b8e:472e:a5c8:a9fe:101 "
	  "--address 64:ff9b:1:4b8e:472e:a5c8:a9fe:102 --dns-forward "
	  "64:ff9b:1:4b8e:472e:a5c8:a9fe:101 --ns-ifname eth0 --no-netns-quit --netns /proc/self/fd/0 "
	  "--userns /proc/self/fd/1",
	  "foreground quiet no_netns_quit config_net netns=/proc/self/fd/0 userns=/proc/self/fd/1 "
	  "ns_ifname=eth0 addr4=169.254.1.2 plen4=16 gw4=169.254.1.1 fwd4=169.254.1.1 "
	  "addr6=64:ff9b:1:4b8e:472e:a5c8:a9fe:102 gw6=64:ff9b:1:4b8e:472e:a5c8:a9fe:101 "
	  "fwd6=64:ff9b:1:4b8e:472e:a5c8:a9fe:101" },
	{ "hakoniwa",
	  "pasta --config-net --no-map-gw --tcp-ports none --udp-ports none --tcp-ns none --udp-ns "
	  "none 99",
	  "config_net no_map_gw pid=99" },
	{ "nixpak: -- in front of a PID",
	  "pasta --config-net --no-dhcp --no-dhcpv6 --no-ra --no-map-gw --tcp-ns none --udp-ns none "
	  "--tcp-ports none --udp-ports none --ns-ifname eth0 --address 192.168.1.100 --netmask "
	  "255.255.255.0 --gateway 192.168.1.1 --mac-addr 52:54:00:12:34:56 --dns-forward 192.168.1.1 "
	  "--search none -- 31337",
	  "config_net no_dhcp no_dhcpv6 no_map_gw pid=31337 mac=52:54:00:12:34:56 "
	  "ns_ifname=eth0 addr4=192.168.1.100 plen4=24 gw4=192.168.1.1 fwd4=192.168.1.1 search" },
	{ "drop",
	  "pasta --config-net --dns-forward 169.254.1.1 --pid /d/pid --no-map-gw --log-file /d/log "
	  "--tcp-ports 127.0.0.1/8080:80 --tcp-ports 127.0.0.1/22 --tcp-ns none --udp-ports none "
	  "--udp-ns none 99",
	  "config_net no_map_gw pid=99 pid_file=/d/pid log_file=/d/log fwd4=169.254.1.1 "
	  "t:127.0.0.1/8080>80 t:127.0.0.1/22>22" },
	{ "drop, older: abbreviated option", "pasta --tcp-port auto --udp-p none --tcp-n auto 99", "pid=99" },
	{ "kakoi",
	  "pasta --foreground --pid /proc/self/fd/1 --config-net --quiet --host-lo-to-ns-lo -T none "
	  "-U none --userns /u --netns /n --no-map-gw -I app0 --map-host-loopback 10.9.9.9 "
	  "--map-host-loopback fd09::9 -t 127.0.0.1/8080:80",
	  "foreground quiet config_net no_map_gw lo_to_lo pid_file=/proc/self/fd/1 netns=/n userns=/u "
	  "ns_ifname=app0 lo4=10.9.9.9 lo6=fd09::9 t:127.0.0.1/8080>80" },
	{ "standalone engine, as root",
	  "pasta --config-net --pid /f --runas 0 -t 10.1.1.1/8080:80 -t 80:80 --dns-forward 10.9.9.9 "
	  "--map-guest-addr 169.254.1.2 -u none --no-map-gw --quiet --netns /run/netns/x",
	  "quiet config_net no_map_gw runas=0:0 pid_file=/f netns=/run/netns/x "
	  "guest4=169.254.1.2 fwd4=10.9.9.9 t:10.1.1.1/8080>80 t:80>80" },
	{ "kern",
	  "pasta --config-net -q -P /f -t none -u none -T none -U none --no-netns-quit --userns "
	  "/proc/9/ns/user --netns /proc/9/ns/net",
	  "quiet no_netns_quit config_net pid_file=/f netns=/proc/9/ns/net userns=/proc/9/ns/user" },
	{ "runclaude",
	  "pasta --config-net --no-map-gw --ipv4-only --netns-only --quiet --log-file=/dev/null -a "
	  "100.64.0.2 -n 24 -g 100.64.0.1 -t auto -u auto -T none -U none --runas 1000:1000 -- claude "
	  "--debug -p 'a b'",
	  "quiet netns_only config_net no_map_gw runas=1000:1000 log_file=/dev/null addr4=100.64.0.2 "
	  "plen4=24 gw4=100.64.0.1 off6 -- claude --debug -p a b" },
	{ "template lo, /31",
	  "pasta --netns-only --config-net --no-map-gw --quiet --interface lo --ns-ifname tap0 "
	  "--address 10.5.0.0 --netmask 31 --gateway 10.5.0.1 --address fd05::5 --gateway fe80::1 -- "
	  "cmd",
	  "quiet netns_only config_net no_map_gw ns_ifname=tap0 ifname=lo addr4=10.5.0.0 plen4=31 "
	  "gw4=10.5.0.1 addr6=fd05::5 gw6=fe80::1 -- cmd" },
	{ "firecracker", "pasta --pcap /f --log-file /l --config-net -- bash -c 'ip a; exec firecracker'",
	  "config_net log_file=/l pcap=/f -- bash -c ip a; exec firecracker" },
	{ "a tap device passed in",
	  "pasta --fd 7 --netns-only --netns /n/n -f -q --no-netns-quit -4 -a 10.0.0.5 -n 16 -g "
	  "10.0.0.1",
	  "foreground quiet netns_only no_netns_quit fd=7 netns=/n/n addr4=10.0.0.5 plen4=16 "
	  "gw4=10.0.0.1 off6" },
	{ "LIFE-10 --fd after options with arguments", "pasta -a 10.0.0.5 -t 80 -F3 -q",
	  "quiet fd=3 addr4=10.0.0.5 t:80>80" },
	{ "QEMU's options, but for the link",
	  "pasta --quiet --mtu 1500 --address 10.0.2.15 --netmask 24 --mac-addr 52:55:0a:00:02:02 "
	  "--gateway 10.0.2.2 --interface eth0 --outbound eth1 --outbound-if4 eth2 --outbound-if6 "
	  "eth3 --dns 10.0.2.3 --fqdn a.example --no-dhcp-dns --no-dhcp-search --map-host-loopback "
	  "10.0.2.4 --map-guest-addr 10.0.2.5 --dns-forward 10.0.2.3 --dns-host 192.0.2.53 --no-tcp "
	  "--no-udp --no-icmp --no-dhcp --no-ndp --no-dhcpv6 --no-ra --freebind --ipv4-only --search "
	  "'a b.c d' --pid /f",
	  "quiet no_tcp no_udp no_icmp no_dhcp no_dhcpv6 no_ndp no_ra freebind mac=52:55:0a:00:02:02 "
	  "mtu=1500 pid_file=/f ifname=eth0 addr4=10.0.2.15 plen4=24 gw4=10.0.2.2 lo4=10.0.2.4 "
	  "guest4=10.0.2.5 fwd4=10.0.2.3 host4=192.0.2.53 dns4=10.0.2.3 outif4=eth2 off6 outif6=eth3 "
	  "fqdn=a.example dns-4 search s=a s=b.c s=d" },
	{ "qemus/qemu's options, but for the link",
	  "pasta -4 -a 20.20.20.21 -g 20.20.20.1 -n 255.255.255.0 -m 1500 -t 80,3389 -u 3389 -H QEMU "
	  "-M 52:54:00:11:22:33 --runas 0:0 -P /var/run/passt.pid -l /var/log/passt.log -q",
	  "quiet runas=0:0 mac=52:54:00:11:22:33 mtu=1500 pid_file=/var/run/passt.pid "
	  "log_file=/var/log/passt.log addr4=20.20.20.21 plen4=24 gw4=20.20.20.1 off6 hostname=QEMU "
	  "t:80>80 t:3389>3389 u:3389>3389" },
	{ "none, wherever it is understood",
	  "pasta -D none --map-host-loopback none --map-guest-addr none --repair-path none --search "
	  "none -t none -T none",
	  "no_map_gw dns search" },
	{ "a command's options are its own", "pasta --config-net ip -br --help",
	  "config_net -- ip -br --help" },
	{ "no option at all", "pasta", "" },
	{ "self-test", "pasta --config-net -- /bin/true", "config_net -- /bin/true" },
};

static const struct row grammar[] = {
	{ "CLI-02 quiet, then debug", "pasta -q -d", "debug" },
	{ "CLI-02 debug, then quiet", "pasta --trace -d -q", "quiet" },
	{ "CLI-02 trace implies debug", "pasta -q --trace", "debug trace" },
	{ "CLI-02 none, then ports", "pasta -t none -t 80", "t:80>80" },
	{ "CLI-02 FWD-18 ports, then none", "pasta -t 80 -u 53 -t none", "u:53>53" },
	{ "FWD-18 none in between", "pasta -t 80 -t none -t 81 -u 80", "t:81>81 u:80>80" },
	{ "CLI-02 the same ports twice", "pasta -t 80 -t 80 -t 81,81", "t:80>80 t:81>81" },
	{ "CLI-02 single values", "pasta -m 1500 -m 9000 -P /a -P /b -i a -i b -g 10.0.0.1 -g 10.0.0.2",
	  "mtu=9000 pid_file=/b ifname=b gw4=10.0.0.2" },
	{ "CLI-02 pairs", "pasta --dhcp-dns --no-dhcp-dns --no-dhcp-search --dhcp-search", "dhcp_search" },
	{ "CLI-03 deprecated options",
	  "pasta --stderr --no-copy-routes --no-copy-addrs --migrate-exit --migrate-no-linger",
	  "no_copy_routes no_copy_addrs" },
	{ "letters together, value attached", "pasta -fqm1500 -4t80 --netns /n",
	  "foreground quiet mtu=1500 netns=/n off6 t:80>80" },
	{ "value that looks like an option", "pasta -P -q", "pid_file=-q" },
	{ "abbreviations", "pasta --foregr --qui --ipv4 --addr=10.0.0.1 1234",
	  "foreground quiet pid=1234 addr4=10.0.0.1 off6" },
	{ "exact name that begins another", "pasta --netns x --pid /f",
	  "pid_file=/f netns=/run/netns/x" },
	{ "-- in front of a command", "pasta -q -- -x 1", "quiet -- -x 1" },
	{ "a command that is a number, with arguments", "pasta 1 2", "-- 1 2" },
	{ "a command that begins with a digit", "pasta 7z", "-- 7z" },
	{ "- is no option", "pasta - -q", "-- - -q" },
	{ "an empty command", "pasta ''", "-- " },

	{ "addresses of both families", "pasta -a 10.0.0.1/8 -a fd00::1/48",
	  "addr4=10.0.0.1 plen4=8 addr6=fd00::1 plen6=48" },
	{ "NL-19 one family only", "pasta -a 10.0.0.1 -g 10.0.0.2", "addr4=10.0.0.1 gw4=10.0.0.2" },
	{ "address given again forgets its prefix length", "pasta -a 10.0.0.1/8 -a 10.0.0.2",
	  "addr4=10.0.0.2" },
	{ "netmask without address", "pasta -n 255.255.255.254", "plen4=31" },
	{ "netmask in bits", "pasta -n 32", "plen4=32" },
	{ "netmask that says it again", "pasta -a 10.0.0.1/24 -n 255.255.255.0", "addr4=10.0.0.1 plen4=24" },
	{ "CLI-02 prefix length, then netmask: the last", "pasta -a 10.0.0.1/24 -n 16", "addr4=10.0.0.1 plen4=16" },
	{ "CLI-02 netmask, then prefix length: the last", "pasta -n 16 -a 10.0.0.1/24", "addr4=10.0.0.1 plen4=24" },
	{ "CLI-02 netmask, then an address without", "pasta -n 16 -a 10.0.0.1", "addr4=10.0.0.1 plen4=16" },
	{ "CLI-02 netmask, prefix length, netmask", "pasta -n 16 -a 10.0.0.1/24 -n 30", "addr4=10.0.0.1 plen4=30" },
	{ "CLI-02 netmask, and IPv6's prefix length", "pasta -n 16 -a fd00::1/64 -a 10.0.0.1",
	  "addr4=10.0.0.1 plen4=16 addr6=fd00::1 plen6=64" },
	{ "address, mapped", "pasta -a ::ffff:10.0.0.1/120", "addr4=10.0.0.1 plen4=24" },
	{ "addresses in brackets", "pasta -a [fd00::1]/48 -a [10.0.0.1]", "addr4=10.0.0.1 addr6=fd00::1 plen6=48" },
	{ "CLI-06 numbers as C has them: hexadecimal", "pasta -m 0x5dc -n 0x18 --log-size 0x10000 --stats 0xa -F 0x7",
	  "stats=10 log_size=65536 mtu=1500 fd=7 plen4=24" },
	{ "CLI-06 numbers as C has them: octal", "pasta -m 02734 -n 030", "mtu=1500 plen4=24" },
	{ "CLI-06 numbers as C has them: space, plus sign",
	  "pasta -m ' 1500' -n '\t+24' --stats +5 --log-size ' +65536'",
	  "stats=5 log_size=65536 mtu=1500 plen4=24" },
	{ "CLI-06 minus zero", "pasta -m -0", "mtu=0" },
	{ "CLI-06 prefix length, decimal", "pasta -a '10.0.0.1/ +024'", "addr4=10.0.0.1 plen4=24" },
	{ "CLI-06 numbers of a user, as C has them", "pasta --runas 0x10:+7", "runas=16:7" },
	{ "CLI-06 a PID, as C has numbers", "pasta ' +0123'", "pid=123" },
	{ "not a PID, but a command's name", "pasta '12 '", "-- 12 " },
	{ "counters, never", "pasta --stats 5 --stats 0", "" },
	{ "CLI-02 -4, then -6", "pasta -4 -6", "off4" },
	{ "CLI-02 -6, then -4", "pasta -6 --ipv4-only", "off6" },
	{ "CLI-02 -4, -6, -4, in one word", "pasta -464", "off6" },
	{ "CLI-03 --stderr's letter", "pasta -e -fe --netns /n", "foreground netns=/n" },
	{ "a PID file's name may be a number", "pasta --pid 1234", "pid_file=1234" },
	{ "user namespace for a command", "pasta --userns /u -- true", "userns=/u -- true" },
	{ "CLI-02 user namespace, then --netns-only: the last", "pasta --userns /u --netns-only -- true",
	  "netns_only -- true" },
	{ "CLI-02 --netns-only, then a user namespace: the last", "pasta --netns-only --userns /u 7",
	  "pid=7 userns=/u" },
	{ "UDP-22 outbound addresses", "pasta -o 192.0.2.9 -o 2001:db8::9", "out4=192.0.2.9 out6=2001:db8::9" },
	{ "outbound interface", "pasta -o wg0", "outif4=wg0 outif6=wg0" },
	{ "MTU left alone", "pasta -m 0", "mtu=0" },
	{ "smallest MTU for IPv6", "pasta -m 1280 -6", "mtu=1280 off4" },
	{ "MTU left alone, IPv6 only", "pasta -m 0 -6", "mtu=0 off4" },
	{ "small MTU without -6", "pasta -m 1279", "mtu=1279" },
	{ "interface name of 15 bytes", "pasta -I 0123456789abcde", "ns_ifname=0123456789abcde" },
	{ "smallest and largest MTU", "pasta -m 68 -4 -m 65521", "mtu=65521 off6" },
	{ "map, then none, then map",
	  "pasta --map-host-loopback 10.0.0.1 --map-host-loopback none --map-host-loopback fd00::1",
	  "no_map_gw lo6=fd00::1" },
	{ "DNS-07 order of -D and -t", "pasta -D 192.0.2.53 -t 80 -u 53",
	  "dns4=192.0.2.53 dns-4 t:80>80 u:53>53" },
	{ "DNS servers", "pasta -D 192.0.2.53 -D 2001:db8::53 -D 192.0.2.54",
	  "dns4=192.0.2.53 dns4=192.0.2.54 dns6=2001:db8::53 dns" },
	{ "DNS-07 servers of one family leave the other's", "pasta -D 2001:db8::53", "dns6=2001:db8::53 dns-6" },
	{ "DNS servers, then none", "pasta -D 192.0.2.53 -D 2001:db8::53 -D none", "dns" },
	{ "DNS servers, then none, then another", "pasta -D 192.0.2.53 -D none -D 192.0.2.54",
	  "dns4=192.0.2.54 dns-4" },
	{ "DNS servers, none, and one of the other family", "pasta -D 192.0.2.53 -D none -D none -D ::1",
	  "dns6=::1 dns-6" },
	{ "DNS servers on loopback", "pasta -D 127.0.0.1 -D 127.0.0.53 -D ::1",
	  "dns4=127.0.0.1 dns4=127.0.0.53 dns6=::1 dns" },
	{ "DNS option, empty", "pasta -D ''", "dns" },
	{ "search list, several options", "pasta -S 'a.example b_c.example.' -S d -S none -S ' e  f '",
	  "search s=e s=f" },
	{ "hostname, then none", "pasta -H a -H ''", "" },
	{ "runas, numbers", "pasta --runas 4000000000:4294967294", "runas=4000000000:4294967294" },
	{ "runas, name", "pasta --runas root", "runas=0:0" },
	{ "runas, name and group", "pasta --runas root:7", "runas=0:7" },
	{ "runas, number without an entry", "pasta --runas 3999999999", "runas=3999999999:3999999999" },
	{ "log size", "pasta --log-size 40960 -l /l --stats 5", "stats=5 log_size=40960 log_file=/l" },
	{ "flow log", "pasta --flow-log /f --log-size 50000", "log_size=50000 flow_log=/f" },
	{ "other names are pasta", "/usr/libexec/foo -q", "quiet" },
	{ "a path is not a name", "/opt/passt/bin/pasta -q", "quiet" },

	{ "port", "pasta -t 22:23", "t:22>23" },
	{ "ports", "pasta -t 22,25:26,30-32", "t:22>22 t:25>26 t:30-32>30" },
	{ "range to range", "pasta -t 22-80:32-90", "t:22-80>32" },
	{ "all ports by number", "pasta -t 1-65535", "t:1-65535>1" },
	{ "FWD-10 address", "pasta -t 192.0.2.1/5 -u ::1/5", "t:192.0.2.1/5>5 u:::1/5>5" },
	{ "FWD-10 brackets", "pasta -t [::1]/8080 -t [::]/80", "t:::1/8080>8080 t:::/80>80" },
	{ "FWD-10 interface", "pasta -t %eth0/80 -t 192.0.2.1%eth0/80",
	  "t:%eth0/80>80 t:192.0.2.1%eth0/80>80" },
	{ "FWD-10 brackets and interface", "pasta -t [fe80::1%eth0]/80 -t [fe80::2]%eth0/80 -t fe80::3%eth0/80",
	  "t:fe80::1%eth0/80>80 t:fe80::2%eth0/80>80 t:fe80::3%eth0/80>80" },
	{ "FWD-10 nothing before the slash", "pasta -t /80", "t:80>80" },
	{ "FWD-10 any address, written out", "pasta -t */80 -u *%eth0/81:82", "t:80>80 u:%eth0/81>82" },
	{ "CLI-06 space and plus sign of ports", "pasta -t '80, 81: +82' -t '127.0.0.1/ 080-+081'",
	  "t:80>80 t:81>82 t:127.0.0.1/80-81>80" },
	{ "any address of one family", "pasta -t 0.0.0.0/80 -t ::/80 -t 80",
	  "t:0.0.0.0/80>80 t:::/80>80 t:80>80" },
	{ "multicast, UDP", "pasta -u 224.0.0.251/5353", "u:224.0.0.251/5353>5353" },
	{ "automatic, with ports", "pasta -t 80-82,auto -u 53", "u:53>53" },
	{ "automatic, with address", "pasta -t ::1/auto", "" },
	{ "SPL-14 same port on any address and on one", "pasta -t 8080 -t 127.0.0.1/8080",
	  "t:8080>8080 t:127.0.0.1/8080>8080" },
	{ "the same address and port twice", "pasta -t ::1/80 -t [::1]/80", "t:::1/80>80" },
	{ "egress: rules in order, locked as one allows", "pasta --deny 10.0.0.0/8 --allow tcp/any:443 --deny public",
	  "egress=locked deny=10.0.0.0/8 allow=tcp/any:443 deny=public" },
	{ "egress: locked as one asks", "pasta --ask tcp/public --deny private --ask-timeout 5",
	  "ask_timeout=5 egress=locked ask=tcp/public deny=private" },
	{ "egress: open as none allows", "passt --deny metadata", "dhcp_dns dhcp_search egress=open deny=metadata" },
	{ "CLI-02 egress: the last word counts", "pasta --egress locked --egress internet", "egress=internet" },
	{ "egress: a file in its place", "pasta --deny host --policy /proc/self/fd/100 --allow any",
	  "egress=internet deny=host allow=10.0.0.1:22 deny=private allow=any" },
	{ "egress: names", "pasta --allow example.com:443 --allow *.Debian.org --deny udp/host.",
	  "egress=locked allow=example.com:443 allow=*.Debian.org deny=udp/host." },
	{ "egress: open without rules is no policy", "pasta --egress open", "" },
	{ "egress: an empty file is no policy", "pasta --policy /dev/null", "" },

	{ "same port, TCP and UDP", "pasta -t 80:1 -u 80:2", "t:80>1 u:80>2" },
};

#define PATH_36		"/2345678901234567890123456789012345/"
#define PATH_108	PATH_36 PATH_36 PATH_36

static const struct row errors[] = {
	{ "unknown option, as callers parse it", "pasta --map-guest-address x",
	  "pasta: unrecognized option '--map-guest-address'" },
	{ "unknown option with a value", "/usr/bin/pasta --xyz=5", "pasta: unrecognized option '--xyz=5'" },
	{ "unknown option before --version", "pasta --xyz --version", "pasta: unrecognized option '--xyz'" },
	{ "unknown letter", "pasta -fZ", "pasta: invalid option -- 'Z'" },
	{ "ambiguous", "pasta --dhcp",
	  "pasta: option '--dhcp' is ambiguous; possibilities: '--dhcp-dns' '--dhcp-search'" },
	{ "no argument allowed", "pasta --quiet=1", "pasta: option '--quiet' doesn't allow an argument" },
	{ "argument missing", "pasta --mtu", "pasta: option '--mtu' requires an argument" },
	{ "argument missing, letter", "pasta -fm", "pasta: option requires an argument -- 'm'" },
	{ "--pid-file", "pasta --pid-file=F", "pasta: unrecognized option '--pid-file=F'" },
	{ "passt's option", "pasta -s /tmp/s", "-s/--socket is for passt mode only" },
	{ "passt's option, --one-off", "pasta -1", "-1/--one-off is for passt mode only" },
	{ "--splice-only without splicing", "pasta --splice-only --no-splice",
	  "--no-splice and --splice-only exclude each other" },
	{ "--splice-only with a link", "pasta --splice-only --fd 5", "-F/--fd and --splice-only exclude each other" },
	{ "--splice-only for a virtual machine", "passt --splice-only", "--splice-only is for pasta mode only" },
	{ "--repair-path without vhost-user", "passt --repair-path /x", "--repair-path is for --vhost-user only" },
	{ "--vhost-user for a namespace", "pasta --vhost-user", "--vhost-user is for passt mode only" },
	{ "passt takes no argument", "passt -f 1234", "passt: unexpected argument '1234'" },
	{ "pasta's option", "passt --config-net", "--config-net is for pasta mode only" },
	{ "--socket, empty", "passt -s ''", "Invalid value \"\" for -s/--socket: empty" },
	{ "--socket, 108 bytes", "passt -s " PATH_108,
	  "Invalid value \"" PATH_108 "\" for -s/--socket: longer than the 107 bytes that the path of a socket may "
	  "have" },

	{ "PID 0", "pasta 0", "Invalid PID \"0\"" },
	{ "PID too large", "pasta 2147483648", "Invalid PID \"2147483648\"" },
	{ "PID of many digits", "pasta -- 99999999999999999999999", "Invalid PID \"99999999999999999999999\"" },
	{ "--netns and PID", "pasta --netns x 1", "Both --netns and a PID given" },
	{ "--netns and command", "pasta --netns x true", "Both --netns and a command given" },
	{ "FWD-11 -t and --no-tcp", "pasta -t 80 --no-tcp", "Option '-t 80' and --no-tcp exclude each other" },
	{ "FWD-11 -u and --no-udp", "pasta --no-udp -u 53:5353",
	  "Option '-u 53:5353' and --no-udp exclude each other" },
	{ "small MTU with -6", "pasta -m 1279 -6",
	  "Invalid value \"1279\" for -m/--mtu: less than 1280, the least that IPv6 needs, with -6/--ipv6-only" },

	{ "NL-22 interface name of 16 bytes", "pasta -I 0123456789abcdef",
	  "Invalid value \"0123456789abcdef\" for -I/--ns-ifname: interface name of more than 15 "
	  "bytes" },
	{ "interface name with a slash", "pasta -i a/b",
	  "Invalid value \"a/b\" for -i/--interface: not an interface name" },
	{ "interface name with a colon", "pasta -i a:b",
	  "Invalid value \"a:b\" for -i/--interface: not an interface name" },
	{ "interface name with a space", "pasta -i 'a b'",
	  "Invalid value \"a b\" for -i/--interface: not an interface name" },
	{ "interface name with a control character", "pasta -i a\x7f",
	  "Invalid value \"a\x7f\" for -i/--interface: not an interface name" },
	{ "interface name that the kernel would number", "pasta -I tun%d",
	  "Invalid value \"tun%d\" for -I/--ns-ifname: not an interface name" },
	{ "interface name, empty", "pasta --outbound-if4 ''", "Invalid value \"\" for --outbound-if4: empty" },
	{ "interface name, dot", "pasta -I ..",
	  "Invalid value \"..\" for -I/--ns-ifname: not an interface name" },
	{ "flow log, empty", "pasta --flow-log ''", "Invalid value \"\" for --flow-log: empty" },
	{ "path, empty", "pasta -l ''", "Invalid value \"\" for -l/--log-file: empty" },
	{ "namespace name", "pasta --netns ..", "Invalid value \"..\" for --netns: not a name" },

	{ "address", "pasta -a 10.0.0.256",
	  "Invalid value \"10.0.0.256\" for -a/--address: not an IPv4 or IPv6 address" },
	{ "address, unspecified", "pasta -a ::", "Invalid value \"::\" for -a/--address: unspecified address" },
	{ "address, loopback", "pasta -a 127.0.0.1",
	  "Invalid value \"127.0.0.1\" for -a/--address: loopback address" },
	{ "address, v4-mapped loopback", "pasta -a ::ffff:127.0.0.1",
	  "Invalid value \"::ffff:127.0.0.1\" for -a/--address: loopback address" },
	{ "address, multicast", "pasta -a ff02::1",
	  "Invalid value \"ff02::1\" for -a/--address: not a unicast address" },
	{ "address, broadcast", "pasta -g 255.255.255.255",
	  "Invalid value \"255.255.255.255\" for -g/--gateway: not a unicast address" },
	{ "prefix length", "pasta -a 10.0.0.1/33",
	  "Invalid value \"10.0.0.1/33\" for -a/--address: not a prefix length" },
	{ "prefix length, IPv6", "pasta -a fd00::1/129",
	  "Invalid value \"fd00::1/129\" for -a/--address: not a prefix length" },
	{ "prefix length 0", "pasta -a 10.0.0.1/0",
	  "Invalid value \"10.0.0.1/0\" for -a/--address: not a prefix length" },
	{ "prefix length missing", "pasta -a 10.0.0.1/",
	  "Invalid value \"10.0.0.1/\" for -a/--address: not a prefix length" },
	{ "netmask", "pasta -n 33",
	  "Invalid value \"33\" for -n/--netmask: neither a number of bits from 1 to 32 nor an IPv4 "
	  "mask" },
	{ "netmask of IPv6", "pasta -n ffff::",
	  "Invalid value \"ffff::\" for -n/--netmask: neither a number of bits from 1 to 32 nor an "
	  "IPv4 mask" },
	{ "netmask with gaps", "pasta -n 255.0.255.0",
	  "Invalid value \"255.0.255.0\" for -n/--netmask: mask with gaps" },
	{ "netmask 0", "pasta -n 0.0.0.0", "Invalid value \"0.0.0.0\" for -n/--netmask: no network bits" },
	{ "MAC address", "pasta -M 1:2:3:4:5",
	  "Invalid value \"1:2:3:4:5\" for -M/--mac-addr: not a MAC address" },
	{ "MAC address, group", "pasta --ns-mac-addr 01:00:5e:00:00:01",
	  "Invalid value \"01:00:5e:00:00:01\" for --ns-mac-addr: not a unicast MAC address" },
	{ "MTU", "pasta -m 65522",
	  "Invalid value \"65522\" for -m/--mtu: bytes expected, from 68 to 65521, or 0 to not assign "
	  "any" },
	{ "MTU, small", "pasta -m 67",
	  "Invalid value \"67\" for -m/--mtu: less than 68, the least that IPv4 needs" },
	{ "outbound", "pasta -o 10.0.0.999", "Invalid value \"10.0.0.999\" for -o/--outbound: not an address" },
	{ "outbound, IPv6", "pasta -o fd00::zz",
	  "Invalid value \"fd00::zz\" for -o/--outbound: not an address" },
	{ "forward to loopback", "pasta --dns-forward 127.0.0.1",
	  "Invalid value \"127.0.0.1\" for --dns-forward: loopback address" },
	{ "loopback mapped to itself", "pasta --map-host-loopback ::1",
	  "Invalid value \"::1\" for --map-host-loopback: loopback address" },
	{ "domain", "pasta -S a..b", "Invalid value \"a..b\" for -S/--search: not a list of domains" },
	{ "hostname", "pasta -H 'a b'", "Invalid value \"a b\" for -H/--hostname: not a host name" },
	{ "log size", "pasta --log-size 40959",
	  "Invalid value \"40959\" for --log-size: bytes expected, at least 40960" },
	{ "stats", "pasta --stats -1", "Invalid value \"-1\" for --stats: seconds expected" },
	{ "CLI-06 a size below zero", "pasta --log-size -1",
	  "Invalid value \"-1\" for --log-size: bytes expected, at least 40960" },
	{ "CLI-06 bits with a blank behind", "pasta -n '24 '",
	  "Invalid value \"24 \" for -n/--netmask: neither a number of bits from 1 to 32 nor an IPv4 mask" },
	{ "address, mapped, with bits of the other family", "pasta -a ::ffff:10.0.0.1/96",
	  "Invalid value \"::ffff:10.0.0.1/96\" for -a/--address: not a prefix length" },
	{ "descriptor", "pasta --fd -1", "Invalid value \"-1\" for -F/--fd: descriptor number expected" },
	{ "user", "pasta --runas nobody-has-this-name",
	  "Invalid value \"nobody-has-this-name\" for --runas: no such user" },
	{ "user, empty", "pasta --runas :0", "Invalid value \":0\" for --runas: no such user" },
	{ "group", "pasta --runas 0:no-group-has-this",
	  "Invalid value \"0:no-group-has-this\" for --runas: no such group" },
	{ "group, empty", "pasta --runas 0:", "Invalid value \"0:\" for --runas: no such group" },
	{ "user too large", "pasta --runas 4294967295",
	  "Invalid value \"4294967295\" for --runas: no such user" },

	{ "egress: rule", "pasta --allow publik",
	  "Invalid value \"publik\" for --allow: unknown word: a group, an address, or a name with a dot expected" },
	{ "egress: prefix", "pasta --deny 10.0.0.1/8",
	  "Invalid value \"10.0.0.1/8\" for --deny: address with bits beyond the prefix" },
	{ "egress: port", "pasta --allow any:65536",
	  "Invalid value \"any:65536\" for --allow: not a port, or range of ports, from 1 to 65535" },
	{ "egress: what is neither", "pasta --allow exa_mple..com:443",
	  "Invalid value \"exa_mple..com:443\" for --allow: neither an address nor a name" },
	{ "egress: echo by name", "pasta --allow icmp/example.com",
	  "Invalid value \"icmp/example.com\" for --allow: a name is for TCP and UDP" },
	{ "egress: rule to ask by", "pasta --ask any:0",
	  "Invalid value \"any:0\" for --ask: not a port, or range of ports, from 1 to 65535" },
	{ "--ask-timeout: none", "pasta --ask-timeout 0",
	  "Invalid value \"0\" for --ask-timeout: 1 to 3600 seconds expected" },
	{ "--ask-timeout: more than an hour", "pasta --ask-timeout 3601",
	  "Invalid value \"3601\" for --ask-timeout: 1 to 3600 seconds expected" },
	{ "--ask-timeout: no number", "passt --ask-timeout 1m",
	  "Invalid value \"1m\" for --ask-timeout: 1 to 3600 seconds expected" },
	{ "egress: word", "pasta --egress shut",
	  "Invalid value \"shut\" for --egress: neither open, internet nor locked" },
	{ "egress: file", "pasta --policy /nonexistent",
	  "Invalid value \"/nonexistent\" for --policy: No such file or directory" },
	{ "egress: folder", "pasta --policy /", "Invalid value \"/\" for --policy: Is a directory" },
	{ "egress: line of a file", "pasta --policy /proc/self/fd/101",
	  "Invalid value \"/proc/self/fd/101\" for --policy: line 3: a word is missing" },

	{ "port above 65535", "pasta -t 70000",
	  "Invalid value \"70000\" for -t/--tcp-ports: port above 65535" },
	{ "CLI-06 port of many digits", "pasta -t 99999999999999999999999",
	  "Invalid value \"99999999999999999999999\" for -t/--tcp-ports: port above 65535" },
	{ "FWD-04 port 0", "pasta -u 0", "Invalid value \"0\" for -u/--udp-ports: port 0 can't be forwarded" },
	{ "FWD-04 port 0 in a range", "pasta -t 0-5",
	  "Invalid value \"0-5\" for -t/--tcp-ports: port 0 can't be forwarded" },
	{ "FWD-04 port 0 as the target", "pasta -t 5:0",
	  "Invalid value \"5:0\" for -t/--tcp-ports: port 0 can't be forwarded" },
	{ "range backwards", "pasta -t 10-5",
	  "Invalid value \"10-5\" for -t/--tcp-ports: range runs backwards" },
	{ "ranges differ", "pasta -t 80:90-91",
	  "Invalid value \"80:90-91\" for -t/--tcp-ports: ranges of different lengths" },
	{ "port missing", "pasta -t 80,", "Invalid value \"80,\" for -t/--tcp-ports: port missing" },
	{ "port missing behind the address", "pasta -t 1::2/",
	  "Invalid value \"1::2/\" for -t/--tcp-ports: port missing" },
	{ "no port", "pasta -t ''", "Invalid value \"\" for -t/--tcp-ports: port missing" },
	{ "not a port", "pasta -t 80x", "Invalid value \"80x\" for -t/--tcp-ports: not a port number" },
	{ "none in a list", "pasta -t none,80",
	  "Invalid value \"none,80\" for -t/--tcp-ports: \"none\" goes alone" },
	{ "none with an address", "pasta -t ::1/none",
	  "Invalid value \"::1/none\" for -t/--tcp-ports: \"none\" goes alone" },
	{ "brackets", "pasta -t [::1/80",
	  "Invalid value \"[::1/80\" for -t/--tcp-ports: brackets don't match" },
	{ "brackets, more behind", "pasta -t [::1]x/80",
	  "Invalid value \"[::1]x/80\" for -t/--tcp-ports: brackets don't match" },
	{ "brackets, empty", "pasta -t []/80",
	  "Invalid value \"[]/80\" for -t/--tcp-ports: not an IPv4 or IPv6 address before the slash" },
	{ "address before the slash", "pasta -t 1.2.3/80",
	  "Invalid value \"1.2.3/80\" for -t/--tcp-ports: not an IPv4 or IPv6 address before the "
	  "slash" },
	{ "interface before the slash", "pasta -t ::1%/80",
	  "Invalid value \"::1%/80\" for -t/--tcp-ports: not an interface name after %" },
	{ "two interfaces", "pasta -t ::1%a%b/80",
	  "Invalid value \"::1%a%b/80\" for -t/--tcp-ports: not an interface name after %" },
	{ "bracket after the interface", "pasta -t ::1%a]/80",
	  "Invalid value \"::1%a]/80\" for -t/--tcp-ports: not an interface name after %" },
	{ "interface of 16 bytes", "pasta -t %0123456789abcdef/80",
	  "Invalid value \"%0123456789abcdef/80\" for -t/--tcp-ports: not an interface name after %" },
	{ "multicast, TCP", "pasta -t 224.0.0.1/80",
	  "Invalid value \"224.0.0.1/80\" for -t/--tcp-ports: not a unicast address" },
	{ "FWD-16 port with two targets", "pasta -t 8088-8090 -t 8089:99",
	  "Invalid value \"8089:99\" for -t/--tcp-ports: Overlapping port specifier: port 8089 is already "
	  "forwarded by option '-t 8088-8090'" },
	{ "FWD-16 port with two targets, same range", "pasta -t 80:1 -t 80:2",
	  "Invalid value \"80:2\" for -t/--tcp-ports: Overlapping port specifier: port 80 is already forwarded "
	  "by option '-t 80:1'" },
	{ "FWD-16 part of a range again", "pasta -t 10-12 -t 10-11",
	  "Invalid value \"10-11\" for -t/--tcp-ports: Overlapping port specifier: port 10 is already forwarded "
	  "by option '-t 10-12'" },
	{ "FWD-16 other part of a range again", "pasta -t 10-12 -t 11-12:11-12",
	  "Invalid value \"11-12:11-12\" for -t/--tcp-ports: Overlapping port specifier: port 11 is already "
	  "forwarded by option '-t 10-12'" },
	{ "FWD-16 ranges that overlap", "pasta -u 10-20,15-25",
	  "Invalid value \"10-20,15-25\" for -u/--udp-ports: Overlapping port specifier: port 15 is already "
	  "forwarded by option '-u 10-20,15-25'" },
	{ "FWD-06 exclusions are checked", "pasta -t ~6-5",
	  "Invalid value \"~6-5\" for -t/--tcp-ports: range runs backwards" },
	{ "-U is checked", "pasta -U 80-70", "Invalid value \"80-70\" for -U/--udp-ns: range runs backwards" },
};

static void test_errors(void)
{
	for (const struct row *r = errors; r < errors + ARRAY_SIZE(errors); r++) {
		test("refused: %s", r->name);
		ok(!run_parse(&conf, split(r->line), argv));
		eq(run.status, EXIT_FAILURE);
		eq_str(run.error, r->want);
		eq_str(run.log, "");
	}
}

/* Each option with each of these: taken, or one line that names the option; long values are cut, reasons never */
static void test_garbage(void)
{
	static char longest[5000], slashes[5000];
	static const char *const values[] = {
		"", " ", "0", "-1", "1", "65536", "4294967296", "18446744073709551616",
		"99999999999999999999999999", "0x10", "1e3", "+5", "1.5", "none", "auto", "all", "%s%n%s%n",
		"\x01\x02\x7f", "\xff\xfe\x80", "/", "//", ":", "::", ":::", "[", "]", "[]", "[]/", "%", "%/",
		"%%/1", "[%]/1", "]/[1", "-", "--", "~", "~~1", ",", ",,", "1,,2", "1-", "-1-2", "1-2-3",
		"1:2:3", "1:", ":1", "/1", "1/", "1/2/3", "::1%lo", "::1/128/1", "10.0.0.1/", "10.0.0.1 ",
		" 10.0.0.1", "1.2.3.4.5", "fe80::1%", "a:b", "a:b:c", "..", ".", "a b", "\t", "\n", "1\n2",
		"\"", "'", "\\", longest, slashes,
	};

	memset(longest, 'a', sizeof(longest) - 1);
	memset(slashes, '/', sizeof(slashes) - 1);
	for (const struct opt *o = opts; o < opts + ARRAY_SIZE(opts); o++) {
		static char arg[8192];
		char *args[] = { (char *)"pasta", arg, NULL };

		if (!o->name || !o->arg)
			continue;
		test("garbage for --%s", o->name);
		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			snprintf(arg, sizeof(arg), "--%s=%s", o->name, values[i]);
			if (run_parse(&conf, 2, args)) {
				eq_str(run.error, "");
				continue;
			}
			eq(run.status, EXIT_FAILURE);
			ok(strstr(run.error, o->name) && strlen(run.error) < 600);
			ok(strstr(run.error, ": ") || strstr(run.error, " is "));
		}
	}
}

/* A path that just fits is taken, one byte more is not */
static void test_paths(void)
{
	static const struct {
		const char	*name;
		const char	**at;
	} paths[] = {
		{ "log-file", &conf.log_file }, { "flow-log", &conf.flow_log }, { "pid", &conf.pid_file },
		{ "pcap", &conf.pcap }, { "netns", &conf.netns }, { "userns", &conf.userns },
	};
	static char arg[PATH_MAX + 64];
	char *args[] = { (char *)"pasta", arg, NULL };

	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
		size_t n;

		test("longest path for --%s", paths[i].name);
		n = (size_t)snprintf(arg, sizeof(arg), "--%s=/", paths[i].name);
		memset(arg + n, 'x', PATH_MAX - 2);
		arg[n + PATH_MAX - 2] = '\0';
		ok(run_parse(&conf, 2, args));
		eq(strlen(*paths[i].at), PATH_MAX - 1);

		arg[n + PATH_MAX - 2] = 'x';
		arg[n + PATH_MAX - 1] = '\0';
		ok(!run_parse(&conf, 2, args));
		ok(strstr(run.error, ": too long"));
	}

	test("longest name for --netns");
	memset(arg, 'x', sizeof(arg));
	memcpy(arg, "--netns=", 8);
	arg[8 + NAME_MAX] = '\0';
	ok(run_parse(&conf, 2, args));
	eq(strlen(conf.netns), strlen(NETNS_DIR) + NAME_MAX);
	arg[8 + NAME_MAX] = 'x';
	arg[8 + NAME_MAX + 1] = '\0';
	ok(!run_parse(&conf, 2, args));

	test("longest domain, longest label (RFC 1035 2.3.4)");
	memset(arg, 'x', 64);
	arg[63] = '\0';
	ok(domain_ok(arg, 63));
	ok(!domain_ok("", 0) && !domain_ok(".", 1) && !domain_ok("a..", 3) && !domain_ok(".a", 2));
	memset(arg, 'x', 64);
	ok(!domain_ok(arg, 64));
	for (unsigned i = 0; i < 300; i++)
		arg[i] = i % 2 ? '.' : 'a';
	ok(domain_ok(arg, 253));
	ok(domain_ok(arg, 254));		/* with the dot of the root */
	ok(!domain_ok(arg, 255));
	ok(!domain_ok(arg, 256));
}

/* More rules, or more options, than there is room for */
static void test_many(void)
{
	static char spec[(RULES_MAX + 1) * 8], *many[2 * RULES_MAX + 8];
	size_t n = 0;

	test("as many ranges as there is room for, and one more");
	for (unsigned i = 0; i < RULES_MAX; i++)
		n += (size_t)sprintf(spec + n, "%s%u", i ? "," : "", 1 + 2 * i);
	ok(run_parse(&conf, 3, (char *[]){ (char *)"pasta", (char *)"-t", spec, NULL }));
	eq(conf.rules.n, RULES_MAX);
	ok(!run_parse(&conf, 5, (char *[]){ (char *)"pasta", (char *)"-t", spec, (char *)"-u", (char *)"5", NULL }));
	eq_str(run.error, "Invalid value \"5\" for -u/--udp-ports: too many port ranges");

	test("options that replace each other for ever");
	n = 0;
	many[n++] = (char *)"pasta";
	many[n++] = (char *)"-Tnone";
	many[n++] = (char *)"-Unone";
	many[n++] = (char *)"-u5";
	while (n < ARRAY_SIZE(many) - 3) {
		many[n++] = (char *)"-t1";
		many[n++] = (char *)"-tnone";
	}
	many[n] = NULL;
	ok(run_parse(&conf, (int)n, many));
	eq(conf.rules.n, 1);

	test("more options than can be remembered");
	n = 0;
	many[n++] = (char *)"passt";
	while (n < RULES_MAX)
		many[n++] = (char *)"-t1";
	many[n++] = (char *)"-u1";
	many[n] = NULL;
	ok(run_parse(&conf, (int)n, many));
	eq(conf.rules.n, 2);
	eq_str(rule_text(&conf.rules.rule[1]), "-u 1");
	n = 1;
	for (unsigned i = 0; i <= RULES_MAX; i++) {
		sprintf(spec + 8 * i, "-t%u", i + 1);
		many[n++] = spec + 8 * i;
	}
	many[n] = NULL;
	ok(!run_parse(&conf, (int)n, many));
	eq_str(run.error, "Invalid value \"1025\" for -t/--tcp-ports: too many options");

	test("text of the option for each rule");
	ok(run_parse(&conf, split("passt -t 1,2 -u 3:4 -t none -t [::1]/5"), argv));
	eq(conf.rules.n, 2);
	eq_str(rule_text(&conf.rules.rule[0]), "-u 3:4");
	eq_str(rule_text(&conf.rules.rule[1]), "-t [::1]/5");
}

static void test_levels(void)
{
	static const struct {
		const char	*line;
		int		level;
	} rows[] = {
		{ "pasta", LOG_INFO }, { "pasta -q", LOG_WARNING }, { "pasta -d", LOG_DEBUG },
		{ "pasta --trace", LOG_TRACE }, { "pasta --trace -q", LOG_WARNING }, { "pasta -q -d", LOG_DEBUG },
	};

	test("levels of messages");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		ok(run_parse(&conf, split(rows[i].line), argv));
		eq(log_level, rows[i].level);
	}
}

/* Lines that are taken, with a warning */
static void test_warnings(void)
{
	static const struct row rows[] = {
		{ "ninth server",
		  "pasta -D 1.1.1.1 -D 1.1.1.2 -D 1.1.1.3 -D 1.1.1.4 -D 1.1.1.5 -D 1.1.1.6 -D 1.1.1.7 -D "
		  "1.1.1.8 -D 1.1.1.9 -D ::2", "\"1.1.1.9\" is left out of -D/--dns: more than 8 servers\n" },
		{ "ninth domain", "pasta -S 'a b c d e f g h i j'",
		  "\"a b c d e f g h i j\" is left out of -S/--search: more than 8 domains\n" },
		{ "target on loopback, no splicing", "pasta -u 0.0.0.0/5-9:127.0.0.1/6-10,~7 --no-splice",
		  "Option '-u 0.0.0.0/5-9:127.0.0.1/6-10,~7': the guest's loopback can't be reached over the link, "
		  "clients will be refused\n" },
		{ "target on loopback, virtual machine", "passt -t 80 -t [::]/81:[::1]/82",
		  "Option '-t [::]/81:[::1]/82': the guest's loopback can't be reached over the link, clients "
		  "will be refused\n" },
		{ "target on loopback", "pasta -t [::]/81:[::1]/82", "" },
		{ "target on the host's loopback, no splicing inwards", "pasta --no-splice -T [::1]/81:[::1]/82", "" },
		{ "virtual machine: nothing is spliced anyway", "passt --no-splice", "" },
		{ "search list: the root", "pasta -S '. a .'", "" },
	};

	for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++) {
		test("taken, with a warning: %s", r->name);
		ok(run_parse(&conf, split(r->line), argv));
		eq_str(run.error, "");
		eq_str(run.log, r->want);
	}
	eq(conf.search.n, 1);

	test("--repair-path, and nothing else");
	ok(run_parse(&conf, split("passt --vhost-user --repair-path /r"), argv));
	eq_str(conf.repair, "/r");
	eq(conf.mode, MODE_PASST);
	ok(!conf.foreground && !conf.check && !conf.socket);

	test("the guest's link: the last of -s and -F");
	ok(run_parse(&conf, split("passt -s /a -F 7"), argv));
	eq(conf.link_fd, 7);
	ok(!conf.socket);
	ok(run_parse(&conf, split("passt -F 7 --socket /a -c /b"), argv));
	eq(conf.link_fd, -1);
	eq_str(conf.socket, "/a");
	ok(run_parse(&conf, split("passt -F 7 -c /b"), argv));
	eq(conf.link_fd, 7);

	test("a path for helpers of a migration leaves all else as it is");
	ok(run_parse(&conf, split("passt --vhost-user --repair-path /r -s /a"), argv));
	eq(conf.mode, MODE_PASST);
	eq_str(conf.repair, "/r");
	eq_str(conf.socket, "/a");
	ok(run_parse(&conf, split("pasta --repair-path none"), argv));
	eq(conf.mode, MODE_PASTA);
	eq_str(conf.repair, "none");
}

/* What is automatic where no option says so, or some do: "tuTU" */
static void test_default_ports(void)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "pasta", "tuTU" }, { "pasta -t 80", "uTU" }, { "pasta -u none", "tTU" },
		{ "pasta -t none -u none", "TU" },
		{ "pasta --no-tcp", "uU" }, { "pasta --no-udp -t auto", "tT" }, { "pasta --no-tcp --no-udp", "" },
		{ "pasta -T none -U none", "tu" }, { "pasta --no-map-gw", "tuTU" },
		{ "pasta -T auto --no-map-gw", "TtuU" },
		{ "pasta --no-map-gw -T none -U none", "tu" },
		{ "pasta --map-host-loopback none", "tuTU" }, { "pasta -t ~22 -u auto,~22", "uuTU" }, { "passt", "" },
		{ "passt -t 80", "" }, { "pasta -T auto -U auto", "TUtu" }, { "pasta -t none -u none -T 80", "U" },
		{ "pasta -t none -u none -T none -U none", "" }, { "pasta -t auto -u auto -T auto -U auto", "tuTU" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[8] = "";
		size_t n = 0;

		test("automatic forwarding by default: %s", rows[i].line);
		ok(run_parse(&conf, split(rows[i].line), argv));
		eq_str(run.error, "");
		eq_str(run.log, "");
		for (unsigned j = 0; j < conf.rules.n && n < sizeof(got) - 1; j++)
			if (conf.rules.rule[j].automatic)
				got[n++] = (conf.rules.rule[j].outward ? "TU" :
									 "tu")[conf.rules.rule[j].proto == IPPROTO_UDP];
		eq_str(got, rows[i].want);
	}

	test("passt has no namespace to look at");
	ok(!run_parse(&conf, split("passt -t auto"), argv));
	eq_str(run.error,
	       "Invalid value \"auto\" for -t/--tcp-ports: \"auto\" takes a namespace, which only pasta has");
}

/* Run with stdout and stderr in pipes: exit status, or -1 */
static int forked(const char *line, char *out, char *err, size_t size)
{
	int argc = split(line), o[2], e[2], status;
	ssize_t n, len;
	pid_t pid;

	if (pipe(o) || pipe(e))
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(o[1], STDOUT_FILENO);
		dup2(e[1], STDERR_FILENO);
		run_parse(&conf, argc, argv);
		if (run.error[0])
			fd_write_all(STDERR_FILENO, run.error, strlen(run.error));
		_exit(run.status < 0 ? 77 : run.status);	/* nothing is flushed here: it must have been before */
	}
	close(o[1]);
	close(e[1]);
	for (len = 0; (n = read(o[0], out + len, size - 1 - (size_t)len)) > 0; len += n)
		;
	out[len] = '\0';
	for (len = 0; (n = read(e[0], err + len, size - 1 - (size_t)len)) > 0; len += n)
		;
	err[len] = '\0';
	close(o[0]);
	close(e[0]);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_output(void)
{
	static char out[65536], err[65536];
	static const char *const both[] = { "pasta", "passt" };

	for (unsigned i = 0; i < ARRAY_SIZE(both); i++) {
		char line[64], want[64];

		test("CLI-04 %s --version: stdout, status 0, also with --quiet", both[i]);
		snprintf(line, sizeof(line), "%s -q --version --xyz", both[i]);
		snprintf(want, sizeof(want), "%s " VERSION "\n", both[i]);
		eq(forked(line, out, err, sizeof(out)), 0);
		ok(!strncmp(out, want, strlen(want)));
		eq_str(err, "");

		test("CLI-04 %s --help: stdout, status 0, complete in a pipe, a line for each option", both[i]);
		snprintf(line, sizeof(line), "%s --help", both[i]);
		eq(forked(line, out, err, sizeof(out)), 0);
		eq_str(err, "");
		for (const struct opt *o = opts; o < opts + ARRAY_SIZE(opts); o++) {
			char name[64];

			if (!o->name || !o->help)
				continue;
			snprintf(name, sizeof(name), " --%s%s%s\n", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
			name[strlen(name) - 1] = '\0';
			eq(!!strstr(out, name), !!(o->modes & (1U << i)));
		}
		for (const char *s = out; *s; s += strcspn(s, "\n") + 1)
			ok(strcspn(s, "\n") <= HELP_WIDTH);
		eq(out[strlen(out) - 1], '\n');
	}

	test("newest options before --version");
	eq(forked("pasta --host-lo-to-ns-lo --version", out, err, sizeof(out)), 0);
	eq(forked("pasta --map-guest-addr none --map-host-loopback none --version", out, err, sizeof(out)), 0);
	eq(forked("pasta --splice-only --version", out, err, sizeof(out)), 0);
}

/* The table itself */
static void test_table(void)
{
	test("each name and letter once, in lower case; every row has a parser");
	for (const struct opt *o = opts; o < opts + ARRAY_SIZE(opts); o++) {
		if (!o->name) {
			ok(o->help && o->modes);
			continue;
		}
		ok(o->parse && o->modes);
		for (const char *s = o->name; *s; s++)
			ok(islower((unsigned char)*s) || *s == '-' || *s == '4' || *s == '6');
		for (const struct opt *p = o + 1; p < opts + ARRAY_SIZE(opts); p++) {
			ok(!p->name || strcmp(o->name, p->name));
			ok(!p->letter || o->letter != p->letter);
		}
	}
}

/* Files of rules, by their descriptors */
static void policy_file_at(int at, const char *text)
{
	int fd = memfd_create("policy", 0);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || dup2(fd, at) != at) {
		printf("Bail out! no file of rules\n");
		_exit(1);
	}
	close(fd);
}

int main(void)
{
	policy_file_at(100, "# rules\nallow 10.0.0.1:22\ndeny private \"ours\"\negress internet\n");
	policy_file_at(101, "allow any\n\ndeny\n");
	test_table();
	test_rows(clients, ARRAY_SIZE(clients));
	test_rows(grammar, ARRAY_SIZE(grammar));
	test_errors();
	test_garbage();
	test_paths();
	test_many();
	test_levels();
	test_warnings();
	test_default_ports();
	test_output();
	return done();
}

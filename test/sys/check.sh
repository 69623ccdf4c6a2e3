#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --check: each line for a host without limits, then each limit in turn, made here: the line, its remedy, the status
. "${0%/*}/lib.sh"

mkdir "$T/bin"
cp "$PASTA" "$T/bin/pasta"
cp "$PASTA" "$T/bin/passt"
cp "$TOOLS/failing" "$T/bin/failing"
PROGRAM=$T/bin/pasta
# checked NAME STATUS REGEX...: its lines, in any order, by the user of RUN, with OPTIONS this time
checked()
{
	local name=$1 want=$2 line out got=0
	shift 2
	out=$("${RUN[@]}" "$PROGRAM" --check "${OPTIONS[@]}" 2>"$T/check.err" </dev/null) || got=$?
	is "$name: status" "$got" "$want"
	for line; do
		like "$name" "$out" $'(^|\n)'"$line"
	done
	is "$name: nothing else" "$(cat "$T/check.err")" ""
	OPTIONS=()
}
RUN=() OPTIONS=()
FAILING=$T/bin/failing
# A user without privileges, in front of a command; the script's has all, in a user namespace of its own maybe
if [ "$HOST_UID" = 0 ]; then
	USER_=(setpriv --reuid=65533 --regid=65533 --clear-groups)
else
	USER_=(setpriv --bounding-set=-all --inh-caps=-all --securebits=+noroot)
fi
ANY='[^'$'\n'']*'		# rest of a line

topology
resolv "nameserver 192.0.2.53
nameserver 198.51.100.1"
R python3 "$SYS/dns_tool.py" serve "$T/dns.log" 198.51.100.1 >"$T/dns.out" 2>&1 &
wait_for 20 grep -q ready "$T/dns.out"
sysctl -qw net.ipv4.ip_unprivileged_port_start=1 net.ipv4.tcp_wmem="4096 16384 4194304" \
	net.ipv4.tcp_rmem="4096 131072 6291456"
ip route add unreachable 192.0.2.53

# ---- Without limits, but for those of the machine that a namespace can't change

before=$(ls -A "$T" /run | sort)
checked "pasta" 0 "ok    kernel: Linux [0-9]" \
	"ok    namespaces: a command ran in new ones: user, network, mount, PID, IPC, UTS"$'\n' \
	"ok    tap device: ext, by /dev/net/tun"$'\n' "ok    ping: echo sockets"$'\n' \
	"ok    ports: of the host, from 1 on"$'\n' \
	"(ok   |limit) open files: [0-9]+, which the program raises to [0-9]+: [0-9]+ flows" \
	"(ok   |limit) buffers: TCP, 4096 KiB to send, 6144 to receive; UDP, [0-9]+ KiB to receive" \
	"(ok   |limit) loopback: ${ANY}pipes of [0-9]+ KiB" "ok    IPv4: 198.51.100.2/24, as on ext"$'\n' \
	"ok    IPv6: 2001:db8:1::2/64, as on ext"$'\n' "(ok   |limit) resolvers: " \
	"(ok   |limit) isolation: empty root, no capabilities, system call filter, (no )?Landlock"
is "pasta: a line each" "$("$PROGRAM" --check | wc -l)" 12
PROGRAM=$T/bin/passt checked "passt" 0 "ok    shared memory: for --vhost-user: memfd" \
	"(ok   |limit) isolation: empty root"
is "passt: a line each" "$("$T/bin/passt" --check | wc -l)" 10
is "nothing is left: files" "$(ls -A "$T" /run | grep -v '^check.err$' | sort)" "$before"
ok "nothing is left: processes" wait_for 20 nobody
ok "nothing is left: interfaces" test "$(ip -br link | grep -vc '^lo ')" = 1

resolver_ok() { "$PROGRAM" --check 2>&1 | grep -qx "ok    resolvers: 198.51.100.1 answers"; }
ok "pasta: a resolver that answers within a second" wait_for 20 resolver_ok
like "a command" "$("$PROGRAM" --check true 2>&1)" '^--check takes no command'
not "output that can't be written" sh -c '"$0" --check >/dev/full' "$PROGRAM"

# ---- Options

OPTIONS=(-4)
checked "-4" 0 "ok    IPv6: off"
OPTIONS=(--no-pidns)
checked "--no-pidns" 0 "ok    namespaces: a command ran in new ones: user, network, mount, IPC, UTS"
OPTIONS=(-D 198.51.100.10)
checked "-D" 0 "limit resolvers: no answer within a second: 198.51.100.10; -D ADDR"
OPTIONS=(-o lo)
checked "-o: no way from there" 0 \
	"limit IPv4: no interface with an address and a route: link-local addresses only; -i NAME"

# ---- Jobs that can't be done

mount -t tmpfs none /dev/net
checked "no /dev/net/tun" 1 "ok    namespaces" \
	"FAIL  tap device: Failed to open /dev/net/tun: No such file or directory \(is the tun module loaded" \
	"ok    ping" "(ok   |limit) isolation"
umount /dev/net
RUN=("${USER_[@]}")
mount -t tmpfs -o mode=755 none /dev/net
: >/dev/net/tun
chmod 0 /dev/net/tun
checked "/dev/net/tun that isn't ours" 1 \
	"FAIL  tap device: Failed to open /dev/net/tun: ${ANY}denied \(does this container allow the device\?\)"
umount /dev/net

CLONE_NEWUSER=0x10000000
NO_USERNS=(unshare,0\&$CLONE_NEWUSER:EPERM clone,0\&$CLONE_NEWUSER:EPERM)
RUN=("${USER_[@]}" "$FAILING" "${NO_USERNS[@]}" --)
checked "user namespaces forbidden by a filter" 1 \
	"FAIL  namespaces: Couldn't create namespaces for the command: Operation not permitted \(a system call filter" \
	"FAIL  tap device: not tried without a network namespace" "ok    ping" "(ok   |limit) resolvers: " \
	"FAIL  isolation: Couldn't create user namespace: Operation not permitted \(a system call filter is in force: options"
PROGRAM=$T/bin/passt checked "the same, passt" 1 \
	"FAIL  isolation: Couldn't create user namespace: Operation not permitted \(a system"
mount -t tmpfs none /proc/sys/kernel
echo 0 >/proc/sys/kernel/unprivileged_userns_clone
checked "user namespaces forbidden, Debian" 1 \
	"FAIL  namespaces: ${ANY}not permitted \(sysctl kernel.unprivileged_userns_clone=1 permits it\)"
echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
echo 1 >/proc/sys/kernel/unprivileged_userns_clone
RUN=("${USER_[@]}" "$FAILING" mount:EACCES --)
checked "user namespaces without rights, Ubuntu" 1 \
	"limit namespaces: Couldn't mount /proc for the command: ${ANY}--no-pidns" \
	"FAIL  isolation: Couldn't make mounts private: Permission denied \(an AppArmor profile ${ANY}, or sysctl kernel.apparmor"
umount /proc/sys/kernel

# Limits of a user namespace: the script's own is one, or another is made for them
limited() # KIND: user, net...
{
	RUN=(unshare -Ur sh \
		-c "echo 0 >/proc/sys/user/max_$1_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all \
		--securebits=+noroot \"\$@\"" sh)
}
for kind in user net mnt pid ipc uts; do
	limited $kind
	checked "no $kind namespace left" 1 \
		"FAIL  namespaces: ${ANY}No space left on device \(sysctl user.max_${kind}_namespaces is 0\)"
done

# In a chroot
mkdir "$T/root"
mount --rbind / "$T/root"
RUN=(chroot "$T/root" "${USER_[@]}")
checked "chroot" 1 \
	"FAIL  namespaces: Couldn't create namespaces for the command: Operation not permitted \(forbidden in a chroot"
umount -l "$T/root"

RUN=("$FAILING" pivot_root:EINVAL --)
checked "initramfs" 1 "FAIL  isolation: Couldn't pivot_root\(\): Invalid argument \(root is an initramfs"
OPTIONS=(--chroot-fallback)
checked "initramfs, --chroot-fallback" 0 "(ok   |limit) isolation"
RUN=("$FAILING" seccomp:EINVAL prctl,0=22:EINVAL --)
checked "no filters" 1 "FAIL  isolation: Couldn't install system call filter: Invalid argument"

# ---- Limits

RUN=("$FAILING" landlock_create_ruleset:EOPNOTSUPP --)
checked "no Landlock" 0 "limit isolation: ${ANY}, no Landlock; it takes Linux 5.13, and \"landlock\" in"
RUN=("$FAILING" setsockopt,2=42:ENOPROTOOPT --)
checked "no SO_PEEK_OFF" 0 "limit kernel: Linux ${ANY}; before 6.11"
RUN=("$FAILING" fcntl,1=1031:EPERM --)
checked "small pipes" 0 "limit loopback: Operation not permitted; pipes of 64 KiB; sysctl fs.pipe-max-size=1048576"
RUN=("$FAILING" memfd_create:EPERM --)
PROGRAM=$T/bin/passt checked "no memfd" 0 "limit shared memory: for --vhost-user: Operation not permitted; Linux 3.17"
RUN=(unshare -n)			# the default there: nobody
checked "no ping" 0 \
	"limit ping: no echo sockets \(Permission denied\): net.ipv4.ping_group_range is [0-9 ]+; sysctl net.ipv4.ping_group_range="
RUN=("${USER_[@]}")
sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
checked "low ports" 0 "limit ports: of the host, from 1024 on; sysctl net.ipv4.ip_unprivileged_port_start=80"
RUN=(prlimit --nofile=100:200)
checked "few open files" 0 "limit open files: 100, which the program raises to 200: 136 flows; ulimit -Hn, LimitNOFILE="
RUN=(prlimit --nofile=20:20)
checked "hardly any open file" 1 "FAIL  open files: RLIMIT_NOFILE permits 20 open files: more than 64 are needed"
RUN=(unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh)
OPTIONS=(--runas 0)			# which users are mapped can't be read
checked "no /proc" 1 \
	"FAIL  namespaces: Couldn't open network namespace /proc/${ANY}: No such file${ANY} \(/proc is not mounted\)" \
	"limit buffers: UDP, [0-9]+ KiB to receive; those of TCP are not known, without /proc" "ok    isolation"
RUN=(unshare -nm sh -c 'mount -t tmpfs none /proc && exec "$@"' sh)
OPTIONS=(--runas 0)
checked "no /proc, no ping" 1 \
	"limit ping: no echo sockets ${ANY}: net.ipv4.ping_group_range is not known, without /proc; sysctl"
RUN=()
OPTIONS=()
sysctl -qw net.ipv4.tcp_wmem="4096 16384 65536"
checked "small buffers to send" 0 \
	"limit buffers: TCP, 64 KiB to send, 6144 to receive; ${ANY}; sysctl net.ipv4.tcp_wmem="
sysctl -qw net.ipv4.tcp_wmem="4096 16384 4194304" net.ipv4.tcp_rmem="4096 32768 32768"
checked "small buffers to receive" 0 \
	"limit buffers: TCP, 4096 KiB to send, 32 to receive; ${ANY}; sysctl net.ipv4.tcp_rmem="
sysctl -qw net.ipv4.tcp_rmem="4096 131072 6291456"
RUN=("$FAILING" setsockopt,1=1,2=8:EPERM --)		# the kernel's default stays
checked "small buffers for datagrams" 0 "limit buffers: ${ANY}; sysctl net.core.rmem_max=1048576"
RUN=("$FAILING" setsockopt,1=1,2=26:ENOMEM --)
checked "no room for filters" 0 "limit buffers: ${ANY}; no filter for senders \(${ANY}\); sysctl net.core.optmem_max"
RUN=()

# ---- The network

resolv "nameserver 192.0.2.53
nameserver 198.51.100.77"
checked "resolvers don't answer" 0 "limit resolvers: no answer within a second: 192.0.2.53, 198.51.100.77; -D ADDR"
resolv "search example.org"
checked "no resolvers" 0 "limit resolvers: none in /etc/resolv.conf; -D ADDR"
ip route del default
checked "no default route" 0 \
	"limit IPv4: 198.51.100.2/24, as on ext; to other networks: Network is unreachable; ip route" \
	"ok    IPv6: 2001:db8:1::2/64"
ip link set ext down
checked "no network" 0 "ok    tap device: tap0" \
	"limit IPv4: no interface with an address and a route: link-local addresses only; -i NAME" \
	"limit IPv6: no interface"
is "an MTU without IPv6" "$("$PROGRAM" --check -m 1000 2>&1 | grep IPv6:)" \
	"limit IPv6: off; the kernel has none, or the MTU is too small"
done_testing

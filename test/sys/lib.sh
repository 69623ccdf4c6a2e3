# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - what the cases in this directory share
#
#   +----------------- one user, mount and PID namespace per case -----------------+
#   |                                                                              |
#   |   R: remote host            H: host, runs program       C: guest             |
#   |   198.51.100.10, .1         198.51.100.2                a kernel of its own  |
#   |   2001:db8:1::10, ::1       2001:db8:1::2                                    |
#   |         ext ------ veth or wan ------ ext     program ------ ext             |
#   |                                                                              |
#   +------------------------------------------------------------------------------+
#
# A case is a script that anyone may run, root or not, at any time, in any number at once:
#
#	#!/bin/bash
#	# SPDX-License-Identifier: GPL-2.0-or-later
#	# what it shows
#	. "${0%/*}/lib.sh"
#
#	topology				# R and H
#	pasta_up -t 8080			# C, configured, behind a program with these options
#	ok "NL-04 address is copied" grep 198.51.100.2 <(C ip addr)
#	is "UDP-21 refused" "$(C cmd)" "text"
#	done_testing
#
# The script runs in H. R and C run a command in the other two; all are gone when it ends, with everything in them.
# Paths of its own go below $T. There is no sleep for something to happen: wait_for SECONDS COMMAND... waits. What
# cannot run on this machine at all says so with skip_all REASON. HOST_UID=0 means that the program was started by real
# root.
#
# LINK is the link between program and C. tap: pasta, and C is a container. sock, vhost: passt, and C is the kernel of a
# virtual machine. TOOLS/guest carries its frames to and from passt's socket, TOOLS/guest_vhost by vhost-user. A case
# of protocols runs on all three and does not care; a case about one of them uses that one's functions, or sets LINK
# before it reads this file.
#
# Settings: PASTA, PASST (the program, default ../../pasta, ../../passt), TOOLS (default ../../build/test/tools), KEEP
# (leave $T there).

set -u
PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset PROVE_ARGS

SYS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=${SYS%/test/sys}
: "${PASTA:=$TOP/pasta}" "${TOOLS:=$TOP/build/test/tools}" "${LINK:=tap}"
: "${PASST:=${PASTA%/*}/passt}"
# What comes from H's loopback passes the link with this option; with passt, always
[ "$LINK" = tap ] && NO_SPLICE=--no-splice || NO_SPLICE=
# Options of passt, the stand-in for its guest
case $LINK in
vhost)	VHOST=--vhost-user STAND_IN=guest_vhost ;;
*)	VHOST='' STAND_IN=guest ;;
esac
export PASTA PASST TOOLS LINK PYTHONPATH=$SYS

# Everything happens in namespaces that end with the script
if [ -z "${CASE_TMP:-}" ]; then
	HOST_UID=$(id -u)
	CASE_TMP=$(mktemp -d "${TMPDIR:-/tmp}/pasta-test.XXXXXX")
	export CASE_TMP HOST_UID
	chmod 755 "$CASE_TMP"
	user=
	[ "$HOST_UID" = 0 ] || user=-Ur
	trap 'exit 1' INT TERM
	trap '[ -n "${KEEP:-}" ] || rm -rf "$CASE_TMP"' EXIT
	unshare $user -mnpf --mount-proc --kill-child --propagation private bash "$0" "$@" &
	wait $!
	exit $?
fi
T=$CASE_TMP

# ---- TAP

TESTS=0 FAILED=0 ENDED=

diag()	{ sed 's/^/# /' <<<"$*"; }
pass()	{ TESTS=$((TESTS + 1)); echo "ok $TESTS - $1"; }
fail()	{ TESTS=$((TESTS + 1)); FAILED=$((FAILED + 1)); echo "not ok $TESTS - $1"; [ $# -lt 2 ] || diag "$2"; }

# ok NAME COMMAND...: the command succeeds
ok()
{
	local name=$1 rc=0
	shift
	"$@" >"$T/ok.out" 2>&1 </dev/null || rc=$?
	if [ $rc = 0 ]; then pass "$name"; else fail "$name" "$* -> $rc
$(tail -n 30 "$T/ok.out")"; fi
	return $rc
}

# not NAME COMMAND...: it fails
not()
{
	local name=$1
	shift
	if "$@" >"$T/ok.out" 2>&1 </dev/null; then fail "$name" "$* -> 0
$(tail -n 30 "$T/ok.out")"; else pass "$name"; fi
}

# is NAME GOT WANT; like NAME GOT REGEX; le NAME GOT MAX (integers)
is()	{ if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got:  $2
want: $3"; fi; }
like()	{ if [[ $2 =~ $3 ]]; then pass "$1"; else fail "$1" "got: $2
want: $3"; fi; }
unlike() { if [[ $2 =~ $3 ]]; then fail "$1" "got: $2
unwanted: $3"; else pass "$1"; fi; }
le()	{ if [ -n "$2" ] && [ "$2" -le "$3" ]; then pass "$1"; else fail "$1" "got $2, more than $3"; fi; }

skip_all() { echo "1..0 # SKIP $1"; ENDED=1; exit 0; }

# Output in TAP of a tool, renumbered; a tool that fails and does not say why, or says nothing, is a failure too
tap_of()
{
	local line seen=0 failed=$FAILED other=
	while IFS= read -r line; do
		case $line in
		"ok "*)		seen=1; line=${line#ok }; pass "${line#* - }" ;;
		"not ok "*)	seen=1; line=${line#not ok }; fail "${line#* - }" ;;
		"1.."*)		;;
		*)		echo "# $line"; other+=$line$'\n' ;;
		esac
	done < <("$@" 2>&1; echo "exit status $?" >"$T/tap.rc")
	if [ $seen = 0 ] || { [ $FAILED = $failed ] && ! grep -qx 'exit status 0' "$T/tap.rc"; }; then
		fail "$1 reports all its results" "$*: $(cat "$T/tap.rc")
$(tail -n 20 <<<"$other")"
	fi
}

# The last check: nothing that was started and should have lived has died, or complained of a bug
done_testing()
{
	local p
	for p in "$T"/pasta.*.pid; do
		[ -s "$p" ] && [ ! -e "$p.ended" ] || continue
		if ! kill -0 "$(cat "$p")" 2>/dev/null; then
			fail "pasta lives to the end" "$(tail -n 40 "${p%.pid}.log" 2>/dev/null)"
		fi
	done
	if cat "$T"/pasta.*.log 2>/dev/null | grep -qaE 'AddressSanitizer|runtime error:|ASSERT|assertion'; then
		fail "nothing wrong in the logs" \
			"$(grep -haE -A 30 'AddressSanitizer|runtime error:|ASSERT|assertion' "$T"/pasta.*.log)"
	fi
	! grep -qs . "$T"/guest.*.log || fail "guests have nothing to complain of" "$(cat "$T"/guest.*.log)"
	[ $TESTS -gt 0 ] || fail "something is tested"
	echo "1..$TESTS"
	ENDED=1
	exit $((FAILED > 0))
}

ended()
{
	[ -n "$ENDED" ] && return
	echo "not ok $((TESTS + 1)) - script runs to its end"
	echo "1..$((TESTS + 1))"
}
trap ended EXIT

# ---- Waiting

# wait_for SECONDS COMMAND...: polls until it succeeds; false, and said so, if it never did
until_()
{
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/./} -lt $end ] || return 1
		read -rt 0.02 <> <(:) || :
	done
}
wait_for() { until_ "$@" || { diag "waited ${1} s in vain: ${*:2}"; return 1; }; }

gone()	{ ! kill -0 "$1" 2>/dev/null; }
nobody() { ! pgrep -x 'pasta|passt'; }	# a process of it may end a little later than the one that was started
listens() { ss -Hln"${2:-t}" "sport = :$1" | grep -q .; }

# ---- Topology

R()	{ nsenter --net="$T/R" -- "$@"; }
# The container: in its user namespace if it has one, its PID and mount namespace untouched
C()	{ nsenter --preserve-credentials -t "$CPID" ${CUSER--U} -n -- "$@"; }

# topology [wan DELAY_MS MBIT LOSS_PERCENT]: R, and H's side of it
topology()
{
	local ns
	mount -t tmpfs none /run && mkdir -p /run/netns
	: >"$T/R"
	unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/R.up" &
	RPID=$!
	wait_for 20 test -e "$T/R.up"
	mount --bind /proc/$RPID/ns/net "$T/R"
	# Nobody may by default. Only groups that exist in the user namespace can be named.
	[ -n "${NO_PING:-}" ] || sysctl -qw net.ipv4.ping_group_range="0 $((HOST_UID ? 0 : 2147483647))"
	if [ "${1:-}" = wan ]; then
		shift
		"$TOOLS/wan" "$1" "$2" "$3" /proc/self/ns/net ext "$T/R" ext >"$T/wan.log" 2>&1 &
		WANPID=$!
		wait_for 20 grep -q ready "$T/wan.log"
	else
		ip link add ext type veth peer name ext netns $RPID
	fi
	ip link set lo up
	R ip link set lo up
	ip addr add 198.51.100.2/24 dev ext
	ip addr add 2001:db8:1::2/64 dev ext nodad
	R ip addr add 198.51.100.10/24 dev ext
	R ip addr add 198.51.100.1/24 dev ext
	R ip addr add 2001:db8:1::10/64 dev ext nodad
	R ip addr add 2001:db8:1::1/64 dev ext nodad preferred_lft 0	# so that R speaks as ::10
	for ns in R ""; do	# ICMP errors are not to be rare: neither to one destination nor in all
		$ns sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0 \
			net.ipv6.icmp.ratemask=127
	done
	ip link set ext up
	R ip link set ext up
	ip route add default via 198.51.100.1
	ip -6 route add default via 2001:db8:1::1
	wait_for 20 link_up
}
link_up() { ip -br link show ext | grep -q LOWER_UP && ! ip -6 addr show dev ext tentative | grep -q inet6; }

# resolv TEXT: what /etc/resolv.conf holds, for this case alone
resolv()
{
	echo "$1" >"$T/resolv.conf"
	mount --bind "$T/resolv.conf" "$(readlink -f /etc/resolv.conf)"
}

# container: a namespace that pasta may join by PID or path; sets CPID
container()
{
	CN=$((${CN:-0} + 1))
	unshare ${CUNSHARE--Urn} bash -c ': >"$0"; exec sleep infinity' "$T/C$CN.up" &
	CPID=$!
	disown $CPID		# its end is no news
	wait_for 20 test -e "$T/C$CN.up"
}

# start_ PROGRAM OPTION...: in the background, as a user would have it: ready when this returns. Sets PASTAPID,
# PASTA_LOG.
start_()
{
	local rc=0
	PN=$((${PN:-0} + 1))
	PASTA_LOG=$T/pasta.$PN.log PASTA_PIDFILE=$T/pasta.$PN.pid
	"$1" -P "$PASTA_PIDFILE" -l "$PASTA_LOG" "${@:2}" >"$T/pasta.$PN.out" 2>&1 </dev/null || rc=$?
	if [ $rc != 0 ]; then
		: >"$PASTA_PIDFILE.ended"
		diag "$* -> $rc
$(cat "$T/pasta.$PN.out")"
		return $rc
	fi
	PASTAPID=$(cat "$PASTA_PIDFILE")
}
# Ports that are bound in C, or in H, are not to be forwarded, and nobody to look for them: test/sys/auto.sh has options
# before ours
pasta_start() { start_ "$PASTA" -t none -u none -T none -U none "$@"; }
# passt_start [OPTION]...: listens at $SOCKET
passt_start()
{
	SOCKET=$T/passt.$((${PN:-0} + 1)).socket
	start_ "$PASST" $VHOST -s "$SOCKET" "$@"
}

# program [OPTION]...: what is tested, not in the background unless it goes there itself; after container
program()
{
	case $LINK in
	tap)	"$PASTA" --config-net -t none -u none -T none -U none "$@" "$CPID" ;;
	*)	"$PASST" $VHOST -s "$T/program.socket" "$@" ;;
	esac
}

# pasta_up [OPTION]...: C, connected and configured
pasta_up()
{
	container
	case $LINK in
	tap)	pasta_start --config-net "$@" "$CPID" ;;
	*)	passt_start --no-ra "$@" && guest_up "$@" ;;	# as --config-net
	esac || { fail "$LINK: C is connected"; return 1; }
}

# pasta_link [OPTION]...: C, connected, its link up, and nothing else
pasta_link()
{
	container
	C ip link set lo up
	case $LINK in
	tap)	pasta_start "$@" "$CPID" && C ip link set ext up ;;
	*)	passt_start "$@" && guest_start "$SOCKET" -m 1500 ;;
	esac || { fail "$LINK: C has a link"; return 1; }
}

# guest_start SOCKET|fd=N [OPTION]...: frames to and from C, whose device ext is there when this returns;
# $GUEST_OPTIONS: more of them. Sets GUESTPID.
guest_start()
{
	GN=$((${GN:-0} + 1))
	"$TOOLS/$STAND_IN" ${GUEST_OPTIONS:-} "${@:2}" "$1" "$(ns_of C)" >"$T/guest.$GN.out" 2>"$T/guest.$GN.log" &
	GUESTPID=$!
	wait_for 20 grep -q ready "$T/guest.$GN.out" && C ip link set ext txqueuelen 16384
}

# guest_address [46]: what --config-net would have given it
guest_address()
{
	C ip link set lo up
	case ${1:-46} in *4*)
		C ip addr add 198.51.100.2/24 dev ext
		C ip route add default via 198.51.100.1
	esac
	case ${1:-46} in *6*)
		C ip addr add 2001:db8:1::2/64 dev ext nodad
		C ip route add default via 2001:db8:1::1
	esac
}

# guest_up [OPTION OF passt'S]...: a guest at $SOCKET, configured
guest_up()
{
	local mtu=65520 families=46 o before=
	for o; do
		case $o in
		-4|-6)	families=${o#-} ;;
		esac
		[ "$before" != -m ] || mtu=$o
		before=$o
	done
	C sysctl -qw net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.accept_dad=0
	guest_start "$SOCKET" -m "$mtu" && guest_address "$families"
}

# The current one may end from now on; pasta_stop makes it, and passt's guest follows
pasta_may_end() { : >"$PASTA_PIDFILE.ended"; }
# With the processes beside it, which end a little later
pasta_stop()
{
	local p helpers
	[ -e "$PASTA_PIDFILE.ended" ] || ! gone "$PASTAPID" ||
		fail "pasta lives until it is stopped" "$(tail -n 40 "$PASTA_LOG")"
	helpers=$(pgrep -P "$PASTAPID")
	pasta_may_end
	kill "$PASTAPID" 2>/dev/null
	for p in "$PASTAPID" $helpers; do
		wait_for 20 gone "$p"
	done
	[ -z "${GUESTPID:-}" ] || guest_ended
}
guest_ended()
{
	local rc=0
	wait_for 20 gone "$GUESTPID" && wait "$GUESTPID" || rc=$?
	[ $rc = 0 ] || fail "guest sees the end of the connection" "$rc: $(cat "$T/guest.$GN.log")"
	GUESTPID=
}

# netns paths for xfer's c= and s=
ns_of()
{
	case $1 in
	R)	echo "$T/R" ;;
	H)	echo "/proc/$$/ns/net" ;;
	C)	echo "/proc/$CPID/ns/net" ;;
	esac
}
# xfer [SECONDS of patience] < JOBS: c=C, s=R and so on are replaced by paths. Not behind a pipe: results would be lost.
xfer()
{
	xfer_paths >"$T/jobs"
	tap_of sh -c '"$0" -t "$1" <"$2"' "$TOOLS/xfer" "${1:-15}" "$T/jobs"
}
xfer_paths()
{
	sed -E "s#\\b([cs])=R\\b#\\1=$(ns_of R)#g; s#\\b([cs])=H\\b#\\1=$(ns_of H)#g
		s#\\b([cs])=C\\b#\\1=$(ns_of C)#g"
}
# xfer_beside SECONDS COMMAND...: the lists of jobs that these commands print, each by an xfer of its own, side by side;
# ports must differ
xfer_beside()
{
	local n i pids=() seconds=$1
	shift
	for ((n = 0; n < $#; n++)); do
		# shellcheck disable=SC2068 # a command's words
		${@:n+1:1} | xfer_paths >"$T/jobs.$n"
		"$TOOLS/xfer" -t "$seconds" <"$T/jobs.$n" >"$T/jobs.$n.out" 2>&1 & pids+=($!)
	done
	for ((i = 0; i < n; i++)); do
		wait "${pids[i]}"
		tap_of sh -c 'cat "$1"; exit "$2"' xfer "$T/jobs.$i.out" $?
	done
}

# Congestion controls that are tried: those of the two that namespaces may have (test/sys/run sees to that), or what
# they have anyway
ccs()
{
	tr ' ' '\n' </proc/sys/net/ipv4/tcp_allowed_congestion_control | grep -xE 'cubic|bbr' ||
		cat /proc/sys/net/ipv4/tcp_congestion_control
}
# congestion CC: of connections from now on
congestion()
{
	local ns
	for ns in R "" C; do
		ok "$1 in ${ns:-H}" $ns sysctl -qw "net.ipv4.tcp_congestion_control=$1"
	done
}

mtu_of() { "$1" ip -o link show "$2" | sed -n 's/.* mtu \([0-9]*\) .*/\1/p'; }
# The program's own: descriptors; flows, the last line of its statistics, once asked for
fds() { find "/proc/$PASTAPID/fd" -type l | wc -l; }
flows_asked()	{ [ "$(grep -c "Flows:" "$PASTA_LOG")" -gt "$1" ]; }
flows()
{
	local n
	n=$(grep -c "Flows:" "$PASTA_LOG")
	kill -USR1 "$PASTAPID"
	wait_for 20 flows_asked "$n"
	grep "Flows:" "$PASTA_LOG" | tail -n 1 | sed 's/.*Flows: //'
}
no_flows() { [[ $(flows) =~ ^0\ TCP.*\ 0\ spliced ]]; }

# How often a process went to sleep, so far (it wakes up as often); its resident memory, kB
cs_of()	{ awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }
rss_of() { awk '/VmRSS/ { print $2 }' "/proc/$1/status"; }

# rests NAME MAX: wake-ups of pasta's while nothing changes for 2 s, once whatever was going on has ended, and its
# timers
still() { local a; a=$(cs_of $PASTAPID); sleep 1.5; [ "$(cs_of $PASTAPID)" = "$a" ]; }
frames() { C awk '/ext:/ { print $11 }' /proc/self/net/dev; }
rests()
{
	local a c f
	wait_for 60 still || fail "$1: it rests"
	a=$(cs_of $PASTAPID) c=$(awk '{ print $14 + $15 }' /proc/$PASTAPID/stat) f=$(frames)
	sleep 2		# what is measured
	# The namespace's kernel may have something to say to its neighbours, and has to be heard
	le "$1: wake-ups in 2 s but for frames from the namespace" $(($(cs_of $PASTAPID) - a - ($(frames) - f))) "$2"
	le "$1: CPU time, ticks" $(($(awk '{ print $14 + $15 }' /proc/$PASTAPID/stat) - c)) 1
}

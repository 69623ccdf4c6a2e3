#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# no process of the namespace that pasta joins gets hold of it, not for a moment: it has the host's network and files
#
# The tracer has all capabilities in the namespace, sees all PIDs, and tries without a break, while pasta is started 100
# times.
. "${0%/*}/lib.sh"

topology
ways()	{ tail -n +2 "$T/tracer.out" | sort | uniq -c; }
end()	{ local p; p=$(cat "$T/p"); kill "$p" && wait_for 20 gone "$p"; }
starts() # COUNT OPTION...
{
	local i
	for ((i = 0; i < $1; i++)); do
		"$PASTA" --config-net -q -P "$T/p" "${@:2}" >>"$T/starts.out" 2>&1 && end || return 1
	done
}

# Root's container is another user's: root's own could be traced by nobody at all
if [ "$HOST_UID" = 0 ]; then
	setpriv --reuid 65533 --regid 65533 --clear-groups --inh-caps=-all unshare -Urn sleep infinity &
	CPID=$!
	disown $CPID
	wait_for 20 eval '! [ "$(readlink /proc/$CPID/ns/net)" = "$(readlink /proc/$$/ns/net)" ]'
	wait_for 20 grep -qx sleep /proc/$CPID/comm
else
	container
fi
: >"$T/netns"
mount --bind /proc/$CPID/ns/net "$T/netns"

C "$TOOLS/tracer" pasta >"$T/tracer.out" 2>&1 & tracer=$!
wait_for 20 grep -qx ready "$T/tracer.out"

# The tracer is one that would succeed: with a process of that name, which is dumpable, and joins
cp -L "$(command -v nsenter)" "$T/pasta"
"$T/pasta" --preserve-credentials -t "$CPID" -U -n "$T/pasta" --help >"$T/other.out" 2>&1
for i in {1..50}; do
	"$T/pasta" --preserve-credentials -t "$CPID" -U -- "$T/pasta" --version >>"$T/other.out" 2>&1
	! ways | grep -q attach || break
done
like "the tracer attaches to what can be had" "$(ways)" " attach"
caught=$(ways | wc -l)

ok "30 starts with a PID" starts 30 -T none -U none "$CPID"
ok "20 starts with a PID, -T auto: there is a thread in the namespace" starts 20 "$CPID"
ok "25 starts with --netns" starts 25 -T none -U none --netns "/proc/$CPID/ns/net"
ok "25 starts with --userns and --netns" starts 25 --userns "/proc/$CPID/ns/user" --netns "$T/netns"
ok "10 commands" bash -c 'for i in {1..10}; do "$PASTA" --config-net -q -- true || exit 1; done'
ok "the tracer is still there" kill -0 $tracer
kill $tracer
is "the tracer got hold of none of them" "$(($(ways | wc -l) - caught))" 0 || ways | diag

# A command of ours is in the user namespace that we join, and may see us
"$PASTA" --config-net -q --no-pidns -- timeout 1 "$TOOLS/tracer" pasta >"$T/tracer.out" 2>&1
is "nor does a command get hold of the pasta that runs it" "$(ways)" ""

# As if fs.suid_dumpable were 1: the kernel makes a process that joins another user's namespace dumpable
echo 1 >"$T/one"
mount --bind "$T/one" /proc/sys/fs/suid_dumpable
nested() { unshare -Ur unshare -Urn bash -c ': >"$0"; exec sleep infinity' "$T/nested.up" & CPID=$!; disown $CPID; }
if [ "$HOST_UID" = 0 ]; then
	not "fs.suid_dumpable 1: another user's namespace is not joined" starts 1 "$CPID"
else
	ok "fs.suid_dumpable 1: a child namespace of our user's is joined, the kernel exposes nothing" starts 1 "$CPID"
	nested
	wait_for 20 test -e "$T/nested.up"
	not "fs.suid_dumpable 1: a namespace below it is not joined" starts 1 "$CPID"
fi
like "and the message names the reason" "$(tail -n 1 "$T/starts.out")" "fs.suid_dumpable is 1"
ok "fs.suid_dumpable 1: a command runs" "$PASTA" --config-net -q -- true

done_testing

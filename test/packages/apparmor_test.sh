#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# apparmor_test.sh - traced accesses of passt, pasta and pesto are in their profiles: by root and by a user
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1
chmod 711 "$WORK"
mkdir "$WORK/bin"
ok "the programs" cp passt pasta pesto "$WORK/bin" || finish
profiles=$TOP/contrib/apparmor

cat > "$WORK/steps" <<'EOF'
set -u
cd "$DIR"
n=0
# By root: strace of the same user can't read the strings of a process that is not dumpable
trace()
{
	strace $AS -f -y -o "$DIR/$1.$n" \
		-e trace=%file,%network,chdir,mount,umount2,pivot_root,clone,clone3,fork,vfork "$@"
}
wait_for() # COMMAND...
{
	i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -lt 300 ] || { echo "No: $*"; exit 1; }
		sleep .1
	done
}
# In the foreground; ends when all rights are given up
run() # NAME OPTION...
{
	n=$((n + 1))
	file=$DIR/$1.$n name=$1
	shift
	trace "$name" -f -P "$DIR/pid.$n" "$@" &
	wait_for [ -s "$DIR/pid.$n" ]
	wait_for grep -q umount2 "$file"
	[ -z "${WHILE-}" ] || "$WHILE"
	kill "$(cat "$DIR/pid.$n")"
	wait $!
}
change()
{
	for args in "-A -t 8081:81 $DIR/control" "--policy $DIR/rules $DIR/control" "$DIR/control"; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # several
		trace pesto $args
	done
	n=1
}
echo "deny 192.0.2.0/24" > rules
WHILE=change run pasta --config-net -t auto -u auto -c "$DIR/control" -l "$DIR/log" -p "$DIR/pcap" \
	--policy "$DIR/rules" -- sleep 8
n=10
setpriv $USER_IS unshare -Urn sh -c "echo > '$DIR/unshared'; exec sleep 60" &
other=$!
wait_for [ -e unshared ]
run pasta --config-net $other
kill $other
run passt -s "$DIR/socket" --flow-log "$DIR/flows" -l "$DIR/log3" -p "$DIR/pcap3" -t 8082:82 -c "$DIR/control3"
run passt --vhost-user -s "$DIR/socket4" --runas nobody
ls "$DIR"/*.[0-9]*
EOF

mkdir "$WORK/root" "$WORK/user"
chown 65534:65534 "$WORK/user"
cat > "$WORK/network" <<'EOF'
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 10.9.0.2/24 dev v0
ip link set v0 up
ip link set v1 up
ip route add default via 10.9.0.1
exec "$@"
EOF
# FOLDER OPTIONS_OF_STRACE OPTIONS_OF_SETPRIV
steps()
{
	dir=$1
	shift
	timeout -k 5 100 unshare --net --mount --pid --fork --mount-proc --kill-child sh "$WORK/network" \
		env "DIR=$WORK/$dir" "PATH=$WORK/bin:$PATH" "AS=$1" "USER_IS=$2" sh "$WORK/steps"
}
ok "as root" steps root "" --no-new-privs
ok "as a user" steps user "-u nobody" "--reuid nobody --regid nogroup --clear-groups"
for p in passt pasta pesto; do
	ok "usr.bin.$p" test/packages/apparmor.py "$profiles" "usr.bin.$p" "$WORK/root/$p."* "$WORK/user/$p."*
done
finish

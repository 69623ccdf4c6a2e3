#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# every message that ends passt, pasta or pesto: messages.py has the cases
LINK=tap
. "${0%/*}/lib.sh"

topology
sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
mkdir "$T/bin"
cp "$PASTA" "$T/bin/passt"
ln "$T/bin/passt" "$T/bin/pasta"
ln "$T/bin/passt" "$T/bin/pesto"
cp "$TOOLS/failing" "$T/bin"
chmod 777 "$T"
pasta_up -c "$T/control" -t 8001 -T none -U none
passt_start -c "$T/passt.control"
container
C ip link add there type veth peer name other
# A user without privileges, in front of a command; the script's has all, in a user namespace of its own maybe
if [ "$HOST_UID" = 0 ]; then
	USER_=(setpriv --reuid=65533 --regid=65533 --clear-groups)
else
	USER_=(setpriv --bounding-set=-all --inh-caps=-all --securebits=+noroot)
fi
tap_of env T="$T" TOP="$TOP" CPID="$CPID" CONTROL="$T/control" PASST_CONTROL="$T/passt.control" \
	python3 "$SYS/messages.py" "${USER_[@]}"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# every option of every program with odd arguments: arguments.py makes them from --help
LINK=tap
. "${0%/*}/lib.sh"

topology
mkdir "$T/bin" "$T/place"
cp "$PASTA" "$T/bin/passt"
ln "$T/bin/passt" "$T/bin/pasta"
ln "$T/bin/passt" "$T/bin/pesto"
chmod 777 "$T/place"
pasta_up -c "$T/control" -t 8001
# A user without privileges, in front of a command; the script's has all, in a user namespace of its own maybe
if [ "$HOST_UID" = 0 ]; then
	USER_=(setpriv --reuid=65533 --regid=65533 --clear-groups)
	chmod 755 "$T"
	chown 65533 "$T/control"
else
	USER_=(setpriv --bounding-set=-all --inh-caps=-all --securebits=+noroot)
fi
# A file system without room: the files on it are empty, and stay so
mkdir "$T/full"
mount -t tmpfs -o size=4k,mode=777 none "$T/full"
head -c 4096 /dev/zero >"$T/full/all"
tap_of env T="$T" python3 "$SYS/arguments.py" "${USER_[@]}"
done_testing

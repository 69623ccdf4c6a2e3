#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FWD-01 a container is restarted: the successor is started as soon as the old namespace's name is gone, and has all of
# its ports
LINK=tap
. "${0%/*}/lib.sh"

topology
mkdir "$T/ns"
mount -t tmpfs none "$T/ns"

# restarts NAME HOW COUNT PORTS OPTION...: none fails, and none has fewer ports
restarts()
{
	local out
	out=$(${IN:-} python3 "$SYS/restart.py" "$2" "$3" "$T/ns" -- "$PASTA" --config-net -q -T none -U none \
		"${@:5}" 2>"$T/restart.err")
	is "$1, restarted $3 times: failed, with fewer ports, of as many" "$out" "0 0 $4" ||
		diag "$(sort "$T/restart.err" | uniq -c | head)"
	wait_for 20 nobody || fail "$1: the last one ends"
}

ports=(-t 8001-8005 -u 8001-8002)
restarts "FWD-01 by name" name 100 7 "${ports[@]}"
restarts "FWD-01 by process" pid 100 7 "${ports[@]}"

# FWD-02: a user who has no inotify instance left
cat >"$T/without" <<'END'
#!/bin/sh
echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"
END
chmod +x "$T/without"
IN="unshare -Urm --propagation private $T/without" restarts "FWD-02 FWD-01 by name, without inotify" name 50 7 \
	"${ports[@]}"

# The old one is kept from running for a while; and it has thousands of ports, and it is not said that any of them has
# to be had
restarts "FWD-01 by name, while the old one stands still" slow 5 7 "${ports[@]}"
restarts "FWD-01 by name, all ports but some" name 10 8000 -t '~1-7999,~12000-65535' -u '~1-7999,~12000-65535'

done_testing

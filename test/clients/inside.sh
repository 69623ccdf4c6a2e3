# SPDX-License-Identifier: GPL-2.0-or-later
# inside.sh - in the chroot: our package, a network with a server on it, a user
#
#	namespace R: a server of HTTP and names ---- 198.51.100.2, 2001:db8:1::2: the chroot
#	198.51.100.10, 2001:db8:1::10; the gateway: .1, ::1
#
#	try TITLE COMMAND...	a step; passes if the command succeeds
#	R COMMAND...		beside the server
#	U COMMAND...		as a user, with folders and IDs as after a login
# Functions and variables are exported: a step is a process, which can be ended
set -a
PATH=/usr/sbin:/usr/bin:/sbin:/bin
PASSED=0 ALL=0 REST=

try()
{
	local title=$1
	shift
	ALL=$((ALL + 1))
	if timeout -k 5 "${SECONDS_MOST:-120}" bash -c '"$@"' bash "$@" > /tmp/try.out 2>&1 < /dev/null; then
		PASSED=$((PASSED + 1))
		echo "passed: $title"
	else
		echo "FAILED ($?): $title: $*"
		cat /tmp/try.out
	fi
}
not() { ! "$@"; }
note() { REST=$*; }
done_trying() { echo "$PASSED $ALL $REST" > /mnt/result; }

wait_for() # SECONDS COMMAND...
{
	local end=$((SECONDS + $1))
	until "${@:2}" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep .1
	done
}

# All processes of this name
ended() { ! pgrep -x "$1"; }
ends() # NAME
{
	wait_for 30 ended "$1" && return
	ps -ef
	return 1
}

R() { ip netns exec R "$@"; }
U()
{
	setpriv --reuid 1000 --regid 1000 --clear-groups env -u XDG_DATA_HOME HOME=/home/u USER=u LOGNAME=u \
		XDG_RUNTIME_DIR=/run/user/1000 TMPDIR=/tmp DBUS_SESSION_BUS_ADDRESS= sh -c 'cd && exec "$@"' sh "$@"
}
# COMMAND...: its output has the server's page
page() { "$@" | grep -x "A page"; }

network()
{
	mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/netns /run/lock
	ip netns add R
	ip link add ext type veth peer name ext netns R
	R ip link set lo up
	sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	ip addr add 198.51.100.2/24 dev ext
	ip addr add 2001:db8:1::2/64 dev ext nodad
	R ip addr add 198.51.100.10/24 dev ext
	R ip addr add 198.51.100.1/24 dev ext
	R ip addr add 2001:db8:1::10/64 dev ext nodad
	R ip addr add 2001:db8:1::1/64 dev ext nodad
	ip link set ext up
	R ip link set ext up
	ip route add default via 198.51.100.1
	ip -6 route add default via 2001:db8:1::1
	rm -f /etc/resolv.conf
	echo nameserver 198.51.100.10 > /etc/resolv.conf
	echo "127.0.0.1 localhost" > /etc/hosts
	mkdir -p /srv
	echo "A page" > /srv/page
	head -c 50000000 /dev/urandom > /srv/file
	R busybox httpd -p "[::]:80" -h /srv
	cp /mnt/names.py /
	# Any name is the server's
	R python3 /names.py '*' 198.51.100.10 &
	wait_for 10 page curl -s http://server.test/page
}

user()
{
	mount -t tmpfs -o mode=1777 tmpfs /tmp
	mount -t tmpfs -o mode=755 tmpfs /home
	mkdir -p /dev/shm && mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mkdir -p /home/u /run/user/1000
	grep -q "^u:" /etc/passwd || echo "u:x:1000:1000::/home/u:/bin/sh" >> /etc/passwd
	grep -q "^u:" /etc/group || echo "u:x:1000:" >> /etc/group
	echo "u:100000:65536" | tee /etc/subuid > /etc/subgid
	chown 1000:1000 /home/u /run/user/1000
	chmod 700 /run/user/1000
	chmod 666 /dev/net/tun
}

# A guest without a disk: iPXE loads a file, and says so by a request for another one
guest_script()
{
	head -c 5000000 /dev/urandom > /srv/file5
	cat > /tmp/script <<-'IPXE'
		#!ipxe
		set at http://198.51.100.10:8000
		dhcp net0 || goto failed
		imgfetch --name file ${at}/file5 || goto failed
		imgfetch ${at}/arrived-${net0/ip} ||
		poweroff
		:failed
		imgfetch ${at}/failed ||
		poweroff
	IPXE
}
guest_arrives() # COMMAND...: starts it
{
	local httpd rc=0
	# Without exec, its process is ip's
	R busybox httpd -f -vv -p 8000 -h /srv > /tmp/requests 2>&1 & httpd=$!
	"$@" && wait_for "${GUEST_MOST:-300}" grep -q -e arrived -e failed /tmp/requests
	grep "arrived-${ADDRESS:-198.51.100.2}" /tmp/requests || rc=1
	kill $httpd
	cat /tmp/requests
	tail -n 5 /tmp/serial
	return $rc
}

# /tmp/root.tar: busybox
root_of_busybox()
{
	mkdir -p /tmp/root/bin
	cp /bin/busybox /tmp/root/bin
	busybox --list | while read -r name; do [ "$name" = busybox ] || ln -s busybox "/tmp/root/bin/$name"; done
	tar -C /tmp/root -cf /tmp/root.tar .
}

# For Podman and Buildah, without systemd
containers_conf()
{
	mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
	mkdir -p /home/u/.config/containers
	cat > /home/u/.config/containers/containers.conf <<-'CONF'
		[containers]
		cgroups = "disabled"
		log_driver = "k8s-file"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
	CONF
	printf '[storage]\ndriver = "vfs"\n' > /home/u/.config/containers/storage.conf
	chown -R 1000:1000 /home/u/.config
}

dpkg -i --force-depends /mnt/passt.deb || exit
pasta --version | head -n 1
network || exit
user

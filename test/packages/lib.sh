# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - common to the tests of packages: TAP, a folder of their own, and a tarball of the last commit
set -u
LC_ALL=C.UTF-8
unset MAKEFLAGS MAKELEVEL MFLAGS CDPATH
export LC_ALL

TOP=$(cd "$(dirname "$0")/../.." && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/packages.XXXXXX") || exit 1
cd "$WORK" || exit 1
n=0
bad=0

finish()
{
	cd / || exit 1
	[ -n "${KEEP:-}" ] && echo "# $WORK is kept" || rm -rf "$WORK"
	echo "1..$n"
	exit $bad
}

# TITLE COMMAND...: passes if the command does; its output if not
ok()
{
	title=$1
	shift
	n=$((n + 1))
	if "$@" > "$WORK/out" 2>&1; then
		echo "ok $n - $title"
	else
		echo "not ok $n - $title"
		tail -n 40 "$WORK/out" | sed 's/^/# /'
		bad=1
		return 1
	fi
}

# TITLE GOT WANTED
is()
{
	printf '%s\n' "$2" > "$WORK/got"
	printf '%s\n' "$3" > "$WORK/wanted"
	ok "$1" diff "$WORK/got" "$WORK/wanted"
}

# SUITE PACKAGES [NAME]: $CHROOT, a chroot with them, kept in build/chroot by NAME for the next time; $VARIANT is
# mmdebstrap's. The chroot's apt has this machine's settings: proxies, mirrors whose lists have expired.
chroot_make()
{
	CHROOT=$TOP/build/chroot/${3:-$1}
	[ ! -e "$CHROOT/done" ] || return 0
	mkdir -p "$TOP/build/chroot"
	rm -rf --one-file-system "$CHROOT"
	apt-config dump | grep '^Acquire' > apt.conf
	mmdebstrap --aptopt="$PWD/apt.conf" --variant="${VARIANT:-buildd}" --include="$2" "$1" "$CHROOT" &&
		touch "$CHROOT/done"
}

# COMMAND...: with the chroot as the root, by pivot_root(2): below chroot(2), no user namespace can be made. The chroot
# stays as it was, changes go to a tmpfs. $WORK is /mnt there. There is no network. With $ONLINE, there is this
# machine's, and changes go to $WORK.
chroot_run()
{
	mkdir -p root
	unshare --mount --pid $([ -n "${ONLINE:-}" ] || echo --net) --fork --kill-child sh -c '
		chroot=$1 work=$2 online=$3
		shift 3
		{ [ -n "$online" ] || mount -t tmpfs tmpfs "$work/root"; } && rm -rf --one-file-system "$work"/root/* &&
		mkdir "$work/root/up" "$work/root/at" "$work/root/new" &&
		mount -t overlay -o "lowerdir=$chroot,upperdir=$work/root/up,workdir=$work/root/at" overlay \
			"$work/root/new" && cd "$work/root/new" && mkdir -p mnt media dev/net dev/pts dev/shm &&
		mount --bind "$work" mnt && mount -t proc proc proc && mount -t sysfs sysfs sys &&
		mount -t devpts -o ptmxmode=0666 devpts dev/pts && ln -sf pts/ptmx dev/ptmx &&
		mount -t tmpfs -o mode=1777 tmpfs dev/shm &&
		for d in null zero full random urandom tty net/tun kvm; do
			[ -e "/dev/$d" ] || continue
			{ [ -e "dev/$d" ] || : > "dev/$d"; } && mount --bind "/dev/$d" "dev/$d" || exit
		done
		ip link set lo up
		pivot_root . media && cd / && umount -l /media &&
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
			DEB_BUILD_OPTIONS="$DEB_BUILD_OPTIONS" DEBIAN_FRONTEND=noninteractive "$@"' \
		sh "$CHROOT" "$WORK" "${ONLINE:-}" "$@"
}

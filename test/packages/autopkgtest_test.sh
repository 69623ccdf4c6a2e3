#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# autopkgtest_test.sh [SUITE] - the package's own tests by Debian's program for them, in a chroot
. "$(dirname "$0")/lib.sh"
suite=${1:-bookworm}
DEB_BUILD_OPTIONS=nocheck
export DEB_BUILD_OPTIONS
ONLINE=1	# it reads the lists of packages again in the end

ok "a chroot with what they need" chroot_make "$suite" \
	autopkgtest,qemu-system-x86,ipxe,ipxe-qemu,apparmor,python3,iproute2 "autopkgtest-$suite" || finish
ok "the package" make -s -C "$TOP" deb TO="$WORK/deb" || finish
cp -L /etc/resolv.conf resolv.conf
ok "autopkgtest" chroot_run sh -c 'cp /mnt/resolv.conf /etc/resolv.conf
	cd /mnt/deb && autopkgtest -B ./passt_*.deb ./passt-*/ -- null'
cp out autopkgtest
for t in $(sed -n 's/^Tests: //p' "$TOP/debian/tests/control"); do
	ok "$t passed" grep -Eq "^$t +PASS" "$WORK/autopkgtest"
done
finish

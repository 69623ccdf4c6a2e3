#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rpm_test.sh - the RPM package by rpmbuild and rpmlint, Alpine's by its own steps and musl; licenses by reuse. Tools
# are Debian's, in a chroot.
. "$(dirname "$0")/lib.sh"
DEB_BUILD_OPTIONS=

ok "a chroot with the tools" chroot_make bookworm rpm,rpmlint,reuse,musl-tools,git,file,iproute2 rpm || finish
ok "a tarball" make -s -C "$TOP" dist || finish
tar=$(ls -t "$TOP"/build/dist/*.tar.gz | head -n 1)
cp "$tar" .
tar=$(basename "$tar")
version=$(echo "$tar" | sed 's/passt-\(.*\).tar.gz/\1/')

# Dependencies have names of packages that Debian doesn't know; its rpm has no macros for debug information
ok "rpmbuild" chroot_run sh -c "rpmbuild -ta --nodeps --without check --define 'debug_package %{nil}' \
	--define '_topdir /mnt/rpm' --define '_build_id_links none' /mnt/$tar" || finish
rpm=$(cd rpm/RPMS && echo */passt-"$version"-1.*.rpm)
ok "is there" [ -f "rpm/RPMS/$rpm" ] || finish
cat > rpmlint.toml <<'EOF'
# Debian's rpm neither strips nor compresses, and its rpmlint wants fields and license names that Fedora has given up.
# The project has no URL.
Filters = ["unstripped-binary-or-object", "manpage-not-compressed", "no-manual-page-for-binary",
	"no-packager-tag", "no-group-tag", "invalid-license", "invalid-url", "no-signature",
	"spelling-error", "incoherent-version-in-changelog"]
EOF
ok "rpmlint" chroot_run sh -c "rpmlint -c /mnt/rpmlint.toml /mnt/rpm/RPMS/$rpm"
ok "installs, starts, goes" chroot_run sh -c "rpm --initdb; rpm -i --nodeps /mnt/rpm/RPMS/$rpm &&
	pasta --version | grep $version && [ ! -h /usr/bin/pasta ] &&
	rpm -V --nodeps passt && rpm -e passt && [ ! -e /usr/bin/passt ]"

# As abuild does: variables, then functions in builddir
ok "APKBUILD" chroot_run sh -euc "cd /mnt; mkdir src pkg; tar -C src -xzf $tar
	srcdir=/mnt/src pkgdir=/mnt/pkg
	sed 's/^pkgver=.*/pkgver=${version%.*}/; s/^_commit=.*/_commit=${version#*.}/' \
		src/*/contrib/alpine/APKBUILD > APKBUILD
	. ./APKBUILD
	[ -e \"\$source\" ]
	export CC=musl-gcc CFLAGS='-Os -fstack-clash-protection' LDFLAGS='-Wl,--as-needed'
	cd \"\$builddir\"
	build
	package
	/mnt/pkg/usr/bin/pasta --version | grep $version
	readelf -dW /mnt/pkg/usr/bin/pasta | grep NEEDED.*libc.so"

ok "reuse lint" chroot_run sh -euc "mkdir /tmp/r; cd /tmp/r; tar -xzf /mnt/$tar --strip-components 1
	git init -q; git add -A; reuse lint"
finish

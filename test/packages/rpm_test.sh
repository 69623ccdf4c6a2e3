#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rpm_test.sh - RPM packages by rpmbuild and rpmlint, Alpine's by its own steps and musl; licenses by reuse. Tools are
# Debian's, in a chroot, and so is the SELinux policy.
. "$(dirname "$0")/lib.sh"
DEB_BUILD_OPTIONS=

tools=rpm,rpmlint,reuse,musl-tools,git,file,iproute2,make,selinux-policy-dev,selinux-policy-default,policycoreutils
ok "a chroot with the tools" chroot_make bookworm $tools rpm-selinux || finish
ok "a tarball" make -s -C "$TOP" dist || finish
tar=$(ls -t "$TOP"/build/dist/*.tar.gz | head -n 1)
cp "$tar" .
tar=$(basename "$tar")
version=$(echo "$tar" | sed 's/passt-\(.*\).tar.gz/\1/')

# Those of Fedora's policy, without a change of the running system
cat > macros <<'EOF'
%selinux_relabel_pre(s:) :
%selinux_modules_install(s:) semodule -n -s %{-s*} -X 200 -i %*
%selinux_modules_uninstall(s:) semodule -n -s %{-s*} -X 200 -r %*
%selinux_relabel_post(s:) :
EOF

# Dependencies have names of packages that Debian doesn't know; its rpm has no macros for debug information
ok "rpmbuild" chroot_run sh -c "rpmbuild -ta --nodeps --without check --define 'debug_package %{nil}' \
	--load /mnt/macros --define 'selinuxtype default' --define '_topdir /mnt/rpm' \
	--define '_build_id_links none' /mnt/$tar" || finish
rpm=$(cd rpm/RPMS && echo [!n]*/passt-"$version"-1.*.rpm)
selinux=noarch/passt-selinux-$version-1.noarch.rpm
ok "is there" [ -f "rpm/RPMS/$rpm" ] || finish
ok "so is that of the SELinux modules" [ -f "rpm/RPMS/$selinux" ] || finish
cat > rpmlint.toml <<'EOF'
# Debian's rpm neither strips nor compresses, and its rpmlint wants fields and license names that Fedora has given up.
# The project has no URL. passt, pasta and pesto are copies, for labels of their own. Some macros are empty here.
Filters = ["unstripped-binary-or-object", "manpage-not-compressed", "no-manual-page-for-binary",
	"no-packager-tag", "no-group-tag", "invalid-license", "invalid-url", "no-signature",
	"spelling-error", "incoherent-version-in-changelog",
	"files-duplicate", "passt-selinux.*(one-line-command|no-documentation)"]
EOF
ok "rpmlint" chroot_run sh -c "rpmlint -c /mnt/rpmlint.toml /mnt/rpm/RPMS/$rpm /mnt/rpm/RPMS/$selinux"
ok "installs, starts, goes" chroot_run sh -c "rpm --initdb; rpm -i --nodeps /mnt/rpm/RPMS/$rpm &&
	pasta --version | grep $version && [ ! -h /usr/bin/pasta ] &&
	rpm -V --nodeps passt && rpm -e passt && [ ! -e /usr/bin/passt ]"
ok "each name is a file, for a label of its own" chroot_run sh -c "rpm --initdb; rpm -i --nodeps /mnt/rpm/RPMS/$rpm &&
	[ \$(stat -c %h /usr/bin/passt /usr/bin/pasta /usr/bin/pesto | grep -c '^1$') = 3 ]"
ok "SELinux modules come and go" chroot_run sh -euc "rpm --initdb; rpm -i --nodeps /mnt/rpm/RPMS/$selinux
	files=/etc/selinux/default/contexts/files/file_contexts
	semodule -l | grep -x passt; semodule -l | grep -x pasta
	grep '^/usr/bin/pasta.*:pasta_exec_t:' \$files; grep '^/usr/bin/passt.*:passt_exec_t:' \$files
	rpm -e passt-selinux
	semodule -l | grep -Ex 'passt|pasta' && exit 1
	! grep -E '(passt|pasta)_exec_t' \$files"
ok "in the place of Fedora's, whose other modules go" chroot_run sh -euc "rpm --initdb
	rpm -i --nodeps /mnt/rpm/RPMS/$selinux
	cd /tmp
	for m in passt-repair pesto; do
		echo '(allow passt_t self (process (getcap)))' > \$m.cil
		semodule -n -s default -X 200 -i \$m.cil
		semodule -l | grep -x \$m
	done
	rpm -U --force --nodeps /mnt/rpm/RPMS/$selinux
	semodule -l | grep -x passt
	rpm -e passt-selinux
	semodule -l | grep -Ex 'passt.*|pasta|pesto' && exit 1
	true"

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

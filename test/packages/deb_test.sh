#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deb_test.sh [SUITE] - Debian's package: built in a clean chroot, lintian, contents; in the place of the distribution's
# package and back, and away
. "$(dirname "$0")/lib.sh"
suite=${1:-bookworm}
DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck}
export DEB_BUILD_OPTIONS

ok "a chroot of $suite" chroot_make "$suite" debhelper,dh-apparmor,apparmor,lintian,python3,iproute2 || finish
ok "sources" make -s -C "$TOP" deb-source TO="$WORK" || finish
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' passt-*/debian/changelog)
ok "dpkg-buildpackage" chroot_run sh -c "cd /mnt/passt-*/ && dpkg-buildpackage -us -uc" || finish
deb=$(echo "passt_${version}"_*.deb)
changes=$(echo "passt_${version}"_*.changes)
ok "lintian" chroot_run lintian --fail-on error,warning "/mnt/$changes"

cat > files <<'EOF'
/etc/apparmor.d/abstractions/passt
/etc/apparmor.d/abstractions/pasta
/etc/apparmor.d/usr.bin.passt
/etc/apparmor.d/usr.bin.pasta
/etc/apparmor.d/usr.bin.pesto
/usr/bin/passt
/usr/bin/pasta
/usr/bin/pesto
/usr/bin/qrap
/usr/share/bash-completion/completions/passt
/usr/share/bash-completion/completions/pasta
/usr/share/bash-completion/completions/pesto
/usr/share/fish/vendor_completions.d/passt.fish
/usr/share/fish/vendor_completions.d/pasta.fish
/usr/share/fish/vendor_completions.d/pesto.fish
/usr/share/man/man1/passt.1.gz
/usr/share/man/man1/pasta.1.gz
/usr/share/man/man1/pesto.1.gz
/usr/share/man/man1/qrap.1.gz
/usr/share/zsh/vendor-completions/_passt
/usr/share/zsh/vendor-completions/_pasta
/usr/share/zsh/vendor-completions/_pesto
EOF
is "files" "$(dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -n 's|^\./\(.*[^/]\)$|/\1|p' |
	grep -v -e ^/usr/share/doc -e /lintian/ | sort)" "$(sort files)"
ok "debug symbols" dpkg-deb -I "passt-dbgsym_${version}"_*.deb

# The distribution's package, fetched by the chroot's apt
had=$TOP/build/chroot/passt-$suite
if ! ls "$had"/passt_0*.deb > /dev/null 2>&1; then
	cp -L /etc/resolv.conf resolv.conf
	mkdir -p "$had"
	(ONLINE=1 && chroot_run sh -c "cp /mnt/resolv.conf /etc && cd /mnt && apt-get -q download passt") > download 2>&1
	cp passt_0*.deb "$had" || cat download
fi
ok "the distribution's package" cp "$had"/passt_0*.deb . || finish
theirs=$(echo passt_0*.deb)

cat > upgrade <<'EOF'
set -eux
cd /mnt
# dh_apparmor's script removes this folder of the package apparmor, if it is empty
rest() { find /etc /usr ! -path /etc/apparmor.d/disable | sort; }
rest > before

# Conffiles that nobody changed go without a question, and a running process lives on
dpkg -i "$theirs"
dpkg -i "$deb" < /dev/null
[ "$(dpkg-query -W -f '${Version}' passt)" = "$version" ]
pasta --version | grep "^pasta ${version%-*}\$"
pasta -q -f --config-net -P /mnt/pid -- sleep 1000 &
while [ ! -s /mnt/pid ]; do sleep .1; done
dpkg -i "$theirs" < /dev/null
kill -0 "$(cat /mnt/pid)"
dpkg-query -W -f '${Version}' passt | grep '^0\.0'
! pasta --version | grep "${version%-*}"
[ ! -e /etc/apparmor.d/local/usr.bin.pasta ]
dpkg -i "$deb" < /dev/null
kill -0 "$(cat /mnt/pid)"
kill "$(cat /mnt/pid)"
dpkg --verify passt

# Those that somebody changed stay, and the new ones are beside them
echo "# mine" >> /etc/apparmor.d/usr.bin.passt
dpkg -i --force-confold "$theirs"
dpkg -i --force-confold "$deb"
grep '# mine' /etc/apparmor.d/usr.bin.passt

dpkg --purge passt
! dpkg-query -W passt
rest > after
diff before after
EOF
ok "in the place of the distribution's package, back, and away" \
	chroot_run env "theirs=$theirs" "deb=$deb" "version=$version" sh /mnt/upgrade

cp -r "$TOP/debian/tests" .
for t in pasta profiles; do
	ok "autopkgtest: $t" chroot_run sh -c "dpkg -i /mnt/$deb && mkdir /tmp/t &&
		AUTOPKGTEST_TMP=/tmp/t /mnt/tests/$t"
done

# With this machine's qemu
dpkg-deb -x "$deb" unpacked
mkdir qemu
ok "autopkgtest: passt-qemu" unshare --net --pid --fork --kill-child --mount-proc sh -c \
	'ip link set lo up; export PATH="$1/unpacked/usr/bin:$PATH" AUTOPKGTEST_TMP="$1/qemu"
	exec timeout 600 "$1/tests/passt-qemu"' sh "$WORK"
finish

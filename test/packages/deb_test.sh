#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deb_test.sh [SUITE] - Debian's package: built in a clean chroot, lintian, contents; in the place of the distribution's
# package and back, and away
. "$(dirname "$0")/lib.sh"
suite=${1:-bookworm}
DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck}
export DEB_BUILD_OPTIONS

ok "a chroot of $suite" chroot_make "$suite" debhelper,dh-apparmor,apparmor,lintian,blhc,python3,iproute2 || finish
ok "sources" make -s -C "$TOP" deb-source TO="$WORK" || finish
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' passt-*/debian/changelog)
ok "dpkg-buildpackage" chroot_run sh -c "cd /mnt/passt-*/ && dpkg-buildpackage -us -uc" || finish
deb=$(echo "passt_${version}"_*.deb)
changes=$(echo "passt_${version}"_*.changes)
cp out log
ok "jobs of the unit tests" chroot_run sh -c "cd /mnt/passt-*/ &&
	DEB_BUILD_OPTIONS=parallel=3 make -n -f debian/rules override_dh_auto_test > /tmp/jobs
	grep 'make -j3 check' /tmp/jobs && grep -e '^prove -j3 ' /tmp/jobs"
ok "hardened, by blhc" chroot_run blhc --all /mnt/log
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
is "symbolic links" "$(dpkg-deb -c "$deb" | grep ^l)" ""
# VERSION: what it depends on
libc()
{
	dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/bin/passt > passt
	readelf -V passt | grep -q GLIBC_ABI_DT_RELR || return 0
	dpkg --compare-versions "$1" ge 2.36
}
ok "libc is one that knows the program's relocations" libc \
	"$(dpkg-deb -f "$deb" Depends | sed -n 's/.*libc[0-9.]* (>= \([0-9.]*\)).*/\1/p')"
ok "debug symbols" dpkg-deb -I "passt-dbgsym_${version}"_*.deb

# The distribution's package, fetched by the chroot's apt
had=$TOP/build/chroot/passt-$suite
if ! ls "$had"/passt_0*.deb > /dev/null 2>&1; then
	cp -L /etc/resolv.conf resolv.conf
	mkdir -p "$had"
	(ONLINE=1 && chroot_run sh -c "cp /mnt/resolv.conf /etc && cd /mnt &&
		apt-get -q update && apt-get -q download passt") > download 2>&1
	cp passt_0*.deb "$had" || cat download
fi
ok "the distribution's package" cp "$had"/passt_0*.deb . || finish
theirs=$(echo passt_0*.deb)

cat > guests.py <<'EOF'
"""guests.py PORT SOCKET - a page of a namespace's server on that port, and an answer to ARP by passt's socket"""
import socket, struct, sys, urllib.request

assert b"page" in urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=10).read()
mac = bytes.fromhex("020000000001")
arp = struct.pack("!6s6sHHHBBH6s4s6s4s", b"\xff" * 6, mac, 0x806, 1, 0x800, 6, 4, 1, mac,
                  socket.inet_aton("192.0.2.2"), b"", socket.inet_aton("192.0.2.1"))
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[2])
s.sendall(struct.pack("!I", len(arp)) + arp)
got = s.makefile("rb")
frame = b""
while frame[12:14] != b"\x08\x06" or frame[28:32] != socket.inet_aton("192.0.2.1"):
    frame = got.read(*struct.unpack("!I", got.read(4)))
EOF

cat > upgrade <<'EOF'
set -eux
cd /mnt
ip link add e0 type veth peer name e1
ip addr add 192.0.2.2/24 dev e0
ip link set e0 up
ip link set e1 up
ip route add default via 192.0.2.1

# dh_apparmor's script removes this folder of the package apparmor, if it is empty
rest() { find /etc /usr /var/lib ! -path /etc/apparmor.d/disable ! -path "/var/lib/dpkg*" | sort; }
live() { python3 /mnt/guests.py "$1" "/tmp/$1/socket"; }
# PORT: a user's namespace and socket for a machine, by the package that is there
guests()
{
	mkdir -m 777 "/tmp/$1"
	touch "/tmp/$1/page"
	cd "/tmp/$1"
	as="setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp"
	$as pasta -q --config-net -t "$1:8000" -u none -T none -U none -- python3 -m http.server 8000 &
	$as passt -q -f -s "/tmp/$1/socket" &
	cd /mnt
	i=0
	until live "$1" 2> /dev/null; do i=$((i + 1)); [ $i -lt 100 ]; sleep .2; done
}
profiles()
{
	for p in /etc/apparmor.d/usr.bin.pa* /etc/apparmor.d/usr.bin.pe*; do
		[ ! -e "$p" ] || apparmor_parser -Q -K -S "$p" > /dev/null
	done
}
theirs() { dpkg-query -W -f '${Version}' passt | grep '^0\.0'; }
ours() { dpkg-query -W -f '${Version}' passt | grep "^$version\$"; }
rest > before

# Conffiles that nobody changed go without a question; what runs lives on, with its guests
dpkg -i "$theirs"
guests 8001
dpkg -i "$deb" < /dev/null
ours
pasta --version | grep "^pasta ${version%-*}\$"
live 8001
guests 8002
dpkg -i "$theirs" < /dev/null
theirs
[ "$(pasta --version | head -n 1)" != "pasta ${version%-*}" ]
profiles
left=$(dpkg-query -W -f '${Conffiles}' passt | while read -r f sum obsolete; do
	[ "$obsolete" != obsolete ] || [ ! -e "$f" ] || echo "$f"
done)
[ -z "$left" ]
grep usr.bin.pesto /var/lib/dpkg/info/passt.postinst || [ ! -e /etc/apparmor.d/local/usr.bin.pesto ]
live 8001
live 8002
dpkg -i "$deb" < /dev/null
ours
live 8001
live 8002
dpkg --verify passt
[ -e /etc/apparmor.d/usr.bin.pesto ]
profiles

# Those that somebody changed stay, and the new ones are beside them
echo "# mine" >> /etc/apparmor.d/usr.bin.passt
dpkg -i --force-confold "$theirs"
dpkg -i --force-confold "$deb"
grep '# mine' /etc/apparmor.d/usr.bin.passt

dpkg --purge passt
[ -z "$(dpkg-query -W passt 2> /dev/null)" ]
live 8001
live 8002
rest > after
diff before after
EOF
ok "in the place of the distribution's package, back, and away" \
	chroot_run env "theirs=$theirs" "deb=$deb" "version=$version" sh /mnt/upgrade

cp -r "$TOP/debian/tests" .
# Those without qemu; autopkgtest_test.sh has all
for t in pasta profiles; do
	ok "autopkgtest: $t" chroot_run sh -c "dpkg -i /mnt/$deb && mkdir /tmp/t &&
		AUTOPKGTEST_TMP=/tmp/t /mnt/tests/$t"
done
# BEFORE TEST: it is skipped behind that
skipped()
{
	chroot_run sh -c "mkdir -p /tmp/t && $1 env AUTOPKGTEST_TMP=/tmp/t /mnt/tests/$2" > said
	[ $? = 77 ] && grep '^skipped: ' said
}
ok "autopkgtest: pasta is skipped without a device" skipped "umount /dev/net/tun && rm /dev/net/tun &&" pasta
ok "autopkgtest: pasta is skipped without namespaces" skipped "mount --rbind / /media && chroot /media" pasta
is "tests that may be skipped" "$(sed -n 's/^Tests: //p; s/^Restrictions: .*skippable/skippable/p' tests/control |
	tr '\n' ' ')" "pasta skippable passt-qemu skippable profiles "
finish

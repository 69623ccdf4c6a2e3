#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# dist_test.sh - the tarball, and its programs, are the same from any folder, at any time; installed files
. "$(dirname "$0")/lib.sh"

# FOLDER UMASK: a clone there, and its tarball
tarball()
{
	(umask "$2" && git -c safe.directory='*' clone -q "$TOP" "$1" && make -s -C "$1" dist)
}

ok "a tarball" tarball one 022 || finish
TZ=Pacific/Auckland
export TZ
ok "another one, by another umask and time zone" tarball a/folder/elsewhere 077
tar=$(basename one/build/dist/*.tar.gz)
name=${tar%.tar.gz}
ok "are the same bytes" cmp "one/build/dist/$tar" "a/folder/elsewhere/build/dist/$tar"
ok "and its bill of materials" cmp "one/build/dist/$name.spdx" "a/folder/elsewhere/build/dist/$name.spdx"
is "which has its checksum" \
	"$(sed -n 's/^PackageChecksum: SHA256: //p' "one/build/dist/$name.spdx")  one/build/dist/$tar" \
	"$(sha256sum "one/build/dist/$tar")"

# FOLDER TIME: built and installed there
build()
{
	mkdir -p "$1" && tar -C "$1" -xzf "one/build/dist/$tar" || return 1
	find "$1" -exec touch -d "$2" {} + || return 1
	make -C "$1/$name" -j2 WERROR=1 && make -C "$1/$name" install prefix=/opt DESTDIR="$WORK/$1/root" \
		apparmordir=/etc/apparmor.d
}

ok "builds, outside of git" build x "2027-01-02 03:04:05"
ok "builds elsewhere" build somewhere/else "2030-12-31 23:59:59"
ok "what is installed is the same bytes" diff -r x/root somewhere/else/root
for p in passt pasta pesto; do
	is "$p --version" "$("x/root/opt/bin/$p" --version | head -n 1)" "$p ${name#passt-}"
done
is "pasta and pesto are hard links of passt" \
	"$(cd x/root/opt/bin && stat -c %h%F passt pasta pesto | uniq)" "3regular file"
is "pages of the manual" "$(ls x/root/opt/share/man/man1 | tr '\n' ' ')" "passt.1 pasta.1 pesto.1 qrap.1 "
is "modes" "$(find x/root -type f -printf '%m %P\n' | sed 's|\([a-z]*/[a-z.]*\)/.*|\1|' | sort -u |
	tr '\n' ' ')" "644 etc/apparmor.d 644 opt/share 755 opt/bin "
is "profiles of these programs" \
	"$(sed -n 's/^profile [a-z]* \([^ {]*\).*/\1/p' x/root/etc/apparmor.d/usr.* | tr '\n' ' ')" \
	"/opt/bin/passt /opt/bin/pasta /opt/bin/pesto "
ok "make uninstall" make -C "x/$name" uninstall prefix=/opt DESTDIR="$WORK/x/root" \
	apparmordir=/etc/apparmor.d
is "leaves no file" "$(find x/root ! -type d)" ""
finish

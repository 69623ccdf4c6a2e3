#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# static_test.sh - the static program by musl: without a warning, and with the package's own test of pasta
. "$(dirname "$0")/lib.sh"

ok "builds" make -C "$TOP" -j2 B=build/musl CC=musl-gcc WERROR=1 static || finish
mkdir bin
for p in passt pasta pesto; do
	ln "$TOP/build/musl/passt.static" "bin/$p" 2>/dev/null || cp "$TOP/build/musl/passt.static" "bin/$p"
done
ok "no interpreter, no library" sh -c '! readelf -lW bin/passt | grep INTERP && ! readelf -dW bin/passt | grep NEEDED'
ok "any address" sh -c "readelf -hW bin/passt | grep Type:.*DYN"
mkdir tmp
chmod 755 .
ok "traffic" unshare --net --pid --fork --kill-child --mount-proc sh -c "ip link set lo up
	PATH=$WORK/bin:\$PATH AUTOPKGTEST_TMP=$WORK/tmp exec timeout -k 5 120 $TOP/debian/tests/pasta"
finish

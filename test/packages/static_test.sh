#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# static_test.sh - static programs, by musl and for other machines: without a warning, and with the package's own test
# of pasta where this kernel runs them. No warning, either, at other levels of optimisation, with a distribution's flags,
# which have the last word, and by a linker that knows less.
. "$(dirname "$0")/lib.sh"

# NAME CC: the programs in NAME/
built()
{
	ok "$1: builds" make -C "$TOP" -j2 B="build/$1" CC="$2" WERROR=1 static || return
	mkdir "$1"
	for p in passt pasta pesto; do
		ln "$TOP/build/$1/passt.static" "$1/$p" 2>/dev/null || cp "$TOP/build/$1/passt.static" "$1/$p"
	done
	ok "$1: no interpreter, no library" \
		sh -c "! readelf -lW $1/passt | grep INTERP && ! readelf -dW $1/passt | grep NEEDED"
	ok "$1: any address" sh -c "readelf -hW $1/passt | grep Type:.*DYN"
}

# NAME
traffic()
{
	ok "$1: traffic" unshare --net --pid --fork --kill-child --mount-proc sh -c "ip link set lo up
		PATH=$WORK/$1:\$PATH AUTOPKGTEST_TMP=$WORK/tmp exec timeout -k 5 120 $TOP/debian/tests/pasta"
}

# CC LEVEL...
levels()
{
	cc=$1
	shift
	for o in "$@"; do
		ok "$cc -O$o: no warning" make -s -C "$TOP" -j2 B="build/levels" CC="$cc" CFLAGS="-O$o" WERROR=1
	done
}

mkdir tmp
chmod 755 .
built musl musl-gcc && traffic musl
built i686 i686-linux-gnu-gcc && traffic i686
built aarch64 aarch64-linux-gnu-gcc && ok "aarch64: starts" sh -c \
	"qemu-aarch64-static aarch64/passt --version && qemu-aarch64-static aarch64/pesto --help"
levels musl-gcc 0 1 3 g
levels cc 0 1 3 s g

flags="-O2 -fstack-protector-all -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3"
ok "a distribution's flags: no warning" make -s -C "$TOP" -j2 B=build/levels CFLAGS="$flags" WERROR=1
ok "have the last word" sh -c 'make -C "$1" -n V=1 B=build/last CFLAGS="$2" build/last/util.o |
	grep -e "-fstack-protector-strong.* -fstack-protector-all"' sh "$TOP" "$flags"

# As gold: no compact relocations
mkdir ld
cat > ld/ld <<'EOF'
#!/bin/sh
case " $* " in
*pack-relative-relocs*) echo "unknown -z option" >&2; exit 1 ;;
esac
exec ld "$@"
EOF
chmod 755 ld/ld
rm -f "$TOP/build/levels/passt"
ok "another linker" make -s -C "$TOP" -j2 B="build/levels" CFLAGS="$flags" "LDFLAGS=-B$WORK/ld" WERROR=1
finish

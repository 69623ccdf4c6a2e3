# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - for tests of programs that start passt or pasta: a chroot with their packages and ours, one line of result
#
#	. "$(dirname "$0")/lib.sh"
#	client podman podman,uidmap [SUITE]	# that package's program, in a chroot with these packages
#	inside <<'END'				# steps, in a shell there; see inside.sh
#	END
#
# SUITE is Debian's trixie by default; the variable SUITE is for another one.
. "$(dirname "$0")/../packages/lib.sh"
DEB_BUILD_OPTIONS=nocheck
export DEB_BUILD_OPTIONS
VARIANT=minbase
CLIENTS=$TOP/test/clients
NAME=$(basename "$0")

# RESULT TEXT [FILE]: the line, and for a failure the end of the file; then nothing more
result()
{
	echo "$1 - $NAME $2"
	[ -z "${3:-}" ] || tail -n "${LINES_SHOWN:-60}" "$3" | sed 's/^/# /'
	cd / || exit 1
	[ -n "${KEEP:-}" ] && echo "# $WORK is kept" || rm -rf "$WORK"
	[ "$1" = ok ]
	exit
}

# Our package: the file DEB, or that of the last commit
our_package()
{
	[ -z "${DEB:-}" ] || return 0
	DEB=$TOP/build/deb/passt_$(make -s -C "$TOP" version)-1_$(dpkg --print-architecture).deb
	[ -e "$DEB" ] || make -C "$TOP" deb > "$WORK/made" 2>&1 ||
		result "not ok" "(our package can't be built)" "$WORK/made"
}

client() # PACKAGE PACKAGES [SUITE]
{
	PACKAGE=$1
	SUITE=${SUITE:-${3:-trixie}}
	our_package
	cp "$DEB" passt.deb
	cp "$CLIENTS/inside.sh" "$TOP/test/sys/names.py" .
	set -- "$2,iproute2,python3-minimal,busybox-static,procps,curl" "client-$NAME-$SUITE"
	chroot_make "$SUITE" "$@" > made 2>&1 || {
		! grep -q "Unable to locate package" made || result "ok" "(not packaged in $SUITE)"
		result "not ok" "(no chroot of $SUITE)" made
	}
}

# Steps on standard input; the result is theirs
inside()
{
	cat > steps
	# The first bash reaps processes that have lost their parent
	chroot_run bash -c 'timeout -k 5 "$1" bash -c ". /mnt/inside.sh && . /mnt/steps; done_trying"; exit' \
		bash "${LIMIT:-900}" > log 2>&1 < /dev/null
	version=$(chroot_run dpkg-query -W -f '${Version}' "$PACKAGE" 2>/dev/null)
	[ -s result ] || result "not ok" "$version ($SUITE): not to its end" log
	read -r passed all rest < result
	[ "$passed" = "$all" ] && [ "$all" -gt 0 ] || result "not ok" "$version ($SUITE): $passed of $all steps" log
	result "ok" "$version ($SUITE): $all steps${rest:+; $rest}" ${V:+log}
}

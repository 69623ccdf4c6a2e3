# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - what the tests of packages share: TAP, a folder of their own, and a tarball of the last commit
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

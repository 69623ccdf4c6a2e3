#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SEC-07 files that a path names: what others put in their way is not overwritten by root, and nobody else reads them
. "${0%/*}/lib.sh"

topology
OTHER=12345
try() { timeout 20 "$@" >"$T/out" 2>"$T/err" </dev/null; RC=$?; OUT=$(cat "$T/out") ERR=$(cat "$T/err"); }
as_other() { setpriv --reuid $OTHER --regid $OTHER --clear-groups "$@"; }
mode_of() { stat -c %a "$1"; }

umask 022
mkdir "$T/own" "$T/private" "$T/real"
mkdir -m 1777 "$T/sticky"
mkdir -m 777 "$T/open"

# refused OPTION PATH REASON NAME: as root, and what is in the way stays as it is
refused()
{
	echo "victim" >"$T/private/victim"
	chmod 644 "$T/private/victim"
	try "$PASTA" -q "$1" "$2" --config-net -- true
	is "$1: $4: status" $RC 1
	like "$1: $4: message" "$ERR" "^[^
]*${2//./\\.}: $3"
	is "$1: $4: nothing is overwritten" "$(cat "$T/private/victim") $(mode_of "$T/private/victim")" "victim 644"
	is "$1: $4: nothing is created" "$(ls -A "$T/private")" victim
}

if [ "$HOST_UID" = 0 ]; then
	mkdir "$T/others"
	chown $OTHER "$T/others"
	touch "$T/private/victim"
	for dir in sticky open others; do
		as_other ln -s "$T/private/victim" "$T/$dir/link"
		as_other ln -s "$T/private/new" "$T/$dir/dangling"
		as_other ln -s "$T/private" "$T/$dir/folder"
		ln "$T/private/victim" "$T/$dir/hard"
	done
	ln -s "$T/private/victim" "$T/sticky/ours"
	ln -s "$T/private/victim" "$T/own/ours"
	ln -s "$T/sticky/folder" "$T/own/by_two"
	for dir in sticky open; do
		as_other touch "$T/$dir/file"
		as_other mkfifo "$T/$dir/fifo"
	done
	for o in -P -l -p; do
		for dir in sticky open others; do
			refused $o "$T/$dir/link" "root follows no symbolic link" "another user's link, folder $dir"
			refused $o "$T/$dir/dangling" "root follows no symbolic link" \
				"another user's dangling link, folder $dir"
			refused $o "$T/$dir/folder/victim" "root follows no symbolic link" \
				"another user's link on the way, folder $dir"
			refused $o "$T/$dir/hard" "it has another name" "a hard link to root's file, folder $dir"
		done
		refused $o "$T/sticky/ours" "root follows no symbolic link" "root's own link"
		refused $o "$T/own/ours" "root follows no symbolic link" "root's own link in a folder of its own"
		refused $o "$T/own/by_two/victim" "root follows no symbolic link" \
			"another user's link behind root's own"
		for dir in sticky open; do
			refused $o "$T/$dir/file" "it belongs to another user" "another user's file, folder $dir"
			refused $o "$T/$dir/fifo" "it belongs to another user" "another user's FIFO, folder $dir"
		done
	done

	# Sockets
	for dir in sticky open others; do
		for o in -s -c; do
			program=$PASST
			[ $o = -s ] || program=$PASTA
			try "$program" -q $o "$T/$dir/folder/socket" -f
			is "$o: another user's link on the way, folder $dir: status" $RC 1
			like "$o: another user's link on the way, folder $dir: message" "$ERR" \
				"$T/$dir/folder/socket: root follows no symbolic"
			is "$o: another user's link on the way, folder $dir: nothing is created" \
				"$(ls -A "$T/private")" victim
		done
	done
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$T/private/dead"
	as_other ln -s "$T/private/dead" "$T/sticky/dead"
	try "$PASST" -q -s "$T/sticky/dead" -f
	is "-s: another user's link: status" $RC 1
	ok "-s: another user's link: where it leads, nothing is removed" test -S "$T/private/dead"

	# What root has always been given
	ln -s "$T/real" "$T/own/real"
	as_other touch "$T/others/file"
	for path in "$T/sticky/new" "$T/open/new" "$T/others/new" "$T/others/file" "$T/own/real/new" \
		"$T/own/../own//./new2"; do
		try "$PASTA" -q --config-net -P "$path" -- true
		is "a file that is root's to write, ${path#$T/}: status" "$RC $ERR" "0 "
		like "a file that is root's to write, ${path#$T/}" "$(cat "$path")" '^[0-9]+$'
	done
	try "$PASTA" -q --config-net -P "$T/sticky/new" -- true
	is "and again" "$RC $ERR" "0 "
	(cd "$T/own" && "$PASTA" -q --config-net -P relative -- true)
	like "a relative path" "$(cat "$T/own/relative")" '^[0-9]+$'
	# Another user may write to what root lets him
	echo "here before" >"$T/real/public"
	chmod 666 "$T/real/public"
	for o in -l -p; do
		try setpriv --reuid $OTHER --regid $OTHER --clear-groups "$PASTA" -q --config-net $o "$T/real/public" \
			-- true
		is "$o: a file of another user's, for everybody: status" "$RC $ERR" "0 "
		unlike "$o: a file of another user's, for everybody" "$(tr -d '\0' <"$T/real/public")" "here before"
	done
	try setpriv --reuid $OTHER --regid $OTHER --clear-groups "$PASTA" -q --runas 0 -- true
	is "--runas of somebody else" "$RC $ERR" "1 --runas: Couldn't change to UID 0, GID 0: Operation not permitted"
else
	# The kernel's own rules are what protects an ordinary user
	echo "here before" >"$T/real/file"
	ln -s "$T/real/file" "$T/own/link"
	try "$PASTA" -q --config-net -P "$T/own/link" -- true
	like "an ordinary user's links are followed" "$RC $(cat "$T/real/file")" '^0 [0-9]+$'
fi

# Modes, also of files that were there and that anybody could read
for o in -P -l -p; do
	try "$PASTA" -q --config-net $o "$T/own/new$o" -- true
	is "$o: a new file: mode" "$RC $(mode_of "$T/own/new$o")" "0 600"
done
for o in -l -p; do
	printf '%5000s' "here before" >"$T/own/old$o"
	chmod 666 "$T/own/old$o"
	try "$PASTA" -q --config-net $o "$T/own/old$o" -- true
	is "SEC-07 $o: a file that was there: mode" "$RC $(mode_of "$T/own/old$o")" "0 600"
	unlike "$o: a file that was there: overwritten" "$(tr -d '\0' <"$T/own/old$o")" "here before"
done

# What is no file
try "$PASTA" -q --config-net -l /dev/null -p /dev/null -- true
is "log and capture in /dev/null: status" "$RC $ERR" "0 "
for path in /proc/self/fd/1 /dev/fd/1 /dev/stdout; do
	try "$PASTA" -q --config-net -P $path -- true
	like "PID to $path" "$RC $OUT" '^0 [0-9]+$'
	out=$(timeout 20 "$PASTA" -q --config-net -l $path -- true 2>"$T/err" | cat)
	like "log to $path" "$out" 'PID [0-9]+'
done
mkfifo "$T/own/fifo"
for o in -P -l; do
	cat "$T/own/fifo" >"$T/from_fifo" & reader=$!
	try "$PASTA" -q --config-net $o "$T/own/fifo" -- true
	wait $reader
	like "$o: a FIFO" "$RC $(cat "$T/from_fifo")" '^0 .*[0-9]+'
done

# What fails leaves no PID file and no socket behind, but the file that was there
mkdir -m 777 "$T/failed"
port_of_nobody="-t 203.0.113.1/8000"
for o in "$port_of_nobody" "-i nosuch" "-p $T/nosuch/pcap"; do
	try "$PASST" -q $o -P "$T/failed/pid" -s "$T/failed/socket" -c "$T/failed/control"
	is "passt $o: nothing is left" "$RC $(wc -l <<<"$ERR") $(ls -A "$T/failed")" "1 1 "
	try "$PASTA" -q $o -P "$T/failed/pid" -c "$T/failed/control" -- true
	is "pasta $o: nothing is left" "$RC $(wc -l <<<"$ERR") $(ls -A "$T/failed")" "1 1 "
done
touch "$T/failed/pid"
try "$PASST" -q $port_of_nobody -P "$T/failed/pid" -s "$T/failed/socket"
is "a PID file that was there stays, and empty" "$RC $(stat -c %s "$T/failed/pid")" "1 0"
rm "$T/failed/pid"
for program in "$PASST -s $T/failed/socket" "$PASST -f -s $T/failed/socket" "$PASTA -- true"; do
	set -- $program
	try "$1" -q -P /dev/full "${@:2}"
	is "${program##*/}: a PID file that can't be written" "$RC $ERR" \
		"1 Couldn't open PID file /dev/full: No space left on device (-P/--pid)"
	ok "${program##*/}: nobody is left" wait_for 10 eval '! pgrep -x "pasta|passt"'
	not "${program##*/}: nothing is left" test -e "$T/failed/socket"
done

done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make bench: figures of each kind can be taken, recorded, compared; nothing is left. Not how large they are.
. "${0%/*}/lib.sh"

ccs | grep -qx cubic || skip_all \
	"cubic is not for namespaces here (net.ipv4.tcp_allowed_congestion_control), and not for us to allow"
BENCH=$TOP/test/bench/bench
FIGURES='rr_tcp udp_gso_out splice_crr rss_rest passt_crr_in vhost_rr_udp'
mkdir "$T/tmp"

bench()
{
	TMPDIR=$T/tmp "$BENCH" run --program "$PASTA" --build "$TOOLS/../.." -n 1 -s .2 --mtu 1500 --out "$T/$1" \
		"${@:2}"
}
# value KEY FIGURE SUBJECT < FILE: of the first such record
value()
{
	python3 -c 'import json, sys
key, figure, subject = sys.argv[1:]
found = [r for r in map(json.loads, sys.stdin) if r.get("figure") == figure and r["subject"] == subject and key in r]
print(found[0][key] if found else "none")' "$@"
}

# The program is its own peer
# shellcheck disable=SC2086 # a list
ok "all that was asked for is measured" bench a.jsonl --peers "same=${PASTA%/*}" $FIGURES
cp "$T/ok.out" "$T/a.txt"
for f in $FIGURES; do
	for s in program same; do
		like "$f@1500 of $s" "$(value value "$f@1500" $s <"$T/a.jsonl")" '^[0-9.e-]+$'
	done
done
for f in rr_tcp udp_gso_out passt_crr_in vhost_rr_udp; do
	like "$f@1500 of the limit" "$(value value "$f@1500" veth <"$T/a.jsonl")" '^[0-9.e]+$'
	like "$f@1500: system calls of each kind" "$(value calls "$f@1500" program <"$T/a.jsonl")" epoll_wait
done
like "splice_crr@1500 of the limit" "$(value value splice_crr@1500 host <"$T/a.jsonl")" '^[0-9.e]+$'
not "nothing failed" grep -q FAILED "$T/a.txt"
like "the machine is named" "$(cat "$T/a.txt")" "Linux $(uname -r)"
like "goals are checked" "$(cat "$T/a.txt")" 'Goals: [0-9]+ reached'

ok "again, IPv6, two congestion controls" bench b.jsonl --ipv6 --cc cubic,reno --no-calls rr_tcp
like "a figure by another congestion control" "$(value value rr_tcp@1500+reno program <"$T/b.jsonl")" '^[0-9.e]+$'
not "a congestion control that isn't there" bench c.jsonl --cc no_such_cc rr_tcp
like "... is named" "$(cat "$T/ok.out")" '--cc no_such_cc: no no_such_cc in this kernel'

ok "compare" "$BENCH" compare "$T/a.jsonl" "$T/b.jsonl"
like "... says what differs" "$(cat "$T/ok.out")" 'They differ in family: 4, 6'
like "... by figure" "$(cat "$T/ok.out")" 'rr_tcp@1500 +1/s .*too few rounds'
ok "markdown" "$BENCH" markdown "$T/a.jsonl"
like "... is a table" "$(cat "$T/ok.out")" '\| connections to a virtual machine, as crr_in, MTU 1500 \| 1/s \|'
ok "plot, or a word about gnuplot" "$BENCH" plot "$T/a.jsonl" "$T/a.svg"

not "a figure that isn't there" bench c.jsonl no_such_figure
like "... is named" "$(cat "$T/ok.out")" 'no such figure: no_such_figure'
not "a peer that isn't there" bench c.jsonl --peers "$T/nowhere" rr_tcp
like "... is named" "$(cat "$T/ok.out")" "peer: neither pasta nor passt in $T/nowhere"

is "no file is left" "$(find "$T/tmp" -mindepth 1)" ""
is "nothing runs" "$(pgrep -f "$T/tmp" | wc -l)" 0

done_testing

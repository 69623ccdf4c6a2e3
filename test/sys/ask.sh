#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# flows wait while the user is asked, by pesto and by other clients, and go where the answer lets them
. "${0%/*}/lib.sh"

S=$T/control.socket
PESTO=${PASTA%/*}/pesto
P() { "$PESTO" "$@" "$S" 2>&1; }
shown() { P | sed -n '/EGRESS/,$p' | grep -v ^host:; }

# asker N: a pesto with questions in $T/asked.N, and what it complains of in $T/asker.N.err; answer N WORD
asker()
{
	rm -f "$T/answers.$1"
	mkfifo "$T/answers.$1"
	"$PESTO" --ask "$S" <"$T/answers.$1" >"$T/asked.$1" 2>"$T/asker.$1.err" &
	ASKER[$1]=$!
	exec {ANSWERS[$1]}>"$T/answers.$1"
}
# decides: a flow that waits is late from now on
decides() { : >"$T/decided"; }
answer() { decides; echo "$2" >&"${ANSWERS[$1]}"; }
asker_end()
{
	exec {ANSWERS[$1]}>&-
	kill "${ASKER[$1]}"
	wait "${ASKER[$1]}" 2>"$T/null"
}
# asked N COUNT: questions so far
asked() { [ "$(wc -l <"$T/asked.$1")" = "$2" ]; }
question() { sed -n "$2p" "$T/asked.$1"; }

# What a flow of the guest's came to, in $T/NAME.out: begins NAME tcp|udp ADDRESS PORT [LATE]; came NAME WANT. It is late
# that many seconds after its connect() or the last decision, whichever is later.
cat >"$T/flow.py" <<'END'
import os, socket, sys, time
kind, to, port, late = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(60)
begun = time.time()
try:
    s.connect((to, port))
    s.send(b"hello")
    print(s.recv(100).decode(), end="")
except OSError as e:
    print(type(e).__name__, end="") if e.errno not in (13, 113) else print("prohibited", end="")
ended = time.time()
print(" late" if ended - max(begun, os.stat(os.path.dirname(sys.argv[0]) + "/decided").st_mtime) > late else "")
END
begins()
{
	: >"$T/$1.out"
	C python3 "$T/flow.py" "$2" "$3" "$4" "${5:-3}" >>"$T/$1.out" 2>&1 &
}
# waiting N PORT: so many of the guest's connections wait for an answer to their SYN
waiting() { [ "$(C ss -Htn state syn-sent "dport = :$2" | wc -l)" = "$1" ]; }
came() { wait_for 30 test -s "$T/$1.out"; is "$3" "$(cat "$T/$1.out")" "$2"; }
waits() { is "$2" "$(cat "$T/$1.out")" ""; }

# R says "hello" back, on all ports from 7000 on
cat >"$T/serve.py" <<'END'
import selectors, socket, sys
sel = selectors.DefaultSelector()
for port in range(7000, 7010):
    sel.register(socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True), selectors.EVENT_READ)
    u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    u.bind(("::", port))
    sel.register(u, selectors.EVENT_READ)
open(sys.argv[1], "w")
while True:
    for key, _ in sel.select():
        s = key.fileobj
        if s.type == socket.SOCK_DGRAM:
            data, peer = s.recvfrom(2000)
            s.sendto(data, peer)
            continue
        with s.accept()[0] as c:
            c.sendall(c.recv(100))
END

decides
topology
R python3 "$T/serve.py" "$T/serve.up" >"$T/serve.out" 2>&1 &
wait_for 20 test -e "$T/serve.up"

pasta_up -c "$S" --deny tcp/any:7009 --ask any --ask icmp/any --allow tcp/any:7000
is "rules are shown" "$(shown)" '  EGRESS
    deny tcp/any:7009  (0)
    ask any  (0)
    ask icmp/any  (0)
    allow tcp/any:7000  (0)
    egress locked  (0)'

# ---- Once, always, never
asker 1
begins a tcp 198.51.100.10 7000
ok "a connection is asked for" wait_for 20 asked 1 1
is "the question: protocol, place, name, rule" "$(question 1 1)" "tcp 198.51.100.10:7000 - any"
begins b tcp 198.51.100.10 7001
begins c udp 2001:db8:1::10 7000
ok "another connection, and a datagram" wait_for 20 asked 1 3
waits a "nothing happens before the answer"
ok "no flow is there" no_flows
answer 1 once
came a hello "once: it goes on"
waits b "another one goes on waiting"
[[ $(question 1 2) = tcp* ]] && words="never once" || words="once never"
for w in $words; do answer 1 $w; done
came b ConnectionRefusedError "never: it is reset"
came c hello "a datagram that waited is answered"
begins b tcp 198.51.100.10 7001
came b ConnectionRefusedError "never: so are all others, at once"
begins b tcp 198.51.100.10 7009
came b ConnectionRefusedError "what an earlier rule denies is no question"
begins a tcp 198.51.100.10 7000
ok "once: the next one is asked for again" wait_for 20 asked 1 4
answer 1 always
came a hello "always: it goes on"
begins a tcp 198.51.100.10 7000
came a hello "always: all others do, at once"
begins c udp 198.51.100.10 7002
ok "a datagram" wait_for 20 asked 1 5
begins d udp 2001:db8:1::10 7002
ok "another one" wait_for 20 asked 1 6
answer 1 never
answer 1 never
came c prohibited "never: a datagram is prohibited"
came d prohibited "never: a datagram is prohibited, IPv6"

# ---- Two flows, one question; echo; words that are no answers
begins a tcp 2001:db8:1::10 7003
begins b tcp 2001:db8:1::10 7003
ok "two connections to a place" wait_for 20 waiting 2 7003
ok "are one question" wait_for 20 asked 1 7
is "IPv6 addresses have brackets" "$(question 1 7)" "tcp [2001:db8:1::10]:7003 - any"
answer 1 perhaps
answer 1 "once more than sixteen bytes"
answer 1 once
came a hello "the first one goes on"
came b hello "so does the second one"
ok "and no other question" asked 1 7
like "what is no answer is none" "$(cat "$T/asker.1.err")" "once, always or never.*once, always or never"
C ping -nc 1 -W 30 198.51.100.10 >"$T/ping.out" 2>&1 & ping=$!
ok "echo is asked for" wait_for 20 asked 1 8
is "echo has no port" "$(question 1 8)" "icmp 198.51.100.10 - icmp/any"
answer 1 once
ok "an echo request that waited is answered" wait $ping

# ---- What holds is shown
is "answers that hold are shown, and the flows that were decided on" "$(shown)" '  EGRESS
    deny tcp/any:7009  (1)
    ask any  (10)
    ask icmp/any  (1)
    allow tcp/any:7000  (0)
    egress locked  (0)
    never tcp 198.51.100.10:7001 -
    always tcp 198.51.100.10:7000 -
    never udp 198.51.100.10:7002 -
    never udp [2001:db8:1::10]:7002 -'

# ---- Several askers, and none
asker 2
begins a tcp 198.51.100.10 7004
ok "each asker has the question" wait_for 20 asked 2 1
wait_for 20 asked 1 9
is "the same one" "$(question 1 9)" "$(question 2 1)"
answer 2 never
came a ConnectionRefusedError "the first answer counts"
answer 1 always
ok "the second one is too late" wait_for 20 grep -q "too late" "$T/asker.1.err"
begins a tcp 198.51.100.10 7004
came a ConnectionRefusedError "and changes nothing"
asker_end 1
asker_end 2
begins a tcp 198.51.100.10 7005
begins b tcp 198.51.100.10 7006
ok "without an asker, a question waits" wait_for 20 grep -q "waits for an answer" "$PASTA_LOG"
printf 'once\nnever' >"$T/two"
decides
"$PESTO" --ask "$S" <"$T/two" >"$T/asked.3" 2>&1 & three=$!
ok "a later one has it" wait_for 20 asked 3 2
[[ $(question 3 1) = *7005* ]] && first=a second=b || first=b second=a
came $first hello "answers that are there before their question are for it"
came $second ConnectionRefusedError "the last line needs no end"
begins a tcp 198.51.100.10 7007
came a ConnectionRefusedError "behind the end of input, it is never"
kill $three
wait $three 2>"$T/null"

# ---- Other clients
cat >"$T/client.py" <<'END'
import os, subprocess, sys
from varlink import Error, Varlink
path, flow = sys.argv[1], sys.argv[2:]
n = 0
def case(name, good):
    global n
    n += 1
    print("ok" if good else "not ok", n, "- by hand:", name, flush=True)
def error(method, **kw):
    try:
        Varlink(path).call(method, **kw)
    except Error as e:
        return e.name, e.parameters
w = Varlink(path, 30)
w.send("Questions", more=True)
f = subprocess.Popen(flow, stdout=subprocess.PIPE, text=True)
q, more = w.reply()
q = q["question"]
case("a question", more and (q["protocol"], q["address"], q["port"], q["rule"]) == ("tcp", "198.51.100.10", 7008, "any")
     and "name" not in q and 0 < q["left"] <= 30000)
case("a word that is no answer",
     error("Answer", id=q["id"], answer="maybe") == ("InvalidParameter", {"parameter": "answer"}))
case("no number", error("Answer", answer="once") == ("InvalidParameter", {"parameter": "id"}))
case("a number of no question",
     error("Answer", id=q["id"] + 1, answer="once") == ("NoSuchQuestion", {"id": q["id"] + 1}))
case("questions take \"more\"", error("Questions")[0] == "ExpectedMore")
open(os.path.dirname(sys.argv[0]) + "/decided", "w").close()
case("an answer", Varlink(path).call("Answer", id=q["id"], answer="always") == {})
case("the flow goes on", f.communicate(timeout=30)[0] == "hello\n")
case("a second answer", error("Answer", id=q["id"], answer="never") == ("NoSuchQuestion", {"id": q["id"]}))
answers = [a for r in Varlink(path).more("Answers") for a in r["answers"]]
case("answers that hold", {"protocol": "tcp", "address": "198.51.100.10", "port": 7008, "answer": "always"} in answers)
many = [Varlink(path) for i in range(16)]
for m in many:
    m.send("Questions", more=True)
case("more clients than there is room for, all of them silent", Varlink(path, 30).call("Rules") is not None)
END
tap_of python3 "$T/client.py" "$S" nsenter --preserve-credentials -t "$CPID" ${CUSER--U} -n -- \
	python3 "$T/flow.py" tcp 198.51.100.10 7008 3

# ---- New rules
asker 4
begins a tcp 198.51.100.10 7002
begins b tcp 198.51.100.10 7003
ok "two connections wait" wait_for 20 asked 4 2
printf 'allow any:7002\nask tcp/any\n' >"$T/new"
decides
is "rules are replaced" "$(P --policy "$T/new"; echo $?)" 0
came a hello "what waits goes on if the new rules allow it"
ok "or is asked for again" wait_for 20 asked 4 3
waits b "and waits"
is "answers that held are gone" "$(shown)" '  EGRESS
    allow any:7002  (1)
    ask tcp/any  (0)
    egress locked  (0)'
answer 4 once		# of the two before: one is over, or the other
answer 4 once
answer 4 once
came b hello "and goes on by an answer"
asker_end 4
pasta_stop

# ---- No answer: 2 s, where the default is 30, as a client sends its SYN again after 1 s and 3 s
pasta_up -c "$S" --ask any:7000 --ask-timeout 2 --flow-log "$T/flows"
begins a tcp 198.51.100.10 7000 20
begins b udp 198.51.100.10 7000 20
came a ConnectionRefusedError "no answer is a no"
came b prohibited "no answer is a no, for datagrams"
is "nothing holds" "$(shown)" '  EGRESS
    ask any:7000  (2)
    egress locked  (0)'
asker 5
begins c udp 198.51.100.10 7000 20
wait_for 20 asked 5 1
came c prohibited "with an asker who doesn't answer, too"
pasta_stop
ok "pesto ends with the program" wait_for 20 gone "${ASKER[5]}"
wait "${ASKER[5]}"
is "pesto ends with the program: status" $? 1
is "pesto ends with the program: the reason" "$(cat "$T/asker.5.err")" "No answer from $S: the connection was closed"
is "the record has each question, and what became of each flow" \
	"$(grep -o '"event":"[a-z]*"' "$T/flows" | sort | uniq -c | tr -s ' \n')" ' 3 "event":"ask"
 3 "event":"deny"'
like "the rule that asks is in it" "$(grep deny "$T/flows")" \
	'"proto":"tcp","address":"198.51.100.10","port":7000,"rule":"any:7000"'

# ---- Names
R ip addr add 9.9.9.9/32 dev lo
resolv "nameserver 198.51.100.10"
R python3 "$SYS/dns_tool.py" serve "$T/queries" 198.51.100.10 >"$T/resolver" 2>&1 &
disown
wait_for 20 grep -q ready "$T/resolver"
pasta_up -c "$S" --ask good.test.example:7000
asker 7
is "the query of a name that only an ask rule has is answered" \
	"$(C python3 "$SYS/dns_tool.py" ask 198.51.100.10 good.test.example)" "NOERROR 9.9.9.9"
begins a tcp 9.9.9.9 7000
ok "a connection to its address" wait_for 20 asked 7 1
is "is a question about the name" "$(question 7 1)" "tcp 9.9.9.9:7000 good.test.example good.test.example:7000"
answer 7 always
came a hello "and goes on"
begins a tcp 9.9.9.9 7000
came a hello "as do others"
like "the name is shown" "$(shown)" "always tcp 9.9.9.9:7000 good.test.example"
begins a tcp 198.51.100.10 7000
came a ConnectionRefusedError "another address is no question"
asker_end 7
pasta_stop

# ---- What can't wait
if [ $LINK = tap ]; then
	pasta_up -c "$S" --ask any -T 7000
	like "-T: reset at once" "$(C python3 "$T/flow.py" tcp 127.0.0.1 7000 3)" \
		"^(ConnectionResetError|BrokenPipeError|)$"
	pasta_stop
else
	pasta_up -c "$S" --ask any
	asker 6
	begins a tcp 198.51.100.10 7000
	ok "a connection waits" wait_for 20 asked 6 1
	kill "$GUESTPID"
	wait_for 20 grep -q "Guest disconnected" "$PASTA_LOG"
	answer 6 once
	ok "a guest that is gone asks for nothing" wait_for 20 grep -q "too late" "$T/asker.6.err"
	asker_end 6
	GUESTPID=
	pasta_stop
fi

done_testing

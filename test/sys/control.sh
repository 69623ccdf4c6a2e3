#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the control socket, by pesto and by hand: rules come and go while the program runs
LINK=tap
. "${0%/*}/lib.sh"

PESTO=${PASTA%/*}/pesto
S=$T/control.socket
P() { "$PESTO" "$@" "$S" 2>&1 | sed "/^host: changes/d"; return "${PIPESTATUS[0]}"; }
status() { P "$@" >"$T/null"; echo $?; }

topology
pasta_up -c "$S" -t 8001:81 -T none -U none

is "only its owner may connect" "$(stat -c %a "$S")" 600
tap_of python3 "$SYS/control.py" "$S" "$PASTAPID" pasta

# The command line of its users
is "RootlessKit: pesto --version" "$("$PESTO" --version | head -c 6; echo ${PIPESTATUS[0]})" "pesto 0"
for o in --help -h; do like "pesto $o" "$("$PESTO" $o)" "--add.*--delete.*--clear.*--tcp-ports.*--udp-ns"; done
is "--show" "$(P -t 8001:81 -T 9001 -s)" "Previous configuration ($S)
  HOST
  SPLICE
Updated configuration ($S)
  HOST
    TCP [*]:8001  =>  81 
  SPLICE
    TCP [*]%lo:9001  =>  9001 "
is "--show: changes of the host" "$("$PESTO" -s "$S" | tail -n 1)" "host: changes 0"
is "no option: the tables, as --show" "$(P; echo $?)" "$(P -s; echo $?)"
is "no rule to add: the same" "$(P -A)" "$(P -s)"
is "addresses, as tables show them" \
	"$(P -C HOST -A -t '[::]%ext/8181:[2001:db8::7]/8280' -u 0.0.0.0/8181:10.0.0.1/80 -t ::1/8182 -s |
	sed 1,/^Upd/d)" "  HOST
    TCP [::]%ext:8181  =>  2001:db8::7:8280 
    UDP [0.0.0.0]:8181  =>  10.0.0.1:80 
    TCP [::1]:8182  =>  8182 
  SPLICE
    TCP [*]%lo:9001  =>  9001 "
P -t 8001:81
is "FWD-25 Podman adds, again and again" \
	"$(for i in 1 2 3; do status --add -t 0.0.0.0/8080 -t '[::]/8080' -u 0.0.0.0/8080-8089; done)" "0
0
0"
xfer 10 <<END
tcp FWD-25_added_by_Podman,_IPv4 c=R s=C to=198.51.100.2 src=198.51.100.10 port=8080 up=1000 down=1000
tcp FWD-25_added_by_Podman,_IPv6 c=R s=C to=2001:db8:1::2 port=8080 up=1000 down=1000
udp FWD-25_added_by_Podman,_UDP c=R s=C to=198.51.100.2 port=8085 sizes=1,1000
END
is "FWD-25 Podman deletes" "$(P --delete -t 0.0.0.0/8080 -t '[::]/8080' -u 0.0.0.0/8080-8089) $?" " 0"
is "what is not there can't be deleted" "$(P --delete -t 0.0.0.0/8080) $?" \
	"Nothing to delete: no rule of option '-t 0.0.0.0/8080' is there 1"
not "and the port is closed" listens 8080

is "RootlessKit adds" \
	"$(status -A --tcp-ports=0.0.0.0/8090:91; status -A --tcp-ports=::/8090:91; status -A \
	--udp-ports=127.0.0.1/8090:91)" "0
0
0"
xfer 10 <<END
tcp added_by_RootlessKit,_IPv4 c=R s=C to=198.51.100.2 port=8090 lport=91 up=1000 down=1000
tcp added_by_RootlessKit,_IPv6 c=R s=C to=2001:db8:1::2 port=8090 lport=91 up=1000 down=1000
END
is "RootlessKit deletes" \
	"$(status -D --tcp-ports=0.0.0.0/8090:91; status -D --tcp-ports=::/8090:91; status -D \
	--udp-ports=127.0.0.1/8090:91)" "0
0
0"
ok "FWD-26 published on another loopback address" P --add -t 127.0.4.1/2375
xfer 10 <<END
tcp FWD-26_published_on_another_loopback_address c=H s=C to=127.0.4.1 at=198.51.100.2 port=2375 up=100000 down=100000
error FWD-26_and_on_that_one_alone c=H to=127.0.0.1 port=2375 want=ECONNREFUSED
END
P -D -t 127.0.4.1/2375

# A sequence in one call
is "FWD-19 a sequence" \
	"$(P -C HOST -A -t 8100-8109 -u 8100 -t 8200:82 -D -t 8200:82 -T 9001 -C SPLICE -A -T 9002:92 -s |
	sed 1,/^Upd/d)" "  HOST
    TCP [*]:8100-8109  =>  8100-8109 
    UDP [*]:8100  =>  8100 
  SPLICE
    TCP [*]%lo:9002  =>  92 "
is "FWD-19 -t replaces what -t and -u said" "$(P -t 8001:81 -A -t 8002 -s | sed 1,/^Upd/d)" "  HOST
    TCP [*]:8001  =>  81 
    TCP [*]:8002  =>  8002 
  SPLICE
    TCP [*]%lo:9002  =>  92 "

# Errors: one line, status 1, and nothing has changed
before=$(P -s)
{ python3 -c 'import socket, time; s = socket.create_server(("", 8300)); print("ready", flush=True); time.sleep(1000)' \
	>"$T/taken" & } 2>"$T/null"
disown
wait_for 20 grep -q ready "$T/taken"
refused() # NAME MESSAGE OPTION...
{
	is "$1" "$(P "${@:3}") $?" "$2 1"
}
cant() # PORT REASON OPTION PLACE
{
	echo "Failed to bind port $1 ($2) for option '$3': Couldn't listen on requested ports: Listen failed for $4/$1: $2"
}
refused "FWD-16 a port that is taken" \
	"$(cant 8300 "Address already in use" "-t 0.0.0.0/8300:1" "HOST TCP port 0.0.0.0")" -C HOST -A -t 8301 \
	-t 0.0.0.0/8300:1 -u 8302
refused "another target" "Invalid value \"8001:82\" for option -t: \
Overlapping port specifier: port 8001 is already forwarded by option '-t 8001:81'" -A -t 8001:82
refused "FWD-16 another address, which that one includes" "Invalid value \"127.0.0.1/8001\" for option -t: \
Overlapping port specifier: port 8001 is already forwarded by option '-t 8001:81'" -A -t 127.0.0.1/8001
refused "FWD-16 the same within a change" "Invalid value \"8303\" for option -u: \
Overlapping port specifier: port 8303 is already forwarded by option '-u [::1]/8303:3'" -A -u "[::1]/8303:3" -u 8303
refused "not a port" 'Invalid value "22x" for option -t: not a port number' -A -t 22x
refused "no such table" 'Invalid value "host" for -C/--clear: HOST or SPLICE expected' -C host
refused "FWD-27 a protocol that nobody forwards" "pesto: unrecognized option '--sctp-ports=80'" -A --sctp-ports=80
refused "FWD-27 the same, by letter" "pesto: invalid option -- 'X'" -A -X 80
refused "an address of nobody's" \
	"$(cant 8400 "Cannot assign requested address" "-t 203.0.113.1/8400" "HOST TCP port 203.0.113.1")" -A \
	-t 203.0.113.1/8400
refused "an address of nobody's, IPv6" \
	"$(cant 8400 "Cannot assign requested address" "-u [2001:db8::99]/8400" "HOST UDP port 2001:db8::99")" -A \
	-u "[2001:db8::99]/8400"
refused "the same, with an interface" "$(cant 8400 "Cannot assign requested address" "-t [2001:db8::99]%ext/8400" \
	"HOST TCP port 2001:db8::99%ext")" -A -t "[2001:db8::99]%ext/8400"
refused "no such interface" "$(cant 8400 "No such device" "-t %none/8400" "HOST TCP port *%none")" -A -t %none/8400
refused "FWD-16 any address" "$(cant 8300 "Address already in use" "-t 8299-8301" "HOST TCP port *")" -A -t 8299-8301
for two in "--flows --metrics" "--ask --top" "--events --ask"; do
	# shellcheck disable=SC2086 # two options
	refused "two views: $two" "pesto: one of --flows, --top, --events, --metrics, --guests and --ask expected" $two
done
refused "two paths" "pesto: the path of one control socket expected; see --help" -s nosuch
is "output that can't be written" "$("$PESTO" "$S" 2>&1 >/dev/full) $?" \
	"Couldn't write to standard output: No space left on device 1"
is "no standard output" "$("$PESTO" "$S" 2>&1 >&-) $?" "Couldn't write to standard output: Bad file descriptor 1"
is "nobody there" "$("$PESTO" -s "$T/nosuch" 2>&1) $?" \
	"Failed to connect to $T/nosuch: No such file or directory (option -c of pasta or passt makes it) 1"
is "FWD-19 nothing has changed" "$(P -s)" "$before"

# A flow of the guest's has a port on the host that is that of its socket there
C python3 -c \
	'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 8450)); s.sendto(b"x", ("198.51.100.10", 9))'
ok "a flow of the guest's has a port" wait_for 10 listens 8450 u
is "FWD-19 a rule that names it has it" "$(P -A -u 8449-8451:49-51) $?" " 0"
xfer 10 <<END
udp FWD-19_and_forwards c=R s=C to=198.51.100.2 port=8450 lport=50 sizes=1,1000
END
is "FWD-19 it is deleted" "$(P -D -u 8449-8451:49-51) $?" " 0"
not "FWD-19 and nobody has the port" listens 8450 u

# Connections live on
cat >"$T/live.py" <<'END'
import socket, subprocess, sys, time
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("", 82)); l.listen()
print("ready", flush=True)
s = l.accept()[0]
while d := s.recv(1000): s.sendall(d)
END
C python3 "$T/live.py" >"$T/live" 2>&1 &
wait_for 20 grep -q ready "$T/live"
P -t 8500:82
for c in "-t 8500:83" "-A -t 8501" "-C HOST" "-t none"; do
	echo "$c"
done >"$T/changes"
R python3 -c 'import socket, subprocess, sys
s = socket.create_connection(("198.51.100.2", 8500), 5)
def echo(what):
    s.sendall(what); return s.recv(1000) == what
assert echo(b"before")
print("connected", flush=True)
for line in sys.stdin: assert echo(line.encode()), line
print("good")' < <(wait_for 20 grep -q connected "$T/echo"; while read -r c; do P $c >&2; echo "$c"; done <"$T/changes" 2>"$T/null") >"$T/echo" 2>&1
is "FWD-19 a connection lives on, whatever becomes of its rule" "$(tail -n 1 "$T/echo")" good
not "FWD-19 and nobody listens any more" listens 8500

# What passes
P -t 8600 -u 8600 -T 8700
tap_of python3 "$SYS/control_flows.py" "$S" "$(ns_of C)" "$(ns_of R)"

# Automatic ones come and go as well
P -t auto -u none -T none
C python3 -c 'import socket, time; s = socket.create_server(("", 8800)); print("ready", flush=True); time.sleep(1000)' \
	>"$T/auto" &
disown
ok "automatic forwarding, asked for later" wait_for 20 listens 8800
P -C HOST
not "and no more" listens 8800
rests "without automatic rules, nothing is done" 1

# The socket: while somebody is there, once nobody is
is "somebody is there" \
	"$("$PASTA" -c "$S" --config-net "$CPID" 2>&1 | grep -v '^Started as root'; echo ${PIPESTATUS[0]})" \
	"Control socket $S already in use (-c/--conf-path)
1"
pasta_stop
ok "the file stays" test -S "$S"
pasta_up -c "$S"
ok "a socket that nobody listens on is replaced" P -s
ok "options behind the path, as of getopt_long(3)" "$PESTO" "$S" -A -t 8303
ok "have an effect" listens 8303
is "no second path behind it" "$("$PESTO" "$S" -D "$S" -t 8303 2>&1; echo $?)" \
	"pesto: the path of one control socket expected; see --help
1"
pasta_stop
: >"$T/file"
like "something else is not" "$("$PASTA" -c "$T/file" --config-net "$CPID" 2>&1)" \
	"Failed to listen on control socket $T/file: .*not a socket|Socket operation on non-socket"
ok "and stays" test -f "$T/file"

# Without the privilege for low ports, as most users are
cat >"$T/unprivileged" <<END
#!/bin/sh
exec setpriv --bounding-set=-net_bind_service "$PASTA" "\$@"
END
chmod +x "$T/unprivileged"
start_ "$T/unprivileged" -c "$S" --config-net -t none -u none "$CPID"
sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
refused "FWD-24 a port that takes a privilege" "$(cant 80 "Permission denied" "-t 127.0.0.1/80" \
	"HOST TCP port 127.0.0.1") (sysctl net.ipv4.ip_unprivileged_port_start=80 permits it)" \
	-A -t 8001 -t 127.0.0.1/80
not "FWD-24 and nothing has changed" listens 8001
pasta_stop

# Whoever answers may be anybody
python3 - "$T/fake" >"$T/fake.out" <<'END' &
import json, socket, sys
bad = "\x1b]0;title\x07\x1b[31m\u009b2J\u202e\x7f\n"
rule = {"direction": "in", "protocol": "tcp", "address": bad, "interface": bad, "first": 1, "last": 1, "to": 1, "to_address": bad}
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print("ready", flush=True)
for error in (None, bad, "org.passt.control.BindFailed", "org.passt.control.InvalidRule", "org.passt.control.NoSuchRule",
              "older"):
    older = error == "older"
    c = s.accept()[0]
    c.settimeout(5)
    while call := c.recv(65536):
        if older:
            error = "org.varlink.service.MethodNotFound" if b".Policy" in call else None
        p = dict.fromkeys(["option", "value", "reason", "parameter"], bad)
        if error is None:
            p = {"product": "passt", "rules": []} if older else {"product": bad, "rules": [rule]}
        c.sendall(json.dumps({"parameters": p} | ({"error": error} if error else {})).encode() + b"\0")
END
fake=$!
wait_for 20 grep -qx ready "$T/fake.out"
for i in {1..5}; do "$PESTO" -d -s "$T/fake"; done >"$T/shown" 2>&1
is "of an older program, rules about destinations are not shown, as it has none" "$("$PESTO" "$T/fake"; echo $?)" \
	"passt/pasta configuration ($T/fake)
  HOST
0"
wait $fake
like "pesto shows what a stranger answers" "$(cat "$T/shown")" "TCP .*Failed to bind.*Invalid value.*Nothing to delete"
is "and none of it is a command to the terminal" \
	"$(LC_ALL=C.UTF-8 grep -anP '[\x00-\x08\x0b-\x1f\x7f-\x9f\x{202e}]' "$T/shown")" ""
is "nor invalid UTF-8" "$(iconv -f UTF-8 -t UTF-8 "$T/shown" 2>&1 >/dev/null)" ""

# passt
passt_start -c "$S" -t 8001
guest_up
tap_of python3 "$SYS/control.py" "$S" "$PASTAPID" passt
is "passt: --show" "$(P -t 8001:81 -s)" "Previous configuration ($S)
  HOST
Updated configuration ($S)
  HOST
    TCP [*]:8001  =>  81 "
xfer 10 <<END
tcp passt:_added c=R s=C to=198.51.100.2 port=8001 lport=81 up=1000 down=1000
END
is "passt: one address in place of any" "$(P -t 127.0.0.1/8001:81; echo $?)" 0
is "and back" "$(P -t 8001:81; echo $?)" 0
refused "passt: nothing from a namespace" 'Invalid value "80" for option -T: forwarding from a namespace takes pasta' \
	-A -T 80
refused "passt: nothing automatic" \
	'Invalid value "auto" for option -t: "auto" takes a namespace, which only pasta has' -A -t auto
pasta_stop
passt_start -c "$S" -4 --no-udp
refused "FWD-27 UDP is switched off" 'Invalid value "80" for option -u: no UDP here, it is switched off' -A -u 80
refused "IPv6 is switched off" 'Invalid value "[::1]/8080" for option -t: no IPv6 here' --add -t 0.0.0.0/8080 \
	-t '[::1]/8080'
is "Podman names any address of both families, whatever there is" "$(P --add -t 0.0.0.0/8080 -t '[::]/8080'; echo $?)" 0
is "and takes both away" "$(P --delete -t 0.0.0.0/8080 -t '[::]/8080'; echo $?)" 0
pasta_stop

done_testing

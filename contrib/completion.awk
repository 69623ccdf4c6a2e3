# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -v program=NAME -v shell=bash|zsh|fish -f completion.awk TABLE.c - completion of a command line, by the table of
# options
#
# The kind of a value is in its placeholder: PATH is a file; words in lower case are themselves; NAME is an interface,
# for the options of which values() knows so. A description is the help text to its first stop.

function values(name, arg)
{
	if (arg ~ /^PATH/)
		return name == "netns" ? "netns" : "file"
	if (name ~ /^(interface|outbound|outbound-if[46])$/)
		return "interface"
	if (arg ~ /^USER/)
		return "user"
	if (arg == "SPEC")
		return "words none auto all"
	if (arg == "RULE")
		return "words any public private host loopback link-local metadata multicast tcp/ udp/ icmp/"
	if (arg == "HOST|SPLICE")
		return "words HOST SPLICE"
	return "words" words(arg)
}

function words(arg,	n, i, part, list)
{
	n = split(arg, part, "|")
	for (i = 1; i <= n; i++) {
		if (part[i] ~ /^[a-z-]+$/)
			list = list " " part[i]
	}
	return list
}

# Next string literal of @rest, which is cut
function literal(	s)
{
	if (!match(rest, /"[^"]*"/))
		return ""
	s = substr(rest, RSTART + 1, RLENGTH - 2)
	rest = substr(rest, RSTART + RLENGTH)
	return s
}

# { "name", 'n' or 0, "ARG" or NULL, MODES, function, offset, "help" or NULL },
function take(	name, letter, arg, modes, help, part)
{
	if (rest ~ /^[ \t]*\{ \.help/)
		return
	name = literal()
	sub(/^, */, "", rest)
	letter = rest ~ /^'/ ? substr(rest, 2, 1) : ""
	sub(/^[^,]*, */, "", rest)
	arg = rest ~ /^"/ ? literal() : ""
	sub(/^[^,]*, */, "", rest)
	modes = rest
	sub(/,.*/, "", modes)
	if (modes != "1" && modes != "BOTH" && modes != toupper(program))
		return
	while ((part = literal()) != "")
		help = help part
	if (help == "")
		return
	if (match(help, /[;.] /))
		help = substr(help, 1, RSTART - 1)
	option[++n] = name
	short[n] = letter
	value[n] = arg
	kind[n] = arg == "" ? "" : values(name, arg)
	text[n] = help
}

/^static const struct opt opts\[\]/ {
	inside = 1
	next
}
/^};/ {
	inside = 0
}
inside {
	rest = rest $0
	if (/},$/) {
		take()
		rest = ""
	}
}

function all_of(i)
{
	return (short[i] == "" ? "" : "-" short[i] " ") "--" option[i]
}

# Options with a value, or those of one kind
function with(want,	i, list)
{
	for (i = 1; i <= n; i++) {
		if (kind[i] != "" && (want == "" || kind[i] == want))
			list = list " " all_of(i)
	}
	return substr(list, 2)
}

function pattern(list)
{
	gsub(/ /, "|", list)
	return list
}

function bash(	i, list, done)
{
	for (i = 1; i <= n; i++)
		list = list " " all_of(i)
	print "_" program "()"
	print "{"
	print "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} line=$COMP_LINE joined=() i"
	print "\tlocal options='" substr(list, 2) "'\n"
	print "\tCOMPREPLY=()"
	print "\t# Signs of COMP_WORDBREAKS are words: joined[] are those without a blank in front"
	print "\tfor ((i = 0; i <= COMP_CWORD; i++)); do"
	print "\t\t[[ $line == [[:blank:]]* ]] || joined[i]=1"
	print "\t\tline=${line#*\"${COMP_WORDS[i]}\"}"
	print "\tdone"
	print "\t# \"--option=value\" is three words"
	print "\tif [[ $cur == = ]]; then"
	print "\t\tcur="
	print "\telif [[ $prev == = ]]; then"
	print "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}"
	print "\telif ((joined[COMP_CWORD])); then"
	print "\t\tprev="
	print "\tfi"
	print "\tfor ((i = 1; i < COMP_CWORD; i++)); do"
	print "\t\tcase ${COMP_WORDS[i]} in"
	print "\t\t" pattern(with("")) ")"
	print "\t\t\t((joined[i+1])) || ((i++)) ;;"
	print "\t\t--)\t((i++)); break ;;"
	print "\t\t-*)\t;;"
	print "\t\t*)\tbreak ;;"
	print "\t\tesac"
	print "\t\twhile ((i < COMP_CWORD && joined[i+1])); do"
	print "\t\t\t((i++))"
	print "\t\tdone"
	print "\tdone\n"
	print "\tif ((i <= COMP_CWORD)) && [[ $cur != -* || ${COMP_WORDS[i-1]} == -- || $i -lt $COMP_CWORD ]]; then"
	if (program == "pasta") {
		print "\t\tif declare -F _command_offset >/dev/null; then"
		print "\t\t\t_command_offset $i"
		print "\t\telif ((i == COMP_CWORD)); then"
		print "\t\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$cur\")"
		print "\t\telse"
		print "\t\t\tcompopt -o filenames 2>/dev/null"
		print "\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")"
		print "\t\tfi"
	} else if (program == "pesto") {
		print "\t\tcompopt -o filenames 2>/dev/null"
		print "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")"
	}
	print "\t\treturn"
	print "\tfi"
	print "\tcase $prev in"
	print "\t'')\treturn ;;"
	for (i = 1; i <= n; i++) {
		if (kind[i] == "" || kind[i] in done)
			continue
		done[kind[i]] = 1
		print "\t" pattern(with(kind[i])) ")"
		if (kind[i] == "file" || kind[i] == "netns") {
			print "\t\tcompopt -o filenames 2>/dev/null"
			print "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\"" \
			      (kind[i] == "netns" ? "; cd /run/netns 2>/dev/null && compgen -f -- \"$cur\"" : "") ")"
		} else if (kind[i] == "interface") {
			print "\t\tmapfile -t COMPREPLY < <(cd /sys/class/net 2>/dev/null && compgen -f -- \"$cur\")"
		} else if (kind[i] == "user") {
			print "\t\tmapfile -t COMPREPLY < <(compgen -u -- \"$cur\")"
		} else if (kind[i] != "words") {
			print "\t\tmapfile -t COMPREPLY < <(compgen -W '" substr(kind[i], 7) "' -- \"$cur\")"
		}
		print "\t\treturn ;;"
	}
	print "\tesac"
	print "\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")"
	print "}"
	print "complete -F _" program " " program
}

function quoted(s)
{
	gsub(/'/, "'\\''", s)
	return s
}

function zsh(	i, s, act, k)
{
	if (program == "pasta") {
		print "(( $+functions[_pasta_netns] )) ||"
		print "_pasta_netns() { _alternative 'files:file:_files' 'names:name:_files -W /run/netns' }"
		print "(( $+functions[_pasta_command] )) ||"
		print "_pasta_command() { _alternative 'commands:command:_command_names -e' " \
		      "'processes:process:_pids' }\n"
	}
	print "local -a nets"
	print "nets=(/sys/class/net/*(N:t))"
	print "_arguments -s -S \\"
	for (i = 1; i <= n; i++) {
		s = text[i]
		gsub(/[][\\:]/, "\\\\&", s)
		k = kind[i]
		act = ""
		if (k == "file")
			act = "_files"
		else if (k == "netns")
			act = "_pasta_netns"
		else if (k == "interface")
			act = "($nets)"
		else if (k == "user")
			act = "_users"
		else if (k ~ /^words ./)
			act = "(" substr(k, 7) ")"
		if (k != "") {
			gsub(/[][\\:]/, "\\\\&", value[i])
			act = ":" value[i] ":" (act == "" ? " " : act)
		}
		s = quoted("[" s "]" act)
		if (k == "interface")
			s = "[" quoted(text[i]) "]:" value[i] ":('\"$nets\"')"
		if (short[i] != "")
			print "\t'*-" short[i] (k == "" ? "" : "+") s "' \\"
		print "\t'*--" option[i] (k == "" ? "" : "=") s "' \\"
	}
	if (program == "pasta") {
		print "\t'(-)1:command or process:_pasta_command' \\"
		print "\t'*::arguments:_normal'"
	} else {
		print program == "pesto" ? "\t'1:control socket:_files'" : "\t'*: :'"
	}
}

function fish(	i, s, k)
{
	if (program == "pasta") {
		print "# No command yet?"
		print "function __fish_pasta_options"
		print "\tset -l skip 0"
		print "\tfor t in (commandline -opc)[2..]"
		print "\t\tif test $skip = 1"
		print "\t\t\tset skip 0"
		print "\t\t\tcontinue"
		print "\t\tend"
		print "\t\tswitch $t"
		print "\t\t\tcase " with("")
		print "\t\t\t\tset skip 1"
		print "\t\t\tcase --"
		print "\t\t\t\treturn 1"
		print "\t\t\tcase '-*'"
		print "\t\t\tcase '*'"
		print "\t\t\t\treturn 1"
		print "\t\tend"
		print "\tend"
		print "end\n"
	}
	for (i = 1; i <= n; i++) {
		s = "complete -c " program (program == "pasta" ? " -n __fish_pasta_options" : "") \
		    (short[i] == "" ? "" : " -s " short[i]) " -l " option[i]
		k = kind[i]
		if (k == "file")
			s = s " -r -F"
		else if (k == "netns")
			s = s " -r -F -a '(command ls /run/netns 2>/dev/null)'"
		else if (k == "interface")
			s = s " -x -a '(command ls /sys/class/net 2>/dev/null)'"
		else if (k == "user")
			s = s " -x -a '(__fish_complete_users)'"
		else if (k ~ /^words ./)
			s = s " -x -a '" substr(k, 7) "'"
		else if (k == "words")
			s = s " -x"
		k = text[i]
		gsub(/'/, "\\'", k)
		print s " -d '" k "'"
	}
	if (program == "pasta")
		print "complete -c pasta -x -a '(__fish_complete_subcommand - " with("") ")'"
	else if (program == "passt")
		print "complete -c passt -f"
}

END {
	if (shell == "zsh")
		print "#compdef " program
	print "# SPDX-License-Identifier: GPL-2.0-or-later"
	print "# Made by completion.awk"
	if (shell == "bash")
		bash()
	else if (shell == "zsh")
		zsh()
	else
		fish()
}

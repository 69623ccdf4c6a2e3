#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# completion_test.sh - proposals of bash, zsh and fish for completion_cases, in a chroot
. "$(dirname "$0")/lib.sh"
DEB_BUILD_OPTIONS=

ok "a chroot with the shells" chroot_make bookworm zsh,fish,bash-completion shells || finish
ok "installed" make -s -C "$TOP" install prefix=/usr zshcompdir=/usr/share/zsh/vendor-completions \
	DESTDIR="$WORK/root.new" || finish
mkdir files files/folder
: > files/file.one
: > "files/file two"
cp "$TOP/test/packages/completion_cases" .

# Bash's own way, without a terminal: "complete -F" calls a function with the words. Signs of COMP_WORDBREAKS, one of
# which may be "@", are words, too.
cat > bash.sh <<'EOF'
set -f
[ -z "$WITH" ] || . /usr/share/bash-completion/bash_completion
for p in passt pasta pesto; do . /usr/share/bash-completion/completions/$p; done
propose()
{
	local line=$1
	COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMP_KEY=9
	COMP_WORDS=()
	while [[ $line =~ ^' '*([:=@]+|[^' ':=@]+)(.*) ]]; do
		COMP_WORDS+=("${BASH_REMATCH[1]}")
		line=${BASH_REMATCH[2]}
	done
	[[ $line != ' ' ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	"_${COMP_WORDS[0]}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>&1
	printf '%s\n' "${COMPREPLY[@]}"
}
EOF
cat > fish.sh <<'EOF'
propose() { fish -c 'complete -C $argv[1] | string replace -r "\t.*" ""' "$1"; }
EOF
# zsh proposes on a terminal only: a pseudo-terminal, with compadd printing
cat > zsh.sh <<'EOF'
cat > /tmp/capture <<'END'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PROMPT=; stty -echo; autoload -Uz compinit; compinit -u -D
unsetopt zle_bracketed_paste; unset zle_bracketed_paste
zstyle ":completion:*" list-grouped false; LISTMAX=10000
compadd() {
if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
typeset -a hits; builtin compadd -A hits "$@"; print -l -r -- \<${^hits}\>; builtin compadd "$@" }
bindkey "^I" list-choices
list-end() { print "<<end>>"; zle -I }; zle -N list-end; bindkey "^X" list-end; print started'
while zpty -r z line && [[ $line != started* ]]; do :; done
zpty -w -n z "$1"$'\t\x18'
while zpty -r z line; do [[ $line != *"<<end>>"* ]] || break; print -r -- "$line"; done
END
propose() { timeout 30 zsh -f /tmp/capture "$1" | tr -d '\r' | sed -n 's/.*<\(.*\)>$/\1/p'; }
EOF
cat > cases.sh <<'EOF'
. "/mnt/$1.sh"
cd /mnt/files
bad=0
while IFS='|' read -r line word; do
	case $line in '#'*) continue ;; esac
	got=$(propose "$line" < /dev/null)
	case $word in
	!*)	echo "$got" | grep -qxF -e "${word#!}" && { echo "$line: ${word#!} is proposed"; bad=1; } ;;
	*)	echo "$got" | grep -qxF -e "$word" || { echo "$line: $word is missing in:" $got; bad=1; } ;;
	esac
done < /mnt/completion_cases
exit $bad
EOF
install_and()
{
	chroot_run sh -c 'cp -a /mnt/root.new/. / && exec "$@"' sh "$@"
}

ok "bash" install_and env WITH= bash /mnt/cases.sh bash
ok "bash, with bash-completion" install_and env WITH=1 bash /mnt/cases.sh bash
ok "zsh" install_and bash /mnt/cases.sh zsh
ok "fish" install_and bash /mnt/cases.sh fish
finish

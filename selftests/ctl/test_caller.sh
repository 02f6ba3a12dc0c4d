#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl cluster as its caller sees it: words, hosts that do not answer, who gives up,
# and what a manifest may do to it. No host is ever reached.
# vm: none timeout=120
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 90
dir=$scratch/states
mkdir -p "$dir"

# manifest NAME JSON
manifest() {
	mkdir -p "$dir/$1"
	printf '%s\n' "$2" >"$dir/$1/manifest.json"
}

cluster() {
	lparctl cluster "$1" --dir "$dir" "${@:2}"
}

# via ODDITY...: the option
via() {
	echo "--via=$here/odd-host $*"
}

# nobody_left: of the commands that were started
nobody_left() {
	same "$(pgrep -f "^/usr/bin/python3 $here/odd-host")" ""
}

# A name that is taken, and a state that is shown, have no hosts that were opened.
manifest taken '{}'
manifest one '{"version": 1, "name": "one", "hosts": [{"host": "a"}, {"host": "b"}]}'
check "save under a name that is taken" says 1 "saved already" cluster save taken --hosts a,b
check "show" says 0 "^one saved at" cluster show one
check "list" says 0 "^one .* a,b" cluster list

# Options of other verbs
check "restore of some guests" says 2 "restore has no option --lpar" cluster restore one --lpar db1
check "restore that continues" says 2 "no option --continue" cluster restore one --continue
check "verify within a skew" says 2 "no option --max-skew" cluster verify one --max-skew 1s
check "delete that waits" says 2 "no option --wait" cluster delete one --wait 1s
check "show of hosts" says 2 "no option --hosts" cluster show one --hosts a
check "show by a command" says 2 "no option --via" cluster show one --via ssh
check "list in time" says 2 "no option --timeout" cluster list --timeout 1s
check "an option without its value" says 2 "dir needs a value" lparctl cluster show one --dir
check "no guests at all" says 2 "needs NAME" cluster save two --hosts a --lpar ,
check "list of one" says 2 "'one' is unknown" cluster list one
for host in -oProxyCommand=x a@-b '' a/b 'a b' 'a;b' @a a@b@c; do
	check "no host: '$host'" exits 2 cluster save two --hosts "$host"
done

# Manifests of others
touch_it="-oProxyCommand=touch $scratch/touched"
manifest bad "{\"version\": 1, \"hosts\": [{\"host\": \"$touch_it\"}]}"
check "a host that is an option" says 1 "manifest is damaged" cluster verify bad
check_fails "it was not obeyed" test -e "$scratch/touched"
for text in '{"version": 1}' '{"version": 1, "hosts": 5}' '{"version": 1, "hosts": [null]}' \
	'{"version": 1, "hosts": []}'; do
	manifest bad "$text"
	check "damaged: $text" says 1 "manifest is damaged" cluster restore bad
done
for text in '[]' 'null' '' '{"version": {}}'; do
	manifest bad "$text"
	check "damaged: '$text'" exits 1 cluster verify bad
done
manifest bad '{"version": 1, "hosts": [{"host": 7, "description": {"guests": [null, []]}}]}'
check "list of damaged ones" says 0 "^one " cluster list
rm -r "$dir/bad"

# What a terminal would obey, also as one character of two bytes
manifest red '{"version": 1, "hosts": [{"host": "a\u001b[31m"}]}'
check "list of words that color" says 0 "^red .* a?\[31m" cluster list
check "they do not" lacks $'\e' "$scratch/out"
manifest red '{"version": 1, "hosts": [{"host": "a", "description": {"guests": [{"name": "g\u009b2J"}]}}]}'
check "show of a guest that clears" says 0 "^g??2J  *a " cluster show red
rm -r "$dir/red"

touch "$scratch/file"
check "a directory that cannot be read" says 1 "Not a directory" lparctl cluster list --dir "$scratch/file"
check "one that is not there" exits 0 lparctl cluster list --dir "$scratch/none"

# Hosts that do not answer
check "they hang" took_less 15 says 4 "host a: hello: no answer in time" \
	cluster save two --hosts a,b "$(via hang)" --timeout 2s
check "each is named" grep -q "host b: hello: no answer in time" "$scratch/err"
check "nobody is left" nobody_left
check "they hang, and do not go" took_less 15 exits 4 \
	cluster verify one "$(via stubborn)" --timeout 1s
check "nobody is left" nobody_left
cluster verify one "$(via listen "$scratch/heard")" --timeout 5s 2>/dev/null
check "meanwhile they hear that we are there" test "$(grep -cx '' "$scratch/heard")" -ge 4
check "words of a host are only words" says 1 "red" cluster verify one "$(via color)"
check "they do not color" lacks $'\e' "$scratch/err"
check "an answer without an end" took_less 60 says 1 "has no end" cluster verify one "$(via endless)"

# Lost when it has answered: that is the end of it, or of nothing any more
check "lost when it has stopped" says 5 "connection is lost" cluster save two --hosts a,b "$(via leaves write)"
check "lost when it has ended all" exits 0 cluster save two --hosts a,b "$(via leaves discard)"
check "lost when it has continued" exits 0 cluster save three --hosts a,b "$(via leaves resume)" --continue
rm -r "${dir:?}"/{two,three}

# Clocks: only the fastest answer counts, and there is time for more of them
check "a host that answers late at first" exits 0 \
	cluster save two --hosts a,b "$(via clock 18 40 0)" --max-skew 35ms
rm -r "${dir:?}/two"
check "one that always does" says 1 "a and b are not known well enough.*less busy" \
	cluster save two --hosts a,b "$(via clock 1000 40 0)" --max-skew 35ms --timeout 2s
check "clocks that are apart" took_less 5 says 1 "a and b are 3.* apart, give or take.*synchronise" \
	cluster save two --hosts a,b "$(via clock 0 0 3000)"
check "the same, of hosts that answer late" says 1 "a and b are .* apart, give or take.*synchronise" \
	cluster save two --hosts a,b "$(via clock 1000 40 60)" --max-skew 35ms --timeout 2s
check_fails "none was saved" test -e "$dir/two"

# All go on, and then there is no room to tell for how long they stood
printf '#!/bin/bash\ncd "%s/four" && rm manifest.json && mkdir manifest.json\n' "$dir" >"$scratch/in-the-way"
chmod +x "$scratch/in-the-way"
echo "resume run $scratch/in-the-way" >"$scratch/cut"
check "a manifest that cannot be written then" says 1 "four is saved, and its guests go on" cluster save four \
	--hosts a "--via=$here/cut-contact $scratch/cut $here/odd-host leaves resume" --continue
check "nobody says that they do not" lacks "could not be continued" "$scratch/err"
rm -r "${dir:?}/four"

# Two save under one name, and the other one is the first
printf '#!/bin/bash\nmkdir "%s/five" && echo mine >"%s/five/manifest.json"\n' "$dir" "$dir" >"$scratch/in-the-way"
echo "keep run $scratch/in-the-way" >"$scratch/cut"
check "a name that another one has taken meanwhile" says 5 "another lparctl has saved under that name" \
	cluster save five --hosts a "--via=$here/cut-contact $scratch/cut $here/odd-host leaves resume" --continue
check "it is the other one's" same "$(cat "$dir/five/manifest.json")" mine
check "nothing half done is left" same "$(ls "$dir/five")" manifest.json
rm -r "${dir:?}/five"

# What a host says to the request before is no word of whether it has undone
check "undone, but on one host" says 1 "^lparctl: host b: undoing: its guest cannot go on" \
	cluster save two --hosts a,b "$(via stuck disks)"
check "the other one is not named for that" lacks "host a: undoing" "$scratch/err"

# Whether guests are gone that a restore was to replace is for all hosts to say
check "a restore fails, and no host has a guest" says 1 "the guests that ran are gone" \
	cluster restore one "$(via fails load)"
check "where one has not undone" says 1 "one is not restored: its state" cluster restore one "$(via stuck load)"
check "nobody says that they are gone" lacks "are gone" "$scratch/err"
check "which names it" grep -q "host b: undoing: its guest cannot go on" "$scratch/err"
check "where one does not say" says 1 "one is not restored: its state" cluster restore one "$(via leaves load)"
check "nobody says that they are gone" lacks "are gone" "$scratch/err"

# Who gives up
# gives_up COMMAND...: SIGINT to a save after the command succeeds, and once more when it
# has been heard; the exit code of the save
gives_up() {
	local caller

	lparctl cluster save two --dir "$dir" --hosts a,b "$(via "${oddity[@]}")" 2>"$scratch/err" &
	caller=$!
	wait_until 20 "$@"
	kill -INT $caller
	wait_until 20 grep -q interrupted "$scratch/err"
	kill -INT $caller 2>/dev/null
	wait $caller
}

both_are_there() {
	[ "$(pgrep -c -f "^/usr/bin/python3 $here/odd-host")" = 2 ]
}

oddity=(hang)
check_is "before anything has begun" "$(took_less 10 gives_up both_are_there; echo $?)" 1
check "it says so" grep -q "hello: interrupted" "$scratch/err"
check "nobody is left" nobody_left
oddity=(deaf arm "$scratch/armed")
check_is "again, while hosts undo: that is no roll-back" \
	"$(took_less 10 gives_up test -e "$scratch/armed"; echo $?)" 1
check "each is named" test "$(grep -c "host [ab] cannot be reached" "$scratch/err")" = 2
check "nobody is left" nobody_left

# Damage is what a host has found, and nothing else
verify_given_up() {
	lparctl cluster verify one --dir "$dir" "$(via deaf check "$scratch/checks")" 2>"$scratch/err" &
	wait_until 20 test -e "$scratch/checks"
	kill -INT $!
	wait $!
}
check "verify: a host finds something" says 3 "host a: check: no" cluster verify one "$(via stuck check)"
check "verify: a host is lost" says 1 "host a: check: the connection is lost" cluster verify one "$(via leaves check)"
check_is "verify: somebody gives up" "$(verify_given_up; echo $?)" 1
check "it says so" grep -q "check: interrupted" "$scratch/err"

# By ssh, and without it on this host
mkdir "$scratch/bin"
printf '#!/bin/bash\nprintf "%%s\\n" "$@" >%q\n' "$scratch/ssh" >"$scratch/bin/ssh"
chmod +x "$scratch/bin/ssh"
PATH=$scratch/bin:$PATH
check "nothing at the other end" says 1 "the connection is lost" cluster verify one
for word in BatchMode=yes ConnectTimeout= ServerAliveInterval= ServerAliveCountMax= \
	ControlMaster=no ControlPath=none ClearAllForwardings=yes PermitLocalCommand=no; do
	check "ssh has $word" grep -q "^-o$word" "$scratch/ssh"
done
check "no terminal, no agent, no X" same "$(grep -cxe -T -e -a -e -x "$scratch/ssh")" 3
check "and knows where options end" grep -q "^-- [ab] lparctl execd$" <(xargs <"$scratch/ssh" | grep -o -e "-- .*")
rm "$scratch/ssh"
# Where no module is seen, or the guests of this machine would be saved, and ended.
if [ "$(id -u)" = 0 ] && unshare -n true; then
	check "this host without ssh" says 1 "^lparctl: host localhost: hello: " \
		unshare -n lparctl cluster save two --dir "$dir" --hosts localhost
	check_fails "no ssh was started" test -e "$scratch/ssh"
else
	skip "this host without ssh" "not root, or no namespaces"
	skip "no ssh was started" "not root, or no namespaces"
fi

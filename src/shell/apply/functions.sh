# Gates and frames. `x3` holds, once the change 3 has failed or was left out, the change that was the cause.
# Arguments: slot, changes served, those needed, those that make a refresh due, a step of an earlier run that must have
# begun (`RUN SLOT`), a change of the surveyed run that nothing else may have touched since, a name for people, and what is
# asked whether it is needed any more.
gate() {
  b "$1"
  for i in $2; do
    eval "v=\${x$i-}"
    if [ -n "$v" ]; then leave "$1" "$2" "$v"; return 1; fi
  done
  for i in $3; do
    eval "v=\${x$i-}"
    if [ -n "$v" ]; then leave "$1" "$2" "$i"; return 1; fi
  done
  if [ -n "$4" ]; then
    any=
    for i in $4; do eval "v=\${x$i-}\${i$i-}"; if [ -z "$v" ]; then any=1; fi; done
    if [ -z "$any" ]; then idle "$1" "$2"; return 1; fi
  fi
  if [ -n "$5" ] && ! grep -q "^begin ${5#* } " "$s/runs/${5%% *}/journal" 2>/dev/null; then idle "$1" "$2"; return 1; fi
  if [ -n "$8" ] && ! eval "$8"; then idle "$1" "$2"; return 1; fi
  if [ -n "$6" ] && eval "[ -n \"\${m$6-}\" ]"; then
    for i in $2; do eval "x$i=$i"; done
    printf 'moved %s\n' "$1" >>"$r/journal"
    e "$1" 250
    return 1
  fi
  # What cannot be put on record is not done.
  if ! printf 'begin %s %s\n' "$1" "$7" >>"$r/journal"; then
    release
    printf 'begin %s %s\ndone %s 1\n' "$1" "$7" "$1" >>"$r/journal"
    for i in $2; do eval "x$i=$i"; done
    full
    e "$1" 1
    return 1
  fi 2>/dev/null
  o=$r/out/$1
  printf '' >"$o"
  new=
}
# Whether a command still has to be run: `needed SECONDS USER DIRECTORY CREATES UNLESS ONLYIF`.
needed() {
  if [ -e "$4" ] || [ -L "$4" ]; then return 1; fi
  (
    if [ -n "$3" ]; then cd -- "$3" || exit 0; fi
    if [ -n "$5" ] && as "$1" "$2" "$5"; then exit 1; fi
    if [ -n "$6" ] && ! as "$1" "$2" "$6"; then exit 1; fi
    exit 0
  ) >/dev/null 2>&1 </dev/null
}
# What has left the manifest is removed only where all before it went well: so many changes, and those that are held.
hold() {
  i=0
  while [ $i -lt "$1" ]; do
    eval "v=\${x$i-}"
    if [ -n "$v" ]; then
      for n in $2; do eval "x$n=\${x$n:-$i}"; done
      return
    fi
    i=$((i + 1))
  done
}
leave() {
  for i in $2; do eval "x$i=\${x$i:-$3}"; done
  printf 'left %s %s\n' "$1" "$3" >>"$r/journal"
  printf %s "$3"
  e "$1" 254
}
# Nothing is done, and who listens to these changes hears nothing of them.
idle() {
  for i in $2; do eval "i$i=1"; done
  printf 'idle %s\n' "$1" >>"$r/journal"
  e "$1" 253
}
# What is kept and what is begun is on the disk before anything is done: a host may lose its power right after.
# Of a new file among others (see `be_sure`) it comes with the new contents, right before those take its name: until then
# nothing is done but what is made beside it.
write_ahead() {
  ahead=
  if [ -n "$sure" ] && [ $# = 1 ]; then ahead=$1; return 0; fi
  k=$r/kept/$1
  set -- "$r/journal" ${2+"$2"}
  for i in "$r/serves" "$r/notes"; do if [ -e "$i" ]; then set -- "$@" "$i"; fi; done
  for i in $new; do set -- "$@" "$s/owed/$i"; done
  for i in "$k"*; do
    if [ -d "$i" ] && [ ! -L "$i" ]; then
      if [ $# -gt 1 ] || ! sync -f -- "$r/journal" 2>/dev/null; then sync; fi
      return 0
    fi
    if [ -e "$i" ]; then set -- "$@" "$i"; fi
  done
  sync -- "$@" 2>/dev/null
  return 0
}
# What is made beside a path to take its name is on record first, for whoever finds this run dead.
beside() { if [ -z "$sure" ]; then printf 'beside %s %s\n' "$1" "$2" >>"$r/journal"; fi; }
fin() {
  f=$2
  case $f in
    250 | 253 | 254) printf 'exit status %s\n' "$f" >>"$o.err"; f=1 ;;
    124) printf 'stopped after %s s, its deadline\n' "$4" >>"$o.err" ;;
  esac
  if [ "$f" != 0 ] && [ ! -s "$o" ] && [ ! -s "$o.err" ]; then
    if ! printf ' ' >"$r/out/room"; then
      release
      full >"$o.err"
    fi 2>/dev/null
    printf '' >"$r/out/room"
  fi
  printf 'done %s %s\n' "$1" "$f" >>"$r/journal"
  if [ -s "$o" ]; then tail -c 65536 "$o"; fi
  e "$1" "$f"
  errors "$1"
  if [ "$f" = 0 ]; then
    for i in $3; do eval "made_$i=1"; done
    return 0
  fi
  for i in $3; do eval "x$i=$i"; done
  for i in $new; do rm -f "$s/owed/$i"; done
  return 1
}
# What a step said of errors has a frame of its own: 1073741824 and the step's slot.
errors() {
  if [ -s "$r/out/$1.err" ]; then b $((1073741824 + $1)); tail -c 65536 "$r/out/$1.err"; e $((1073741824 + $1)) 0; fi
}
owe() {
  if [ -s "$s/owed/$1" ]; then return 0; fi
  new="$new $1"
  printf '%s\n%s\n' "$2" "${r##*/}" >"$s/owed/$1"
}
# What a run came to owe is owed no more where all of its changes (these, by number) are taken back.
forgive() {
  for i in $2; do eval "i=\${x$i-}"; if [ -n "$i" ]; then return 0; fi; done
  for i in "$s/owed"/*; do
    if { read -r j && read -r j; } <"$i" && [ "$j" = "$1" ]; then rm -f -- "$i"; fi
  done 2>/dev/null
  return 0
}
pay() { rm -f "$s/owed/$1"; }
# Why nothing was said: there was no room for it. A little is held in reserve, so that the end can be on record.
full() { echo "nothing more can be written below $s; is its file system full?"; }
reserve() { printf '%32768s' '' >"$r/out/reserve"; }
release() { printf '' >"$r/out/reserve"; } 2>/dev/null

# The lock: a link whose target says who holds it, so that it is never there without an owner.
birth() {
  { read -r l <"/proc/$1/stat"; } 2>/dev/null || { printf -; return; }
  l=${l##*) }
  set -f
  set -- $l
  set +f
  printf %s "${20:--}"
}
alive() {
  set -f
  set -- $1
  set +f
  [ "${3-}" = "$boot" ] && kill -0 "$1" 2>/dev/null && { [ "$2" = - ] || [ "$(birth "$1")" = "$2" ]; }
}
lock() {
  { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || boot=-
  mine="$me $(birth "$me") $boot $1"
  keeper=" $1 $3"
  patience=$2
  waited=
  i=0
  while [ $i -lt 3 ]; do
    held=
    if why=$(ln -s "$mine" "$s/lock" 2>&1); then return 0; fi
    held=$(readlink "$s/lock") || { i=$((i + 1)); continue; }
    if alive "$held"; then
      case $held in
        *"$keeper")
          # What this run has handed over comes back to its next stage.
          if ln -sfn "$mine" "$s/lock.$me" && mv -fT "$s/lock.$me" "$s/lock"; then
            kill "${held%% *}" 2>/dev/null
            return 0
          fi
          ;;
      esac
      if [ $patience -le 0 ]; then return 1; fi
      waited=1
      patience=$((patience - 1))
      sleep 1
      continue
    fi
    i=$((i + 1))
    # Of several that find it dead at once, the last to rename has it; each looks again once all have.
    ln -sfn "$mine" "$s/lock.$me" && mv -fT "$s/lock.$me" "$s/lock" && sleep 1
    held=$(readlink "$s/lock") || continue
    if [ "$held" = "$mine" ]; then return 0; fi
  done
  return 1
}
# Between two stages the lock is a keeper's, who ends with the session, and after a minute at the latest.
hand_over() {
  session=$(birth $$)
  (
    trap - EXIT INT TERM
    i=0
    while [ $i -lt 60 ] && kill -0 $$ && [ "$(birth $$)" = "$session" ]; do sleep 1; i=$((i + 1)); done
  ) >/dev/null 2>&1 </dev/null &
  ln -sfn "$! $(birth $!) $boot$keeper" "$s/lock.$me" && mv -fT "$s/lock.$me" "$s/lock"
}
unlock() { if [ "$(readlink "$s/lock")" = "$mine" ]; then rm -f "$s/lock" "$s/lock.$me"; fi; }
# Contents that came ahead and were not used: of a run that was judged afresh, say.
spent() {
  set -- "$s/incoming/${r##*/}".*
  if [ -e "$1" ]; then rm -f -- "$@"; fi
}
prepare() {
  case $(command -v printf) in
    */*) echo 'this shell has no printf of its own, so contents would be seen in the process list'; return 1 ;;
  esac
  umask 077
  mkdir -p "$s/runs/$1/kept" "$s/runs/$1/out" "$s/owed" "$s/incoming" && chmod 0700 "$s" || return
  find "$s/incoming" -type f -mtime +1 -exec rm -f {} +
}
# A further stage of a run: what it was confirmed in is over, and so is its end, if it had one.
resume() {
  if [ -e "$r/revert" ] && [ "$(readlink "$r/decided")" != confirmed ]; then refuse "nobody has confirmed what this run did before" || return; fi
  sweep_locks
  rm -f "$r/revert" "$r/decided" "$r/armed" "$r/seen"
  if [ "$(tail -n 1 "$r/journal")" != end ]; then return 0; fi
  grep -v '^end$' "$r/journal" >"$r/journal.new" && mv -fT -- "$r/journal.new" "$r/journal" || return
  if [ -e "$r/before" ]; then mv -fT -- "$r/before" "$r/was"; fi
}
# What was to become the lock of a process that died over it.
sweep_locks() { for i in "$s"/lock.*; do if [ -L "$i" ]; then rm -f "$i"; fi; done; }
put() { cat >"$r/$1.new" && mv -fT -- "$r/$1.new" "$r/$1"; }
# What runs that died have left beside files, once the lock is held.
sweep() {
  sweep_locks
  grep -L -e '^end$' -e '^swept$' "$s"/runs/*/journal 2>/dev/null | while IFS= read -r j; do
    while read -r what _ i; do
      case "$what $i" in
        "beside /"*.trueup) ( enter "${i%/*}" && remove_all "./${i##*/}"; remove_all "./${i##*/}.old" ) 2>/dev/null ;;
      esac
    done <"$j"
    i=${j%/journal}
    rm -f "$s/incoming/${i##*/}".*
    printf 'swept\n' >>"$j"
  done
  for i in "$s"/runs/*/; do
    if [ -s "$i/notes" ] && [ ! -e "$i/before" ]; then ( r=${i%/}; told_late ); fi
  done >/dev/null 2>&1
  for i in "$units"/trueup-revert-*.service; do
    i=${i##*/trueup-revert-}
    i=${i%.service}
    if [ ! -e "$s/runs/$i/revert" ] || [ "$(readlink "$s/runs/$i/decided")" = confirmed ]; then unhook "$i"; fi
  done
  # One that died before it had the lock has begun nothing.
  for i in "$s"/runs/*/; do
    if [ ! -e "$i/journal" ] && read -r p born <"$i/worker" && [ "$(birth "$p")" != "$born" ]; then
      i=${i%/}
      rm -rf "$i" "$s/incoming/${i##*/}".*
    fi
  done 2>/dev/null
}
# Once the lock is held, the oldest runs go, as far as they are too many, too old or too large: `forget RUN COUNT DAYS`.
forget() {
  if [ -n "$3" ]; then find "$s"/runs/* -prune -type d ! -name "$1" -mtime "+$(($3 - 1))" -exec rm -rf {} +; fi
  own=$s/runs/$1/ most=$2
  # This run is not among them, whatever the operator's clock has made of its name.
  set --
  for i in "$s"/runs/*/; do if [ "$i" != "$own" ]; then set -- "$@" "$i"; fi; done
  while [ $# -ge "$most" ] && [ $# -gt 0 ]; do rm -rf "$1"; shift; done
  while [ $# -gt 0 ] && size=$(du -sk "$s/runs") && [ "${size%%[!0-9]*}" -gt "$room" ]; do rm -rf "$1"; shift; done
}
shrink='for f do tail -c 65536 "$f" >"$f.t" && cat "$f.t" >"$f"; rm -f "$f.t"; done'
watch() {
  while sleep 2 && kill -0 "$me"; do
    find "$r/out" -type f -size +32768 -exec sh -c "$shrink" sh {} +
  done
}
tidy() {
  release
  if [ -n "${watcher-}" ]; then kill "$watcher" 2>/dev/null; fi
  find "$r/out" -type f -size 0 -exec rm -f {} + -o -type f -size +128 -exec sh -c "$shrink" sh {} + 2>/dev/null
  unlock
}

# What changes left behind, as the questions that were asked about them see it: `note GROUP CHANGES`.
note() {
  learn
  sum=$(look "$1" | sha256sum) || return
  for n in $2; do
    eval "v=\${x$n-}"
    if [ -z "$v" ]; then printf '%s %s %s\n' "$n" "$1" "${sum%% *}" >>"$r/seen"; fi
  done
}
# The questions are read once, for there may be many.
learnt=
learn() {
  if [ "$learnt" = "$r" ]; then return; fi
  learnt=
  if [ -r "$r/looks" ] && . "$r/looks"; then learnt=$r; fi 2>/dev/null </dev/null
}
look() {
  ( [ -n "$learnt" ] && "look_$1" ) 2>/dev/null </dev/null
}
# The changes of a run that something else has touched since, before any of them is taken back: `m3` for the change 3.
survey() {
  r=$s/runs/$1
  learn
  while read -r n g sum; do
    case $n$g in *[!0-9]*) continue ;; esac
    eval "got=\${g$g-}"
    if [ -z "$got" ]; then got=$(look "$g" | sha256sum); got=${got%% *}; eval "g$g=\$got"; fi
    if [ "$got" != "$sum" ]; then eval "m$n=1"; echo "$n"; fi
  done 2>/dev/null <"$r/seen"
}

# The ledger. `notes` has a line each: when it counts (a change's number; `-` or `+`, at the end), the name of a line of
# the ledger, and what that says from then on. What it said before goes to `before`, for who takes the run back. A ledger
# of another format is another's to write. A number without a hyphen is a change that went well, or was not due; what a
# change has made in part before it failed is there, too.
ledger() {
  l=$s/ledger
  if [ ! -s "$r/notes" ]; then return 0; fi
  if [ -e "$l" ]; then
    read -r v <"$l" || return
    if [ "$v" != 'trueup ledger 1' ]; then refuse "$l begins with \"$v\", which this trueup does not write"; return; fi
  fi
  while read -r n k e; do
    case $n in
      - | +) v= ;;
      *[!0-9]*) continue ;;
      *) eval "v=\${x$n-} i=\${made_$n-}"; if [ -n "$i" ] && [ -n "$e" ]; then v=; fi ;;
    esac
    if [ -n "$v" ]; then continue; fi
    printf '%s\n' "$k" >&3
    if [ -n "$e" ]; then printf '%s %s\n' "$k" "$e"; fi
  done <"$r/notes" 3>"$r/names" >"$r/due" || return
  if [ ! -s "$r/names" ]; then return 0; fi
  # What an earlier stage of the run has told already said something else before that.
  new=$r/names
  if [ -e "$r/was" ]; then
    new=$r/new
    grep -v -x -F -f "$r/told" "$r/names" >"$new"
    cat "$r/was"
  fi >"$r/before"
  if [ -s "$new" ] && [ -e "$l" ]; then
    grep -F -f "$new" "$l" >>"$r/before"
    if [ $? -gt 1 ]; then return 1; fi
  fi
  {
    echo 'trueup ledger 1' &&
      if [ -e "$l" ]; then tail -n +2 "$l" | { grep -v -F -f "$r/names"; [ $? -le 1 ]; }; fi && cat "$r/due"
  } >"$l.new" || { rm -f "$l.new"; return 1; }
  sync -- "$l.new" 2>/dev/null
  mv -fT -- "$l.new" "$l" && mv -f "$r/names" "$r/told" && rm -f "$r/due" "$r/new" "$r/was"
}
# The ledger is told what a run did that died before it could.
told_late() {
  counted "$r"
  grep -v '^- ' "$r/notes" >"$r/names"
  mv -f "$r/names" "$r/notes" && ledger
}
# Notes that bring the ledger back to what it was before a run: `OLD:NEW` says which change of that is which of this.
note_back() {
  of=$s/runs/$1
  for n in $2; do eval "y${n%:*}=${n#*:}"; done
  while read -r k e; do
    case $k in *[!0-9a-z_]*) continue ;; esac
    eval "w$k=\$e"
  done <"$of/before" || return
  while read -r n k e; do
    case $n$k in *[!-0-9a-z_]*) continue ;; esac
    case $n in
      -) v=- ;;
      *) eval "v=\${y$n-}" ;;
    esac
    if [ -n "$v" ]; then eval "e=\${w$k-}"; printf '%s %s %s\n' "$v" "$k" "$e"; fi
  done <"$of/notes" >"$r/notes"
}

# A change that may cut the operator off is taken back by the host itself, unless it is confirmed in time.
arm() {
  disarm "${r##*/}"
  if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ]; then
    hook "${r##*/}" || return
    # Not by the name of the unit that does it when the host starts: systemd would not have that twice.
    if systemd-run --quiet --collect --unit="trueup-confirm-${r##*/}" --on-active="$1" \
      --timer-property=AccuracySec=500ms /bin/sh "$r/revert" 2>/dev/null; then return 0; fi
  fi
  if command -v setsid >/dev/null; then alone=setsid; else alone=; fi
  $alone sh -c 'trap "" HUP INT TERM; sleep "$1"; exec sh "$2"' sh "$1" "$r/revert" >/dev/null 2>&1 </dev/null &
  printf '%s %s\n' $! "$(birth $!)" >"$r/armed"
}
disarm() {
  if [ -d /run/systemd/system ]; then systemctl stop "trueup-confirm-$1.timer" 2>/dev/null; fi
  if read -r p born <"$s/runs/$1/armed" && [ "$(birth "$p")" = "$born" ]; then kill -9 "$p"; fi 2>/dev/null
  unhook "$1"
}
# A timer ends with the host: what nobody has confirmed by then is taken back when it starts again.
units=/etc/systemd/system
hook() {
  mkdir -p "$units/multi-user.target.wants" || return
  printf '%s\n' '[Unit]' "Description=Takes back trueup's run $1, which nobody has confirmed" \
    "RequiresMountsFor=$r" 'After=ssh.service sshd.service nftables.service' \
    '[Service]' 'Type=oneshot' "ExecStart=/bin/sh $r/revert" >"$units/trueup-revert-$1.service" &&
    ln -sf "../trueup-revert-$1.service" "$units/multi-user.target.wants" || return
  sync -- "$r/revert" "$units/trueup-revert-$1.service" "$units" "$units/multi-user.target.wants" 2>/dev/null
  return 0
}
# Whether this is who takes the run back, which nobody else has confirmed or is taking back: `decide RUN UNDO`. One that
# died over it is begun again.
decide() {
  # A full disk is no reason to leave it.
  if ! ln -s taken-back "$s/runs/$1/decided" && [ -L "$s/runs/$1/decided" ]; then
    if [ "$(readlink "$s/runs/$1/decided")" = confirmed ] || grep -q '^end$' "$s/runs/$2/journal"; then unhook "$1"; return 1; fi
    if read -r p born <"$s/runs/$2/worker" && [ "$(birth "$p")" = "$born" ]; then return 1; fi
    rm -rf -- "$s/runs/$2"
  fi 2>/dev/null
  return 0
}
# Whether a run is confirmed: by this, or by one before it whose answer did not come through.
confirm() {
  if ! ln -s confirmed "$s/runs/$1/decided" && [ "$(readlink "$s/runs/$1/decided")" != confirmed ]; then return 1; fi 2>/dev/null
  disarm "$1"
  return 0
}
unhook() { rm -f "$units/trueup-revert-$1.service" "$units/multi-user.target.wants/trueup-revert-$1.service" 2>/dev/null; }

# A directory that nobody but root can change, nor anything above it, is entered without another look by the files that
# follow one another there, and what is made beside them is on record before the first: `be_sure DIRECTORY 'SLOT PATH'…`.
# Whatever could change owners or modes ends it. `listless`: new files have the modes that they are made with.
sure= listless=
be_sure() {
  sure= listless=
  (
    enter "$1" && [ -z "$exposed$power$leads" ] && [ "$PWD" = "$1" ] || exit 1
    case $(ls -ld .) in ??????????+*) exit 2 ;; esac
  ) 2>/dev/null
  case $? in
    0) listless=1 ;;
    2) ;;
    *) return 0 ;;
  esac
  sure=$1
  shift
  if ! { printf 'beside %s\n' "$@" >>"$r/journal"; } 2>/dev/null; then sure= listless=; fi
  sync -- "$r/journal" 2>/dev/null
  return 0
}
# What a step changes: `p`, a name in the directory that was entered, once `at DIRECTORY NAME` has gone there; `path` is for people.
at() {
  path=${1%/}/$2 p=./$2
  if [ "$sure" = "$1" ] && cd -P -- "$1" && [ "$PWD" = "$1" ]; then exposed=; else enter "$1" || return; fi
  real=${PWD%/}/$2
}
# What takes its place is made as `t`, beside it; where others can change the directory, in one of its own, which is
# root's alone and was entered before anything is written.
stand() {
  t=./$1 alone=
  trap 'exit 143' TERM INT
  trap clear EXIT
  if [ -z "$exposed" ]; then return 0; fi
  if ! mkdir -m 0700 -- "$t"; then trap - EXIT; return 1; fi
  alone=$t
  if ! within "$t"; then alone=; return 1; fi
  seen=$(stat -c '%u:%a' .)
  case $seen in
    *:700 | *:2700) trusted "${seen%%:*}" ;;
    *) false ;;
  esac || { refuse "$PWD is not what it was a moment ago"; alone=; return 1; }
  p=.$p t=./new
}
clear() {
  if [ -e "$t.old" ] && [ ! -L "$p" ] && [ ! -e "$p" ]; then mv -fT -- "$t.old" "$p"; fi
  remove_all "$t" && remove_all "$t.old"
  if [ -n "$alone" ]; then cd -P .. && rmdir -- "$alone"; fi
}

# Copies of what was there.
keep() {
  k=$r/kept/$1
  if [ -L "$k" ] || [ -e "$k" ]; then refuse "a copy for step $1 of this run is kept already" || return; fi
  if [ -L "$p" ] || [ -e "$p" ]; then
    if [ -n "${room-}" ] && size=$(du -skx -- "$p") && [ "${size%%[!0-9]*}" -gt "$room" ]; then
      printf '' >"$k.untouched"
      refuse "a copy of $path for the undo takes ${size%%[!0-9]*} KiB, and keep_mb under [undo] in trueup.toml allows $room"
      return
    fi
    # What it says is held back until there is room for it again.
    why=$(cp -a -- "$p" "$k" 2>&1) || { rm -rf -- "$k"; printf '' >"$k.untouched"; refuse "no copy could be kept for the undo: $why"; return; }
  else
    printf '' >"$k.absent"
  fi
}
# A directory that is there already is not made, and its undo does nothing.
keep_made() {
  if [ -d "$p" ] && [ ! -L "$p" ]; then printf '' >"$r/kept/$1.untouched"; else keep "$1"; fi
}
keep_attributes() {
  k=$r/kept/$1
  {
    if [ -n "$2" ] && [ -d "$p" ] && [ ! -L "$p" ]; then
      ( in_each "$path" '-depth' keep_here "$k" "$p" )
    else
      keep_those "$k" "$p"
    fi
  } || { rm -f -- "$k.names" "$k.attributes"; printf '' >"$k.untouched"; return 1; }
}
restore() {
  k=$s/runs/$1/kept/$2
  if [ -e "$k.names" ]; then
    way=$way xargs -0 sh -c 'eval "$way"
      top=$PWD
      for f do
        read -r u g m <&3 || exit
        (
          d=${f%/*} path=$top/${f#./}
          if [ "$d" != . ]; then cd -P -- "$d" && [ "$PWD" = "${top%/}${d#.}" ] || refuse "$path is not what it was" || exit; fi
          look_around && put_back "./${f##*/}" "$u" "$g" "$m"
        ) || exit 255
      done' sh <"$k.names" 3<"$k.attributes"
  elif [ -e "$k.absent" ]; then
    remove_one
  elif [ -L "$k" ] || [ -e "$k" ]; then
    if ! stand "$3"; then return 1; fi
    if ! cp -a -- "$k" "$t" || ! own_modes "$k" "$t"; then return 1; fi
    if [ -d "$p" ] && [ ! -L "$p" ]; then
      if mounted "$real" || ! mv -fT -- "$p" "$t.old"; then return 1; fi
    fi
    rename "$t" "$p"
  elif [ ! -e "$k.untouched" ]; then
    refuse "no copy of $path was kept"
  fi
}
# In a directory with the setgid bit, GNU cp leaves that bit on every directory it makes.
own_modes() {
  if [ -d "$2" ] && [ ! -L "$2" ] && [ -g "${2%/*}/" ]; then
    find "$1" -type d -exec sh -c 'from=$1 to=$2; shift 2
      for d do chmod -- "0000$(stat -c %a -- "$d")" "$to${d#"$from"}" || exit; done' sh "$1" "$2" {} +
  fi
}
rename() {
  # The mv of busybox takes a link to a directory for the directory, and that of GNU puts no link where its target is.
  if { [ -L "$2" ] && [ -d "$2" ] && [ ! -L "$1" ]; } || { [ -L "$1" ] && [ "$1" -ef "$2" ]; }; then
    mv -fT -- "$1" "$2" 2>/dev/null || { rm -f -- "$2" && mv -fT -- "$1" "$2"; }
  else
    mv -fT -- "$1" "$2"
  fi
}

# Files. `candidate` opens the new file as 9; nothing is ever written by a name that another could have put there.
# A second argument is the umask that makes a new file as it is to be.
candidate() {
  if [ -d "$p" ] && [ ! -L "$p" ]; then refuse "$path is a directory" || exit 1; fi
  stand "$1" || exit
  made=
  if [ -n "${2-}" ] && [ -n "$listless" ] && [ ! -e "$p" ] && [ ! -L "$p" ]; then made=1; umask "$2"; else umask 077; fi
  set -C
  exec 9>"$t" || exit
  set +C
  carry || exit
}
# What a file carries besides its owner and mode, while nobody else can read what takes its place: in a directory that
# others can change, it could be theirs. The mode that is set later limits the list's entries again as it did.
carry() {
  if [ -n "$exposed" ] || [ -L "$p" ] || [ ! -f "$p" ]; then return 0; fi
  if cp --attributes-only --preserve=mode,xattr -- "$p" "$t" 2>/dev/null || cp --attributes-only --preserve=mode -- "$p" "$t" 2>/dev/null; then
    chmod 0600 -- "$t"
  elif command -v setfacl >/dev/null && command -v getfacl >/dev/null; then
    getfacl -p -- "$p" | grep -v '^#' | setfacl -M - -- "$t" && chmod 0600 -- "$t"
  fi || refuse "the access control list of $path cannot be kept"
}
# What is checked is in a place that nobody else can change: `check SECONDS NAME COMMAND…`, the command in pieces, between
# which the path is to stand.
check() {
  limit=$1 c=$PWD/${t#./}
  if [ -n "$alone" ]; then
    c=$r/candidate
    mkdir -- "$c" && cp -p -- "$t" "$c/$2" || return
    trap 'rm -rf -- "$r/candidate"; clear' EXIT
    c=$c/$2
  fi
  case $c in *[!a-zA-Z0-9_./:=,+@%-]*) c=$(quoted "$c") ;; esac
  command=$3
  shift 3
  for piece do command=$command$c$piece; done
  limited "$limit" sh -c "$command" || refuse 'its validation refuses the new contents'
}
quoted() {
  tail=$1 out=
  while :; do
    case $tail in
      *\'*) out=$out${tail%%\'*}"'\\''" tail=${tail#*\'} ;;
      *) break ;;
    esac
  done
  printf "'%s'" "$out$tail"
}
# Of large contents (a third argument) openssl, where there is one, takes a third of the time that sha256sum does.
whole() {
  sum=$([ -n "${3-}" ] && openssl dgst -sha256 -r <"$1" 2>/dev/null) || sum=$(sha256sum <"$1") || return
  if [ "${sum%% *}" != "$2" ]; then refuse 'what was written is not what was sent'; fi
}
# Contents that came ahead take the candidate's name, or are copied where that is on another file system.
adopt() {
  here=$(stat -c %d -- "$s/incoming/${r##*/}.$1") && there=$(stat -c %d -- "$t") || return
  if [ "$here" = "$there" ]; then
    mv -fT -- "$s/incoming/${r##*/}.$1" "$t"
  else
    cat -- "$s/incoming/${r##*/}.$1" >&9
  fi
}
complete() {
  exec 9>&-
  # What the shell itself has written, by a printf that writes what it is given, is as it was sent.
  if [ -n "${stamp-}" ] || [ -z "$exact" ]; then whole "$t" "$4" "${stamp-}" || exit; fi
  if [ -n "$ahead" ]; then write_ahead "$ahead" "$t"; else sync -- "$t" 2>/dev/null; fi
  owner=$1 group=$2 mode=${3:-00644} fresh=1
  if [ -n "$made" ]; then mode=; fi
  if [ -f "$p" ] && [ ! -L "$p" ]; then
    seen=$(stat -c '%u %g %a' -- "$p") || exit
    given=$3
    fresh=
    set -- $seen
    owner=${owner:-$1} group=${group:-$2} mode=${given:-0000$3}
    if [ -e /sys/fs/selinux/enforce ]; then chcon --reference="$p" -- "$t" 2>/dev/null; fi
  fi
  attribute "$t" "$owner" "$group" "$mode" || exit
}
# What was not there when the plan was made, and is by now, is somebody's.
commit() {
  if [ -n "${1-}" ]; then
    mv -nT -- "$t" "$p" && if [ -e "$t" ]; then refuse "$path has come meanwhile, and is left as it is"; fi || exit
  else
    rename "$t" "$p" || exit
  fi
  if [ -z "$alone" ]; then trap - EXIT; fi
  if [ -n "$fresh" ] && [ -e /sys/fs/selinux/enforce ]; then restorecon -- "$path" 2>/dev/null; fi
  return 0
}
# What large contents hash to, for whoever looks at them before this script ends: none of it was written since `stamp`.
remember() {
  if [ "$(stat -c %y -- "$p")" = "$stamp" ]; then
    printf '%s%s|%s\n' "$1" "$(stat -c "$touched" -- "$p")" "$path" >>"$known" || return 0
  fi
}
attribute_all() {
  ( in_each "$path" '-depth' attribute_here "$@" )
}
make_directory() {
  mode=$3
  if [ ! -d "$p" ] || [ -L "$p" ]; then
    ( umask 077; mkdir -- "$p" ) || return
    mode=${3:-00755}
    if [ -e /sys/fs/selinux/enforce ]; then restorecon -- "$path" 2>/dev/null; fi
  fi
  attribute_one "$p" "$1" "$2" "$mode"
}
link() {
  ln -s -- "$1" "$t" && rename "$t" "$p"
}
remove_one() {
  if [ -d "$p" ] && [ ! -L "$p" ]; then rmdir -- "$p"; else rm -f -- "$p"; fi
}

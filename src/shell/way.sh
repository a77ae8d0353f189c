# The way to a path. Root works in directories that other users can change, too, and is not to be led astray there: it
# enters the directory, looks where it has arrived and through whose hands it came, and from then on uses names in it
# alone. The rule is the one of systemd-tmpfiles(8), its "unsafe path transition": what somebody can put something else
# in the place of has to be that one's own.
refuse() { why=$1; printf '%s\n' "$1" >&2; return 1; }
own=
trusted() {
  if [ "$1" = 0 ]; then return 0; fi
  if [ -z "$own" ]; then own=$(id -u); fi
  [ "$1" = "$own" ]
}
# One directory further down: `pass UID MODE`. `power` is who can put something else in the place of what is in it: empty
# for root and for who is connected, a number for another user.
pass() {
  if [ -n "$power" ] && [ "$1" != "$power" ]; then return 1; fi
  if trusted "$1"; then power=; else power=$1; fi
  case $2 in [1357]???) ;; *[2367]) power=everybody ;; esac
}
unsafe() {
  if [ "$power" = everybody ]; then
    refuse "the way there is not safe: everybody can write to $1, and put something else in the place of $2"
  else
    who=$(id -un -- "$power" 2>/dev/null) || who="the user $power"
    refuse "the way there is not safe: $1 is in the hands of $who, who can put something else in the place of $2"
  fi
}
# Through whose hands one comes to the directory that was entered. It goes up from there: whoever renames a directory
# meanwhile changes nothing of that.
chain() {
  up=. below=${PWD%/}
  set -- .
  while [ -n "$below" ]; do up=$up/.. below=${below%/*}; set -- "$up" "$@"; done
  seen=$(stat -c '%u:%a' -- "$@" 2>/dev/null) || { refuse "$PWD cannot be looked at"; return 1; }
  power= here= below=$PWD/
  for seen in $seen; do
    above=${here%/} here=$here${below%%/*}
    below=${below#*/}
    if [ -z "$here" ]; then pass 0 "${seen#*:}"; elif ! pass "${seen%%:*}" "${seen#*:}"; then unsafe "${above:-/}" "$here"; return 1; fi
    here=$here/
  done
}
# The symlinks on the way that the kernel has gone: none is followed here but by what it says.
follow() {
  goal=$PWD rest=$1 most=40
  cd / || return
  while [ -n "$rest" ]; do
    c=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    case $c in
      '' | .) ;;
      ..) cd -P .. || return ;;
      *)
        if [ -L "./$c" ]; then
          most=$((most - 1))
          if [ $most = 0 ]; then refuse "too many symlinks are on the way"; return 1; fi
          link=${PWD%/}/$c
          to=$(readlink -n -- "./$c" && echo /) && of=$(stat -c %u -- "./$c") && chain || return
          if ! pass "$of" 0; then unsafe "$PWD" "$link"; return 1; fi
          if [ -n "$power" ]; then leads="$leads $power"; fi
          rest=$to$rest
          case $to in /*) cd / || return ;; esac
        else
          link=${PWD%/}/$c
          if ! cd -P -- "./$c" || [ "$PWD" != "$link" ]; then refuse "$link is not what it was a moment ago"; return 1; fi
        fi
        ;;
    esac
  done
  if [ "$PWD" != "$goal" ]; then refuse "the way to $1 is not what it was a moment ago"; fi
}
# `enter DIRECTORY`: `exposed` is set where others can change what is in it.
enter() {
  leads=
  if ! cd -P -- "$1" 2>/dev/null; then refuse "the directory $1 is not there"; return 1; fi
  if [ "$PWD" != "$1" ]; then follow "$1" || return; fi
  chain || return
  for up in $leads; do
    if [ "$up" = "$power" ]; then continue; fi
    who=$(id -un -- "$up" 2>/dev/null) || who="the user $up"
    refuse "the way there is not safe: a symlink that is in the hands of $who leads to $PWD, which is another's"
    return 1
  done
  exposure
}
# Of the directory that was entered.
look_around() { seen=$(stat -c '%u:%a' .) && exposure; }
exposure() {
  exposed=
  if ! trusted "${seen%%:*}"; then exposed=1; fi
  case $seen in *[2367] | *[2367]?) exposed=1 ;; esac
}
# One further down, which is no symlink.
within() {
  above=${PWD%/}
  if [ -L "$1" ]; then refuse "$above/${1#./} is a symlink"; return 1; fi
  if ! cd -P -- "$1" || [ "$PWD" != "$above/${1#./}" ]; then refuse "$above/${1#./} is not what it was a moment ago"; fi
}
# Whether 8 is the file of that name in the directory that was entered, and not what a symlink led to.
is_here() { [ "$(readlink /proc/self/fd/8)" = "${PWD%/}/${1#./}" ] || refuse "${PWD%/}/${1#./} is not what it was a moment ago"; }

# For many: `ways FIRST 'ABOVE…' DIRECTORY…` numbers directories from FIRST, each after the one that it is in, whose number
# is in the list, `-` for the root. It tells those to which the way is not safe: `NUMBER WHY` and a NUL, and at last a NUL.
ways() {
  first=$1 list=$2 n=$1
  shift 2
  for up in $list; do
    kind=there
    if [ "$up" != - ]; then eval "kind=\$k$up"; fi
    if [ ! -d "$1" ]; then kind=none; elif [ -L "$1" ]; then kind=linked; fi
    if [ $kind = there ]; then set -- "$@" "$1"; fi
    eval "k$n=\$kind u$n=\$up d$n=\$1"
    n=$((n + 1))
    shift
  done
  end=$n n=$first there=$#
  if [ $# -gt 0 ]; then set -- $(stat -c '%u:%a' -- "$@" 2>/dev/null); fi
  if [ $# != $there ]; then printf -- '- directories came or went meanwhile\000'; end=0; fi
  while [ $n -lt $end ]; do
    eval "kind=\$k$n up=\$u$n d=\$d$n"
    case $kind in
      there)
        power= over=/
        if [ "$up" != - ]; then eval "power=\$p$up over=\$d$up"; fi
        if ! pass "${1%%:*}" "${1#*:}"; then
          unsafe "$over" "$d" 2>/dev/null
          printf '%s %s\000' $n "$why"
          power=${1%%:*}
        fi
        eval "p$n=\$power"
        shift
        ;;
      linked) why=$( (enter "$d") 2>&1 ) || printf '%s %s\000' $n "$why" ;;
    esac
    n=$((n + 1))
  done
  printf '\000'
}

# Attributes of what has that name in the directory that was entered, and of nothing that a symlink leads to:
# `attribute_one NAME OWNER GROUP MODE`. Where others can change the directory, a file is opened first.
attribute() {
  if [ -n "$2$3" ]; then chown -h -- "$2${3:+:$3}" "$1" || return; fi
  if [ -n "$4" ]; then chmod -- "$4" "$1"; fi
}
attribute_one() {
  if [ -L "$1" ]; then
    refuse "$path is a symlink"
  elif [ -d "$1" ]; then
    ( within "$1" && attribute . "$2" "$3" "$4" )
  elif [ -z "$exposed" ]; then
    attribute "$@"
  elif [ ! -f "$1" ]; then
    refuse "$path is no file, and others can change what is in the directory it is in"
  else
    case $4 in
      *[2-7]???) refuse "others can change what is in the directory of $path: no set-ID bit is given to what is there" || return ;;
    esac
    attribute_held "$@" 8<"$1"
  fi
}
attribute_held() {
  is_here "$1" && alone_here || return
  if [ -n "$2$3" ]; then chown -- "$2${3:+:$3}" /proc/self/fd/8 || return; fi
  if [ -n "$4" ]; then chmod -- "$4" /proc/self/fd/8; fi
}
# Where anybody may give a file a further name, one with several may be anybody's.
alone_here() {
  if { read -r links </proc/sys/fs/protected_hardlinks; } 2>/dev/null && [ "$links" = 0 ] && [ "$(stat -L -c %h /proc/self/fd/8)" != 1 ]; then
    refuse "$path has other names, and this host lets anybody give files further names"
  fi
}
# As it was: what others may have changed since gets no set-ID bit back.
put_back() {
  m=$4
  if [ -n "$exposed" ] && [ -f "$1" ]; then case $m in ????) m=${m#?} ;; esac; fi
  if [ -L "$1" ]; then return 0; fi
  attribute_one "$1" "$2" "$3" "0000$m"
}

# All below, one directory after the other, each entered: `in_each PATH ORDER FUNCTION ARGUMENT…` calls the function in each; what is
# mounted below is not gone into. `.` and all that is no directory are its own: `these` is how find(1) gets at them.
in_each() {
  tree=$1 order=$2
  shift 2
  within "$p" || return
  way=$way find . -xdev $order -type d -exec sh -c 'eval "$way"
    tree=$1 top=$2 mounts=$3 n=$4
    shift 4
    call=
    i=0
    while [ $i -lt $n ]; do eval "a$i=\$1"; call="$call \"\$a$i\""; i=$((i + 1)); shift; done
    for d do
      (
        case $d in
          .) [ "$PWD" = "$top" ] ;;
          *) cd -P -- "$d" && [ "$PWD" = "${top%/}${d#.}" ] ;;
        esac || { refuse "$tree${d#.} is not what it was a moment ago"; exit 1; }
        below=$d path=$tree${d#.}
        depth=1
        case $d$mounts in ./*"|$PWD|"*) depth=0 ;; esac
        eval "$call"
      ) || exit 255
    done' sh "$tree" "$PWD" "$(mounts "$PWD")" $# "$@" {} +
}
these() { find . -maxdepth $depth ! -type l '(' ! -type d -o -name . ')' "$@"; }
attribute_here() {
  if [ -n "$1" ]; then these ! -user "$1" -exec chown -h -- "$1" {} + || return; fi
  if [ -n "$2" ]; then these ! -group "$2" -exec chown -h -- ":$2" {} + || return; fi
  if [ -z "$3" ]; then return 0; fi
  look_around || return
  files_to "$4" '(' -perm -100 -o -perm -010 -o -perm -001 ')' && files_to "$5" ! -perm -100 ! -perm -010 ! -perm -001 || return
  these -name . ! -perm "$3" -exec chmod -- "$3" . ';'
}
files_to() {
  m=$1
  shift
  if [ -z "$exposed" ]; then
    these -type f ! -perm "$m" "$@" -exec chmod -- "$m" {} +
  else
    these -type f ! -perm "$m" "$@" -exec sh -c 'eval "$way"
      m=$1 exposed=1 here=$2
      shift 2
      for f do path=$here/${f#./}; attribute_one "$f" "" "" "$m" || exit 255; done' sh "$m" "$path" {} +
  fi
}
# What attributes there are, and of what: names as `put_back` is given them.
keep_here() {
  these -exec sh -c '
    k=$1 below=$2
    shift 2
    stat -c "%u %g %a" -- "$@" >>"$k.attributes" || exit
    for f do case $f in .) f= ;; *) f=${f#.} ;; esac; printf "%s\000" "$below$f"; done >>"$k.names"' sh "$1" "$2${below#.}" {} +
}
keep_those() {
  if [ -L "$2" ] || [ ! -e "$2" ]; then refuse "$path is a symlink, or not there any more"; return 1; fi
  stat -c '%u %g %a' -- "$2" >>"$1.attributes" && printf '%s\000' "$2" >>"$1.names"
}
# Mount points at and below a path, with a bar around each.
mounts() {
  if [ ! -r /proc/self/mounts ]; then return 0; fi
  while read -r _ m _; do
    case $m in *\\*) m=$(printf %b "$m") ;; esac
    case $m in "$1" | "$1"/*) printf '|%s|' "$m" ;; esac
  done </proc/self/mounts
}
mounted() {
  m=$(mounts "$1")
  if [ -z "$m" ]; then return 1; fi
  m=${m#|}
  refuse "${m%%|*} is a mount point"
  return 0
}

# Removes what has that name, with all that is in it. GNU rm enters each directory by itself, and follows nothing; where there is another,
# a directory is made root's before anything in it goes.
remove_all() {
  if [ -L "$1" ] || [ ! -d "$1" ]; then
    if [ -L "$1" ] || [ -e "$1" ]; then rm -f -- "$1"; fi
    return
  fi
  if [ -z "${gnu_rm-}" ]; then case $(rm --version 2>/dev/null) in *GNU*) gnu_rm=yes ;; *) gnu_rm=no ;; esac; fi
  if [ $gnu_rm = yes ]; then rm -rf -- "$1"; else ( within "$1" && empty_out ) && rmdir -- "$1"; fi
}
empty_out() {
  seen=$(stat -c %u .)
  if ! trusted "$seen"; then chown "$(id -u)" . || return; fi
  chmod 0700 . || return
  for f in .[!.]* ..?* *; do
    if [ -L "./$f" ] || { [ -e "./$f" ] && [ ! -d "./$f" ]; }; then
      rm -f -- "./$f" || return
    elif [ -d "./$f" ]; then
      ( within "./$f" && empty_out ) && rmdir -- "./$f" || return
    fi
  done
}

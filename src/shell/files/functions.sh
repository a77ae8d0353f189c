# `there PATH…` prints a line of one character a path.
#
# `digests FIRST LIST PATH…` compares with contents, listed as `DIGEST:SIZE` (no size if nobody knows it). It prints a line
# of one `0` or `1` a path, a digest a line for each `1`, then `T index length`, a line break and the text for each small
# file whose digest is another than the listed one, `A index lost` if such a file has an access control list that does not
# outlive its replacement (`A index kept` if it does), `B index mounted` or `B index fixed` if it cannot be replaced, and
# `.` at the end. What a pipe, a device or a link leads to is not read, and a large file is not if its size alone says that
# it is another. Lines of tools are matched to their paths, for a file may go in between. Numbered variables, because to
# cut a long text piece by piece takes a time that grows by the square of its length.
#
# `$known`, which only an apply sets, is a file of lines `digest|stat|path`: what this very script has written and hashed is
# not read again, as long as nothing has touched it since.
there() {
  for p do
    if [ -L "$p" ]; then printf l; elif [ -d "$p" ]; then printf d; elif [ -f "$p" ]; then printf f; elif [ -e "$p" ]; then printf s; else printf %s -; fi
  done
  printf '\n'
}
readable() { [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ]; }
large() { if [ -n "$2" ]; then [ "$1" -gt 67108864 ] && [ "$1" != "$2" ]; else [ "$1" -gt 4294967296 ]; fi; }
touched='|%d %i %s %y %z'
seen() {
  if [ -z "$known" ]; then stat -c "$touched|%n" -- "$@"; return; fi
  stat -c "$touched|%n" -- "$@" | known=$known awk 'BEGIN {
    while ((getline l < ENVIRON["known"]) > 0) { i = index(l, "|"); of[substr(l, i)] = substr(l, 1, i - 1) }
  } { print of[$0] $0 }'
}
text() (
  d=${2%/*}
  d=${d:-/}
  if ! cd -P -- "$d" || { [ "$PWD" != "$d" ] && ! enter "$d"; } || ! exec 8<"./${2##*/}" || ! is_here "${2##*/}"; then exit 0; fi
  n=$(stat -L -c %s /proc/self/fd/8) || exit 0
  if [ "$n" -le 131072 ]; then printf 'T %s %s\n' "$1" "$n"; head -c "$n" <&8; printf '\n'; fi
) 2>/dev/null
# Sets line_0, line_1 … to the lines of its argument.
number() {
  j=0; set -f; IFS=$nl
  for l in $1; do eval "line_$j=\$l"; j=$((j + 1)); done
  set +f; IFS=" $tab$nl"
  unset "line_$j"
}
digests() {
  i=$1; listed=$2; shift 2
  j=0
  for want in $listed; do eval "want_$j=\$want"; j=$((j + 1)); done
  number "$(seen "$@" 2>/dev/null)"
  # What is read gets a hyphen for now, and all that are named may be, if none is there that must not be read.
  j=0; k=0; any=; all=1
  for p do
    eval "l=\${line_$k-} want=\$want_$j"
    got=
    if [ "${l#*|*|}" = "$p" ]; then
      k=$((k + 1)); n=${l#*|* * }; n=${n%% *}
      if ! readable "$p" || large "$n" "${want#*:}"; then
        if [ ! -d "$p" ] || [ -L "$p" ]; then all=; fi
      else
        got=${l%%|*}
        if [ -n "$got" ]; then all=; else got=-; any=1; fi
      fi
    fi
    eval "got_$j=\$got"
    j=$((j + 1))
  done
  if [ -n "$any" ]; then
    number "$(if [ -n "$all" ]; then sha256sum -- "$@"; else
      j=0
      for p do
        eval "got=\$got_$j"
        if [ "$got" = - ]; then printf '%s\000' "$p"; fi
        j=$((j + 1))
      done | xargs -r -0 sha256sum --
    fi 2>/dev/null)"
    j=0; k=0
    for p do
      eval "got=\$got_$j l=\${line_$k-}"
      if [ "$got" = - ]; then
        got=
        if [ "${l#*  }" = "$p" ]; then got=${l%% *}; k=$((k + 1)); fi
        eval "got_$j=\$got"
      fi
      j=$((j + 1))
    done
  fi
  j=0
  for p do
    eval "got=\$got_$j"
    if [ -n "$got" ]; then printf 1; else printf 0; fi
    j=$((j + 1))
  done
  printf '\n'
  j=0
  for p do
    eval "got=\$got_$j"
    if [ -n "$got" ]; then printf '%s\n' "$got"; fi
    j=$((j + 1))
  done
  j=0; other=
  for p do
    eval "got=\$got_$j want=\$want_$j"
    case $got in '' | "${want%:*}") ;; *) other=1; eval "other_$j=1"; text "$((i + j))" "$p" ;; esac
    j=$((j + 1))
  done
  if [ -n "$other" ]; then lists "$@"; fi
  printf '.\n'
}
# What stands in the way of other contents, of those whose `other_0`, `other_1` … is set: an access control list, for which ls(1) has a +, a mount
# on the file itself, and the attribute `i` of lsattr(1).
lists() {
  j=0; n=0
  for p do
    eval "is=\${other_$j-}; unset other_$j"
    if [ -n "$is" ]; then set -- "$@" "$p"; n=$((n + 1)); eval "at_$n=$j"; fi
    shift
    j=$((j + 1))
  done
  {
    QUOTING_STYLE=literal ls -ld -- "$@"
    echo
    lsattr -d -- "$@"
    echo
    awk '$4 != "/" { print $5 }' /proc/self/mountinfo
  } 2>/dev/null | {
    part=list
    while IFS= read -r l; do
      case $part$l in
        list) part=fixed; continue ;;
        fixed) part=mounted_on; continue ;;
        list??????????+*) ;;
        fixed*\ *) case ${l%% *} in *i*) ;; *) continue ;; esac ;;
        mounted_on*\\*) l=" $(printf %b "$l")" ;;
        mounted_on*) l=" $l" ;;
        *) continue ;;
      esac
      n=0
      for p do
        n=$((n + 1))
        case $l in *" $p") eval "j=\$at_$n"; $part "$((i + j))" "$p" ;; esac
      done
    done
  }
}
fixed() { printf 'B %s fixed\n' "$1"; }
mounted_on() { printf 'B %s mounted\n' "$1"; }
list() {
  d=${2%/*}
  ( exposed=1; enter "${d:-/}"; if [ -n "$exposed" ]; then printf 'A %s lost\n' "$1"; else printf 'A %s kept\n' "$1"; fi ) 2>/dev/null
}
digest_one() {
  if readable "$3" && n=$(stat -c %s -- "$3") && ! large "$n" "${2#*:}" && got=$(sha256sum <"$3" 2>/dev/null); then
    printf '1\n%s\n' "$got"
    if [ "${got%% *}" != "${2%:*}" ]; then
      text "$1" "$3"
      case $(ls -ld -- "$3") in ??????????+*) list "$1" "$3" ;; esac
    fi
  else
    printf '0\n'
  fi
  printf '.\n'
}

# The keys of a user, whose home and all that is in it is the user's to change: they are read where they are, and from
# nowhere that a symlink leads to.
authorized_keys() {
  { if command -v getent >/dev/null; then getent passwd -- "$@"; else cat /etc/passwd; fi; } 2>/dev/null | while IFS=: read -r n _ _ _ _ h _; do
    for u do if [ "$u" = "$n" ]; then ( keys_of "$n" "${h%/}" ) 2>/dev/null; fi; done
  done
}
keys_of() {
  if [ ! -e "$2/.ssh" ] && [ ! -L "$2/.ssh" ]; then printf 'user\t%s\tno\n' "$1"; return; fi
  printf 'user\t%s\tyes\n' "$1"
  if enter "$2" && within ./.ssh && chain; then
    if [ ! -e ./authorized_keys ] && [ ! -L ./authorized_keys ]; then return; fi
    if [ -f ./authorized_keys ] && [ ! -L ./authorized_keys ]; then
      keys_here 8<./authorized_keys && return
    else
      refuse "$2/.ssh/authorized_keys is no file"
    fi
  fi
  printf 'bad\t%s\n' "$why"
}
keys_here() {
  why="it cannot be read"
  is_here authorized_keys && size=$(stat -L -c %s /proc/self/fd/8) || return
  if [ "$size" -gt 262144 ]; then refuse "$PWD/authorized_keys has $size bytes, and 262144 are read at most"; return 1; fi
  while IFS= read -r l || [ -n "$l" ]; do printf 'key\t%s\n' "$l"; done <&8
}
# A guard of an exec, by the seconds it has, the user it is run as, its folder and its text. If it could not be run, it is run again for what it
# says of that. The status 124 is for the deadline alone.
guarded() {
  if [ -z "${T+set}" ]; then deadlines; fi
  guard "$@" >/dev/null 2>&1
  status=$?
  case $status in
    12[567]) guard "$@" 2>&1 >/dev/null | head -c 4096 ;;
    124) echo "it has not ended after $1 seconds, and was stopped" ;;
  esac
  return $status
}
guard() (
  if [ -n "$3" ]; then cd -- "$3" || exit 125; fi
  if [ -n "$2" ] && ! id -u -- "$2" >/dev/null 2>&1; then echo "there is no user $2" >&2; exit 125; fi
  as "$1" "$2" "$4"
)

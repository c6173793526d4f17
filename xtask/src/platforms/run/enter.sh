# Runs a program in a root of its own. To be called in mount and process namespaces of its own, so that everything that
# is mounted or started here is gone when the program ends.
# Usage: enter.sh MOUNT LAYERS [FROM TO]... -- [COMMAND [ARGUMENT]...]
#   MOUNT   an empty folder, where the root is put together
#   LAYERS  the folders that it is made of, which stay as they are: overlayfs's lowerdir
#   FROM    a folder that the program finds as TO
set -eu
mount=$1
lower=$2
shift 2

mount -t tmpfs root "$mount"
mkdir "$mount/changes" "$mount/work" "$mount/root"
mount -t overlay root -o "lowerdir=$lower,upperdir=$mount/changes,workdir=$mount/work" "$mount/root"
root=$mount/root

# The layers are packages, of which no script has run.
for folder in bin lib lib64; do
  [ -e "$root/$folder" ] || [ ! -e "$root/usr/$folder" ] || ln -s "usr/$folder" "$root/$folder"
done
mkdir -p "$root/dev" "$root/proc" "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  shift 2
done
shift

# Root reads every file, whatever its mode; the programs must not.
[ $# = 0 ] || setpriv --bounding-set=-dac_override,-dac_read_search chroot "$root" "$@"

# Run by root on a host that has no runner yet, with three words set before it: what to do with the archive that comes
# first on standard input (`install` or `plan`), how many bytes it has, and their SHA-256. After the archive comes one
# request for the runner, which answers on standard output; everything else speaks on standard error.
set -eu
umask 022
doing=$1 size=$2 digest=$3 operator=$4
archive=$(mktemp /tmp/launchpad-runner.XXXXXXXX)
trap 'rm -f "$archive"' EXIT
head -c "$size" > "$archive"
if ! echo "$digest  $archive" | sha256sum --check --quiet >&2; then
    echo "the runner did not arrive whole" >&2
    exit 1
fi
if ! [ -x /usr/bin/python3 ] || ! /usr/bin/python3 -I -c 'import ipaddress, json, zipfile' 2> /dev/null; then
    if [ "$doing" = plan ]; then
        echo "this host has no Python yet, which a plan needs; a provision installs it" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qy -o DPkg::Lock::Timeout=300 update < /dev/null >&2
    apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends python3 < /dev/null >&2
fi
if [ "$doing" = plan ]; then
    /usr/bin/python3 -I "$archive" "$operator"
    exit
fi
/usr/bin/python3 -I "$archive" install < /dev/null >&2
rm -f "$archive"
exec /usr/local/sbin/launchpad-runner "$operator"

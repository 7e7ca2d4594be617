#!/bin/sh
# Gives the program its secrets: each file /run/secrets/NAME becomes the variable NAME, then the program takes over.
# They reach it this way because whatever stands in Compose's `environment:` also stands in `docker inspect`.
set -eu

for file in /run/secrets/*; do
    [ -f "$file" ] || continue
    name=${file##*/}
    case $name in
        [!A-Z]* | *[!A-Z0-9_]*)
            echo "entrypoint: $name is not the name of a secret" >&2
            exit 78
            ;;
    esac
    # The dot keeps line breaks at the value's end, which $(…) would take away.
    value=$(cat "$file" && echo .)
    value=${value%.}
    export "$name=$value"
done
unset file name value

exec "$@"

#!/bin/sh
# OpenClaw's command line, wherever the image has it: on the PATH from npm, or below /app in the official image.
# Before a gateway starts, what the operator decides is written into its configuration.
set -eu

PERMANENT=78

start() {
    if command -v openclaw >/dev/null; then
        exec openclaw "$@"
    fi
    exec node /app/dist/index.js "$@"
}

# A version that finds a state it cannot migrate by itself exits at once and asks for its doctor. That changes the state,
# so it is let in only here, at a version's first start, where a generation is kept and the start may have been rehearsed.
start_for_the_first_time() {
    start "$@" &
    gateway=$! stopped=
    trap 'stopped=yes; kill -TERM "$gateway" 2>/dev/null || true' TERM INT
    while true; do # a signal ends `wait`, not the gateway
        code=0
        wait "$gateway" || code=$?
        kill -0 "$gateway" 2>/dev/null || break
    done
    if [ "$code" != "$PERMANENT" ] || [ -n "$stopped" ]; then
        [ "$code" = "$PERMANENT" ] || printf '%s' "$LAUNCHPAD_VERSION" >"$STARTED"
        exit "$code"
    fi
    trap - TERM INT
    echo "launchpad: OpenClaw $LAUNCHPAD_VERSION does not start on this state: its doctor is let in, once" >&2
    (start doctor --fix --non-interactive) || echo "launchpad: the doctor exited with $?" >&2
    printf '%s' "$LAUNCHPAD_VERSION" >"$STARTED"
    start "$@"
}

# A rehearsal is on a copy of the customer's data: nobody may be answered or woken by it.
if [ "${LAUNCHPAD_REHEARSAL:-}" = 1 ]; then
    export OPENCLAW_SKIP_CHANNELS=1 OPENCLAW_SKIP_CRON=1 OPENCLAW_SKIP_GMAIL_WATCHER=1
fi

if [ "$1" = gateway ]; then
    umask 077
    mkdir -p "$XDG_CACHE_HOME" "$npm_config_cache" "$NODE_COMPILE_CACHE"
    node /launchpad/configure.mjs /launchpad/openclaw.json "$OPENCLAW_STATE_DIR/openclaw.json"
    STARTED="$XDG_CACHE_HOME/launchpad-started"
    if [ "$(cat "$STARTED" 2>/dev/null || true)" != "$LAUNCHPAD_VERSION" ]; then
        start_for_the_first_time "$@"
    fi
fi

start "$@"

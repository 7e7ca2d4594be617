#!/bin/sh
# OpenClaw's command line, wherever the image has it: on the PATH from npm, or below /app in the official image.
# Before a gateway starts, what the operator decides is written into its configuration.
set -eu

# A rehearsal is on a copy of the customer's data: nobody may be answered or woken by it.
if [ "${LAUNCHPAD_REHEARSAL:-}" = 1 ]; then
    export OPENCLAW_SKIP_CHANNELS=1 OPENCLAW_SKIP_CRON=1 OPENCLAW_SKIP_GMAIL_WATCHER=1
fi

if [ "$1" = gateway ]; then
    umask 077
    mkdir -p "$XDG_CACHE_HOME" "$npm_config_cache" "$NODE_COMPILE_CACHE"
    node /launchpad/configure.mjs /launchpad/openclaw.json "$OPENCLAW_STATE_DIR/openclaw.json"
fi

if command -v openclaw >/dev/null; then
    exec openclaw "$@"
fi
exec node /app/dist/index.js "$@"

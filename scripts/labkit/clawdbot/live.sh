# A life with Clawdbot, as its user bob lived it: set up, a turn with a model, a scheduled job, a device that was paired
# (the command line's own, the first time that it reached the gateway), a file in the workspace. What it leaves behind in
# bob's home is a state to import.
set -eu
export HOME=/home/bob
cd "$HOME"
node /life/provider.mjs &
provider=$!
clawdbot onboard --non-interactive --accept-risk --mode local --auth-choice apiKey \
    --anthropic-api-key sk-ant-api03-bobs-key-that-is-none --gateway-port 18789 --gateway-bind loopback \
    --gateway-auth token --gateway-token the-gateway-token-of-bobs-clawdbot --skip-channels --skip-skills --skip-health \
    --skip-ui --no-install-daemon
clawdbot config set --json models '{"providers": {"plain": {"baseUrl": "http://127.0.0.1:9099/v1", "apiKey": "none",
    "api": "openai-completions", "models": [{"id": "plain", "name": "plain", "reasoning": false, "input": ["text"],
    "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}, "contextWindow": 200000, "maxTokens": 8192}]}}}'
clawdbot config set agents.defaults.model.primary plain/plain
clawdbot config set --json channels.telegram '{"enabled": false, "botToken": "123456:the-token-of-bobs-bot"}'
clawdbot gateway &
gateway=$!
tries=0
until node -e "fetch('http://127.0.0.1:18789/').then(() => process.exit(0), () => process.exit(1))"; do
    tries=$((tries + 1))
    [ $tries -lt 180 ] || { echo "the gateway does not answer" >&2; exit 1; }
    sleep 1
done
clawdbot cron add --name from-clawdbot --cron '0 4 1 1 *' --system-event from-clawdbot --json
clawdbot agent --agent main --message "Remember the lighthouse." --json
echo from-clawdbot > clawd/from-clawdbot.marker
kill -TERM $gateway
wait $gateway || true
kill $provider

// node usage-cost.mjs PORT
//
// What OpenClaw itself adds up from its sessions, by day in UTC and over all agents: one line of JSON, {"complete", "days":
// [{"date", "cost" in US dollars, "tokens", "unpriced"}]}. Exits 2 when the gateway does not say. By OpenClaw's own
// protocol, as quiet.mjs: its command line (`openclaw gateway usage-cost`) would take 220 MB of the tenant's memory.

const [port] = process.argv.slice(2);
const SECONDS = 15;
// The gateway answers with what it has, reads new sessions behind that, and repeats an answer for the same days.
const DAYS = [31, 30, 29, 28];
const PAUSE_MS = 3000;
const UNKNOWN = 2;

const socket = new WebSocket(`ws://127.0.0.1:${port}`);
const end = (code, said) => {
  console.log(said);
  process.exit(code);
};
const ask = (id, method, params) => socket.send(JSON.stringify({ type: "req", id, method, params }));
const askDays = (index) => ask(String(index), "usage.cost", { days: DAYS[index], agentScope: "all" });

setTimeout(() => end(UNKNOWN, `no answer within ${SECONDS} s`), SECONDS * 1000);
socket.addEventListener("error", () => end(UNKNOWN, "cannot connect"));
socket.addEventListener("close", (event) => end(UNKNOWN, `closed: ${event.code} ${event.reason}`));
socket.addEventListener("message", (event) => {
  const said = JSON.parse(event.data);
  if (said.event === "connect.challenge") connect();
  if (said.type !== "res") return;
  if (!said.ok) end(UNKNOWN, said.error?.message);
  if (said.id === "connect") askDays(0);
  else tell(said.payload, Number(said.id));
});

function connect() {
  ask("connect", "connect", {
    minProtocol: 3,
    maxProtocol: 9,
    client: { id: "gateway-client", version: "1.0.0", platform: process.platform, mode: "backend" },
    role: "operator",
    scopes: ["operator.read"],
    auth: { token: process.env.OPENCLAW_GATEWAY_TOKEN },
  });
}

function tell(payload, index) {
  const complete = (payload.cacheStatus?.status ?? "fresh") === "fresh";
  if (!complete && index + 1 < DAYS.length) return setTimeout(askDays, PAUSE_MS, index + 1);
  const days = payload.daily.map((day) => ({
    date: day.date,
    cost: day.totalCost,
    tokens: day.totalTokens,
    unpriced: day.missingCostEntries,
  }));
  end(0, JSON.stringify({ complete, days }));
}

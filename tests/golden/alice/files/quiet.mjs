// node quiet.mjs PORT
//
// Whether the gateway is at work that a stop would have to wait for: a turn, a reply on its way, a scheduled job. Exits 0
// when it is not, 1 when it is, 2 when it does not say. By OpenClaw's own protocol, as a trusted local backend of its: its
// command line would take two seconds for that.

const [port] = process.argv.slice(2);
const SECONDS = 2;
const QUIET = 0;
const AT_WORK = 1;
const UNKNOWN = 2;

const socket = new WebSocket(`ws://127.0.0.1:${port}`);
const end = (code, why) => {
  if (why) console.log(why);
  process.exit(code);
};
const ask = (id, method, params) => socket.send(JSON.stringify({ type: "req", id, method, params }));

setTimeout(() => end(UNKNOWN, `no answer within ${SECONDS} s`), SECONDS * 1000);
socket.addEventListener("error", () => end(UNKNOWN, "cannot connect"));
socket.addEventListener("close", (event) => end(UNKNOWN, `closed: ${event.code} ${event.reason}`));
socket.addEventListener("message", (event) => {
  const said = JSON.parse(event.data);
  if (said.event === "connect.challenge") connect();
  if (said.type !== "res") return;
  if (!said.ok) end(UNKNOWN, said.error?.message);
  if (said.id === "connect") ask("work", "gateway.restart.preflight", {});
  if (said.id === "work") tell(said.payload);
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

function tell(payload) {
  if (typeof payload?.safe !== "boolean") end(UNKNOWN, JSON.stringify(payload));
  end(payload.safe ? QUIET : AT_WORK, payload.summary);
}

// node check.mjs
//
// Whether the customer's own keys still work: each provider and each channel that has a key is asked with that key, from
// inside, by the way that OpenClaw takes. Nothing is changed, no message is read and nothing is paid. Prints one line of
// JSON in which neither a key nor an answer stands (launchpad/runner/watching/app_answer.py has the states), and exits
// with 1 when a key does not work.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const SECONDS = 5;
const REFUSED = new Set([401, 404]);
const configured = providersOf(process.env.OPENCLAW_STATE_DIR);
const bearer = (key) => ({ authorization: `Bearer ${key}` });

const CHECKS = [
  {
    layer: "provider", name: "anthropic", secret: "ANTHROPIC_API_KEY",
    ask: (key) => get(`${base("anthropic", "https://api.anthropic.com")}/v1/models`, {
      "x-api-key": key, "anthropic-version": "2023-06-01",
    }),
  },
  {
    layer: "provider", name: "openai", secret: "OPENAI_API_KEY",
    ask: (key) => get(`${base("openai", "https://api.openai.com")}/v1/models`, bearer(key)),
  },
  {
    layer: "provider", name: "openrouter", secret: "OPENROUTER_API_KEY",
    ask: async (key) => {
      const answer = await get(`${base("openrouter", "https://openrouter.ai/api")}/v1/key`, bearer(key));
      return answer.value?.data?.limit_remaining === 0 ? "unpaid" : answer;
    },
  },
  {
    layer: "channel", name: "telegram", secret: "TELEGRAM_BOT_TOKEN",
    ask: async (key) => {
      const bot = `https://api.telegram.org/bot${encodeURIComponent(key).replaceAll("%3A", ":")}`;
      const answer = await get(`${bot}/getMe`);
      if (REFUSED.has(answer.status)) return "refused";
      if (answer.status !== 200) return answer;
      const webhook = await get(`${bot}/getWebhookInfo`);
      return webhook.value?.result?.url ? "taken" : webhook;
    },
  },
  {
    layer: "channel", name: "discord", secret: "DISCORD_BOT_TOKEN",
    ask: (key) => get("https://discord.com/api/v10/users/@me", { authorization: `Bot ${key}` }),
  },
  {
    layer: "channel", name: "slack", secret: "SLACK_BOT_TOKEN",
    ask: async (key) => {
      const answer = await get("https://slack.com/api/auth.test", bearer(key));
      return answer.status === 200 && answer.value?.ok !== true ? "refused" : answer;
    },
  },
];

const checks = await Promise.all(
  CHECKS.filter(({ secret }) => process.env[secret]).map(async ({ layer, name, secret, ask }) => ({
    layer, name, secret, state: await stateOf(ask(process.env[secret].trim())),
  })),
);
console.log(JSON.stringify({ checks }));
process.exitCode = checks.every(({ state }) => state === "works") ? 0 : 1;

async function stateOf(asked) {
  let answer;
  try {
    answer = await asked;
  } catch {
    return "unreachable"; // the error names the address, in which Telegram's token stands
  }
  if (typeof answer === "string") return answer;
  if (answer.status === 200) return "works";
  if (answer.status === 401) return "refused";
  if (answer.status === 402) return "unpaid";
  if (answer.status === 403) return "forbidden";
  if (answer.status === 429) return /insufficient_quota|credit balance/.test(answer.text) ? "unpaid" : "limited";
  return "failing";
}

async function get(address, headers = {}) {
  // A key is never carried to where somebody else redirects.
  const options = { headers, redirect: "manual", signal: AbortSignal.timeout(SECONDS * 1000) };
  const answer = await fetch(address, options);
  const text = await answer.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    // a page of some proxy's
  }
  return { status: answer.status, text, value };
}

// Where OpenClaw itself asks the provider, without the version at the end.
function base(name, usual) {
  const own = configured?.[name]?.baseUrl;
  return (typeof own === "string" ? own : usual).replace(/\/+$/, "").replace(/\/v1$/, "");
}

function providersOf(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, "openclaw.json"), "utf8")).models?.providers;
  } catch {
    return undefined;
  }
}

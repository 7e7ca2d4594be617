// A model's provider on this machine that answers every turn with one sentence: a session without anybody's key.
import { createServer } from "node:http";

const chunk = (delta, reason = null) => {
  const choices = [{ index: 0, delta, finish_reason: reason }];
  const body = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1767225600, model: "plain", choices };
  return `data: ${JSON.stringify(body)}\n\n`;
};

createServer((request, response) => {
  request.on("data", () => {});
  request.on("end", () => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(chunk({ role: "assistant", content: "I will remember the lighthouse." }));
    response.write(chunk({}, "stop"));
    response.end("data: [DONE]\n\n");
  });
}).listen(9099, "127.0.0.1");

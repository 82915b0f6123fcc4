import assert from "node:assert/strict";
import { test } from "../check.ts";
import { natLab, PUBLIC } from "../nat_lab.ts";
import { formatTicket } from "../../src/core/ticket/ticket.ts";
import { NO_KEY } from "./peers.ts";
import { ttunCommand } from "./tunnel.ts";

test("peer: a client whose ticket's time is over does not try again", async () => {
  await using lab = await natLab("open", "open");
  const ticket = formatTicket({
    key: new Uint8Array(16),
    candidates: [{ host: PUBLIC[0], port: 7000 }],
    expires: Math.floor(Date.now() / 1000) - 110, // clocks may differ by two minutes
    meets: false,
  });
  const [command, args] = ttunCommand("client", "-L", "8080:127.0.0.1:1");
  const env = { ...NO_KEY, TTUN_SERVER: ticket };
  const { code, stderr } = await lab.hosts[1].run(command, args, { env });
  assert.equal(code, 4, stderr);
  assert.match(stderr, /nothing answers there.*The time of peer:\S+… is over: ask for another/);
});

import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type NatLab, natLab, PUBLIC } from "../nat_lab.ts";
import type { Process } from "../netns.ts";
import { formatTicket } from "../../src/core/ticket/ticket.ts";
import { NO_KEY } from "./peers.ts";
import { NO_WARM_UP, ttunCommand } from "./tunnel.ts";

const MS = 60_000;

/** Starts a server that prints a ticket. */
async function startServer(lab: NatLab, ...args: string[]): Promise<[Process, string]> {
  await using stack = new AsyncDisposableStack();
  const all = ["server", "-v", NO_WARM_UP, ...args];
  const [command, rest] = ttunCommand(...all);
  const server = stack.use(lab.hosts[0].spawn(command, rest, { env: NO_KEY }));
  await server.waitFor(/ttun client peer:[\w-]+$/m, MS);
  const [, ticket] = /ttun client (peer:[\w-]+)$/m.exec(server.output)!;
  stack.move();
  return [server, ticket!];
}

test("peer: as a server's URL: forwards and measurements go over a ticket's connection", async () => {
  await using lab = await natLab("open", "port-restricted");
  const permit = ["--no-tun", "--permit-open", "127.0.0.1:7001"];
  const [started, ticket] = await startServer(lab, "-l", "peer:?port=7000", ...permit);
  await using server = started;
  const web = [
    "-m",
    "http.server",
    "--bind",
    "127.0.0.1",
    "--directory",
    "/proc/self/task",
    "7001",
  ];
  await using _target = lab.hosts[0].spawn("python3", web);
  const [command, args] = ttunCommand("client", "-v", "-L", "8080:127.0.0.1:7001");
  const env = { ...NO_KEY, TTUN_SERVER: ticket };
  await using client = lab.hosts[1].spawn(command, args, { env });
  await client.waitFor(/authenticated/, MS);
  const ask = "curl -sS --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/";
  assert.match(await lab.hosts[1].sh(ask), /Directory listing/);
  for (const { output } of [server, client]) {
    assert(!output.includes(ticket.slice(12, 30)) || output === server.output, output);
  }
  assert.match(client.output, new RegExp(`server=${ticket.slice(0, 11)}…|${PUBLIC[0]}:7000`));
  client.signal("SIGINT");
  assert.equal((await client.status).code, 0, client.output);
});

test("peer: as a tunnel's way: a device at both ends, and pings through it", async () => {
  await using lab = await natLab("open", "port-restricted");
  const [started, ticket] = await startServer(lab, "-l", "peer:");
  await using server = started;
  const [command, args] = ttunCommand("client", "-v", NO_WARM_UP);
  const env = { ...NO_KEY, TTUN_SERVER: ticket };
  await using client = lab.hosts[1].spawn(command, args, { env });
  await client.waitFor(/authenticated/, MS);
  await lab.hosts[1].sh("ping -c 3 -i 0.2 -w 10 10.1.1.1");
  // The ticket was for this client alone: others do not try again.
  for (const how of [["-L", "8080:127.0.0.1:1"], ["--device", "tun9"]]) {
    const [other, rest] = ttunCommand("client", NO_WARM_UP, ...how);
    const { code, stderr } = await lab.hosts[1].run(other, rest, { env });
    assert.equal(code, 3, stderr);
    assert.match(stderr, /this ticket has been used already/);
  }
  server.signal("SIGINT");
  assert.equal((await server.status).code, 0, server.output);
});

test("peer: what a ticket cannot have beside it is refused with words", async () => {
  await using lab = await natLab("open", "open");
  const ticket = "peer:AbVPosgBarE7gAABAgMEBQYHCAkKCwwNDg8CBMAAAgfUKAYgAQ24AAAAAAAAAAAAAAABAbs";
  const folder = await Deno.makeTempDir();
  await using _folder = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  await Deno.writeTextFile(`${folder}/ticket`, `${ticket}\n`, { mode: 0o600 });
  const fresh = formatTicket({
    key: new Uint8Array(16),
    candidates: [{ host: "192.0.2.1", port: 7 }],
    expires: 2 ** 32 - 1,
    meets: false,
  });
  const rows: [string[], RegExp][] = [
    [["server", "-l", "peer:", "-l", ":7000"], /Cannot listen elsewhere beside peer:/],
    [["server", "-l", "peer:", "-d"], /Cannot go to the background with -l peer:/],
    [["server", "-l", "peer:", "-k", "a key of our own"], /Cannot use a key beside a ticket/],
    [["server", "--via", "192.0.2.1", "-k", "a key of our own"], /it is for tickets/],
    [["server", "-l", "peer:?x=1"], /Cannot use this peer: URL/],
    [["client", "peer:abc"], /Cannot read the ticket/],
    [["client", ticket, "-k", "a key of our own"], /Cannot use a key beside a ticket/],
    [["client", "192.0.2.1", "--via", "192.0.2.2", "-k", "a key of our own"], /it is for tickets/],
    [["client", ticket], /it was valid until 2026-09-21/],
    [["client", `link:${folder}/ticket`], /it was valid until 2026-09-21/],
    [["client", "peer:"], /There is no ticket: give it by --ticket-file or TTUN_TICKET/],
    [["client", fresh, "--default-route"], /Cannot use --default-route with peer:/],
    [["ping", ticket, "-k", "a key of our own"], /Cannot use a key beside a ticket/],
  ];
  for (const [args, words] of rows) {
    const [command, rest] = ttunCommand(...args);
    const { code, stderr } = await lab.hosts[0].run(command, rest, { env: NO_KEY });
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
    assert(!stderr.includes(ticket.slice(12)), stderr);
  }
});

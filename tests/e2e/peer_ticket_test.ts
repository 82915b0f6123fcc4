import assert from "node:assert/strict";
import { test } from "../check.ts";
import { natLab, PUBLIC } from "../nat_lab.ts";
import { formatTicket } from "../../src/core/ticket/ticket.ts";
import type { Host, Process } from "../netns.ts";
import { together } from "../together.ts";
import { filesOf, makeFiles, NO_KEY, startPipe } from "./peers.ts";
import { ttunCommand } from "./tunnel.ts";

const ENDLESS = { input: "/dev/zero", output: "/dev/null" };

/** Waits for the ticket that an end prints. */
async function ticketOf(end: Process): Promise<string> {
  await end.waitFor(/ttun peer connect peer:[\w-]+$/m, 60_000);
  return /ttun peer connect (peer:[\w-]+)$/m.exec(end.output)![1]!;
}

function connect(host: Host, files: { input: string; output: string }, ticket: string): Process {
  return startPipe(host, files, ["connect", "-v"], { ...NO_KEY, TTUN_TICKET: ticket });
}

test("peer listen and connect: one line of text is all that the other end needs", async () => {
  await using lab = await natLab("open", "port-restricted");
  await using files = await makeFiles(3_000_000, 20_000_000);
  await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v"]);
  const ticket = await ticketOf(first);
  await using second = connect(lab.hosts[1], filesOf(files, 1), ticket);
  assert.equal((await second.status).code, 0, second.output);
  assert.equal((await first.status).code, 0, first.output);
  await files.expectSame();
  // Logs have six characters of it.
  const shown = ticket.slice(0, 11);
  assert.match(first.output, new RegExp(`waiting for the peer +ticket=${shown}… addresses=`));
  assert(!second.output.includes(ticket.slice(11, 20)), second.output);
});

const expired = together("peer: tickets that are void");

expired("peer: a ticket is for one peer; another is turned away with words", async () => {
  await using lab = await natLab("open", "open");
  await using first = startPipe(lab.hosts[0], ENDLESS, ["listen", "-v"]);
  const ticket = await ticketOf(first);
  await using second = connect(lab.hosts[1], ENDLESS, ticket);
  await second.waitFor(/Connected to peer!/, 60_000);
  await using third = connect(lab.hosts[1], ENDLESS, ticket);
  assert.notEqual((await third.status).code, 0, third.output);
  assert.match(third.output, /this ticket has been used already/);
  second.signal("SIGKILL");
  assert.equal((await first.status).code, 9, first.output);
});

expired(
  "peer listen: strangers are no peers, and without one the ticket ends with words",
  async () => {
    await using lab = await natLab("open", "open");
    await using first = startPipe(lab.hosts[0], ENDLESS, [
      ...["listen", "-v", "--ttl", "6", "--local-port", "7000"],
    ]);
    await ticketOf(first);
    await lab.hosts[1].sh(
      `printf 'GET / HTTP/1.1\\r\\n\\r\\n' | nc -w 1 -N ${PUBLIC[0]} 7000 || true`,
    );
    assert.equal((await first.status).code, 6, first.output);
    assert.match(first.output, /Nobody has come with the ticket within 6 s; it is void now/);
  },
);

expired("peer: a client whose ticket's time is over does not try again", async () => {
  await using lab = await natLab("open", "open");
  const ticket = formatTicket({
    key: new Uint8Array(16),
    candidates: [{ host: PUBLIC[0], port: 7000 }],
    expires: Math.floor(Date.now() / 1000) - 106, // clocks may differ by two minutes
    meets: false,
  });
  const [command, args] = ttunCommand("client", "-L", "8080:127.0.0.1:1");
  const env = { ...NO_KEY, TTUN_SERVER: ticket };
  const { code, stderr } = await lab.hosts[1].run(command, args, { env });
  assert.equal(code, 4, stderr);
  assert.match(stderr, /nothing answers there.*The time of peer:\S+… is over: ask for another/);
});

test("peer listen: two do not share a port, where one's peer would come to the other", async () => {
  await using lab = await natLab("open", "open");
  const args = ["listen", "-v", "--local-port", "7000"];
  await using first = startPipe(lab.hosts[0], ENDLESS, args);
  await ticketOf(first);
  await using second = startPipe(lab.hosts[0], ENDLESS, args);
  assert.equal((await second.status).code, 8, second.output);
});

test("peer listen --via: without the server's key the words are about its options", async () => {
  await using lab = await natLab("open", "open");
  const [command, args] = ttunCommand("peer", "listen", "--via", PUBLIC[1]);
  const { code, stderr } = await lab.hosts[0].run(command, args, { env: NO_KEY });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /without its key: give --via-key-file FILE, or a link/);
});

test("peer connect: tickets that cannot be used are refused, and not repeated", async () => {
  await using lab = await natLab("open", "open");
  const old = "peer:AbVPosgBAAAAAQABAgMEBQYHCAkKCwwNDg8CBMAAAgfUKAYgAQ24AAAAAAAAAAAAAAABAbs";
  const [host] = lab.hosts;
  const rows: [string[], Record<string, string>, RegExp][] = [
    [["peer:abc"], {}, /Cannot read the ticket/],
    [[], { TTUN_TICKET: old }, /a part of it is missing or mistyped/],
    [[], {}, /There is no ticket: give it by --ticket-file or TTUN_TICKET/],
    [["--ticket-file", "/nowhere/at/all"], {}, /Cannot read ticket file/],
  ];
  for (const [args, env, words] of rows) {
    const [command, rest] = ttunCommand("peer", "connect", ...args);
    const { code, stderr } = await host.run(command, rest, { env: { ...NO_KEY, ...env } });
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
    assert(!stderr.includes(old.slice(12)), stderr);
  }
});

test("peer connect: the ticket comes from the first line of standard input, and the rest is the pipe's", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(10, 100_000);
  await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen"]);
  const ticket = await ticketOf(first);
  const [command, rest] = ttunCommand("peer", "connect", "--ticket-file", "-");
  const script = `(echo "$T"; cat ${files.sent[1]}) | "$@" > ${files.got[1]}`;
  const all = ["-euc", script, "sh", command, ...rest];
  const { code, stderr } = await lab.hosts[1].run("sh", all, { env: { ...NO_KEY, T: ticket } });
  assert.equal(code, 0, stderr);
  assert.equal((await first.status).code, 0, first.output);
  await files.expectSame();
});

test("peer listen --out: the ticket goes into a file of its owner's alone, and nowhere else", async () => {
  await using lab = await natLab("open", "open");
  await using files = await makeFiles(10, 10);
  const file = `${files.path}/ticket`;
  await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v", "--out", file]);
  await first.waitFor(/waiting for the peer/, 60_000);
  const [command, rest] = ttunCommand("peer", "connect", "--ticket-file", file);
  const script = `"$@" < ${files.sent[1]} > ${files.got[1]}`;
  const { code, stderr } = await lab.hosts[1].run(
    "sh",
    ["-euc", `until [ -s ${file} ]; do sleep 0.1; done; ${script}`, "sh", command, ...rest],
    { env: NO_KEY },
  );
  assert.equal(code, 0, stderr);
  assert.equal((await first.status).code, 0, first.output);
  assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  assert.doesNotMatch(first.output, /ttun peer connect/);
  await files.expectSame();
});

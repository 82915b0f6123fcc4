import assert from "node:assert/strict";
import { test } from "../check.ts";
import { natLab } from "../nat_lab.ts";
import type { Host, Process } from "../netns.ts";
import { together } from "../together.ts";
import { VIA, viaLab } from "../via_lab.ts";
import { makeFiles, NO_KEY } from "./peers.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

const MS = 60_000;

function start(host: Host, env: Record<string, string>, ...args: string[]): Process {
  const [command, rest] = ttunCommand(...args);
  return host.spawn(command, rest, { env: { ...NO_KEY, ...env } });
}

const add = together("send and receive by a ticket, and by a code");

add("send prints a ticket, and receive with it is all that the other end does", async () => {
  await using lab = await natLab("open", "port-restricted");
  await using files = await makeFiles(3_000_000, 10);
  await using sender = start(lab.hosts[0], {}, "send", files.sent[0]);
  await sender.waitFor(/ttun receive peer:[\w-]+$/m, MS);
  const [, ticket] = /ttun receive (peer:[\w-]+)$/m.exec(sender.output)!;
  const out = `${files.path}/out`;
  await Deno.mkdir(out);
  const env = { TTUN_TICKET: ticket! };
  await using receiver = start(lab.hosts[1], env, "receive", "-o", out, "--yes");
  assert.equal((await receiver.status).code, 0, receiver.output);
  assert.equal((await sender.status).code, 0, sender.output);
  assert.deepEqual(await Deno.readFile(`${out}/sent0`), await Deno.readFile(files.sent[0]));
  assert(!receiver.output.includes(ticket!.slice(12)));
});

add("send --via prints a code of a number and six words, which receive takes", async () => {
  await using lab = await viaLab("port-restricted", "port-restricted");
  await using files = await makeFiles(500_000, 10);
  const [command, all] = ttunCommand("server", "--no-tun", "-l", `${VIA}:20203`);
  await using server = lab.server.spawn(command, all, { env: ENV });
  await server.waitFor(/ listening /, MS);
  const env = { TTUN_VIA: `ttun://${encodeURIComponent(KEY)}@${VIA}:20203` };
  await using sender = start(lab.hosts[0], env, "send", files.sent[0]);
  await sender.waitFor(/ttun receive \d+(-[a-z]+){6} --via /, MS);
  const [, code] = /ttun receive (\d+(?:-[a-z]+){6}) --via /m.exec(sender.output)!;
  const out = `${files.path}/out`;
  await Deno.mkdir(out);
  // Another code is another key.
  const other = code!.replace(/[a-z]+$/, (word) => word === "zoo" ? "zone" : "zoo");
  await using wrong = start(lab.hosts[1], env, "receive", other, "-o", out, "--yes");
  assert.notEqual((await wrong.status).code, 0, wrong.output);
  await using receiver = start(lab.hosts[1], env, "receive", code!, "-o", out, "--yes");
  assert.equal((await receiver.status).code, 0, receiver.output);
  assert.equal((await sender.status).code, 0, sender.output);
  assert.deepEqual(await Deno.readFile(`${out}/sent0`), await Deno.readFile(files.sent[0]));
  for (const { output } of [wrong, receiver, server]) {
    assert(!output.includes(code!.slice(2, 12)), output);
  }
});

test("send and receive by tickets: what is missing or cannot be is said at once", async () => {
  await using lab = await natLab("open", "open");
  const words = "ability-able-about-above-absent-absorb";
  const rows: [string[], RegExp][] = [
    [["receive", "--yes"], /There is no ticket/],
    [["receive", `7-${words}`, "--yes"], /name it by --via or TTUN_VIA/],
    [["receive", "7-ability-able", "--yes"], /it has 2 words and not 6/],
    [
      ["send", "/dev/null/x", "-k", "a key of our own"],
      /beside a key give the other end's address/,
    ],
    [["send", "x", "-l", ":7", "--via", "192.0.2.1", "-k", "a key of ours"], /it is for tickets/],
  ];
  for (const [args, expected] of rows) {
    const [command, rest] = ttunCommand(...args);
    const { code, stderr } = await lab.hosts[0].run(command, rest, { env: NO_KEY });
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
    assert(!stderr.includes("able-about"), stderr);
  }
});

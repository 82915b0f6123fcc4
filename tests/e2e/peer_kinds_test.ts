/** NATs and firewalls that peer_test.ts and peer_via_test.ts leave out; `deno task soak:nat` has all pairs. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { NatKind } from "../nat_lab.ts";
import type { Process } from "../netns.ts";
import { ENDS, ENDS_V6, VIA, VIA_V6, viaLab } from "../via_lab.ts";
import { filesOf, makeFiles, NO_KEY, startPipe } from "./peers.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

const MS = 30_000;

const PAIRS: readonly [NatKind, NatKind][] = [
  ["full-cone", "reset"],
  ["ipv6-firewall", "ipv6-firewall"],
];

async function expectSuccess(...ends: Process[]): Promise<void> {
  for (const end of ends) {
    const { code } = await end.status;
    await end.closed;
    assert.equal(code, 0, ends.map(({ output }) => output).join("\n--\n"));
    assert.doesNotMatch(end.output, /relay/);
  }
}

for (const kinds of PAIRS) {
  const isV6 = kinds.includes("ipv6-firewall");

  test(`peer: ${kinds.join(" and ")}, with known addresses`, async () => {
    await using lab = await viaLab(...kinds);
    await using files = await makeFiles(300_000, 200_000);
    const addresses = isV6 ? ENDS_V6 : ENDS;
    const start = (i: 0 | 1) =>
      startPipe(
        lab.hosts[i],
        filesOf(files, i),
        ["-v", "-myip", addresses[i], "-peerip", addresses[1 - i]!, "--wire", "v2"],
        { ...NO_KEY, TTUN_KEY: KEY },
      );
    await using first = start(0);
    await using second = start(1);
    await expectSuccess(first, second);
    await files.expectSame();
  });

  test(`peer --via: ${kinds.join(" and ")}, directly`, async () => {
    await using lab = await viaLab(...kinds);
    await using files = await makeFiles(300_000, 200_000);
    const [command, all] = ttunCommand("server", "--no-tun", "-l", ":20203");
    await using server = lab.server.spawn(command, all, { env: ENV });
    await server.waitFor(/ listening /, MS);
    const host = isV6 ? `[${VIA_V6}]` : VIA;
    const env = { ...NO_KEY, TTUN_VIA: `ttun://${encodeURIComponent(KEY)}@${host}:20203` };
    await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v"], env);
    const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
    const withTicket = { ...env, TTUN_TICKET: ticket };
    await using second = startPipe(
      lab.hosts[1],
      filesOf(files, 1),
      ["connect", "-v"],
      withTicket,
    );
    await expectSuccess(first, second);
    await files.expectSame();
  });
}

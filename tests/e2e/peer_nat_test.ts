import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { NatKind } from "../nat_lab.ts";
import { ENDS, ENDS_V6, VIA, VIA_V6, viaLab } from "../via_lab.ts";
import { NO_KEY, startPipe } from "./peers.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

const MS = 60_000;
const NOTHING = { input: "/dev/null", output: "/dev/null" };

/** Kinds that no other test has; `deno task soak:nat` has all pairs. */
const ROWS: [NatKind, NatKind][] = [
  ["full-cone", "remapping"],
  ["reset", "firewall"],
  ["ipv6-firewall", "ipv6-firewall"],
];

for (const kinds of ROWS) {
  test(`peer --via: ${kinds.join(" and ")}: a direct connection`, async () => {
    await using lab = await viaLab(...kinds);
    const [command, all] = ttunCommand("server", "--no-tun", "-l", ":20203", "--permit-relay");
    await using server = lab.server.spawn(command, all, { env: ENV });
    await server.waitFor(/ listening /, MS);
    const host = kinds[0] === "ipv6-firewall" ? `[${VIA_V6}]` : VIA;
    const env = { ...NO_KEY, TTUN_VIA: `ttun://${encodeURIComponent(KEY)}@${host}:20203` };
    await using first = startPipe(lab.hosts[0], NOTHING, ["listen", "-v"], env);
    const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
    await using second = startPipe(lab.hosts[1], NOTHING, ["connect", "-v"], {
      ...env,
      TTUN_TICKET: ticket,
    });
    for (const end of [first, second]) {
      const { code } = await end.status;
      assert.equal(code, 0, `${first.output}\n--\n${second.output}`);
    }
    assert.doesNotMatch(second.output, /relay/);
  });
}

const KNOWN: [NatKind, NatKind][] = [["full-cone", "reset"], ["ipv6-firewall", "ipv6-firewall"]];

for (const kinds of KNOWN) {
  test(`peer: ${kinds.join(" and ")}, with known addresses: a connection`, async () => {
    await using lab = await viaLab(...kinds);
    const addresses = kinds[0] === "ipv6-firewall" ? ENDS_V6 : ENDS;
    const start = (i: 0 | 1) =>
      startPipe(
        lab.hosts[i],
        NOTHING,
        ["-v", "-myip", addresses[i], "-peerip", addresses[1 - i]!, "--wire", "v2"],
        { ...NO_KEY, TTUN_KEY: KEY },
      );
    await using first = start(0);
    await using second = start(1);
    for (const end of [first, second]) {
      const { code } = await end.status;
      assert.equal(code, 0, `${first.output}\n--\n${second.output}`);
    }
  });
}

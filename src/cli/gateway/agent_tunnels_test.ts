import assert from "node:assert/strict";
import { NO_LIMITS } from "../../core/gateway/tunnel_limits.ts";
import { AgentTunnels } from "./agent_tunnels.ts";
import type { TunnelConfig } from "./plane_config.ts";

function config(name: string, path: string, hash = 1): TunnelConfig {
  const visitors = {
    ...{ allow: null, hashes: [new Uint8Array([hash])], salt: new Uint8Array(1) },
    ...{ slow: [], asksBrowser: true },
  };
  const rules = { visitors, limits: NO_LIMITS, requestFields: [], responseFields: [] };
  return { name, target: { kind: "folder", path }, isListed: false, rules, passthrough: null };
}

Deno.test("tunnels that stay the same are kept, and the others replaced, all or none", () => {
  const opened: string[] = [];
  const ended: string[] = [];
  const tunnels = new AgentTunnels(({ name, target }) => {
    if (target.kind === "folder" && target.path === "/bad") throw new Error("bad");
    opened.push(name);
    return { name, end: () => ended.push(name) };
  });
  const names = () => tunnels.all.map(({ name }) => name).join(" ");
  tunnels.replace([config("a", "/a"), config("b", "/b"), config("c", "/c")]);
  assert.equal(names(), "a b c");
  const [a, b] = tunnels.all;
  assert.deepEqual(tunnels.replace([config("d", "/d"), config("a", "/a"), config("b", "/b", 2)]), {
    ...{ added: ["d"], changed: ["b"], removed: ["c"] },
  });
  assert.equal(names(), "d a b");
  assert.equal(tunnels.all[1], a);
  assert.notEqual(tunnels.all[2], b);
  const same = tunnels.all;
  assert.throws(() => tunnels.replace([config("e", "/bad")]));
  assert.deepEqual(tunnels.replace([config("b", "/b", 2), config("a", "/a"), config("d", "/d")]), {
    ...{ added: [], changed: [], removed: [] },
  });
  assert.equal(tunnels.all, same);
  assert.deepEqual(opened, ["a", "b", "c", "d", "b"]);
  assert.deepEqual(ended, ["b", "c"]);
});

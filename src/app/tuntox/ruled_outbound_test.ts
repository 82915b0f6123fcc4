import assert from "node:assert/strict";
import { memoryPair } from "../../../tests/fake/memory.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { parseTunnelRules } from "../../core/tuntox/rules.ts";
import { ConnectError } from "../net/connect_error.ts";
import { open } from "../net/dial_events.ts";
import { ruledOutbound } from "./ruled_outbound.ts";

Deno.test("streams reach the targets of tuntox's rules, and no unix socket", async () => {
  const inner: Outbound<ForwardTarget> = {
    open: (_, __, events) => events.connected(memoryPair()[0]),
  };
  const outbound = ruledOutbound(inner, parseTunnelRules("target.example:80\n"));
  const { signal } = new AbortController();
  await open<ForwardTarget>(outbound, { host: "target.example", port: 80 }, { signal });
  for (const to of [{ host: "target.example", port: 81 }, { path: "/run/x" }]) {
    await assert.rejects(
      open<ForwardTarget>(outbound, to, { signal }),
      (error) => error instanceof ConnectError && error.failure === "denied",
    );
  }
});

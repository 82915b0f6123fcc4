import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { type Addr, formatAddr, requireHostPort } from "../../base/addr.ts";
import { type ErrorKind, TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
import type { ForwardListen } from "../../core/forward/spec.ts";
import { openListeners } from "./open_listeners.ts";

/** A machine on which some addresses cannot be listened on. */
function machine(refuses: (at: string) => ErrorKind | null = () => null) {
  const stop = new AbortController();
  const net = new MemoryNet();
  const asked: string[] = [];
  const listen = (at: Addr): Listener => {
    asked.push(formatAddr(at));
    const kind = refuses(formatAddr(at));
    if (kind !== null) throw new TtunError(kind, `Cannot listen on ${formatAddr(at)}`);
    if ("path" in at) return { ...net.listen({ host: "", port: 0 }, stop), addr: at };
    return net.listen(at, stop);
  };
  const open = (at: ForwardListen) =>
    openListeners(at, listen).map((listener) => formatAddr(listener.addr));
  return { open, asked, net, stop };
}

Deno.test("without an address both loopback addresses are listened on, on one port", () => {
  const { open, stop } = machine();
  assert.deepEqual(open({ host: null, port: 8080 }), ["127.0.0.1:8080", "[::1]:8080"]);
  assert.deepEqual(open({ host: null, port: 0 }), ["127.0.0.1:40000", "[::1]:40000"]);
  stop.abort();
});

Deno.test("an address, all addresses and a path have one listener", () => {
  const { open, stop } = machine();
  assert.deepEqual(open({ host: "192.0.2.1", port: 1 }), ["192.0.2.1:1"]);
  assert.deepEqual(open({ host: "", port: 2 }), [":2"]);
  assert.deepEqual(open({ path: "/run/a.sock" }), ["/run/a.sock"]);
  stop.abort();
});

Deno.test("a machine without IPv6 has one loopback address", () => {
  for (const kind of ["usage", "system"] as const) {
    const { open, stop } = machine((at) => at.startsWith("[::1]") ? kind : null);
    assert.deepEqual(open({ host: null, port: 8080 }), ["127.0.0.1:8080"]);
    stop.abort();
  }
});

Deno.test("a port that another program has at either address is not forwarded", async () => {
  for (const taken of ["127.0.0.1:8080", "[::1]:8080"]) {
    const { open, net, stop } = machine((at) => at === taken ? "in_use" : null);
    assert.throws(() => open({ host: null, port: 8080 }), { name: "TtunError", kind: "in_use" });
    await new FakeClock().settle();
    // The first listener was closed.
    const free = requireHostPort(net.listen({ host: "127.0.0.1", port: 8080 }, stop).addr);
    assert.equal(free.port, 8080);
    stop.abort();
  }
});

Deno.test("of the ports that the kernel chooses one is taken that is free for IPv6 too", () => {
  let left = 3;
  const { open, asked, stop } = machine((at) =>
    at.startsWith("[::1]") && left-- > 0 ? "in_use" : null
  );
  assert.deepEqual(open({ host: null, port: 0 }), ["127.0.0.1:40003", "[::1]:40003"]);
  assert.equal(asked.length, 8);
  stop.abort();
  const full = machine((at) => at.startsWith("[::1]") ? "in_use" : null);
  assert.throws(() => full.open({ host: null, port: 0 }), { kind: "in_use" });
  assert.equal(full.asked.length, 16);
  full.stop.abort();
});

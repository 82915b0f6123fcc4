import { deepEqual, equal, throws } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { denoNet, posixNet } from "../../../tests/suite/real_nets.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept } from "../../app/loop/stream_io.ts";

const { signal } = new AbortController();
const LOOPBACKS = ["127.0.0.1", "::1"];

/** Sets whether the kernel keeps IPv6 sockets apart from IPv4; undone when disposed of. */
function familiesApart(apart: boolean): Disposable {
  requireOwnNamespace();
  const set = (value: string) => Deno.writeTextFileSync("/proc/sys/net/ipv6/bindv6only", value);
  set(apart ? "1" : "0");
  return { [Symbol.dispose]: () => set("0") };
}

function open(transport: "posix_net" | "deno_net", stack: AsyncDisposableStack) {
  if (transport === "deno_net") return stack.use(denoNet(null));
  return stack.use(posixNet(stack.use(openLibc()), "async"));
}

for (const transport of ["posix_net", "deno_net"] as const) {
  for (const apart of [false, true]) {
    test(`${transport}: all addresses are both families, with bindv6only=${+apart}`, async () => {
      await using stack = new AsyncDisposableStack();
      const net = open(transport, stack);
      using _sysctl = familiesApart(apart);
      for (const host of ["", "::"]) {
        await using listener = net.listen({ host, port: 0 }, { signal });
        equal("host" in listener.addr && listener.addr.host, "::");
        const port = "port" in listener.addr ? listener.addr.port : 0;
        for (const to of [...LOOPBACKS, ...LOOPBACKS.toReversed()]) {
          await using near = await dial(net.dialer, { host: to, port }, { signal });
          await using far = await accept(listener, { signal });
          deepEqual(far.remote, near.local);
        }
        // Both at once, before anybody accepts.
        await using a = await dial(net.dialer, { host: LOOPBACKS[0]!, port }, { signal });
        await using b = await dial(net.dialer, { host: LOOPBACKS[1]!, port }, { signal });
        await using c = await accept(listener, { signal });
        await using d = await accept(listener, { signal });
        deepEqual(new Set([c.remote, d.remote]), new Set([a.local, b.local]));
      }
    });

    test(`${transport}: a port that another program has in one family is taken, with bindv6only=${+apart}`, async () => {
      await using stack = new AsyncDisposableStack();
      const net = open(transport, stack);
      using _sysctl = familiesApart(apart);
      for (const hostname of ["0.0.0.0", "::"]) {
        using other = Deno.listen({ hostname, port: 0 });
        const { port } = other.addr;
        throws(() => net.listen({ host: "", port }, { signal }), { kind: "in_use" });
      }
    });
  }
}

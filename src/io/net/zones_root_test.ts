import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import type { Connection } from "../../contract/connection.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { denoNet, posixNet } from "../../../tests/suite/real_nets.ts";
import type { StreamNet } from "../../../tests/suite/stream_net.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";

const { signal } = new AbortController();

async function ip(command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args: command.split(" ") }).output();
  ok(success, new TextDecoder().decode(stderr));
}

/** Two interfaces with the same link-local address: only the zone tells which is meant. */
async function twins(): Promise<AsyncDisposable & { index: number }> {
  requireOwnNamespace();
  await ip("link add zone0 type veth peer name zone1");
  for (const name of ["zone0", "zone1"]) {
    await ip(`addr add fe80::1/64 dev ${name} nodad`);
    await ip(`link set ${name} up`);
  }
  const shown = await new Deno.Command("ip", { args: ["-j", "link", "show", "zone0"] }).output();
  const [{ ifindex }] = JSON.parse(new TextDecoder().decode(shown.stdout));
  return { index: ifindex, [Symbol.asyncDispose]: () => ip("link del zone0") };
}

const NETS: Record<string, (stack: AsyncDisposableStack) => StreamNet> = {
  posix_net: (stack) => stack.use(posixNet(stack.use(openLibc()), "async")),
  deno_net: (stack) => stack.use(denoNet(stack.use(openLibc()))),
  "deno_net without FFI": (stack) => stack.use(denoNet(null)),
};

function hosts(...streams: Connection[]): string[] {
  return streams.flatMap(({ local, remote }) =>
    [local, remote].map((addr) => "host" in addr ? addr.host : "")
  );
}

for (const [name, open] of Object.entries(NETS)) {
  test(`${name}: a link-local address is listened on and dialled by its interface`, async () => {
    await using stack = new AsyncDisposableStack();
    const { index } = stack.use(await twins());
    const net = open(stack);
    for (const zone of ["zone0", `${index}`]) {
      const at = { host: `fe80::1%${zone}`, port: 0 };
      await using listener = net.listen(at, { signal });
      ok("port" in listener.addr);
      match(listener.addr.host, /^fe80::1%zone0$|^fe80::1%\d+$/);
      await using near = await dial(net.dialer, { ...at, port: listener.addr.port }, { signal });
      await using far = await accept(listener, { signal });
      await write(near, new Uint8Array([7]));
      equal(await read(far, new Uint8Array(9)), 1);
      const found = hosts(near, far);
      ok(found.every((host) => host === "fe80::1%zone0" || host === at.host), `${found}`);
      // The twin's port is free.
      await using other = net.listen({ host: "fe80::1%zone1", port: listener.addr.port }, {
        signal,
      });
      equal("host" in other.addr && other.addr.host, "fe80::1%zone1");
    }
  });

  test(`${name}: an interface that is not there is named`, async () => {
    await using stack = new AsyncDisposableStack();
    requireOwnNamespace();
    const net = open(stack);
    const at = { host: "fe80::1%nowhere0", port: 4711 };
    await rejects(dial(net.dialer, at, { signal }), {
      kind: "unreachable",
      message:
        /connect to \[fe80::1%nowhere0\]:4711: this machine has no interface .*ip -brief link/,
    });
    throws(() => net.listen(at, { signal }), {
      kind: "usage",
      message: /listen on .* no interface/,
    });
  });
}

for (const name of ["posix_net", "deno_net"]) {
  test(`${name}: a listener on all addresses tells a link-local peer with its interface`, async () => {
    await using stack = new AsyncDisposableStack();
    stack.use(await twins());
    const net = NETS[name]!(stack);
    await using listener = net.listen({ host: "", port: 0 }, { signal });
    const port = "port" in listener.addr ? listener.addr.port : 0;
    await using near = await dial(net.dialer, { host: "fe80::1%zone1", port }, { signal });
    await using far = await accept(listener, { signal });
    deepEqual(hosts(near, far), Array(4).fill("fe80::1%zone1"));
  });
}

import { equal, notEqual, ok } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { tryLocalAddr, tryRemoteAddr } from "../../../ffi/linux/socket.ts";
import { test } from "../../../tests/check.ts";
import { findSocket } from "./find_socket.ts";

async function connectDeno(host: string, via: string) {
  const listener = Deno.listen({ hostname: host, port: 0 });
  const [there, here] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: via, port: listener.addr.port }),
  ]);
  const close = () => [listener, here, there].forEach((one) => one.close());
  return { listener, here, there, [Symbol.dispose]: close };
}

for (
  const [listen, dial] of [["127.0.0.1", "127.0.0.1"], ["::1", "::1"], ["::", "127.0.0.1"]] as const
) {
  test(`find_socket: both ends of a connection by ${dial} to ${listen} have their own`, async () => {
    using libc = openLibc();
    using pair = await connectDeno(listen, dial);
    const [here, there] = [findSocket(libc, pair.here), findSocket(libc, pair.there)];
    ok(here !== null && there !== null);
    notEqual(here, there);
    const { port } = pair.here.localAddr;
    equal(tryLocalAddr(libc, here)?.port, port);
    equal(tryRemoteAddr(libc, here)?.port, pair.listener.addr.port);
    equal(tryLocalAddr(libc, there)?.port, pair.listener.addr.port);
    equal(tryRemoteAddr(libc, there)?.port, port);
    equal(tryRemoteAddr(libc, here)?.host, dial);
  });
}

test("find_socket: among many connections to one port each is its own", async () => {
  using libc = openLibc();
  using opened = new DisposableStack();
  const pairs = [];
  for (let i = 0; i < 20; i++) pairs.push(opened.use(await connectDeno("127.0.0.1", "127.0.0.1")));
  const found = pairs.flatMap((
    { here, there },
  ) => [findSocket(libc, here), findSocket(libc, there)]);
  equal(new Set(found).size, 40);
  pairs.forEach(({ here }, i) =>
    equal(tryLocalAddr(libc, found[2 * i]!)?.port, here.localAddr.port)
  );
});

test("find_socket: a connection that is closed is not found", async () => {
  using libc = openLibc();
  const gone = await (async () => {
    using pair = await connectDeno("127.0.0.1", "127.0.0.1");
    notEqual(findSocket(libc, pair.here), null);
    return pair.here;
  })();
  await new Promise((resolve) => setTimeout(resolve, 20));
  equal(findSocket(libc, gone), null);
});

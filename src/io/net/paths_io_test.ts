import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { NativeError } from "../../../ffi/native.ts";
import { checksumOf } from "../../core/ip/checksum.ts";
import { EchoPath } from "./echo_path.ts";
import { tryTcpPath } from "./tcp_path.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const { signal } = new AbortController();

test("full segments over loopback arrive, and the kernel knows the path's MTU", async () => {
  using libc = openLibc();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const conn = await listener.accept();
    const into = new Uint8Array(65_536);
    try {
      while (await conn.read(into) !== null) { /* all of it is thrown away */ }
    } catch (error) {
      assert(error instanceof Deno.errors.ConnectionReset);
    }
    conn.close();
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const path = await tryTcpPath(libc, { host: "127.0.0.1", port }, random, signal);
  assert(path.mtu! >= 65_535, `${path.mtu}`);
  assert.equal(path.arrivedBytes, path.sentBytes);
  assert(path.sentBytes > 0);
  await serving;
  listener.close();
  await assert.rejects(
    tryTcpPath(libc, { host: "127.0.0.1", port }, random, signal),
    (error: Error) => error instanceof NativeError && error.is("ECONNREFUSED"),
  );
});

for (const host of ["127.0.0.1", "::1"]) {
  test(`echo to ${host} passes, long packets too`, async () => {
    using libc = openLibc();
    using path = EchoPath.open(libc, host, { checksum: checksumOf, signal });
    if (path === null) return; // this user may not ping
    assert.equal(await path.send(1400, 1000), "passed");
    assert.equal(await path.send(60_000, 1000), "passed");
  });
}

test("echo by a device that is not there is refused by the kernel", () => {
  using libc = openLibc();
  const o = { checksum: checksumOf, signal, device: "none0" };
  try {
    EchoPath.open(libc, "127.0.0.1", o)?.[Symbol.dispose]();
  } catch (error) {
    assert(error instanceof NativeError && error.is("ENODEV"));
  }
});

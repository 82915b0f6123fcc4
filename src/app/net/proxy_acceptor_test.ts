import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { parseCidr } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { makeLogger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import { write } from "../loop/stream_io.ts";
import { isAmong, ProxyAcceptor } from "./proxy_acceptor.ts";

function lab() {
  const clock = new FakeClock();
  const said: string[] = [];
  const log = makeLogger(
    ({ message, fields }) => said.push(`${message} ${JSON.stringify(fields)}`),
    () => 0,
  );
  const from = [parseCidr("10.0.0.0/8")];
  const [near, far] = memoryPair();
  let taken: Connection | null | undefined;
  void new ProxyAcceptor({ from, clock, log }).accept(near).then((one) => taken = one);
  return { clock, said, near, far, taken: () => taken };
}

Deno.test("a proxy's connection is its visitor's, and what follows the header is there", async () => {
  const { clock, far, taken } = lab();
  for (const part of ["PROXY TCP", "4 192.0.2.1 10.0.0.1 567", "89 443\r\nhello"]) {
    assert.equal(taken(), undefined);
    await write(far, utf8(part));
    await clock.settle();
  }
  const connection = taken()!;
  assert.deepEqual(connection.remote, { host: "192.0.2.1", port: 56789 });
  assert.equal(connection.peer, "192.0.2.1:56789");
  const into = new Uint8Array(100);
  assert.equal(connection.readNow(into), 5);
  assert.equal(new TextDecoder().decode(into.subarray(0, 5)), "hello");
  assert.equal(clock.pending, 0);
  await connection[Symbol.asyncDispose]();
});

Deno.test("a proxy that speaks for itself stays who it is", async () => {
  const { clock, far, near, taken } = lab();
  await write(far, utf8("PROXY UNKNOWN\r\n"));
  await clock.settle();
  assert.equal(taken(), near);
  await near[Symbol.asyncDispose]();
});

Deno.test("a proxy without a header, and one that is late, are sent away; a look is no failure", async () => {
  const none = lab();
  await write(none.far, utf8("GET / HTTP/1.1\r\n"));
  await none.clock.settle();
  assert.equal(none.taken(), null);
  assert.match(none.said.join(), /does not begin with a header/);
  const late = lab();
  await late.clock.advance(5_000);
  assert.equal(late.taken(), null);
  const look = lab();
  look.far.closeWrite();
  await look.clock.settle();
  assert.equal(look.taken(), null);
  assert.deepEqual(look.said, []);
});

Deno.test("only addresses of the networks are among them", () => {
  const networks = [parseCidr("10.0.0.0/8"), parseCidr("fd00::/8")];
  const among = (host: string) => isAmong(networks, { host, port: 1 });
  assert.deepEqual(["10.1.2.3", "11.1.2.3", "fd00::1", "fe80::1%eth0", "x"].map(among), [
    ...[true, false, true, false, false],
  ]);
  assert(!isAmong(networks, { path: "/run/x" }));
});

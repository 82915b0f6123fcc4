import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { noDatagrams, TOO_LONG } from "../../contract/datagrams.ts";
import { Reactor } from "../reactor/reactor.ts";
import { openBatchedDatagrams } from "./batched_datagrams.ts";

const MTU = 1280;
const IP_AND_UDP = 28;
const OWN = "10.99.0.1";
const OTHER = "10.99.0.2";

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

test("datagrams that the link does not take in one are refused, and cutting goes on", async () => {
  requireOwnNamespace();
  const { signal } = new AbortController();
  await ip("link", "add", "narrow", "type", "veth", "peer", "name", "narrow1");
  try {
    await ip("addr", "add", `${OWN}/24`, "dev", "narrow");
    await ip("link", "set", "narrow", "mtu", `${MTU}`, "up");
    await ip("link", "set", "narrow1", "up");
    await ip("neigh", "add", OTHER, "lladdr", "02:00:00:00:00:01", "dev", "narrow");
    using libc = openLibc();
    await using reactor = new Reactor(libc, "async");
    const said: string[] = [];
    const onDegraded = (words: string) => void said.push(words);
    using socket = openBatchedDatagrams(reactor, { host: "", port: 0 }, {
      signal,
      onDegraded,
    });
    const path = socket.pathTo({ host: OTHER, port: 9 });
    const most = MTU - IP_AND_UDP;
    assert.equal(socket.sendNow(new Uint8Array(most), most, path), most);
    for (const count of [1, 10]) {
      const longer = new Uint8Array(count * (most + 1));
      assert.equal(socket.sendNow(longer, most + 1, path), TOO_LONG);
    }
    assert.equal(socket.sendNow(new Uint8Array(10 * most), most, path), 10 * most);
    assert.equal(socket.receiveNow(new Uint8Array(9), noDatagrams()), false);
    assert.deepEqual(said, []);
  } finally {
    await ip("link", "del", "narrow");
  }
});

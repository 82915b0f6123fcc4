/** Connects and resets at once, so that the server's accept finds a dead connection: HOST PORT COUNT. */
import { openLibc } from "../../ffi/linux/libc.ts";
import { PosixNet } from "../../src/io/net/posix_net.ts";
import { Reactor } from "../../src/io/reactor/reactor.ts";
import { dial } from "../../src/app/net/dial_events.ts";

const [host, port, count] = [Deno.args[0]!, Number(Deno.args[1]), Number(Deno.args[2])];
using libc = openLibc();
await using reactor = new Reactor(libc, "async");
const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
for (let i = 0; i < count; i++) {
  const stream = await dial(net, { host, port }, { signal: new AbortController().signal });
  stream.reset();
}
console.log("done");

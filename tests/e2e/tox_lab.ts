import { openToxcore, type Toxcore } from "../../ffi/tox/toxcore.ts";
import { fromHex } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";
import { ToxThread } from "../../src/io/tox/tox_thread.ts";

/** Milliseconds for two nodes to find each other: ten seconds as a rule, forty seen. */
export const TOX_LINK_MS = 90_000;

/** Milliseconds between iterations of a node of the network. */
const ITERATES_MS = 20;

/** True where libtoxcore is not installed, which is told. */
export function lacksToxcore(): boolean {
  try {
    openToxcore(Deno.build.os, Deno.execPath())[Symbol.dispose]();
    return false;
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "system") throw error;
    console.log(`Skipped: ${error.message}`);
    return true;
  }
}

/** @throws {TtunError} */
export function openLocalToxcore(): Toxcore {
  return openToxcore(Deno.build.os, Deno.execPath());
}

/** A node of the network, by whose list the others find it; `host`: its address in that list. */
export function openNetwork(file: string, port: number, host = "127.0.0.1"): Disposable {
  using opened = new DisposableStack();
  const toxcore = opened.use(openLocalToxcore());
  const udpPorts = { first: port, last: port };
  const tox = opened.use(
    toxcore.open({ udp: true, ipv6: false, localDiscovery: false, udpPorts }),
  );
  const timer = setInterval(() => tox.iterate(), ITERATES_MS);
  opened.defer(() => clearInterval(timer));
  const key = Array.from(tox.dhtKey, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const nodes = [{ ipv4: host, ipv6: "-", port, public_key: key, tcp_ports: [] }];
  Deno.writeTextFileSync(file, JSON.stringify({ nodes }));
  return opened.move();
}

/** Opens a node at a port, in a thread of its own, which finds the network by the one of a list. */
export function openNode(stack: AsyncDisposableStack, port: number, nodes: string): ToxThread {
  const udpPorts = { first: port, last: port };
  const thread = stack.use(
    new ToxThread({
      reactor: null,
      clock: new DenoClock(),
      program: Deno.execPath(),
      settings: { udp: true, ipv6: false, localDiscovery: false, udpPorts },
    }),
  );
  const [node] = JSON.parse(Deno.readTextFileSync(nodes)).nodes;
  const publicKey = new Uint8Array(fromHex(node.public_key));
  thread.node.bootstrap({ host: node.ipv4, port: node.port, publicKey });
  return thread;
}

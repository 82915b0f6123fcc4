/**
 * An end of a meeting, on real sockets: `meeting_end.ts listens|dials SERVER:PORT ID PORT`. The one
 * that listens sends back what it gets; the other one sends some bytes, and ends when they are back.
 */
import { read, write } from "../../src/app/loop/stream_io.ts";
import { openLinkClient } from "../../src/app/system/link_client.ts";
import { openMeetingDialer } from "../../src/app/system/meeting_dialer.ts";
import { openMeetingListener } from "../../src/app/system/meeting_listener.ts";
import { runServiceServer, type Service } from "../../src/app/system/service_server.ts";
import { parseHostPort } from "../../src/base/addr.ts";
import { fromHex, utf8 } from "../../src/base/bytes.ts";
import { makeLogger } from "../../src/base/log.ts";
import { linkSecret } from "../../src/cli/secrets/link_secret.ts";
import { wireSecrets } from "../../src/cli/plane/wire_secrets.ts";
import { openLinuxSockets } from "../../src/cli/platform/sockets_linux.ts";
import { rng } from "../../src/cli/platform/rng.ts";
import { makeNodeCipher } from "../../src/io/crypto/node_cipher.ts";
import { openPunchNet } from "../../src/io/punch/punch_net.ts";
import { Netlink } from "../../ffi/linux/netlink.ts";
import { KEY } from "./tunnel.ts";

const BYTES = 3_000_000;

const [role, via = "", id = "", port = ""] = Deno.args;
const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort(new Error("stopped")));
const { signal } = stop;
const log = makeLogger(
  ({ level, message, fields }) => console.log(level, message, JSON.stringify(fields)),
  Date.now,
  "debug",
);

async function secretsOf(psk: string) {
  const choice = { wire: "v2", psk: utf8(psk), cipher: "auto", rekeySeconds: 3600 } as const;
  const ciphers = { factory: makeNodeCipher, costs: () => null };
  const s = await linkSecret(choice.psk);
  return wireSecrets(choice, ciphers as unknown as Parameters<typeof wireSecrets>[1], s);
}

const [ofServer, ofPeer] = [await secretsOf(KEY), await secretsOf("of the two")];
await using platform = openLinuxSockets("ffi");
const { clock, libc, reactor } = platform;
const bound = Number(port);
const net = openPunchNet(reactor, { host: "0.0.0.0", port: bound });
await using listener = net.listen({ signal });
const end = {
  via: {
    name: via,
    server: parseHostPort(via),
    dialer: net.dialer,
    resolver: { resolve: (host: string) => Promise.resolve([host]) },
    secrets: ofServer,
  },
  dialer: net.dialer,
  port: bound,
  ownNetworks: () => {
    using netlink = new Netlink(libc);
    return netlink.allAddresses().map(({ local }) => local);
  },
  ...{ clock, rng, log },
};

const echo: Service = async ({ stream }) => {
  const into = new Uint8Array(65_536);
  for (let got; (got = await read(stream, into)) !== null;) {
    await write(stream, into.subarray(0, got));
  }
  await stream.closeWrite();
};

async function listens(): Promise<void> {
  await using meeting = openMeetingListener({ ...end, id: fromHex(id), signal });
  await runServiceServer({
    ...{ clock, log, keepMs: 60_000, signal, services: { echo } },
    listeners: [meeting, listener],
    secrets: ofPeer,
  });
}

async function dials(): Promise<void> {
  const dialer = openMeetingDialer({
    ...end,
    id: fromHex(id),
    listeners: [listener],
    deadlineMs: 30_000,
  });
  using stack = new DisposableStack();
  const client = openLinkClient({
    ...{ clock, log, keepMs: 60_000, signal, retries: 0, endsWithSession: true },
    server: { name: "the other end", dialer, reach: dialer.reach },
    dialer: net.dialer,
    resolver: end.via.resolver,
    secrets: ofPeer,
    instance: rng(16),
  }, stack);
  const running = client.run(signal).catch((error) => error);
  const stream = await Promise.race([
    client.outbound.openService("echo", { signal }),
    running.then((error) => Promise.reject(error)),
  ]);
  const sent = crypto.getRandomValues(new Uint8Array(65_536));
  const writing = (async () => {
    for (let left = BYTES; left > 0; left -= sent.length) {
      await write(stream, sent.subarray(0, Math.min(left, sent.length)));
    }
    await stream.closeWrite();
  })();
  let count = 0;
  const into = new Uint8Array(65_536);
  for (let got; (got = await read(stream, into)) !== null; count += got) {
    for (let i = 0; i < got; i++) {
      if (into[i] !== sent[(count + i) % sent.length]) throw new Error("other bytes came back");
    }
  }
  await writing;
  console.log(`${count} bytes are back`);
  stop.abort(new Error("done"));
  await running;
}

try {
  await (role === "listens" ? listens() : dials());
} catch (error) {
  if (!signal.aborted) {
    console.log(`failed: ${error}`);
    Deno.exitCode = 1;
  }
}

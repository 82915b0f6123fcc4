/** Channels between two nodes on loopback: real sockets, certificates of a cluster's authority. */
import assert from "node:assert/strict";
import { openLibc } from "../../../../ffi/linux/libc.ts";
import { test } from "../../../../tests/check.ts";
import { keptLog } from "../../../../tests/fake/log.ts";
import { secretOf } from "../../../../tests/fake/named_keys.ts";
import { handshakeKeys } from "../../../../tests/fake/v1_session.ts";
import { type HostPort, requireHostPort } from "../../../base/addr.ts";
import { concat } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { varint } from "../../../base/varint.ts";
import { trustAnchor } from "../../../core/mesh/admission/authority.ts";
import { issueNodeCertificate, nodeName } from "../../../core/mesh/admission/node_certificate.ts";
import { nodeIdOf } from "../../../core/mesh/node_id.ts";
import type { TransportMode } from "../../../core/mesh/transport_choice.ts";
import { MAX_BULK_FRAME } from "../../../core/mesh/wire/frame_reader.ts";
import { FrameSplitter } from "../../../core/mesh/wire/frame_splitter.ts";
import { encodePem, pkcs8Of } from "../../../core/x509/pem.ts";
import { ed25519Signer } from "../../../io/crypto/ed25519.ts";
import { nodeKeyExchange } from "../../../io/crypto/x25519.ts";
import { PosixNet } from "../../../io/net/posix_net.ts";
import { QuicDialer } from "../../../io/quic/quic_dialer.ts";
import { QuicHost } from "../../../io/quic/quic_host.ts";
import { QuicListener } from "../../../io/quic/quic_listener.ts";
import { Reactor } from "../../../io/reactor/reactor.ts";
import type { WireSecrets } from "../../link/config.ts";
import { clientMemory } from "../../mux/session_memory.ts";
import { dial } from "../../net/dial_events.ts";
import { ChannelDialer } from "./channel_dialer.ts";
import { listenForChannels } from "./channel_listener.ts";
import type { PeerChannel } from "../links/peer_channel.ts";

const PROTOCOL = { alpn: "ttun-mesh/1", beside: 1 };
const AUTHORITY = ed25519Signer(new Uint8Array(32).fill(1));
const OTHER_AUTHORITY = ed25519Signer(new Uint8Array(32).fill(2));
const SEED = new Uint8Array(32).fill(3);
const NODE = ed25519Signer(SEED);
const NAME = nodeName(nodeIdOf(NODE.publicKey));

/** A node that listens, with what another one dials it by. */
class Nodes implements AsyncDisposable {
  readonly #opened = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  readonly #reactor: Reactor;
  readonly #host: QuicHost;
  readonly #net: PosixNet;
  readonly taken: PeerChannel[] = [];
  readonly at: HostPort;

  constructor(ways: { readonly tcp: boolean }) {
    const libc = this.#opened.use(openLibc());
    const reactor = this.#reactor = this.#opened.use(new Reactor(libc, "async"));
    this.#host = this.#opened.use(new QuicHost(reactor));
    this.#net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
    const { signal } = this.#stop;
    const { log } = keptLog(reactor);
    const any = { host: "127.0.0.1", port: 0 };
    const tcp = ways.tcp ? this.#net.listen(any, { signal }) : null;
    const at = this.at = tcp === null ? any : requireHostPort(tcp.addr);
    const certificate = issueNodeCertificate(
      { publicKey: NODE.publicKey, roles: ["node"], host: "web-1", zone: "" },
      { authority: AUTHORITY, serial: new Uint8Array(16).fill(7), nowMs: Date.now() },
    );
    const end = {
      at,
      cert: encodePem("CERTIFICATE", certificate),
      key: encodePem("PRIVATE KEY", pkcs8Of(SEED)),
      protocol: PROTOCOL,
    };
    const quic = new QuicListener(this.#host, end, { clock: reactor, log, signal });
    this.at = requireHostPort(quic.addr);
    listenForChannels({
      ...{ tcp, quic, clock: reactor, log, memory: clientMemory(), signal },
      secrets: () => this.#secrets(),
      take: (channel) => void this.taken.push(channel),
    }).catch(() => {}); // it ends with the test
  }

  #secrets(): WireSecrets {
    const { nonce: _nonce, ...keys } = handshakeKeys({ psk: "cluster" });
    return {
      mode: "v2",
      v1: keys,
      s: secretOf("cluster"),
      keyExchange: nodeKeyExchange,
      rng: (size) => crypto.getRandomValues(new Uint8Array(size)),
      wallClock: Date.now,
    };
  }

  connect(
    mode: TransportMode,
    { name = NAME, authority = AUTHORITY } = {},
  ): Promise<PeerChannel> {
    const { signal } = this.#stop;
    const dialer = new ChannelDialer({
      ...{ mode, clock: this.#reactor, memory: clientMemory(), signal },
      secrets: () => this.#secrets(),
      dialTcp: (to, { cancel, life }) => dial(this.#net, to, { signal: life, cancel }),
      dialQuic: (to, serverName, { cancel, life }) => {
        const caCerts = [encodePem("CERTIFICATE", trustAnchor(authority.publicKey))];
        const way = new QuicDialer(this.#host, { serverName, caCerts, protocol: PROTOCOL });
        return dial(way, to, { signal: life, cancel });
      },
    });
    return dialer.connect(this.at, name, signal);
  }

  async takenOne(): Promise<PeerChannel> {
    while (this.taken.length === 0) {
      await new Promise<void>((resolve) => void this.#reactor.after(5, resolve));
    }
    return this.taken.shift()!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the test is over"));
    await this.#opened.disposeAsync();
  }
}

/** Bytes of frames, short and long ones; more than the windows of either transport. */
const SIZES = [10, 60_000, 100, 400_000, 1, 500_000, 65_536, 300_000];

function frameOf(size: number): Uint8Array {
  return concat(varint(size), new Uint8Array(size).fill(size % 251));
}

/** Long frames may come behind later short ones. */
async function exchange(here: PeerChannel, there: PeerChannel): Promise<void> {
  const writing = (async () => {
    for (const size of SIZES) await here.write(frameOf(size));
  })();
  const splitter = new FrameSplitter(MAX_BULK_FRAME);
  const got: Uint8Array[] = [];
  while (got.length < SIZES.length) {
    const bytes = await there.read();
    assert.ok(bytes !== null);
    got.push(...splitter.feed(bytes));
  }
  const bySize = (a: Uint8Array, b: Uint8Array) => a.length - b.length;
  assert.deepEqual(got.sort(bySize), SIZES.map(frameOf).sort(bySize));
  await writing;
}

test("mesh channels: TCP with link version 2, and both ends have the same binding", async () => {
  await using nodes = new Nodes({ tcp: true });
  using here = await nodes.connect("tcp");
  using there = await nodes.takenOne();
  assert.deepEqual([here.transport, there.transport], ["tcp", "tcp"]);
  assert.deepEqual(here.binding, there.binding);
  await Promise.all([exchange(here, there), exchange(there, here)]);
});

test("mesh channels: QUIC where nothing listens by TCP, with the node's own certificate", async () => {
  await using nodes = new Nodes({ tcp: false });
  using here = await nodes.connect("auto");
  await here.write(frameOf(1));
  using there = await nodes.takenOne();
  assert.deepEqual([here.transport, there.transport], ["quic", "quic"]);
  assert.deepEqual(await there.read(), frameOf(1));
  await Promise.all([exchange(here, there), exchange(there, here)]);
});

test("mesh channels: long frames hold no short ones up, on either transport and either way", async () => {
  await using nodes = new Nodes({ tcp: true });
  for (const transport of ["tcp", "quic"] as const) {
    using here = await nodes.connect(transport);
    await here.write(frameOf(3));
    using there = await nodes.takenOne();
    assert.deepEqual(await there.read(), frameOf(3));
    for (const [from, to] of [[here, there], [there, here]] as const) {
      const long = Array.from({ length: 8 }, () => from.write(frameOf(500_000)));
      const short = from.write(frameOf(7));
      const sizes: number[] = [];
      const splitter = new FrameSplitter(MAX_BULK_FRAME);
      while (sizes.length < 9) {
        for (const { length } of splitter.feed((await to.read())!)) sizes.push(length);
      }
      await Promise.all([...long, short]);
      assert.ok(sizes.indexOf(frameOf(7).length) < 7, `${transport}: ${sizes}`);
    }
  }
});

test("mesh channels: another node's name, and another cluster's authority, are refused", async () => {
  await using nodes = new Nodes({ tcp: false });
  const name = nodeName(nodeIdOf(OTHER_AUTHORITY.publicKey));
  const isAuth = (error: unknown) => error instanceof TtunError && error.kind === "auth";
  await assert.rejects(nodes.connect("quic", { name }), isAuth);
  await assert.rejects(nodes.connect("quic", { authority: OTHER_AUTHORITY }), isAuth);
});

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { PendingConnections } from "../../app/net/pending_connections.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { trustAnchor } from "../../core/mesh/admission/authority.ts";
import { ANY_NODE_NAME, issueNodeCertificate } from "../../core/mesh/admission/node_certificate.ts";
import { encodePem, pkcs8Of } from "../../core/x509/pem.ts";
import { ed25519Signer } from "../crypto/ed25519.ts";
import { dialJoin } from "./join_dialer.ts";
import { JoinListener } from "./join_listener.ts";

const SEED = new Uint8Array(32).fill(2);
const AUTHORITY = ed25519Signer(new Uint8Array(32).fill(1));
const { signal } = new AbortController();

function listen(
  libc: Libc,
  clock: FakeClock,
  limits: { total: number; perAddress: number },
): JoinListener {
  const { publicKey } = ed25519Signer(SEED);
  const certificate = issueNodeCertificate({ publicKey, roles: ["node"], host: "a", zone: "" }, {
    authority: AUTHORITY,
    serial: new Uint8Array(16).fill(1),
    nowMs: Date.now(),
  });
  return new JoinListener({
    at: { host: "127.0.0.1", port: 0 },
    cert: encodePem("CERTIFICATE", certificate),
    key: encodePem("PRIVATE KEY", pkcs8Of(SEED)),
    protocol: "test/1",
    mostBytes: 1000,
    libc,
    clock,
    log: keptLog(clock).log,
    signal,
    places: new PendingConnections(limits),
    greet: () => ({
      greeting: utf8("who"),
      answer: (request) => Promise.resolve(concat(utf8("hello "), request)),
    }),
  });
}

async function join({ address }: JoinListener, name: string): Promise<string> {
  return await dialJoin(address, {
    authorities: [encodePem("CERTIFICATE", trustAnchor(AUTHORITY.publicKey))],
    name: ANY_NODE_NAME,
    protocol: "test/1",
    mostBytes: 1000,
    timeoutMs: 30_000,
    signal,
  }, async (messages) => {
    assert.equal(new TextDecoder().decode(await messages.read()), "who");
    await messages.write(utf8(name));
    return new TextDecoder().decode(await messages.read());
  });
}

/** A connection that says nothing, from another address than Deno's connections are. */
interface Silent {
  readonly socket: Socket;
  readonly closed: Promise<void>;
}

async function silent({ address: { host, port } }: JoinListener): Promise<Silent> {
  const connected = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const socket = connect({ host, port, localAddress: "127.0.0.2" }, connected.resolve);
  socket.on("error", connected.reject);
  socket.on("close", () => closed.resolve());
  socket.resume();
  await connected.promise;
  return { socket, closed: closed.promise };
}

test("a stranger's connections displace each other alone: a machine of another address joins", async () => {
  const clock = new FakeClock();
  using libc = openLibc();
  await using listener = listen(libc, clock, { total: 8, perAddress: 4 });
  const strangers: Silent[] = [];
  for (let i = 0; i < 20; i++) strangers.push(await silent(listener));
  assert.equal(await join(listener, "node"), "hello node");
  await Promise.all(strangers.slice(0, 16).map(({ closed }) => closed));
  for (const { socket } of strangers) socket.destroy();
});

test("a connection that says nothing ends after five seconds", async () => {
  const clock = new FakeClock();
  using libc = openLibc();
  await using listener = listen(libc, clock, { total: 8, perAddress: 4 });
  const stranger = await silent(listener);
  assert.equal(await join(listener, "first"), "hello first"); // the stranger was accepted before
  await clock.advance(5_000);
  await stranger.closed;
  stranger.socket.destroy();
  assert.equal(await join(listener, "node"), "hello node");
});

test("a message that is too long, and one that breaks off, end their connection alone", async () => {
  const clock = new FakeClock();
  using libc = openLibc();
  await using listener = listen(libc, clock, { total: 8, perAddress: 4 });
  await assert.rejects(join(listener, "x".repeat(1001)), (error) => error instanceof TtunError);
  assert.equal(await join(listener, "node"), "hello node");
});

test("a listener that takes no more lets those go on that it serves, and its port is free", async () => {
  const clock = new FakeClock();
  using libc = openLibc();
  await using listener = listen(libc, clock, { total: 8, perAddress: 8 });
  const { host, port } = listener.address;
  const joined = dialJoin(listener.address, {
    authorities: [encodePem("CERTIFICATE", trustAnchor(AUTHORITY.publicKey))],
    name: ANY_NODE_NAME,
    protocol: "test/1",
    mostBytes: 1000,
    timeoutMs: 30_000,
    signal,
  }, async (messages) => {
    await messages.read();
    await listener.retire();
    Deno.listen({ hostname: host, port }).close();
    await messages.write(utf8("node"));
    return new TextDecoder().decode(await messages.read());
  });
  assert.equal(await joined, "hello node");
  await listener.idle();
});

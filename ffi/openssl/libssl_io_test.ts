import assert from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { settleCallbacks } from "../../tests/settle_callbacks.ts";
import { selfSigned } from "../../tests/suite/certificates.ts";
import { openLibssl } from "./libssl.ts";
import { TlsFailure } from "./tls_failure.ts";
import type { TlsSession } from "./tls_session.ts";

settleCallbacks();

const NAME = { host: "server.test", isIp: false };

/** Carries what one session has for the other. */
function carry(from: TlsSession, to: TlsSession): void {
  const bytes = new Uint8Array(64 * 1024);
  for (let size = from.take(bytes); size > 0; size = from.take(bytes)) {
    to.give(bytes.slice(0, size));
  }
}

function shakeHands(client: TlsSession, server: TlsSession): void {
  client.handshake();
  carry(client, server);
  server.handshake();
  carry(server, client);
  assert.equal(client.handshake(), true);
  carry(client, server);
  assert.equal(server.handshake(), true);
}

test("a session throws after its end, as OpenSSL would use freed memory", () => {
  using certificate = selfSigned("DNS:server.test");
  using libssl = openLibssl();
  using server = libssl.serverContext(certificate);
  using client = libssl.clientContext(certificate.cert);
  const bytes = new Uint8Array(100);
  const sessions = [server.begin(null), client.begin(NAME)];
  shakeHands(sessions[1]!, sessions[0]!);
  for (const session of sessions) {
    session[Symbol.dispose]();
    session[Symbol.dispose]();
    const calls = [
      () => session.handshake(),
      () => session.read(bytes),
      () => session.write(bytes),
      () => session.shutdown(),
      () => session.give(bytes),
      () => session.take(bytes),
      () => session.peerDigest,
      () => session.protocol,
    ];
    for (const call of calls) assert.throws(call, { kind: "internal" });
  }
});

test("bytes that were given may change once they are kept, however they were cut", () => {
  using certificate = selfSigned("DNS:server.test");
  using libssl = openLibssl();
  using serverContext = libssl.serverContext(certificate);
  using clientContext = libssl.clientContext(certificate.cert);
  using server = serverContext.begin(null);
  using client = clientContext.begin(NAME);
  shakeHands(client, server);
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  client.write(sent);
  const wire = new Uint8Array(64 * 1024);
  const size = client.take(wire);
  const got: number[] = [];
  const into = new Uint8Array(1000);
  const lent = new Uint8Array(64 * 1024);
  for (let at = 0, length = 1; at < size; at += length, length = length * 7 % 9973) {
    lent.set(wire.subarray(at, Math.min(size, at + length)));
    server.give(lent.subarray(0, Math.min(length, size - at)));
    const count = server.read(into); // there may be more
    got.push(...into.subarray(0, count ?? 0));
    server.keep();
    lent.fill(0xff);
  }
  for (let count; (count = server.read(into)) !== undefined;) got.push(...into.subarray(0, count!));
  assert.deepEqual(new Uint8Array(got), sent);
});

test("a name that no certificate has is refused, and not left unverified", () => {
  using certificate = selfSigned("DNS:server.test");
  using libssl = openLibssl();
  using context = libssl.clientContext(certificate.cert);
  const refuses = (host: string, isIp: boolean) =>
    assert.throws(() => context.begin({ host, isIp }), { kind: "usage" }, host);
  refuses("fe80::1%eth0", true);
  refuses("1.2.3", true);
  refuses("", false);
});

test("a session goes on when its context and the choice of protocols are gone", () => {
  using certificate = selfSigned("DNS:server.test");
  using libssl = openLibssl();
  using client = libssl.clientContext(certificate.cert, ["h2"]);
  const server = libssl.serverContext(certificate, ["h2"]);
  using early = server.begin(null);
  using late = server.begin(null);
  using first = client.begin(NAME);
  using second = client.begin(NAME);
  shakeHands(first, early);
  server[Symbol.dispose]();
  server[Symbol.dispose]();
  assert.deepEqual([first.protocol, early.protocol], ["h2", "h2"]);
  shakeHands(second, late);
  assert.deepEqual([second.protocol, late.protocol], [null, null]);
});

test("bytes that are damaged are no fault of a certificate that is not verified", () => {
  using certificate = selfSigned("DNS:server.test");
  using libssl = openLibssl();
  using server = libssl.serverContext(certificate);
  using client = libssl.clientContext(null); // its digest is compared
  using served = server.begin(null);
  using session = client.begin(NAME);
  shakeHands(session, served);
  session.give(new Uint8Array([23, 3, 3, 0, 32, ...new Uint8Array(32)]));
  assert.throws(
    () => session.read(new Uint8Array(10)),
    (thrown) => thrown instanceof TlsFailure && thrown.certificate === null,
  );
});

test("sessions leave no memory behind, in whatever state they end", () => {
  using certificate = selfSigned("DNS:server.test");
  using libssl = openLibssl();
  using server = libssl.serverContext(certificate, ["ttun", "h2"]);
  using client = libssl.clientContext(certificate.cert, ["h2"]);
  const text = new Uint8Array(10_000);
  const makeSome = (count: number) => {
    for (let i = 0; i < count; i++) {
      using served = server.begin(null);
      using session = client.begin(NAME);
      if (i % 8 === 0) {
        shakeHands(session, served);
        assert.equal(session.protocol, "h2");
      } else session.handshake();
      if (i % 16 === 0) session.write(text);
    }
  };
  makeSome(400);
  const before = Deno.memoryUsage().rss;
  makeSome(4_000); // 8,000 sessions of some 50 KiB
  const grown = Deno.memoryUsage().rss - before;
  assert(grown < 96 * 1024 * 1024, `grew by ${grown} bytes`);
});

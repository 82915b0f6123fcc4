import { openLibc } from "../../../ffi/linux/libc.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import { test } from "../../../tests/check.ts";
import { selfSigned } from "../../../tests/suite/certificates.ts";
import { denoNet, posixNet } from "../../../tests/suite/real_nets.ts";
import type { StreamNet } from "../../../tests/suite/stream_net.ts";
import { streamSuite } from "../../../tests/suite/stream_suite.ts";
import { TlsDialer } from "./tls_dialer.ts";
import { TlsListener } from "./tls_listener.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";

const clock = new DenoClock();
const { log } = keptLog(clock);

/** TLS over another net, whose certificate is verified. */
function overTls(inner: StreamNet): StreamNet {
  const certificate = selfSigned("IP:127.0.0.1");
  const libssl = openLibssl();
  const server = libssl.serverContext(certificate);
  const client = libssl.clientContext(certificate.cert);
  return {
    ...inner,
    traits: { ...inner.traits, saysEnd: true },
    dialer: new TlsDialer(inner.dialer, { context: client, clock, host: "127.0.0.1", pin: null }),
    listen: (at, o) => new TlsListener(inner.listen(at, o), { context: server, clock, log }),
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]();
      client[Symbol.dispose]();
      server[Symbol.dispose]();
      libssl[Symbol.dispose]();
      certificate[Symbol.dispose]();
    },
  };
}

const libc = openLibc();
const nets: [string, () => StreamNet][] = [
  ["TLS over --io ffi", () => overTls(posixNet(libc, "async"))],
  ["TLS over --io deno", () => overTls(denoNet(libc))],
];
for (const [label, open] of nets) {
  await using net = open();
  streamSuite(label, net.traits, test, open);
}

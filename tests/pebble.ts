/** Debian's pebble, a certificate authority for tests of ACME, on a host of the test's. */

import type { Host, Process } from "./netns.ts";
import { UNPACKED } from "./runner/extras.ts";
import { selfSignedLeaf } from "./suite/certificates.ts";

const PROGRAM = `${UNPACKED}/pebble/usr/bin/pebble`;

/** Milliseconds for it to begin to answer, also on a machine that has much to do. */
const START_MS = 30_000;

export const hasPebble = ((): boolean => {
  try {
    return Deno.statSync(PROGRAM).isFile;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
})();

export interface Pebble extends AsyncDisposable {
  readonly process: Process;
  readonly directory: string;
  /** PEM file: the certificate of its web server. */
  readonly ca: string;
  /** Returns the certificate of its authority, which it makes at each start, in PEM. */
  root(): Promise<string>;
}

export interface PebbleOptions {
  /** Where it listens; its management is at the next port. */
  readonly address: string;
  readonly port: number;
  /** The DNS server that it asks. */
  readonly dns: string;
  /** Seconds that its certificates hold. */
  readonly validity?: number;
  /** Accounts that it takes alone: key by id. */
  readonly external?: Readonly<Record<string, string>>;
  /** Per cent of nonces that it refuses; it does so with some in any case. */
  readonly refusedNonces?: number;
  /** It waits for up to 15 s before it looks at a proof. */
  readonly isSlow?: boolean;
}

export async function startPebble(host: Host, o: PebbleOptions): Promise<Pebble> {
  await using stack = new AsyncDisposableStack();
  const web = stack.use(selfSignedLeaf(`IP:${o.address}`));
  const config = `${web.cert}.json`;
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      pebble: {
        listenAddress: `${o.address}:${o.port}`,
        managementListenAddress: `${o.address}:${o.port + 1}`,
        certificate: web.cert,
        privateKey: web.key,
        httpPort: 80,
        tlsPort: 443,
        ocspResponderURL: "",
        externalAccountBindingRequired: o.external !== undefined,
        externalAccountMACKeys: o.external ?? {},
        certificateValidityPeriod: o.validity ?? 7_776_000,
      },
    }),
  );
  const process = stack.use(host.spawn(PROGRAM, ["-config", config, "-dnsserver", o.dns], {
    env: {
      ...(o.isSlow === true ? { PEBBLE_VA_SLEEPTIME: "15" } : { PEBBLE_VA_NOSLEEP: "1" }),
      PEBBLE_WFE_NONCEREJECT: String(o.refusedNonces ?? 5),
    },
  }));
  await process.waitFor(/ACME directory available/, START_MS);
  const kept = stack.move();
  return {
    process,
    directory: `https://${o.address}:${o.port}/dir`,
    ca: web.cert,
    root: async () => {
      const url = `https://${o.address}:${o.port + 1}/roots/0`;
      const { stdout, stderr } = await host.run("curl", ["-sS", "--cacert", web.cert, url]);
      if (!stdout.includes("BEGIN CERTIFICATE")) throw new Error(`no root: ${stdout}${stderr}`);
      return stdout;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/**
 * A client that has the key and does harm with it: `tunnel_client.ts HOST PORT KEY ATTACK SECONDS
 * MBITS`. It makes a right handshake of version 2 and then sends records as the attack says, as fast
 * as MBITS allows. Prints "attacking", and at the end how many records it sent and why it ended.
 */
import { concat } from "../../src/base/bytes.ts";
import { handshakeConfig, packetOffer, type WireSecrets } from "../../src/app/link/config.ts";
import { linkSecret } from "../../src/cli/secrets/link_secret.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { pskKey } from "../../src/core/link/v1/kdf.ts";
import { ClientHandshake } from "../../src/core/link/v2/client_handshake.ts";
import { packEcho } from "../../src/core/link/v2/frames.ts";
import type { LinkSession } from "../../src/core/link/v2/handshake.ts";
import { sealText } from "../../src/core/link/v2/key_schedule.ts";
import { MAX_RECORD_TEXT } from "../../src/core/link/v2/record.ts";
import { readAddresses } from "../../src/core/link/v2/addresses.ts";
import { ID_SIZE } from "../../src/core/link/v2/setup.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";

const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));

export interface HostileClient extends Disposable {
  readonly conn: Deno.TcpConn;
  readonly session: LinkSession;
  /** The IPv4 address that the server has given, 4 bytes; null = none. */
  readonly address: Uint8Array | null;
}

/** Connects and is let in. `s`: `linkSecret` of the key, which takes its time. */
export async function joinTunnel(
  hostname: string,
  port: number,
  { psk, s }: { psk: Uint8Array<ArrayBuffer>; s: Uint8Array },
): Promise<HostileClient> {
  const secrets: WireSecrets = {
    mode: "v2",
    v1: { psk: pskKey(psk), cipher: "aes-256-gcm", makeCipher: makePureCipher },
    s,
    keyExchange: nodeKeyExchange,
    rng,
    wallClock: Date.now,
  };
  const conn = await Deno.connect({ hostname, port });
  const handshake = new ClientHandshake(handshakeConfig(secrets, packetOffer(0), {}), {
    sessionIdentity: { instance: rng(ID_SIZE), session: rng(ID_SIZE), carrier: 1 },
    pads: false,
    unixMs: Date.now,
  });
  await writeAll(conn, handshake.hello());
  const buffer = new Uint8Array(16_384);
  for (;;) {
    const got = await conn.read(buffer);
    if (got === null) throw new Error("the server closed the connection");
    for (const step of handshake.feed(buffer.slice(0, got))) {
      if (step.kind === "send") await writeAll(conn, step.bytes);
      else if (step.kind === "stranger") throw new Error("the server does not know the key");
      else if (step.kind === "done") {
        const given = step.setup.addresses === undefined ? [] : readAddresses(step.setup.addresses);
        const address = given.find(({ family }) => family === 4)?.bytes ?? null;
        return { conn, session: step.session, address, [Symbol.dispose]: () => conn.close() };
      }
    }
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** A record's text, as each attack has it. `from`: the client's own address. */
export const ATTACKS = {
  /** Pings, up to the longest record. */
  pings: () => repeated(packEcho("ping", rng(8))),
  /** Frames of a type that is skipped, two bytes each. */
  skipped: () => repeated(Uint8Array.of(0x80, 0x00)),
  /** Packets of one byte: none is IP. */
  tiny: () => repeated(Uint8Array.of(0x01, 0x80, 0, 0, 1, 0x45)),
  /** A record for each frame of two bytes. */
  records: () => Uint8Array.of(0x80, 0x00),
  /** A packet and new keys in each record. */
  rekeys: () => Uint8Array.of(0x01, 0x80, 0, 0, 1, 0x45, 0x05),
  /** Padding alone. */
  padding: () => new Uint8Array(MAX_RECORD_TEXT),
} as const satisfies Record<string, () => Uint8Array>;

export type Attack = keyof typeof ATTACKS;

function repeated(frame: Uint8Array): Uint8Array {
  const count = Math.floor(MAX_RECORD_TEXT / frame.length);
  return concat(...Array.from({ length: count }, () => frame));
}

/** Sends until the time is over or the server ends it; returns how many records that were. */
export async function attack(
  { conn, session }: HostileClient,
  kind: Attack,
  o: { seconds: number; mbits: number },
): Promise<{ records: number; ended: string }> {
  let isOpen = true;
  const drained = (async () => {
    const into = new Uint8Array(65_536);
    while (await conn.read(into).catch(() => null) !== null);
    isOpen = false;
  })();
  const text = ATTACKS[kind]();
  const record = () => {
    const sealed = sealText(session.sealer, text);
    if (kind === "rekeys") session.sealer.rekey();
    return sealed;
  };
  const perWrite = Math.max(1, Math.floor(16_384 / text.length));
  const began = performance.now();
  let records = 0;
  let sent = 0;
  let ended = "its time was over";
  try {
    while (isOpen && performance.now() - began < o.seconds * 1000) {
      const bytes = concat(...Array.from({ length: perWrite }, record));
      await writeAll(conn, bytes);
      records += perWrite;
      sent += bytes.length;
      const ahead = sent * 8 / (o.mbits * 1000) - (performance.now() - began);
      if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
    }
    if (!isOpen) ended = "the server ended it";
  } catch (error) {
    ended = String(error);
  }
  drained.catch(() => {});
  return { records, ended };
}

/** Length of each session of the attack. */
const SESSION_SECONDS = 0.3;

if (import.meta.main) {
  const [host, port, key, kind, seconds, mbits] = Deno.args as [
    string,
    string,
    string,
    Attack,
    string,
    string,
  ];
  // A server that has thrown it out says nothing: it joins anew before that is noticed.
  const psk = new TextEncoder().encode(key);
  const secret = { psk, s: await linkSecret(psk) };
  const until = performance.now() + 1000 * Number(seconds);
  let sessions = 0;
  let records = 0;
  let last = "";
  while (performance.now() < until) {
    try {
      using client = await joinTunnel(host, Number(port), secret);
      if (sessions++ === 0) console.log("attacking");
      const left = (until - performance.now()) / 1000;
      const seconds = Math.min(left, SESSION_SECONDS);
      const found = await attack(client, kind, { seconds, mbits: Number(mbits) });
      records += found.records;
      last = found.ended;
    } catch (error) {
      last = String(error);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  console.log(JSON.stringify({ sessions, records, last }));
  Deno.exit(0);
}

import { concat, constantTimeEqual } from "../../base/bytes.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { CipherFactory, CipherName } from "../../contract/cipher.ts";
import type { Rng } from "../../contract/host.ts";
import { CloseCode, packClose, packSetup, readFrames } from "./frames.ts";
import {
  clientHello,
  HELLO_SIZE,
  MAX_HELLO_PADDING,
  readServerHello,
  serverHello,
} from "./hello.ts";
import {
  type HandshakeSecrets,
  handshakeSecrets,
  MAX_HANDSHAKE_BODY,
  MAX_HANDSHAKE_PADDING,
  openHandshake,
  resumeProof,
  sealHandshake,
  sealText,
  type TrafficSecrets,
  trafficSecrets,
} from "./key_schedule.ts";
import { RECORD_HEADER, RECORD_TAG, RecordOpener, RecordSealer } from "./record.ts";
import type { KeyExchange } from "./secrets.ts";
import {
  type Belonging,
  type ClientSetup,
  type Offer,
  packClientKeyMessage,
  packClientSetup,
  packServerKeyMessage,
  packServerSetup,
  readClientKeyMessage,
  readClientSetup,
  readServerKeyMessage,
  readServerSetup,
  type ServerSetup,
} from "./setup.ts";

/**
 * Handshake of link version 2 (docs/link-v2.md, "Handshake"), both ends, as pure machines:
 *
 *     client                                        server
 *       Nc, p random bytes             ────────►    (judged by hello.ts; then this machine)
 *                                      ◄────────    Ns, Rs
 *       Rc, setup                      ────────►    authenticated: may be let in, or refused
 *       done                           ◄────────    setup, or close with words
 */
export interface LinkParty {
  /** S of secrets.ts. Borrowed for the machine's life. */
  readonly s: Uint8Array;
  readonly makeCipher: CipherFactory;
  readonly keyExchange: KeyExchange;
  readonly rng: Rng;
  /** Hash of the certificate that the carrier's server showed, or empty. */
  readonly binding: Uint8Array;
  readonly offer: Offer;
  /** Ciphers that this end takes, best first. */
  readonly ciphers: readonly CipherName[];
}

/** A session after its handshake: keys of both directions, and what came behind it. */
export interface LinkSession extends Disposable {
  readonly sealer: RecordSealer;
  readonly opener: RecordOpener;
  readonly cipher: CipherName;
  readonly peer: Offer;
  /** For proofs of a later carrier of the same session. */
  readonly resume: Uint8Array;
  readonly transcript: Uint8Array;
  /** Frames that stood behind the peer's setup, in the same record. A copy. */
  readonly firstFrames: Uint8Array;
  /** Bytes behind that record. A copy. */
  readonly rest: Uint8Array;
}

/** Bytes that have come and are not used yet. Bounded by the largest record, once that is known. */
class Held {
  bytes: Uint8Array = new Uint8Array();

  add(chunk: Uint8Array): void {
    this.bytes = concat(this.bytes, chunk);
  }

  take(size: number): Uint8Array {
    const taken = this.bytes.slice(0, size);
    this.bytes = this.bytes.slice(size);
    return taken;
  }
}

/** What the peer's first record under its traffic secret said. */
interface FirstRecord {
  readonly setup: Uint8Array | null;
  readonly close: { code: number; words: string } | null;
  readonly behind: Uint8Array;
}

/**
 * Reads the peer's first record once it is whole: a setup, or a close in its place. It may not be
 * longer than a handshake record: where the two ends came to different secrets its length is a
 * random number, and most such numbers are then refused at once instead of waited for.
 */
function readFirstRecord(opener: RecordOpener, held: Held): FirstRecord | null {
  const size = opener.sizeAt(held.bytes, 0, held.bytes.length, MAX_HANDSHAKE_BODY);
  if (size === null || size > held.bytes.length) return null;
  const record = held.take(size);
  opener.open(record, 0, size);
  const text = record.subarray(RECORD_HEADER, size - RECORD_TAG);
  for (const frame of readFrames(text, 0, text.length)) {
    if (frame.kind === "close") return { setup: null, close: frame, behind: new Uint8Array() };
    if (frame.kind !== "setup") break;
    const end = frame.tlvs.byteOffset - text.byteOffset + frame.tlvs.length;
    return { setup: frame.tlvs, close: null, behind: text.slice(end) };
  }
  throw new ProtocolError("Cannot read the handshake: its first frame is not a setup");
}

/** The server's end, from a client's hello that was found right and fresh. */
export class ServerLink implements Disposable {
  readonly #party: LinkParty;
  readonly #hello: Uint8Array;
  readonly #padding: number;
  readonly #held = new Held();
  readonly #pair: ReturnType<KeyExchange["newKeyPair"]>;
  readonly #ns: Uint8Array;
  readonly #rs: Uint8Array;
  readonly #secrets: HandshakeSecrets;
  #helloAndPadding: Uint8Array | null = null;
  #traffic: TrafficSecrets | null = null;
  #sealer: RecordSealer | null = null;
  #opener: RecordOpener | null = null;
  #cipher: CipherName | null = null;
  #client: ClientSetup | null = null;
  #behind: Uint8Array = new Uint8Array();
  #isOver = false;

  /** `hello` is the client's 16 bytes, `padding` the p that it says. */
  constructor(party: LinkParty, o: { hello: Uint8Array; padding: number; unixMs: number }) {
    this.#party = party;
    this.#hello = o.hello.slice();
    this.#padding = o.padding;
    this.#pair = party.keyExchange.newKeyPair();
    this.#ns = serverHello(party.s, this.#hello, party.rng(8), o.unixMs);
    this.#secrets = handshakeSecrets(party.s, this.#hello, this.#ns);
    this.#rs = sealHandshake(
      this.#secrets.server,
      packServerKeyMessage({
        publicKey: this.#pair.publicKey,
        ciphers: party.ciphers,
        ...party.offer,
      }),
      randomBelow(party.rng, MAX_HANDSHAKE_PADDING + 1),
      party.makeCipher,
    );
  }

  /** Flight 2. */
  answer(): Uint8Array {
    return concat(this.#ns, this.#rs);
  }

  /**
   * Takes what came behind the hello's 16 bytes (borrowed). Returns the client's setup once it has
   * opened: only then the client has proved the key. Nothing was answered to it yet.
   * @throws {TtunError} auth, protocol: the connection is then a stranger's, and the machine over
   */
  feed(chunk: Uint8Array): ClientSetup | null {
    if (this.#isOver) throw alreadyOver();
    try {
      return this.#take(chunk);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #take(chunk: Uint8Array): ClientSetup | null {
    this.#held.add(chunk);
    if (this.#helloAndPadding === null) {
      if (this.#held.bytes.length < this.#padding) return null;
      this.#helloAndPadding = concat(this.#hello, this.#held.take(this.#padding));
    }
    if (this.#traffic === null && !this.#readKeyMessage()) return null;
    return this.#client ?? this.#readSetup();
  }

  #readKeyMessage(): boolean {
    const found = openHandshake(this.#secrets.client, this.#held.bytes, this.#party.makeCipher);
    if (found === null) return false;
    const rc = this.#held.take(found.size);
    const { publicKey, cipher } = readClientKeyMessage(found.text);
    if (!this.#party.ciphers.includes(cipher)) {
      throw new ProtocolError("Cannot read the handshake: a cipher was taken that was not offered");
    }
    this.#traffic = trafficSecrets(
      this.#secrets,
      this.#pair.shared(publicKey),
      this.#party.binding,
      this.#helloAndPadding!,
      this.#ns,
      this.#rs,
      rc,
    );
    this.#cipher = cipher;
    this.#opener = new RecordOpener(this.#traffic.client, cipher, this.#party.makeCipher);
    this.#sealer = new RecordSealer(this.#traffic.server, cipher, this.#party.makeCipher);
    overwrite(this.#traffic.client, this.#traffic.server);
    return true;
  }

  #readSetup(): ClientSetup | null {
    const first = readOrSuspect(this.#opener!, this.#held);
    if (first === null) return null;
    if (first.setup === null) {
      throw new ProtocolError("Cannot read the handshake: the client closed it");
    }
    this.#client = readClientSetup(first.setup);
    this.#behind = first.behind;
    return this.#client;
  }

  /** The session's transcript and resume secret, to check a proof or make one. */
  get traffic(): Pick<TrafficSecrets, "resume" | "transcript"> {
    return this.#proved().traffic;
  }

  /** Lets the client in: the bytes to send, and the session. The machine is over. */
  accept(setup: ServerSetup): { bytes: Uint8Array; session: LinkSession } {
    const { traffic, client } = this.#proved();
    const bytes = sealText(this.#sealer!, packSetup(packServerSetup(setup)));
    const session = makeSession(
      this.#sealer!,
      this.#opener!,
      this.#cipher!,
      client,
      traffic,
      this.#behind,
      this.#held.bytes,
    );
    this.#sealer = this.#opener = this.#traffic = null; // the session's from now on
    this[Symbol.dispose]();
    return { bytes, session };
  }

  /** Refuses a client that has proved the key: the bytes to send. The machine is over. */
  refuse(code: number, words: string): Uint8Array {
    this.#proved();
    const bytes = sealText(this.#sealer!, packClose(code, words));
    this[Symbol.dispose]();
    return bytes;
  }

  #proved(): { traffic: TrafficSecrets; client: ClientSetup } {
    if (this.#isOver || this.#traffic === null || this.#client === null) {
      throw new TtunError(
        "internal",
        "Cannot end the handshake: the client has not proved the key",
      );
    }
    return { traffic: this.#traffic, client: this.#client };
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#sealer?.[Symbol.dispose]();
    this.#opener?.[Symbol.dispose]();
    overwriteSecrets(this.#secrets, this.#traffic);
    this.#sealer = this.#opener = this.#traffic = null;
  }
}

export type ClientStep =
  /** The 16 bytes are not version 2's: version 1 is spoken there, or the key is another. */
  | { kind: "stranger"; nonce: Uint8Array; rest: Uint8Array }
  /** The server speaks version 2, from now on beyond doubt. Flight 3 is to be sent. */
  | { kind: "send"; bytes: Uint8Array }
  | { kind: "done"; session: LinkSession; setup: ServerSetup };

/** The client's end. */
export class ClientLink implements Disposable {
  readonly #party: LinkParty;
  readonly #belonging: Omit<Belonging, "resume">;
  readonly #resume: { secret: Uint8Array; expected: number } | null;
  readonly #helloAndPadding: Uint8Array;
  readonly #held = new Held();
  readonly #unixMs: () => number;
  #ns: Uint8Array | null = null;
  #secrets: HandshakeSecrets | null = null;
  #server: Offer | null = null;
  #traffic: TrafficSecrets | null = null;
  #cipher: CipherName | null = null;
  #sealer: RecordSealer | null = null;
  #opener: RecordOpener | null = null;
  #isOver = false;

  /** `pads`: random bytes behind the hello, for a client that will speak version 2 only. */
  constructor(
    party: LinkParty,
    o: {
      belonging: Omit<Belonging, "resume">;
      /** To come back to a session: its secret, and the next numbered frame expected. */
      resume?: { secret: Uint8Array; expected: number };
      pads: boolean;
      unixMs: () => number;
    },
  ) {
    this.#party = party;
    this.#belonging = o.belonging;
    this.#resume = o.resume === undefined
      ? null
      : { secret: o.resume.secret.slice(), expected: o.resume.expected };
    this.#unixMs = o.unixMs;
    const padding = o.pads ? randomBelow(party.rng, MAX_HELLO_PADDING + 1) : 0;
    const hello = clientHello(party.s, party.rng(8), padding, o.unixMs());
    this.#helloAndPadding = concat(hello, party.rng(padding));
  }

  /** Flight 1. With no padding it serves as version 1's nonce too. */
  hello(): Uint8Array {
    return this.#helloAndPadding;
  }

  /**
   * What to do after these bytes (borrowed). The machine is over after "stranger" and "done".
   * @throws {TtunError} clock, auth, protocol, busy …: the server's own words where it had some;
   * the machine is then over
   */
  feed(chunk: Uint8Array): ClientStep[] {
    if (this.#isOver) throw alreadyOver();
    try {
      return this.#take(chunk);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #take(chunk: Uint8Array): ClientStep[] {
    this.#held.add(chunk);
    const steps: ClientStep[] = [];
    if (this.#secrets === null) {
      if (this.#held.bytes.length < HELLO_SIZE) return steps;
      const stranger = this.#readHello();
      if (stranger !== null) return [stranger];
    }
    if (this.#traffic === null) {
      const bytes = this.#readKeyMessage();
      if (bytes === null) return steps;
      steps.push({ kind: "send", bytes });
    }
    const done = this.#readSetup();
    if (done !== null) steps.push(done);
    return steps;
  }

  #readHello(): ClientStep | null {
    const nc = this.#helloAndPadding.subarray(0, HELLO_SIZE);
    const ns = this.#held.take(HELLO_SIZE);
    const hello = readServerHello(this.#party.s, nc, ns, this.#unixMs());
    if (hello === null) {
      this[Symbol.dispose]();
      return { kind: "stranger", nonce: ns, rest: this.#held.bytes };
    }
    if (hello.isStale) throw clocksDiffer(hello.skewSeconds);
    this.#ns = ns;
    this.#secrets = handshakeSecrets(this.#party.s, nc, ns);
    return null;
  }

  #readKeyMessage(): Uint8Array | null {
    const { makeCipher, ciphers, rng } = this.#party;
    const found = openHandshake(this.#secrets!.server, this.#held.bytes, makeCipher);
    if (found === null) return null;
    const rs = this.#held.take(found.size);
    const server = readServerKeyMessage(found.text);
    const cipher = server.ciphers.find((name) => ciphers.includes(name));
    if (cipher === undefined) {
      throw new TtunError(
        "protocol",
        "Cannot connect: the server accepts no cipher that this end knows",
      );
    }
    const pair = this.#party.keyExchange.newKeyPair();
    const rc = sealHandshake(
      this.#secrets!.client,
      packClientKeyMessage({ publicKey: pair.publicKey, cipher }),
      randomBelow(rng, MAX_HANDSHAKE_PADDING + 1),
      makeCipher,
    );
    this.#traffic = trafficSecrets(
      this.#secrets!,
      pair.shared(server.publicKey),
      this.#party.binding,
      this.#helloAndPadding,
      this.#ns!,
      rs,
      rc,
    );
    this.#server = server;
    this.#cipher = cipher;
    this.#sealer = new RecordSealer(this.#traffic.client, cipher, makeCipher);
    this.#opener = new RecordOpener(this.#traffic.server, cipher, makeCipher);
    overwrite(this.#traffic.client, this.#traffic.server);
    const setup: ClientSetup = { ...this.#party.offer, ...this.#belonging, ...this.#proof() };
    return concat(rc, sealText(this.#sealer, packSetup(packClientSetup(setup))));
  }

  #proof(): Pick<Belonging, "resume"> {
    if (this.#resume === null) return {};
    const { secret, expected } = this.#resume;
    return { resume: { expected, proof: resumeProof(secret, "c", this.#traffic!.transcript) } };
  }

  #readSetup(): ClientStep | null {
    const first = readOrSuspect(this.#opener!, this.#held);
    if (first === null) return null;
    if (first.close !== null) throw refusal(first.close.code, first.close.words);
    const setup = readServerSetup(first.setup!);
    this.#checkProof(setup);
    const session = makeSession(
      this.#sealer!,
      this.#opener!,
      this.#cipher!,
      this.#server!,
      this.#traffic!,
      first.behind,
      this.#held.bytes,
    );
    this.#sealer = this.#opener = this.#traffic = null; // the session's from now on
    this[Symbol.dispose]();
    return { kind: "done", setup, session };
  }

  /** Who takes us back must know the session's secret; who does not has nothing to take up. */
  #checkProof(setup: ServerSetup): void {
    if ((this.#resume === null) !== (setup.resume === undefined)) {
      throw new ProtocolError("Cannot read the handshake: the server answers what was not asked");
    }
    if (this.#resume === null) return;
    const proof = resumeProof(this.#resume.secret, "s", this.#traffic!.transcript);
    if (!constantTimeEqual(proof, setup.resume!.proof)) {
      throw new TtunError(
        "auth",
        "Cannot authenticate the peer: it does not know the session that is to go on",
      );
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#sealer?.[Symbol.dispose]();
    this.#opener?.[Symbol.dispose]();
    overwriteSecrets(this.#secrets, this.#traffic);
    this.#resume?.secret.fill(0);
    this.#sealer = this.#opener = this.#traffic = null;
  }
}

/** The handshake record opened and the next one does not: the two saw different certificates. */
function readOrSuspect(opener: RecordOpener, held: Held): FirstRecord | null {
  const wasFirst = opener.counter === 0;
  try {
    return readFirstRecord(opener, held);
  } catch (cause) {
    if (
      wasFirst && opener.counter <= 1 &&
      toTtunError(cause).message.startsWith("Cannot open a record")
    ) {
      throw new TtunError(
        "auth",
        "Cannot authenticate the peer: the two ends saw different connections; someone may be in the middle",
        { cause },
      );
    }
    throw cause;
  }
}

function alreadyOver(): ProtocolError {
  return new ProtocolError("Cannot go on with a handshake that is over");
}

function overwrite(...secrets: Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** All that a machine still owns: whatever a session took over is not there any more. */
function overwriteSecrets(hs: HandshakeSecrets | null, traffic: TrafficSecrets | null): void {
  if (hs !== null) overwrite(hs.hk, hs.client, hs.server);
  if (traffic !== null) overwrite(traffic.client, traffic.server, traffic.resume);
}

function makeSession(
  sealer: RecordSealer,
  opener: RecordOpener,
  cipher: CipherName,
  peer: Offer,
  { resume, transcript }: TrafficSecrets,
  firstFrames: Uint8Array,
  rest: Uint8Array,
): LinkSession {
  return {
    sealer,
    opener,
    cipher,
    peer,
    resume,
    transcript,
    firstFrames,
    rest,
    [Symbol.dispose]: () => {
      sealer[Symbol.dispose]();
      opener[Symbol.dispose]();
      resume.fill(0);
    },
  };
}

/** The server's refusal, in its own words (control characters are gone already). */
export function refusal(code: number, words: string): TtunError {
  const said = words === "" ? `code ${code}` : words;
  if (code === CloseCode.busy || code === CloseCode.limit) {
    return new TtunError("busy", `Cannot connect: the server is busy: ${said}`);
  }
  if (code === CloseCode.notAllowed) {
    return new TtunError("auth", `Cannot connect: not allowed: ${said}`);
  }
  if (code === CloseCode.protocol) {
    return new TtunError("protocol", `Cannot go on: the peer says: ${said}`);
  }
  return new TtunError("lost", `The peer closed the connection: ${said}`);
}

export function clocksDiffer(seconds: number): TtunError {
  const ahead = seconds > 0 ? "ahead of" : "behind";
  return new TtunError(
    "clock",
    `Cannot connect: the other end's clock is ${Math.abs(seconds)} s ${ahead} this one's; ` +
      "set both clocks (timedatectl set-ntp true)",
  );
}

/** A whole number from 0 to `limit` - 1, of up to 16 bits; the bias is of no use to anybody here. */
function randomBelow(rng: Rng, limit: number): number {
  const bytes = rng(4);
  return ((bytes[0]! << 24 | bytes[1]! << 16 | bytes[2]! << 8 | bytes[3]!) >>> 0) % limit;
}

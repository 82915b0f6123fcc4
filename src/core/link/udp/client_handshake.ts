import { concat, constantTimeEqual } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { TAG_SIZE } from "../../../contract/cipher.ts";
import { chooseCipher } from "../v2/cipher_choice.ts";
import { packSetup, readFrames } from "../v2/frames.ts";
import {
  clocksDiffer,
  type HandshakeConfig,
  overwrite,
  overwriteSecrets,
  randomBelow,
  refusal,
} from "../v2/handshake.ts";
import { clientHello, HELLO_SIZE, readServerHello } from "../v2/hello.ts";
import {
  handshakeSecrets,
  openHandshake,
  resumeProof,
  sealHandshake,
  trafficSecrets,
} from "../v2/key_schedule.ts";
import {
  packClientKeyMessage,
  packClientSetup,
  readServerKeyMessage,
  readServerSetup,
  type ServerSetup,
  type SessionIdentity,
} from "../v2/setup.ts";
import { DatagramOpener, DatagramSealer } from "./datagram.ts";
import { DATAGRAM_OVERHEAD, type Head, HEAD_SIZE } from "./head.ts";
import { type DatagramKeys, datagramSecrets, disposeKeys, type HeadMasks } from "./keys.ts";
import type { UdpSession } from "./session.ts";

/** Bytes of flight 1: the server never answers it with more. */
export const LEAST_FLIGHT_1 = 1100;
export const MOST_FLIGHT_1 = 1250;

/** Most zero bytes behind Rc's and the setup's text. */
const MOST_PADDING = 128;

/** Milliseconds until the same bytes are sent again; the first pause is that of 8 in a row. */
const FIRST_PAUSE = 250;
const EVEN_SENDINGS = 8;
const SENDINGS = 11;

export interface UdpClientOptions {
  /** Its offer has the id that this end wants to be sent. */
  readonly party: HandshakeConfig;
  readonly masks: HeadMasks;
  readonly sessionIdentity: Omit<SessionIdentity, "resume">;
  /** Of a session that goes on. */
  readonly resume?: Uint8Array | undefined;
  readonly unixMs: () => number;
  readonly phaseDatagrams?: number | undefined;
}

interface Met {
  readonly keys: DatagramKeys;
  readonly session: Omit<UdpSession, "keys" | keyof Disposable>;
  readonly transcript: Uint8Array;
}

/**
 * A client's side of the handshake in four datagrams (docs/wire/udp.md). Whatever is not the server's
 * answer changes nothing: anybody may send datagrams.
 */
export class UdpClientHandshake implements Disposable {
  readonly #o: UdpClientOptions;
  readonly #flight1: Uint8Array;
  readonly #head: Head = { id: 0, phase: 0, counter: 0 };
  /** The datagram that is sent until it is answered. */
  #current: Uint8Array;
  #sendings = 0;
  #nextAt = -Infinity;
  #met: Met | null = null;

  constructor(o: UdpClientOptions) {
    this.#o = o;
    const { rng, s } = o.party;
    const size = LEAST_FLIGHT_1 + randomBelow(rng, MOST_FLIGHT_1 - LEAST_FLIGHT_1 + 1);
    const hello = clientHello(s, rng(8), rng(1)[0]!, o.unixMs());
    this.#flight1 = this.#current = concat(hello, rng(size - HELLO_SIZE));
  }

  /** The server has proved the key. */
  get isAnswered(): boolean {
    return this.#met !== null;
  }

  /** When `due` has something next, in milliseconds. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Returns the datagram that is to be sent now; null = it is too early. @throws {TtunError} timeout */
  due(now: number): Uint8Array | null {
    if (now < this.#nextAt) return null;
    if (this.#sendings === SENDINGS) {
      throw new TtunError(
        "timeout",
        this.#met === null
          ? "Cannot connect: no answer over UDP; either the key is wrong, the server does not listen there, or datagrams do not get through"
          : "Cannot connect: the server answers no more over UDP",
      );
    }
    const doublings = Math.max(0, ++this.#sendings - EVEN_SENDINGS);
    this.#nextAt = now + FIRST_PAUSE * 2 ** doublings;
    return this.#current;
  }

  /**
   * Takes a datagram, which is overwritten. Returns the session when it is there; null = not yet, and
   * `due` may have something at once. The session is the caller's, and this object over.
   * @throws {TtunError} clock, auth, protocol, busy and others, perhaps in the server's words
   */
  receive(bytes: Uint8Array): { session: UdpSession; setup: ServerSetup } | null {
    if (this.#met !== null) return this.#readSetup(this.#met, bytes);
    this.#readKeyMessage(bytes);
    return null;
  }

  #readKeyMessage(bytes: Uint8Array): void {
    const { party } = this.#o;
    if (bytes.length <= HELLO_SIZE || bytes.length > this.#flight1.length) return;
    const nc = this.#flight1.subarray(0, HELLO_SIZE);
    const ns = bytes.slice(0, HELLO_SIZE);
    const hello = readServerHello(party.s, nc, ns, this.#o.unixMs());
    if (hello === null) return;
    const secrets = handshakeSecrets(party.s, nc, ns);
    const rs = bytes.slice(HELLO_SIZE);
    const text = openWhole(() => openHandshake(secrets.server, rs, party.makeCipher), rs.length);
    if (text === null) return; // the hello is right: it was copied, and the rest is another's
    if (hello.isStale) throw clocksDiffer(hello.skewSeconds);
    const server = readServerKeyMessage(text);
    const chosen = chooseCipher(server, party);
    if (chosen === null) {
      throw new TtunError(
        "protocol",
        "Cannot connect: the server accepts no cipher that this end knows",
      );
    }
    const theirs = server.datagramId;
    if (theirs === undefined) {
      throw new ProtocolError("Cannot read the handshake: the server's id is missing");
    }
    const cipher = chosen.name;
    const pair = party.keyExchange.newKeyPair();
    const rc = sealHandshake(
      secrets.client,
      packClientKeyMessage({ publicKey: pair.publicKey, cipher }),
      randomBelow(party.rng, MOST_PADDING + 1),
      party.makeCipher,
    );
    const z = pair.shared(server.publicKey);
    const traffic = trafficSecrets(secrets, z, party.binding, nc, ns, rs, rc);
    const { makeCipher } = party;
    const { masks, phaseDatagrams } = this.#o;
    const both = datagramSecrets(traffic);
    const sealing = { secret: both.client, cipher, makeCipher, mask: masks.client, id: theirs };
    const keys = {
      sealer: new DatagramSealer(sealing, phaseDatagrams),
      opener: new DatagramOpener({ secret: both.server, cipher, makeCipher }),
    };
    overwrite(both.client, both.server);
    const { resume, transcript } = traffic;
    this.#met = {
      keys,
      session: {
        id: party.offer.datagramId!,
        cipher,
        cipherReason: chosen.reason,
        peer: server,
        resume: resume.slice(),
      },
      transcript,
    };
    overwriteSecrets(secrets, traffic);
    this.#current = this.#flight3(rc, this.#met);
    this.#sendings = 0;
    this.#nextAt = -Infinity;
  }

  /** Head, Rc, and the first datagram's text, which is the setup. */
  #flight3(rc: Uint8Array, { keys, transcript }: Met): Uint8Array {
    const { party, sessionIdentity, resume } = this.#o;
    const proof = resume === undefined
      ? {}
      : { resume: { expected: 0, proof: resumeProof(resume, "c", transcript) } };
    const setup = packSetup(packClientSetup({ ...party.offer, ...sessionIdentity, ...proof }));
    const padding = new Uint8Array(randomBelow(party.rng, MOST_PADDING + 1));
    const bytes = concat(new Uint8Array(HEAD_SIZE), rc, setup, padding, new Uint8Array(TAG_SIZE));
    keys.sealer.seal(bytes, 0, bytes.length - TAG_SIZE, HEAD_SIZE + rc.length);
    return bytes;
  }

  #readSetup(met: Met, bytes: Uint8Array) {
    if (bytes.length <= DATAGRAM_OVERHEAD) return null;
    const head = this.#head;
    this.#o.masks.server.read(bytes, 0, bytes.length, head);
    // Later ones may overtake it, and must not be marked as read.
    if (head.id !== met.session.id || head.counter !== 0) return null;
    if (!met.keys.opener.open(bytes, HEAD_SIZE, bytes.length, head)) return null;
    for (const frame of readFrames(bytes, HEAD_SIZE, bytes.length - TAG_SIZE)) {
      if (frame.kind === "close") throw refusal(frame.code, frame.words);
      if (frame.kind !== "setup") break;
      const setup = readServerSetup(frame.tlvs);
      this.#checkProof(setup, met);
      return { setup, session: this.#handOver(met) };
    }
    throw new ProtocolError("Cannot read the handshake: its first frame is not a setup");
  }

  #handOver({ keys, session }: Met): UdpSession {
    this.#met = null;
    return {
      ...session,
      keys,
      [Symbol.dispose]() {
        disposeKeys(keys);
        session.resume.fill(0);
      },
    };
  }

  #checkProof(setup: ServerSetup, { transcript }: Met): void {
    const { resume } = this.#o;
    if ((resume === undefined) !== (setup.resume === undefined)) {
      throw new ProtocolError("Cannot read the handshake: the server answers what was not asked");
    }
    if (resume === undefined) return;
    if (!constantTimeEqual(resumeProof(resume, "s", transcript), setup.resume!.proof)) {
      throw new TtunError(
        "auth",
        "Cannot authenticate the peer: it does not know the session that is to go on",
      );
    }
  }

  [Symbol.dispose](): void {
    if (this.#met !== null) {
      disposeKeys(this.#met.keys);
      this.#met.session.resume.fill(0);
    }
    this.#met = null;
  }
}

/** Returns the text of a handshake's record that fills its datagram; null = it is none. */
export function openWhole(
  open: () => { size: number; text: Uint8Array } | null,
  size: number,
): Uint8Array | null {
  try {
    const found = open();
    return found?.size === size ? found.text : null;
  } catch (error) {
    if (error instanceof ProtocolError && error.reason === "cannot_open") return null;
    throw error;
  }
}

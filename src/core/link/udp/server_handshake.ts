import { concat, constantTimeEqual } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { type CipherName, TAG_SIZE } from "../../../contract/cipher.ts";
import { packClose, packSetup, readFrames } from "../v2/frames.ts";
import { type HandshakeConfig, overwrite, overwriteSecrets, randomBelow } from "../v2/handshake.ts";
import { HELLO_SIZE, serverHello } from "../v2/hello.ts";
import {
  type HandshakeSecrets,
  handshakeSecrets,
  MAX_HANDSHAKE_PADDING,
  openHandshake,
  resumeProof,
  sealHandshake,
  type TrafficSecrets,
  trafficSecrets,
} from "../v2/key_schedule.ts";
import { RECORD_HEADER, RECORD_TAG } from "../v2/record.ts";
import type { KeyExchange } from "../v2/secrets.ts";
import {
  type ClientSetup,
  packServerKeyMessage,
  packServerSetup,
  readClientKeyMessage,
  readClientSetup,
  type ServerSetup,
} from "../v2/setup.ts";
import { DatagramOpener, DatagramSealer } from "./datagram.ts";
import { type Head, HEAD_SIZE } from "./head.ts";
import { type DatagramKeys, datagramSecrets, disposeKeys, type HeadMasks } from "./keys.ts";
import type { UdpSession } from "./session.ts";

/** Most zero bytes behind the setup or the close that answers a client. */
const MOST_PADDING = 128;

export interface UdpServerOptions {
  /** Its offer has the id that this end wants to be sent. */
  readonly party: HandshakeConfig;
  readonly masks: HeadMasks;
  /** A right and fresh first datagram, borrowed. */
  readonly flight1: Uint8Array;
  readonly unixMs: number;
  readonly phaseDatagrams?: number | undefined;
}

/** A client whose Rc has come, and whose setup has not. */
interface Met {
  readonly opener: DatagramOpener;
  readonly traffic: TrafficSecrets;
  readonly cipher: CipherName;
  /** D of what this end sends. */
  readonly secret: Uint8Array;
}

interface Proved {
  readonly keys: DatagramKeys;
  readonly session: Omit<UdpSession, "keys" | keyof Disposable>;
  readonly transcript: Uint8Array;
  readonly client: ClientSetup;
}

/** The server's side of the handshake with one client, from a right first datagram on. */
export class UdpServerHandshake implements Disposable {
  readonly #o: UdpServerOptions;
  readonly #nc: Uint8Array;
  readonly #ns: Uint8Array;
  readonly #rs: Uint8Array;
  readonly #pair: ReturnType<KeyExchange["newKeyPair"]>;
  readonly #secrets: HandshakeSecrets;
  #met: Met | null = null;
  #proved: Proved | null = null;

  constructor(o: UdpServerOptions) {
    this.#o = o;
    const { party } = o;
    const nc = this.#nc = o.flight1.slice(0, HELLO_SIZE);
    this.#pair = party.keyExchange.newKeyPair();
    this.#ns = serverHello(party.s, nc, party.rng(8), o.unixMs);
    this.#secrets = handshakeSecrets(party.s, nc, this.#ns);
    const text = packServerKeyMessage({
      publicKey: this.#pair.publicKey,
      ciphers: party.ciphers,
      costs: party.costs ?? undefined,
      ...party.offer,
    });
    // No answer is longer than its question: it could be aimed at somebody else.
    const room = o.flight1.length - HELLO_SIZE - RECORD_HEADER - text.length - RECORD_TAG;
    const padding = Math.min(MAX_HANDSHAKE_PADDING, Math.max(0, room));
    this.#rs = sealHandshake(
      this.#secrets.server,
      text,
      randomBelow(party.rng, padding + 1),
      party.makeCipher,
    );
  }

  /** Returns flight 2, the same each time. */
  answer(): Uint8Array {
    return concat(this.#ns, this.#rs);
  }

  /**
   * Takes a datagram with this handshake's id, which stays as it is. Returns the client's setup if it
   * is flight 3; null = it is not the client's, and changes nothing.
   * @throws {ProtocolError} the client has the key, and sends what cannot be read
   */
  receive(bytes: Uint8Array, head: Head): ClientSetup | null {
    if (this.#proved !== null || head.counter !== 0 || head.phase !== 0) return null;
    const { party, masks, phaseDatagrams } = this.#o;
    const found = openOrNull(() =>
      openHandshake(this.#secrets.client, bytes.subarray(HEAD_SIZE), party.makeCipher)
    );
    if (found === null) return null;
    const textAt = HEAD_SIZE + found.size;
    this.#met ??= this.#meet(found.text, bytes.slice(HEAD_SIZE, textAt));
    const { opener, traffic, cipher, secret } = this.#met;
    const copy = bytes.slice();
    if (!opener.open(copy, textAt, copy.length, head)) return null; // what follows Rc is another's
    const client = readFirstSetup(copy, textAt, copy.length - TAG_SIZE);
    const id = client.datagramId;
    if (id === undefined) {
      throw new ProtocolError("Cannot read the handshake: the client's id is missing");
    }
    const { makeCipher } = party;
    const sealing = { secret, cipher, makeCipher, mask: masks.server, id };
    this.#proved = {
      keys: { opener, sealer: new DatagramSealer(sealing, phaseDatagrams) },
      session: {
        id: party.offer.datagramId!,
        cipher,
        cipherReason: null,
        peer: client,
        resume: traffic.resume.slice(),
      },
      transcript: traffic.transcript,
      client,
    };
    overwriteSecrets(this.#secrets, traffic);
    overwrite(secret);
    this.#met = null;
    return client;
  }

  /** Works the keys out of the first right Rc; another one does not open what this one does. */
  #meet(text: Uint8Array, rc: Uint8Array): Met {
    const { party } = this.#o;
    const { publicKey, cipher } = readClientKeyMessage(text);
    if (!party.ciphers.includes(cipher)) {
      throw new ProtocolError("Cannot read the handshake: a cipher was taken that was not offered");
    }
    const z = this.#pair.shared(publicKey);
    const secrets = { ...this.#secrets, hk: this.#secrets.hk.slice() };
    const traffic = trafficSecrets(secrets, z, party.binding, this.#nc, this.#ns, this.#rs, rc);
    const both = datagramSecrets(traffic);
    const { makeCipher } = party;
    const opener = new DatagramOpener({ secret: both.client, cipher, makeCipher });
    overwrite(both.client);
    return { opener, traffic, cipher, secret: both.server };
  }

  /** Tells whether the client knows the secret of the session that it asks to go on with. */
  isResumed(secret: Uint8Array): boolean {
    const { client, transcript } = this.#proved!;
    const given = client.resume?.proof;
    return given !== undefined && constantTimeEqual(given, resumeProof(secret, "c", transcript));
  }

  /** Admits a client that has proved the key. `resumed`: the secret of the session that goes on. */
  accept(
    setup: Omit<ServerSetup, "resume">,
    resumed?: Uint8Array,
  ): { flight4: Uint8Array; session: UdpSession } {
    const proved = this.#proved!;
    this.#proved = null;
    const resume = resumed === undefined
      ? {}
      : { resume: { expected: 0, proof: resumeProof(resumed, "s", proved.transcript) } };
    const { keys, session } = proved;
    return {
      flight4: this.#seal(keys, packSetup(packServerSetup({ ...setup, ...resume }))),
      session: {
        ...session,
        keys,
        [Symbol.dispose]() {
          disposeKeys(keys);
          session.resume.fill(0);
        },
      },
    };
  }

  /** Refuses a client that has proved the key. Returns flight 4; this object is then over. */
  refuse(code: number, words: string): Uint8Array {
    const flight4 = this.#seal(this.#proved!.keys, packClose(code, words));
    this[Symbol.dispose]();
    return flight4;
  }

  #seal({ sealer }: DatagramKeys, frame: Uint8Array): Uint8Array {
    const padding = new Uint8Array(randomBelow(this.#o.party.rng, MOST_PADDING + 1));
    const bytes = concat(new Uint8Array(HEAD_SIZE), frame, padding, new Uint8Array(TAG_SIZE));
    sealer.seal(bytes, 0, bytes.length - TAG_SIZE);
    return bytes;
  }

  [Symbol.dispose](): void {
    if (this.#proved !== null) {
      disposeKeys(this.#proved.keys);
      this.#proved.session.resume.fill(0);
    }
    this.#met?.opener[Symbol.dispose]();
    if (this.#met !== null) overwrite(this.#met.secret);
    overwriteSecrets(this.#secrets, this.#met?.traffic ?? null);
    this.#proved = this.#met = null;
  }
}

function readFirstSetup(bytes: Uint8Array, at: number, end: number): ClientSetup {
  for (const frame of readFrames(bytes, at, end)) {
    if (frame.kind === "setup") return readClientSetup(frame.tlvs);
    break;
  }
  throw new ProtocolError("Cannot read the handshake: its first frame is not a setup");
}

function openOrNull<T>(open: () => T | null): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof ProtocolError && error.reason === "cannot_open") return null;
    throw error;
  }
}

import { concat, constantTimeEqual } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { CipherName } from "../../../contract/cipher.ts";
import { chooseCipher, type CipherReason } from "./cipher_choice.ts";
import { packSetup } from "./frames.ts";
import {
  alreadyOver,
  clocksDiffer,
  type HandshakeConfig,
  InputBuffer,
  type LinkSession,
  makeSession,
  overwrite,
  overwriteSecrets,
  randomBelow,
  readOrSuspect,
  refusal,
} from "./handshake.ts";
import { clientHello, HELLO_SIZE, MAX_HELLO_PADDING, readServerHello } from "./hello.ts";
import {
  type HandshakeSecrets,
  handshakeSecrets,
  MAX_HANDSHAKE_PADDING,
  openHandshake,
  resumeProof,
  sealHandshake,
  sealText,
  type TrafficSecrets,
  trafficSecrets,
} from "./key_schedule.ts";
import { RecordOpener, RecordSealer } from "./record.ts";
import {
  type ClientSetup,
  type Offer,
  packClientKeyMessage,
  packClientSetup,
  readServerKeyMessage,
  readServerSetup,
  type ServerSetup,
  type SessionIdentity,
} from "./setup.ts";

export type ClientStep =
  /** The answer is not of version 2: the server speaks version 1 or has another key. */
  | { kind: "stranger"; nonce: Uint8Array; rest: Uint8Array }
  /** Flight 3 is to be sent: the server has proved that it speaks version 2. */
  | { kind: "send"; bytes: Uint8Array }
  | { kind: "done"; session: LinkSession; setup: ServerSetup };

/** A server that has proved the key, before it has answered the client's setup. */
export interface MetServer {
  readonly offer: Offer;
  /** Secret for the proofs of later carriers, borrowed. */
  readonly resume: Uint8Array;
}

export class ClientHandshake implements Disposable {
  readonly #party: HandshakeConfig;
  readonly #sessionIdentity: Omit<SessionIdentity, "resume">;
  readonly #resume: { secret: Uint8Array; expected: number } | null;
  readonly #helloAndPadding: Uint8Array;
  readonly #held = new InputBuffer();
  readonly #unixMs: () => number;
  #ns: Uint8Array | null = null;
  #secrets: HandshakeSecrets | null = null;
  #server: Offer | null = null;
  #traffic: TrafficSecrets | null = null;
  #cipher: CipherName | null = null;
  #reason: CipherReason | null = null;
  #sealer: RecordSealer | null = null;
  #opener: RecordOpener | null = null;
  #isOver = false;

  /** `pads`: random bytes follow the hello; for a client that accepts version 2 only. */
  constructor(
    party: HandshakeConfig,
    o: {
      sessionIdentity: Omit<SessionIdentity, "resume">;
      /** `expected`: number of the next numbered frame, for a session that is resumed. */
      resume?: { secret: Uint8Array; expected: number };
      pads: boolean;
      unixMs: () => number;
    },
  ) {
    this.#party = party;
    this.#sessionIdentity = o.sessionIdentity;
    this.#resume = o.resume === undefined
      ? null
      : { secret: o.resume.secret.slice(), expected: o.resume.expected };
    this.#unixMs = o.unixMs;
    const padding = o.pads ? randomBelow(party.rng, MAX_HELLO_PADDING + 1) : 0;
    const hello = clientHello(party.s, party.rng(8), padding, o.unixMs());
    this.#helloAndPadding = concat(hello, party.rng(padding));
  }

  /** Makes flight 1. Without padding it serves as version 1's nonce too. */
  hello(): Uint8Array {
    return this.#helloAndPadding;
  }

  /**
   * Takes received bytes, borrowed. Unusable after "stranger", "done" or a throw.
   * @throws {TtunError} clock, auth, protocol, busy and others, perhaps in the server's words
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

  /** The offer of the server, and the secret of the session: there once flight 3 is made. */
  get met(): MetServer {
    return { offer: this.#server!, resume: this.#traffic!.resume };
  }

  /**
   * Seals frames that go right behind flight 3, in the same write: the server has proved the key,
   * and reads them if it lets this end in. Only for a new session.
   */
  sealBehind(frames: Uint8Array): Uint8Array {
    return sealText(this.#sealer!, frames);
  }

  /** The server's hello has come, and its key is right. */
  get isAnswered(): boolean {
    return this.#ns !== null;
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
    const { makeCipher, ciphers, costs, rng } = this.#party;
    const found = openHandshake(this.#secrets!.server, this.#held.bytes, makeCipher);
    if (found === null) return null;
    const rs = this.#held.take(found.size);
    const server = readServerKeyMessage(found.text);
    const chosen = chooseCipher(server, { ciphers, costs });
    if (chosen === null) {
      throw new TtunError(
        "protocol",
        "Cannot connect: the server accepts no cipher that this end knows",
      );
    }
    const cipher = chosen.name;
    this.#reason = chosen.reason;
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
    const setup: ClientSetup = { ...this.#party.offer, ...this.#sessionIdentity, ...this.#proof() };
    return concat(rc, sealText(this.#sealer, packSetup(packClientSetup(setup))));
  }

  #proof(): Pick<SessionIdentity, "resume"> {
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
      this.#reason,
      { end: "client", makeCipher: this.#party.makeCipher },
    );
    this.#sealer = this.#opener = this.#traffic = null; // the session owns them from now on
    this[Symbol.dispose]();
    return { kind: "done", setup, session };
  }

  /** Checks the proof of the session's secret; none may come without a resume. */
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

import { concat } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { CipherName } from "../../../contract/cipher.ts";
import { packClose, packSetup } from "./frames.ts";
import {
  alreadyOver,
  type HandshakeConfig,
  InputBuffer,
  type LinkSession,
  makeSession,
  overwrite,
  overwriteSecrets,
  randomBelow,
  readOrSuspect,
} from "./handshake.ts";
import { serverHello } from "./hello.ts";
import {
  type HandshakeSecrets,
  handshakeSecrets,
  MAX_HANDSHAKE_PADDING,
  openHandshake,
  sealHandshake,
  sealText,
  type TrafficSecrets,
  trafficSecrets,
} from "./key_schedule.ts";
import { RecordOpener, RecordSealer } from "./record.ts";
import type { KeyExchange } from "./secrets.ts";
import {
  type ClientSetup,
  packServerKeyMessage,
  packServerSetup,
  readClientKeyMessage,
  readClientSetup,
  type ServerSetup,
} from "./setup.ts";

/** The server's side of the handshake, after a client's hello that is valid and fresh. */
export class ServerHandshake implements Disposable {
  readonly #party: HandshakeConfig;
  readonly #hello: Uint8Array;
  readonly #padding: number;
  readonly #held = new InputBuffer();
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

  /** `hello`: the client's 16 bytes; `padding`: the p in them. */
  constructor(party: HandshakeConfig, o: { hello: Uint8Array; padding: number; unixMs: number }) {
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
        costs: party.costs ?? undefined,
        ...party.offer,
      }),
      randomBelow(party.rng, MAX_HANDSHAKE_PADDING + 1),
      party.makeCipher,
    );
  }

  /** Returns flight 2, the server's first message (docs/wire/link-v2.md). */
  answer(): Uint8Array {
    return concat(this.#ns, this.#rs);
  }

  /**
   * Takes borrowed bytes. Returns the client's setup once it has opened, which proves the key.
   * @throws {TtunError} auth, protocol: a stranger; this object is then unusable
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

  /**
   * True if the client's key message has opened but no setup came. A client sends both at once: one
   * that stays here saw another connection (1 in 16 such setups looks incomplete).
   */
  get isHalfDone(): boolean {
    return !this.#isOver && this.#traffic !== null && this.#client === null;
  }

  /** The transcript and resume secret, to check or make a proof. */
  get traffic(): Pick<TrafficSecrets, "resume" | "transcript"> {
    return this.#proved().traffic;
  }

  /** Admits the client: returns bytes to send and the session. Unusable afterwards. */
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
      null,
      { end: "server", makeCipher: this.#party.makeCipher },
    );
    this.#sealer = this.#opener = this.#traffic = null; // the session owns them from now on
    this[Symbol.dispose]();
    return { bytes, session };
  }

  /** Refuses a client that has proved the key. Unusable afterwards. */
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

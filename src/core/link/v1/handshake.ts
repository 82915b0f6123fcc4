import { concat, constantTimeEqual } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { makePackets } from "../../../contract/batch.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  TAG_SIZE,
} from "../../../contract/cipher.ts";
import { sessionKey } from "./kdf.ts";
import {
  CLIENT_TO_SERVER,
  type Direction,
  FrameOpener,
  FrameSealer,
  frameSize,
  HEADER,
  SERVER_TO_CLIENT,
} from "./frame.ts";

/**
 * Handshake of version 1 (docs/wire/ttun-v1.md, "Conversation"), both ends, as pure machines:
 *
 *     client                                   server
 *       Nc (16 random bytes)       ────────►   awaitNonce
 *       awaitNonce                 ◄────────   Ns (16 random bytes)
 *       frame(magic), counter 0    ────────►   awaitProof      (opens: the client has the key)
 *       awaitProof                 ◄────────   frame(magic), when the server lets the client in
 *       done                                   done
 */
export const HELLO_SIZE = 16;
const MAGIC = new Uint8Array([0x54, 0x54, 0x55, 0x4e, 0x2f, 0x76, 0x31, 0x00]); // "TTUN/v1", 0
export const PROOF_SIZE = HEADER + MAGIC.length + TAG_SIZE;

export interface HandshakeKeys {
  /** The key K (kdf.ts), borrowed for the life of the handshake. */
  readonly psk: Uint8Array;
  readonly cipher: CipherName;
  readonly makeCipher: CipherFactory;
  /** Random bytes of this end, never used before. */
  readonly nonce: Uint8Array;
}

/** A session after its handshake: both directions, with counters past the proofs. */
export interface Session extends Disposable {
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  /** Bytes behind the peer's proof, in a copy. */
  readonly rest: Uint8Array;
}

export type Step =
  | { kind: "send"; bytes: Uint8Array }
  /** Server: the client has proved the key and waits for an answer: call `accept` to admit it. */
  | { kind: "authenticated" }
  | { kind: "done"; session: Session };

/** Collects the peer's nonce and proof from a stream cut anywhere. */
abstract class Handshake implements Disposable {
  protected readonly keys: HandshakeKeys;
  readonly #mine: Direction;
  /** Bytes received and not used yet. Bounded by what `feed` takes. */
  #held: Uint8Array = new Uint8Array();
  #state: "awaitNonce" | "awaitProof" | "proved" | "over" = "awaitNonce";
  #cipher: Cipher | null = null;
  #sealer: FrameSealer | null = null;
  #opener: FrameOpener | null = null;

  constructor(keys: HandshakeKeys, mine: Direction) {
    this.keys = keys;
    this.#mine = mine;
  }

  /**
   * Takes received bytes, borrowed, and returns the next steps. Unusable after a throw.
   * @throws {TtunError} auth: wrong key or cipher; protocol: not version 1
   */
  feed(chunk: Uint8Array): Step[] {
    if (this.#state === "over") {
      throw new ProtocolError("Cannot go on with a handshake that is over");
    }
    this.#held = concat(this.#held, chunk);
    const steps: Step[] = [];
    try {
      if (this.#state === "awaitNonce" && this.#held.length >= HELLO_SIZE) {
        this.#begin(this.#take(HELLO_SIZE));
        steps.push(...this.onNonce());
        this.#state = "awaitProof";
      }
      if (this.#state === "awaitProof" && this.#hasProof()) {
        this.#check(this.#take(PROOF_SIZE));
        this.#state = "proved";
        steps.push(...this.onProof());
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    return steps;
  }

  protected abstract onNonce(): Step[];
  protected abstract onProof(): Step[];

  /** Returns the nonces in the order of the session key's derivation. */
  protected abstract nonces(theirs: Uint8Array): [client: Uint8Array, server: Uint8Array];

  #begin(theirs: Uint8Array): void {
    const key = sessionKey(this.keys.psk, ...this.nonces(theirs));
    this.#cipher = this.keys.makeCipher(this.keys.cipher, key);
    key.fill(0);
    this.#sealer = new FrameSealer(this.#cipher, this.#mine);
    this.#opener = new FrameOpener(
      this.#cipher,
      this.#mine === CLIENT_TO_SERVER ? SERVER_TO_CLIENT : CLIENT_TO_SERVER,
    );
  }

  #hasProof(): boolean {
    const size = frameSize(this.#held, 0, this.#held.length);
    if (size !== null && size !== PROOF_SIZE) {
      // Allows one guess of the key per connection, and no buffer beyond a proof.
      throw new ProtocolError(
        `Cannot read the handshake: a frame of ${size} bytes where ${PROOF_SIZE} stand`,
      );
    }
    return this.#held.length >= PROOF_SIZE;
  }

  #check(frame: Uint8Array): void {
    const found = makePackets(0);
    try {
      this.#opener!.openAll(frame, 0, frame.length, found);
    } catch (cause) {
      const isWrongKey = cause instanceof ProtocolError && cause.reason === "cannot_open";
      throw isWrongKey ? wrongKey(cause) : cause;
    }
    if (!constantTimeEqual(frame.subarray(HEADER, HEADER + found.length[0]!), MAGIC)) {
      throw wrongKey();
    }
  }

  #take(size: number): Uint8Array {
    const taken = this.#held.slice(0, size);
    this.#held = this.#held.slice(size);
    return taken;
  }

  protected sealProof(): Uint8Array {
    const frame = new Uint8Array(PROOF_SIZE);
    frame.set(MAGIC, HEADER);
    this.#sealer!.seal(frame, HEADER, MAGIC.length);
    return frame;
  }

  /** Makes the session, which owns the cipher from now on. */
  protected finish(): Session {
    if (this.#state !== "proved") {
      throw new TtunError("internal", "Cannot end the handshake: the peer has not proved the key");
    }
    const cipher = this.#cipher!;
    this.#cipher = null;
    this.#state = "over";
    return {
      sealer: this.#sealer!,
      opener: this.#opener!,
      rest: this.#held,
      [Symbol.dispose]: () => cipher[Symbol.dispose](),
    };
  }

  [Symbol.dispose](): void {
    this.#state = "over";
    this.#cipher?.[Symbol.dispose]();
    this.#cipher = null;
  }
}

export class V1ClientHandshake extends Handshake {
  constructor(keys: HandshakeKeys) {
    super(keys, CLIENT_TO_SERVER);
  }

  hello(): Uint8Array {
    return this.keys.nonce;
  }

  protected override nonces(theirs: Uint8Array): [Uint8Array, Uint8Array] {
    return [this.keys.nonce, theirs];
  }

  protected override onNonce(): Step[] {
    return [{ kind: "send", bytes: this.sealProof() }];
  }

  protected override onProof(): Step[] {
    return [{ kind: "done", session: this.finish() }];
  }
}

export class V1ServerHandshake extends Handshake {
  constructor(keys: HandshakeKeys) {
    super(keys, SERVER_TO_CLIENT);
  }

  protected override nonces(theirs: Uint8Array): [Uint8Array, Uint8Array] {
    return [theirs, this.keys.nonce];
  }

  protected override onNonce(): Step[] {
    return [{ kind: "send", bytes: this.keys.nonce }];
  }

  protected override onProof(): Step[] {
    return [{ kind: "authenticated" }];
  }

  /** Admits the client, which trusts nothing before it has the proof. */
  accept(): { proof: Uint8Array; session: Session } {
    const session = this.finish(); // first, so that nothing is sealed for an unauthenticated client
    return { proof: this.sealProof(), session };
  }
}

function wrongKey(cause?: unknown): TtunError {
  return new TtunError(
    "auth",
    "Cannot authenticate the peer: wrong key or cipher; both ends need the same -k and -m",
    { cause },
  );
}

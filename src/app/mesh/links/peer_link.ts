import { ProtocolError } from "../../../base/errors.ts";
import { onAbort } from "../../../base/scope.ts";
import type { Clock } from "../../../contract/host.ts";
import type { Descriptor } from "../../../core/mesh/descriptor.ts";
import type { Frame, Hello } from "../../../core/mesh/frame.ts";
import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";
import { encodeFrame } from "../../../core/mesh/wire/frame_codec.ts";
import { FrameReader, MAX_BULK_FRAME } from "../../../core/mesh/wire/frame_reader.ts";
import type { PeerChannel } from "./peer_channel.ts";
import { REVOKED, RevokedError } from "./revoked_error.ts";

/** Bytes that may wait for a slow link; more are dropped, as a network would. */
const MOST_WAITING = 4 * 1024 * 1024;

/** Milliseconds that patient frames wait for others, and bytes of them that do not wait any longer. */
const PATIENCE = 5;
const MOST_PATIENT = 16 * 1024;

/** Milliseconds without a frame, either way, after which a link ends. */
const IDLE = 60_000;

/** Milliseconds in which something has to come after a request: the core may wait for 20 s. */
const SILENCE = 30_000;

/** Milliseconds for the last frame to arrive. */
const BYE = 1_000;

/** Milliseconds between two looks at that. */
const LOOK = 5_000;

/** Frames both ways on one stream with another node. Owns its channel. */
export class PeerLink implements Disposable {
  readonly #channel: PeerChannel;
  readonly #clock: Clock;
  readonly #reader = new FrameReader(MAX_BULK_FRAME);
  readonly #frames: Frame[] = [];
  readonly #waiting: Uint8Array[] = [];
  readonly #end = new AbortController();
  #waitingBytes = 0;
  /** Frames that nobody waits for yet, and when they go at the latest. */
  readonly #patient: Uint8Array[] = [];
  #patientBytes = 0;
  #patience: Disposable | null = null;
  #isWriting = false;
  #usedAt: number;
  /** Ends a link whose other end does not, after the last frame. */
  #leaving: Disposable | null = null;
  /** The first request after which nothing has come; null = something has. */
  #unansweredSince: number | null = null;

  constructor(channel: PeerChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    this.#usedAt = clock.now();
  }

  get peer(): string {
    return this.#channel.peer;
  }

  get transport(): MeshTransport {
    return this.#channel.transport;
  }

  get binding(): Uint8Array {
    return this.#channel.binding;
  }

  get isOpen(): boolean {
    return !this.#end.signal.aborted && this.#leaving === null;
  }

  /** Returns the next frame; null = the link has ended. @throws {ProtocolError} */
  async next(): Promise<Frame | null> {
    while (this.#frames.length === 0) {
      if (this.#end.signal.aborted) return null;
      const bytes = await this.#channel.read();
      if (bytes === null) return null;
      this.#frames.push(...this.#reader.feed(bytes));
    }
    this.#usedAt = this.#clock.now();
    this.#unansweredSince = null;
    return this.#frames.shift()!;
  }

  /** Calls `take` with each frame until the link ends. @throws {ProtocolError} */
  async follow(take: (frame: Frame) => void): Promise<void> {
    const channel = this.#channel;
    const each = (frame: Frame) => {
      if (!this.isOpen) return;
      this.#usedAt = this.#clock.now();
      this.#unansweredSince = null;
      take(frame);
    };
    for (const frame of this.#frames.splice(0)) each(frame);
    if (channel.follow !== undefined) {
      return await channel.follow((bytes) => {
        for (const frame of this.#reader.feed(bytes)) each(frame);
      });
    }
    for (let frame = await this.next(); frame !== null; frame = await this.next()) each(frame);
  }

  /** @throws {ProtocolError} if it is another frame, or none */
  async nextHello(): Promise<Hello> {
    const frame = await this.next();
    if (frame?.type === "hello") return frame;
    if (frame?.type === "bye" && frame.words === REVOKED) throw new RevokedError("own");
    throw new ProtocolError("Cannot link with the node: it does not say hello");
  }

  /**
   * Returns false for a frame that is dropped. `isPatient`: it may wait some milliseconds, and goes with
   * the next one that may not.
   */
  send(frame: Frame, isPatient = false): boolean {
    if (!this.isOpen) return false;
    const bytes = encodeFrame(frame);
    this.#use(frame);
    if (isPatient) return this.#sendSoon(bytes);
    this.#sendPatient();
    return this.#put(bytes);
  }

  #sendSoon(bytes: Uint8Array): boolean {
    this.#patient.push(bytes);
    this.#patientBytes += bytes.length;
    if (this.#patientBytes > MOST_PATIENT) this.#sendPatient();
    else this.#patience ??= this.#clock.after(PATIENCE, () => this.#sendPatient());
    return this.isOpen;
  }

  #sendPatient(): void {
    if (this.#patient.length === 0) return;
    this.#patience?.[Symbol.dispose]();
    this.#patience = null;
    this.#patientBytes = 0;
    for (const bytes of this.#patient.splice(0)) this.#put(bytes);
  }

  #put(bytes: Uint8Array): boolean {
    if (!this.#isWriting && this.#writeNow(bytes)) return this.isOpen;
    if (this.#waitingBytes + bytes.length > MOST_WAITING) return false;
    this.#waitingBytes += bytes.length;
    this.#waiting.push(bytes);
    if (!this.#isWriting) void this.#write(); // a failure ends the link
    return true;
  }

  #use(frame: Frame): void {
    this.#usedAt = this.#clock.now();
    const isRequest = frame.request !== 0 && frame.type !== "answer" && frame.type !== "error";
    if (isRequest) this.#unansweredSince ??= this.#usedAt;
  }

  /** Returns true if nothing is left to be written, also as the link has ended. */
  #writeNow(bytes: Uint8Array): boolean {
    try {
      return this.#channel.writeNow?.(bytes) ?? false;
    } catch {
      this[Symbol.dispose](); // the reader tells why
      return true;
    }
  }

  /** Ends the link when it is not used, or when the other end is silent; to be disposed of with it. */
  endWhenIdle(): Disposable {
    let timer: Disposable;
    const look = () => {
      const now = this.#clock.now();
      const isSilent = this.#unansweredSince !== null && now - this.#unansweredSince >= SILENCE;
      if (isSilent || now - this.#usedAt >= IDLE) this[Symbol.dispose]();
      else timer = this.#clock.after(LOOK, look);
    };
    timer = this.#clock.after(LOOK, look);
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }

  /** Ends the link with a signal. */
  endWith(signal: AbortSignal): Disposable {
    return onAbort(signal, () => this[Symbol.dispose]());
  }

  /** Says why the link ends: nothing more goes either way, and the other end has a second to close it. */
  sayBye(words: string): void {
    if (!this.isOpen) return;
    this.send({ type: "bye", request: 0, words });
    if (this.#end.signal.aborted) return;
    this.#leaving = this.#clock.after(BYE, () => this[Symbol.dispose]());
  }

  /** Does so for a link whose frames nobody takes. Resolves at its end, and never rejects. */
  async leave(words: string): Promise<void> {
    this.sayBye(words);
    try {
      while (!this.#end.signal.aborted && await this.#channel.read() !== null);
    } catch {
      // It has broken, which ends it too.
    }
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#end.signal.aborted) return;
    this.#leaving?.[Symbol.dispose]();
    this.#patience?.[Symbol.dispose]();
    this.#end.abort();
    this.#channel[Symbol.dispose]();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#waiting.length > 0 && !this.#end.signal.aborted) {
        const bytes = this.#waiting.shift()!;
        await this.#channel.write(bytes);
        this.#waitingBytes -= bytes.length;
      }
    } catch {
      this[Symbol.dispose](); // the reader tells why
    }
    this.#isWriting = false;
  }
}

/** A link whose other end has proved who it is. */
export interface ProvedLink {
  readonly link: PeerLink;
  readonly descriptor: Descriptor;
  /** Milliseconds since 1970 when its certificate ends, and the link with it. */
  readonly notAfter: number;
}

import { readU32, writeU32 } from "../../../base/bytes.ts";
import { Reader } from "../../../base/varint.ts";
import { TAG_SIZE } from "../../../contract/cipher.ts";
import type { DatagramPath } from "../../../contract/datagrams.ts";
import type { Rng } from "../../../contract/host.ts";
import { ECHO_SIZE, FrameType, outOfPlace, packClose, packEcho, readFrame } from "../v2/frames.ts";
import type { DatagramReceiver } from "./acceptor.ts";
import { type Head, HEAD_SIZE } from "./head.ts";
import { disposeKeys } from "./keys.ts";
import { Roaming } from "./roaming.ts";
import type { UdpSession } from "./session.ts";

/** Ticks per millisecond of the time that a ping carries. */
const STAMPS_PER_MS = 100;

/** Most padding of a ping, in bytes: its size must not identify it. */
const PING_PADDING = 64;

/** Milliseconds without an answer that are a sign of trouble. */
const ANSWER_TIME = 300;

/** A part of the dead time by which pauses between signs of life differ. */
const KEEP_ALIVE_SPREAD = 0.2;

/** Takes the packets that a connection's datagrams have. */
export interface PacketSink {
  /** The bytes are lent for the call. `isOpen`: its TCP or UDP checksum is still to be computed. */
  packet(bytes: Uint8Array, at: number, length: number, isOpen: boolean): void;
}

/** A datagram that is to be sent at once. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly path: DatagramPath;
}

export interface CarrierOptions {
  readonly rng: Rng;
  readonly path: DatagramPath;
  readonly sink: PacketSink;
  /** Follows the peer to other addresses: a server's. */
  readonly roams: boolean;
  /** Milliseconds without a datagram after which the peer counts as dead. */
  readonly deadTimeMs: number;
}

/**
 * A connection of datagrams after its handshake: opens what comes, answers pings, keeps itself alive,
 * and knows where the peer is. Time comes as an argument, in milliseconds. Owns its session.
 */
export class UdpCarrier implements DatagramReceiver, Disposable {
  readonly session: UdpSession;
  readonly #o: CarrierOptions;
  readonly #roaming: Roaming;
  #frames = new Reader(new Uint8Array(), 0, 0);
  readonly #outgoing: Outgoing[] = [];
  readonly #deadTimeMs: number;
  lastArrival: number;
  lastSent: number;
  #keepAliveMs: number;
  /** Since when a ping is not answered; Infinity = it is, or there is none. */
  #pingedAt = Infinity;
  /** The last round-trip time in milliseconds; NaN before there is one. */
  rttMs = NaN;
  /** The peer's close frame; null = there was none. */
  closed: { code: number; words: string } | null = null;

  constructor(session: UdpSession, now: number, o: CarrierOptions) {
    this.session = session;
    this.#o = o;
    this.#deadTimeMs = o.deadTimeMs;
    this.#roaming = new Roaming(o.path, o.rng);
    this.lastArrival = this.lastSent = now;
    this.#keepAliveMs = this.#drawKeepAlive();
  }

  /** Where the peer is, as far as is known. */
  get path(): DatagramPath {
    return this.#roaming.path;
  }

  receive(
    bytes: Uint8Array,
    at: number,
    end: number,
    head: Head,
    path: DatagramPath,
    now: number,
  ): boolean {
    const { opener } = this.session.keys;
    if (!opener.open(bytes, at + HEAD_SIZE, end, head)) return false;
    this.lastArrival = now;
    this.#pingedAt = Infinity;
    if (this.#o.roams) this.#follow(path, end - at, opener.isNewest, now);
    this.#read(bytes, at + HEAD_SIZE, end - TAG_SIZE, path, now);
    return true;
  }

  #follow(path: DatagramPath, size: number, isNewest: boolean, now: number): void {
    const challenge = this.#roaming.received(path, size, isNewest, now);
    if (challenge !== null) this.#sendFrames(packEcho("ping", challenge), path, 0);
  }

  #read(bytes: Uint8Array, at: number, end: number, path: DatagramPath, now: number): void {
    const { sink } = this.#o;
    if (this.#frames.bytes !== bytes) this.#frames = new Reader(bytes);
    const frames = this.#frames;
    frames.at = at;
    frames.end = end;
    let hasAnswered = false;
    while (!frames.isAtEnd && this.closed === null) {
      const type = bytes[frames.at];
      if (type === FrameType.lastPacket || type === FrameType.openPacket) {
        const first = frames.at + 1;
        sink.packet(bytes, first, end - first, type === FrameType.openPacket);
        return;
      }
      const frame = readFrame(frames);
      switch (frame?.kind) {
        case undefined:
        case "segmentSize":
          break;
        case "packet":
          sink.packet(bytes, frame.at, frame.length, false);
          break;
        case "ping":
          // One for each datagram: a flood must not make another.
          if (!hasAnswered) this.#sendFrames(packEcho("pong", frame.data), this.path);
          hasAnswered = true;
          break;
        case "pong":
          this.#takePong(frame.data, path, now);
          break;
        case "close":
          this.closed = { code: frame.code, words: frame.words };
          break;
        case "gsoPacket":
        case "rekey":
        case "setup":
          throw outOfPlace(frame.kind);
        default:
          frame satisfies never;
      }
    }
  }

  #takePong(data: Uint8Array, path: DatagramPath, now: number): void {
    if (this.#roaming.proved(data, path)) return;
    this.rttMs = ((stampOf(now) - readU32(data, 0)) >>> 0) / STAMPS_PER_MS;
  }

  /** Returns false where so much was sent to an address that may be somebody else's. */
  maySend(bytes: number): boolean {
    return this.#roaming.maySend(bytes);
  }

  /** Seals the text `bytes[at+8..textEnd)` as a datagram in place, which is sent by `path`. */
  seal(bytes: Uint8Array, at: number, textEnd: number, now: number): void {
    this.session.keys.sealer.seal(bytes, at, textEnd);
    this.lastSent = now;
  }

  ping(now: number): void {
    this.#pingedAt = Math.min(this.#pingedAt, now);
    const data = this.#o.rng(ECHO_SIZE);
    writeU32(data, 0, stampOf(now));
    this.lastSent = now;
    this.#sendFrames(packEcho("ping", data), this.path);
  }

  /** Nothing has arrived since a ping that should have been answered by now. */
  isUnanswered(now: number): boolean {
    return now - this.#pingedAt >= ANSWER_TIME;
  }

  isDead(now: number): boolean {
    return now - this.lastArrival >= this.#deadTimeMs;
  }

  /**
   * Sends a sign of life if one is due. Returns when it has to be called again, in milliseconds; never
   * once the peer is dead.
   */
  keepAlive(now: number): number {
    if (this.isDead(now)) return Infinity;
    if (now - this.lastSent >= this.#keepAliveMs) {
      this.ping(now);
      this.#keepAliveMs = this.#drawKeepAlive();
    }
    return Math.min(this.lastSent + this.#keepAliveMs, this.lastArrival + this.#deadTimeMs);
  }

  #drawKeepAlive(): number {
    const share = 1 - KEEP_ALIVE_SPREAD * this.#o.rng(1)[0]! / 256;
    return this.session.peer.deadTime * 1000 / 3 * share;
  }

  /** Tells the peer that this connection ends. */
  close(code: number, words: string): void {
    this.#sendFrames(packClose(code, words), this.path);
  }

  #sendFrames(frames: Uint8Array, path: DatagramPath, mostPadding = PING_PADDING): void {
    const padding = mostPadding === 0 ? 0 : this.#o.rng(1)[0]! % mostPadding;
    const bytes = new Uint8Array(HEAD_SIZE + frames.length + padding + TAG_SIZE);
    if (path === this.path && !this.maySend(bytes.length)) return;
    bytes.set(frames, HEAD_SIZE);
    this.session.keys.sealer.seal(bytes, 0, bytes.length - TAG_SIZE);
    this.#outgoing.push({ bytes, path });
  }

  /** Returns datagrams that are to be sent now, and forgets them. */
  takeOutgoing(): Outgoing[] {
    return this.#outgoing.splice(0);
  }

  [Symbol.dispose](): void {
    disposeKeys(this.session.keys);
    this.session[Symbol.dispose]();
  }
}

function stampOf(now: number): number {
  return Math.floor(now * STAMPS_PER_MS) >>> 0;
}

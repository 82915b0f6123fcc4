import type { Cidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { ServerHandshake } from "../../core/link/v2/server_handshake.ts";
import type { ClientSetup, Offer } from "../../core/link/v2/setup.ts";
import type { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import type { PeerLink, WireSecrets } from "./config.ts";
import type { SlotHolder } from "./exclusive_slot.ts";
import type { DeviceFacts } from "./v2_link.ts";
import { read } from "../loop/stream_io.ts";

/** A client of version 2 that has proved the key. The handshake is the caller's to dispose of. */
export interface ProvedClient {
  readonly handshake: ServerHandshake;
  readonly setup: ClientSetup;
  /** Name of its key; "" where there is one key alone. */
  readonly key: string;
  /** Aborts when the key is taken back; absent = it never is. */
  readonly revoked?: AbortSignal;
}

/** The server's side of a complete handshake, with the answer that is still to be sent. */
export type AcceptedHandshake = ReturnType<ServerHandshake["accept"]>;

/** A client that has proved the key. Owns the handshake's resources. */
export interface Candidate extends Disposable {
  readonly wire: "v1" | "v2";
  /** Name of its key; "" where there is one key alone. */
  readonly key: string;
  /** Aborts when the key is taken back; absent = it never is. */
  readonly revoked?: AbortSignal;
  readonly instance?: string;
  /** A client that wants streams and no packets: whoever takes it needs no `admit`. */
  readonly streams?: ProvedClient;
  /** A client that wants streams beside its packets: `admit` is told how it was answered. */
  readonly both?: ProvedClient;
  /** Version 2; absent from clients older than TLV 80. */
  readonly identity?: ClientIdentity;
  /**
   * Answers with the server's proof; from then on the link owns the stream and the keys.
   * `addresses` are assigned to the client (version 2; empty = the client has its own). `answered`:
   * the handshake was accepted by somebody else, and this is to be sent and used.
   */
  admit(addresses: readonly Cidr[], answered?: AcceptedHandshake): Promise<AdmittedLink>;
  /** Refuses with words that the client can show; in version 1 silence is the only answer. */
  refuse(words: string): Promise<void>;
}

export interface AdmittedLink extends PeerLink {
  readonly life: Pick<SlotHolder, "activity" | "probe">;
}

export interface AdmissionOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  /** Shared by all listeners of the server. */
  readonly replay: ReplayMemory;
  readonly device: DeviceFacts;
  /** Offer of version 2; absent = that of an end that carries the device's packets alone. */
  readonly offer?: Offer | undefined;
  /** Settings for clients of version 2; absent = none. */
  readonly pushed?: PushedSettings | undefined;
  /** Called once for a hello of the right key that is not a replay. */
  readonly onRightHello: () => void;
}

/**
 * Reads at least one byte.
 * @throws {TtunError} `lost` at the peer's FIN
 */
export async function readSome(stream: Connection, into: Uint8Array): Promise<number> {
  const got = await read(stream, into);
  if (got === null) throw new TtunError("lost", "The connection ended before the handshake did");
  return got;
}

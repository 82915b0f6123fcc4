import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";

/** An encrypted stream between two nodes, of which each end is a node of the cluster or is to prove it. */
export interface PeerChannel extends Disposable {
  /** The other end's address, for the log. */
  readonly peer: string;
  readonly transport: MeshTransport;
  /**
   * Bytes that both ends of this stream have in common with nobody else, as `H(M, "mesh bind")` of link
   * version 2; empty where the listener has proved its name by its certificate (TLS, QUIC).
   */
  readonly binding: Uint8Array;
  /** Returns the next bytes; null = the other end has ended it. */
  read(): Promise<Uint8Array | null>;
  /**
   * Calls `take` with the next bytes as soon as they come, in place of `read`, from within whatever
   * reads the connection: an answer goes out with the same turn. Settles at the end. Absent = `read`
   * has to be called. @throws as `read`, and whatever `take` throws
   */
  follow?(take: (bytes: Uint8Array) => void): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  /** Takes bytes where nothing has to be waited for; else it returns false, and `write` is called. */
  writeNow?(bytes: Uint8Array): boolean;
}

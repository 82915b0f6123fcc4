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
  write(bytes: Uint8Array): Promise<void>;
}

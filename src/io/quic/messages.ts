import type { HostPort } from "../../base/addr.ts";

/** The way in which both ends use a connection. */
export interface QuicProtocol {
  readonly alpn: string;
  /** Streams that either end may open beside the first one. */
  readonly beside: number;
  /** Set for a listener: QUIC's own streams, each by itself, in place of a link and those beside it. */
  readonly plain?: PlainStreams;
}

/** A connection of a protocol that is not ttun's, as HTTP/3: its streams' bytes are as they come. */
export interface PlainStreams {
  /** Bytes that this end sends on a stream of one direction, which stays open. */
  readonly greeting: Uint8Array<ArrayBuffer>;
  /** Streams that a client may have open at once: of both directions, and of one. */
  readonly most: number;
  readonly mostOneWay: number;
  /** Milliseconds without a packet until a connection ends. */
  readonly idleMs: number;
  /** QUIC's code for a connection that this end ends. */
  readonly closeCode: number;
}

/** The least that an engine must know to reach a server by QUIC. */
export interface QuicTarget {
  readonly to: HostPort;
  /** The name that the server's certificate must have. */
  readonly serverName: string;
  /** PEM texts of authorities that are trusted beside those that Deno has. */
  readonly caCerts: readonly string[];
  readonly protocol: QuicProtocol;
}

export interface QuicServerEnd {
  /** Host "" = all addresses. */
  readonly at: HostPort;
  /** PEM texts. */
  readonly cert: string;
  readonly key: string;
  readonly protocol: QuicProtocol;
}

/**
 * Orders to an engine. `id` names a listener or a stream; those of dials are even, the engine's
 * own, of accepted streams, are odd.
 */
export type QuicCommand =
  | { readonly kind: "listen"; readonly id: number; readonly end: QuicServerEnd }
  | { readonly kind: "unlisten"; readonly id: number }
  | {
    readonly kind: "dial";
    readonly id: number;
    readonly target: QuicTarget;
    readonly timeoutMs: number;
    /** It waits for `go` once it has a socket, which is marked meanwhile. */
    readonly waits: boolean;
  }
  | { readonly kind: "go"; readonly id: number }
  /** A stream is taken, with memory of rings for what comes, and for what goes. */
  | {
    readonly kind: "take";
    readonly id: number;
    readonly incoming: SharedArrayBuffer;
    readonly outgoing: SharedArrayBuffer;
  }
  /** Opens another stream on the connection of that one. */
  | { readonly kind: "open"; readonly id: number; readonly beside: number }
  /** Packets beside the stream, which may get lost. */
  | { readonly kind: "packets"; readonly id: number; readonly packets: readonly Uint8Array[] }
  /** Those that have come were taken; more may come. */
  | { readonly kind: "packets_taken"; readonly id: number }
  /** More bytes are in the ring. */
  | { readonly kind: "send"; readonly id: number; readonly bytes: number }
  /** No more bytes follow. */
  | { readonly kind: "end"; readonly id: number }
  /** Bytes have been read from the ring. */
  | { readonly kind: "read"; readonly id: number; readonly bytes: number }
  /** Nobody reads or writes here any more; what was sent is still delivered. */
  | { readonly kind: "close"; readonly id: number }
  /** Ends it at once, for the other end too. */
  | { readonly kind: "abort"; readonly id: number }
  /** All ends; what is on its way gets a moment. */
  | { readonly kind: "stop" };

export type FailureReason = "timeout" | "refused" | "certificate" | "in_use" | "other";

export type QuicEvent =
  | { readonly kind: "listening"; readonly id: number; readonly addr: HostPort }
  /** A listener or a dial did not come about; `code`: the errno's name, if a system call failed. */
  | {
    readonly kind: "failed";
    readonly id: number;
    readonly reason: FailureReason;
    readonly words: string;
    readonly code: string | null;
  }
  /** The port of the UDP socket that a dial uses, before anything is sent. */
  | { readonly kind: "bound"; readonly id: number; readonly port: number }
  | {
    readonly kind: "connected";
    readonly id: number;
    readonly local: HostPort;
    readonly mostPacket: number;
  }
  | {
    readonly kind: "accepted";
    readonly listener: number;
    readonly id: number;
    readonly local: HostPort;
    readonly remote: HostPort;
    readonly mostPacket: number;
  }
  /** A connection of plain streams has begun; `lost` tells of its end. */
  | {
    readonly kind: "plain";
    readonly listener: number;
    readonly id: number;
    readonly local: HostPort;
    readonly remote: HostPort;
  }
  /** The client has opened a stream, `stream`, on a connection of them. */
  | { readonly kind: "plain_stream"; readonly id: number; readonly stream: number }
  /** Bytes of a stream of one direction, by the client. */
  | {
    readonly kind: "one_way";
    readonly id: number;
    readonly stream: number;
    readonly bytes: Uint8Array;
  }
  | { readonly kind: "one_way_end"; readonly id: number; readonly stream: number }
  /** The engine uses the rings of that stream no longer. */
  | { readonly kind: "over"; readonly id: number; readonly stream: number }
  /** A connection that came to nothing. */
  | {
    readonly kind: "refused";
    readonly listener: number;
    readonly peer: string;
    readonly words: string;
  }
  /** The stream that `open` was for is there. */
  | { readonly kind: "opened"; readonly id: number }
  /** The other end has opened another stream, `stream`, on the connection of that one. */
  | { readonly kind: "beside"; readonly id: number; readonly stream: number }
  | { readonly kind: "packets"; readonly id: number; readonly packets: readonly Uint8Array[] }
  /** Packets have left; one may have so many bytes now. */
  | { readonly kind: "packets_sent"; readonly id: number; readonly mostPacket: number }
  /** More of the other end's bytes are in the ring. */
  | { readonly kind: "data"; readonly id: number; readonly bytes: number }
  | { readonly kind: "end"; readonly id: number }
  /** Bytes have left the ring for the network. */
  | { readonly kind: "sent"; readonly id: number; readonly bytes: number }
  /** The other end reads no more. */
  | { readonly kind: "deaf"; readonly id: number }
  /** The connection is gone. */
  | { readonly kind: "lost"; readonly id: number; readonly words: string }
  | { readonly kind: "stopped" };

import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import type { PeerKind } from "../../core/tt/mark.ts";

/** The connection (TtConnection) as its stream uses it. */
export interface FrameChannel {
  readonly socket: Connection;
  readonly clock: Clock;
  /** Longest text of a frame, whatever the peer takes. */
  readonly mostText: number;
  /** Size in bytes of the buffer that frames are sealed in. */
  readonly sealedRoom: number;
  /** Bytes of a full segment; undefined if the socket cannot tell. */
  readonly segmentBytes: number | undefined;
  readonly peerMark: PeerKind;
  /** The peer ends this stream by a frame: FIN before it is a loss. */
  readonly endsByFrame: boolean;
  /** Frames wait for the socket: nothing more may be sent until `onFlushed` calls. */
  readonly isWaiting: boolean;
  readonly isFlushed: boolean;
  /** Seals a frame behind others that end at `at`; returns where it ends. */
  seal(text: Uint8Array, at: number): number;
  /** Seals the frame that ends a stream; returns as `seal` does. */
  sealEnd(at: number): number;
  /** Has the end frame sent in front of the next stream's first frame; false = not here. */
  oweEnd(): boolean;
  /** Sends sealed frames up to `end`; what the socket does not take waits. */
  send(end: number): void;
  /** Calls `run` once, when no frame waits any more or a write has failed; replaces an earlier one. */
  onFlushed(run: OnReady): void;
  /** @throws the error of a write that failed */
  check(): void;
  /** Returns bytes of text in `into`; 0 = call again, undefined = nothing has come, null = FIN. */
  readFrames(into: Uint8Array): number | null | undefined;
  /** Resets the connection, unless it is another stream's by now. */
  reset(stream: Stream): void;
  /** Closes the connection or makes it idle, unless it is another stream's by now. */
  leave(stream: Stream): Promise<void>;
}

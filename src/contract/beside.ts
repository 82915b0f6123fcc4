import type { Stream } from "./stream.ts";

/** Further streams of a connection, which end with it. None holds another one up. */
export interface StreamsBeside {
  /** Opens another stream, which lives under the connection's signal. @throws {TtunError} lost */
  open(): Promise<Stream>;
  /** Has `take` get the streams that the other end opens, which are the callee's from then on. */
  onOpened(take: (stream: Stream) => void): void;
}

import type { HttpRequest } from "../exchange.ts";
import { valuesOf } from "../fields.ts";

/** Bytes of data that the other end may send on one stream before some have gone on. */
export const STREAM_WINDOW = 512 * 1024;

/** The windows of one stream. */
export interface FlowStream {
  readonly id: number;
  /** Bytes of data that this end may send; below 0 where the other has made its window smaller. */
  sendWindow: number;
  /** Bytes of data that the other end may send. */
  receiveWindow: number;
  /** Bytes that have gone on, of which the other end has not been told. */
  credit: number;
  /** The other end sends no more. */
  readonly isInputDone: boolean;
}

/** A request's stream at the server: the state of its two ways, and their windows. */
export class Http2Stream implements FlowStream {
  readonly id: number;
  readonly request: HttpRequest;
  readonly expectsContinue: boolean;
  sendWindow: number;
  receiveWindow = STREAM_WINDOW;
  credit = 0;
  /** Bytes that were given and have not gone on. */
  unconsumed = 0;
  /** Bytes that the request's head says are still to come; null = it does not say. */
  requestLeft: number | null;
  isRequestDone: boolean;
  /** Bytes that the response's head says are still to be sent; null = it does not say. */
  responseLeft: number | null = null;
  hasResponse = false;
  has100 = false;
  /** The end of the response has been sent. */
  isResponseDone = false;
  isTunnel = false;
  /** Data for a tunnel that is not yet open: the window is their limit. */
  early: Uint8Array[] = [];
  /** Nobody could send data, and whoever would waits for a step. */
  wantsRoom = false;

  constructor(id: number, request: HttpRequest, o: { sendWindow: number; isEnd: boolean }) {
    this.id = id;
    this.request = request;
    this.sendWindow = o.sendWindow;
    this.isRequestDone = o.isEnd;
    const expects = valuesOf(request.fields, "expect");
    this.expectsContinue = expects.some((value) => value.toLowerCase() === "100-continue");
    const [length] = valuesOf(request.fields, "content-length");
    this.requestLeft = this.mayTunnel || length === undefined ? null : Number(length);
  }

  get isInputDone(): boolean {
    return this.isRequestDone;
  }

  get mayTunnel(): boolean {
    return this.request.method === "CONNECT" || this.request.upgrade !== null;
  }
}

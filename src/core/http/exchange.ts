import type { Field } from "./fields.ts";

/**
 * One request and its response, whatever version of HTTP carries them. A server machine faces who
 * asks (a visitor, or a node that passes a request on), a client machine who answers. Both take bytes
 * and calls, and return steps; what a relay does between the two is the same for all of them:
 *
 *     server: request, data…, end   ──►   client: request(), data()…, end()
 *     server: respond(), data()…, end()   ◄──   client: response, data…, end
 *
 * Bytes in steps are views into the caller's, or the machine's own: use or copy them before the next
 * call. Texts have one byte a character, and have been checked: names are tokens, and no value has a
 * control character. Fields keep their order and their names as they came, and are without those
 * that a version's framing or a connection needs (Host, Connection, Transfer-Encoding, Upgrade and
 * what Connection names). Content-Length stays, at most once, and is true.
 */
export interface HttpRequest {
  readonly method: string;
  readonly scheme: "http" | "https";
  /** Host and port as they came; "" where a client of HTTP/1.0 sends none. */
  readonly authority: string;
  /** Path and query, byte for byte as they came; "*" of OPTIONS; "" of CONNECT. */
  readonly path: string;
  readonly fields: readonly Field[];
  /** False where the request is known to end with its head. */
  readonly hasBody: boolean;
  /**
   * Protocols that the connection would change to, as of Upgrade; null for none. The response 101
   * makes a tunnel of the exchange: data both ways, each of which ends by itself. CONNECT, which has
   * none, does so by any status 2xx.
   */
  readonly upgrade: string | null;
}

export interface HttpResponse {
  /** From 100 on. Below 200, other than 101, another response follows. */
  readonly status: number;
  /** Words of HTTP/1 behind the status; "" where there are none. */
  readonly reason: string;
  readonly fields: readonly Field[];
  /** Protocols of a 101 (or of a 426, which must name them); null elsewhere. */
  readonly upgrade: string | null;
}

/** Why an exchange ended before its time. */
export type ResetCode =
  /** Nobody wants it any more. */
  | "cancel"
  /** Nothing was done with it: it may be sent again. */
  | "refused"
  /** The connection ended before the first byte of an answer: a safe one may be sent again. */
  | "unanswered"
  /** The connection ended within the answer. */
  | "incomplete"
  /** The other end broke the protocol. */
  | "protocol"
  /** Too slow. */
  | "timeout"
  /** The other end asked for too much. */
  | "overload"
  | "internal";

/** Parts of a message behind its head. `reset` ends the exchange both ways. */
export type MessageStep =
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly trailers: readonly Field[] }
  | { readonly kind: "reset"; readonly code: ResetCode; readonly words: string }
  /** There is room for data again, after there was none. */
  | { readonly kind: "room" };

/** Orders for the connection. */
export type ConnectionStep =
  /** Bytes to write, in this order. */
  | { readonly kind: "write"; readonly bytes: Uint8Array }
  /** Send FIN behind what was written; reading goes on. Only of a tunnel. */
  | { readonly kind: "closeWrite" }
  /**
   * The machine is over, and so are its exchanges. Clean: send FIN, then read and drop for a while, or an RST could overtake
   * the answer (RFC 9112 section 9.6). Reset: the other end must not take its part for the whole.
   */
  | { readonly kind: "close"; readonly how: "clean" | "reset" };

export type ServerStep =
  | ConnectionStep
  | { readonly kind: "request"; readonly id: number; readonly head: HttpRequest }
  | (MessageStep & { readonly id: number });

export type ClientStep =
  | ConnectionStep
  /** May come several times: interim responses come first. */
  | { readonly kind: "response"; readonly head: HttpResponse }
  | MessageStep;

/** Reasons to wait, each of which may take another time. */
export type WaitsFor =
  /** The next request, of which nothing has come. */
  | "request"
  /** The rest of a head. */
  | "head"
  /** Nothing in particular: exchanges are under way, and data come and go. */
  | "exchange"
  /** Nothing: it is over. */
  | "nothing";

/** The half of both machines that has to do with bytes of the connection. */
interface Machine<Step> {
  /**
   * False while bytes must stay in the connection, as nobody takes what is in them. Nor should any be
   * given while much waits to be written: the other end could have answers pile up that it never reads.
   */
  readonly wantsInput: boolean;
  readonly waitsFor: WaitsFor;
  /** Takes bytes of the connection, borrowed for the call. Only while `wantsInput`. */
  feed(bytes: Uint8Array): Step[];
  /** Takes note of the connection's end: FIN; "reset" for any other way. */
  inputEnded(how: "clean" | "reset"): Step[];
}

/**
 * Many exchanges, each with a number. Calls for an exchange that is over do nothing, so that a relay
 * need not know what a step under way says. An exchange is over when both messages have ended, when
 * the response has ended (what comes of the request is dropped), and by a reset of either end.
 */
export interface HttpServerMachine extends Machine<ServerStep> {
  /** Sends a head, which is an interim one below 200. */
  respond(id: number, head: HttpResponse): ServerStep[];
  /** Sends data, at most `room`, borrowed until the steps are done. */
  data(id: number, bytes: Uint8Array): ServerStep[];
  end(id: number, trailers: readonly Field[]): ServerStep[];
  /** Ends an exchange whose response cannot be finished. */
  reset(id: number, code: ResetCode): ServerStep[];
  /**
   * Bytes of the response's data that may be given now; after 0 a `room` step tells when there are
   * some. HTTP/1 sets no limit: the caller sets one by what waits in the connection.
   */
  room(id: number): number;
  /** Tells that bytes of the request's data have gone on, which lets as many more come. */
  consumed(id: number, bytes: number): ServerStep[];
  /** Takes no further requests; closes when those under way are through. */
  drain(): ServerStep[];
  /** Ends what `waitsFor` says to have taken too long, but for an exchange. */
  timedOut(): ServerStep[];
}

/** One exchange, and when it is over the next. */
export interface HttpClientMachine extends Machine<ClientStep> {
  /** True if another request may be sent. */
  readonly isFree: boolean;
  request(head: HttpRequest): ClientStep[];
  data(bytes: Uint8Array): ClientStep[];
  end(trailers: readonly Field[]): ClientStep[];
  /** Ends the exchange: nobody wants the response. */
  reset(code: ResetCode): ClientStep[];
  room(): number;
  consumed(bytes: number): ClientStep[];
}

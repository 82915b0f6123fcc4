import { concat } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { type Failure, httpFailure, proxyStatus } from "../failure.ts";
import type { HttpAction, TargetEnd } from "./action.ts";
import { BASIC_CHALLENGE, isAuthorized } from "./auth.ts";
import { HttpError } from "../../http/error.ts";
import { Exchange } from "./exchange.ts";
import {
  HeadCollector,
  parseRequestHead,
  REQUEST_LIMITS,
  type RequestHead,
} from "../../http/http1/head.ts";
import { REASONS } from "../../http/reasons.ts";
import { connectionEstablished, packReply, type Reply } from "./reply.ts";
import { isForProxy, readRequest } from "./request.ts";
import { isPersistent } from "../../http/http1/connection_fields.ts";
import type { CheckPassword } from "../socks/socks5_server.ts";
import { formatTarget, sameTarget, type Target } from "../../../base/target.ts";

/** Bytes held of a client before their time, to see its end behind them and tell the target. */
const MOST_HELD = 16 * 1024;

/**
 * An HTTP/1 proxy (RFC 9110 section 3.7, RFC 9112) for one connection of a client, as a pure
 * machine. One exchange at a time:
 *
 *     head of a request   ──►  connect, unless the last one's target is the same and still there
 *     connected           ──►  head, then the body as it comes, to the target
 *     head of a response  ──►  to the client; 1xx: another follows; 101: raw
 *     body of a response  ──►  as it comes, to the client; at its end the next request
 *     CONNECT             ──►  connect; connected ──► raw
 *     FIN of the client   ──►  FIN to the target, once the last request is through
 *
 * It holds one head for each direction, and of the client's bytes those that come before their time,
 * which are never more than `MOST_HELD` and what one call has given: obey `wantsClient`.
 *
 * (Over 300 lines, since all of it turns on the same few fields.)
 */
export class HttpProxy {
  readonly #auth: CheckPassword | null;
  readonly #ownPage: ((head: RequestHead) => Reply | null) | null;
  #held: Uint8Array = new Uint8Array();
  #requestHead = new HeadCollector(REQUEST_LIMITS);
  #form: { minor: 0 | 1; isHead: boolean } = { minor: 1, isHead: false };
  /** True once a request has begun as one to a proxy does. */
  #isProxyClient = false;
  #exchange: Exchange | null = null;
  #target: { readonly at: Target; isUp: boolean; isEnded: boolean } | null = null;
  #clientEnded = false;
  #isOver = false;
  #isRaw = false;
  #actions: HttpAction[] = [];

  /**
   * `auth`: clients must show user and password (RFC 7617); null: they need not. `ownPage` answers
   * requests that are to the proxy itself, for all of them; absent = they are refused.
   */
  constructor(
    o: { auth: CheckPassword | null; ownPage?: ((head: RequestHead) => Reply | null) | undefined },
  ) {
    this.#auth = o.auth;
    this.#ownPage = o.ownPage ?? null;
  }

  /** True if the client must be read for `fromClient`; ask before each read. */
  get wantsClient(): boolean {
    return !this.#isOver && !this.#clientEnded && this.#held.length < this.#mostHeld;
  }

  /** Limit of held bytes: behind CONNECT they are for the target, which may be slow. */
  get #mostHeld(): number {
    return this.#exchange?.request.head === null ? 1 : MOST_HELD;
  }

  /** True if the target must be read for `fromTarget`; also between requests, to see it end. */
  get wantsTarget(): boolean {
    return this.#target?.isUp === true;
  }

  /** True after `endClient` or `raw`. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Takes the client's bytes, borrowed until the actions are done; dropped after the end. */
  fromClient(bytes: Uint8Array): HttpAction[] {
    if (this.#isRaw) return [{ kind: "toTarget", bytes }];
    if (this.#isOver) return [];
    if (!this.wantsClient) throw outOfTurn("it wants no bytes of the client");
    const held = this.#held;
    this.#held = held.length === 0 ? bytes : concat(held, bytes);
    this.#useHeld();
    if (held.length === 0 && this.#held.length > 0) this.#held = this.#held.slice();
    return this.#takeActions();
  }

  /** Takes the client's FIN: its requests are still answered, and the target is told. */
  clientEnded(): HttpAction[] {
    this.#clientEnded = true;
    this.#useHeld();
    this.#passEnd();
    return this.#takeActions();
  }

  /** Head for a target that is being connected, if it may come twice (RFC 8470); else null. */
  get early(): Uint8Array | null {
    const request = this.#exchange?.request;
    return request?.isRepeatable === true ? request.head : null;
  }

  /** Takes note of the connection; `hasEarly`: the target has got what `early` was. */
  connected(hasEarly = false): HttpAction[] {
    const exchange = this.#connecting();
    this.#target!.isUp = true;
    const { head } = exchange.request;
    if (head === null) {
      this.#toClient(connectionEstablished(this.#form.minor));
      this.#goRaw(new Uint8Array());
    } else {
      if (hasEarly) exchange.isSent = true;
      else this.#send(exchange, head);
      this.#useHeld();
      this.#passEnd();
    }
    return this.#takeActions();
  }

  connectFailed(failure: Failure): HttpAction[] {
    const { request } = this.#connecting();
    this.#target = null;
    const { status, words, type } = httpFailure(failure, request.target);
    this.#answer(status, words, type);
    return this.#takeActions();
  }

  /** Takes the target's bytes, borrowed until the actions are done; dropped if it is closed. */
  fromTarget(bytes: Uint8Array): HttpAction[] {
    if (this.#isRaw) return [{ kind: "toClient", bytes }];
    let rest = bytes;
    while (rest.length > 0 && this.wantsTarget) {
      const exchange = this.#exchange;
      if (exchange === null) this.#closeTarget(); // nobody asked it anything
      else if (exchange.response === null) rest = this.#takeResponseHead(exchange, rest);
      else rest = this.#takeResponseBody(exchange, rest);
    }
    return this.#takeActions();
  }

  targetEnded(how: TargetEnd): HttpAction[] {
    if (!this.wantsTarget) return [];
    this.#closeTarget();
    const exchange = this.#exchange;
    if (exchange === null) return this.#takeActions();
    if (exchange.response !== null) {
      if (how === "clean" && exchange.response.body.isWholeAtEnd) this.#finish(exchange, true);
      else this.#end("reset");
    } else if (exchange.mayRepeat) {
      this.#connect(exchange);
    } else {
      this.#answerFor(how, formatTarget(exchange.request.target));
    }
    return this.#takeActions();
  }

  #takeActions(): HttpAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  // The client's side.

  #useHeld(): void {
    while (!this.#isOver && (this.#exchange === null || this.#exchange.wantsBody)) {
      if (this.#held.length === 0) {
        if (this.#clientEnded) this.#cutShort();
        return;
      }
      try {
        if (this.#exchange === null) this.#takeRequestHead();
        else this.#takeRequestBody(this.#exchange);
      } catch (error) {
        this.#refuse(error);
      }
    }
  }

  #takeRequestHead(): void {
    this.#held = this.#held.subarray(this.#requestHead.take(this.#held));
    if (!this.#requestHead.isWhole) return;
    const text = this.#requestHead.text();
    if (!isForProxy(text)) return this.#answerItself(text);
    this.#isProxyClient = true;
    this.#requestHead = new HeadCollector(REQUEST_LIMITS);
    this.#form = { minor: 1, isHead: false }; // as long as it is not known better
    const head = parseRequestHead(text);
    this.#form = { minor: head.minor, isHead: head.method === "HEAD" };
    if (this.#auth !== null && !isAuthorized(head.fields, this.#auth)) {
      return this.#demandPassword(head);
    }
    this.#begin(new Exchange(readRequest(head)));
  }

  /** Answers a request that is not to a proxy, and ends the connection. */
  #answerItself(text: string): void {
    const head = this.#ownPage === null ? null : readableHead(text);
    const page = head === null ? null : this.#ownPage!(head);
    if (head === null || page === null) throw new HttpError(400, REASONS[400]!);
    this.#form = { minor: head.minor, isHead: head.method === "HEAD" };
    this.#reply(page, true);
  }

  #begin(exchange: Exchange): void {
    this.#exchange = exchange;
    const { target, head, isRepeatable } = exchange.request;
    const isKept = this.#target !== null && sameTarget(this.#target.at, target);
    // A kept connection may be closing, and nobody can repeat the second of two requests: it gets a
    // new one (RFC 9110 section 9.2.2).
    if (isKept && head !== null && isRepeatable) {
      exchange.isReused = true;
      this.#send(exchange, head);
    } else {
      this.#closeTarget();
      this.#connect(exchange);
    }
  }

  /** Passes the client's end on, of which a silent target would never hear. */
  #passEnd(): void {
    const exchange = this.#exchange;
    const target = this.#target;
    if (!this.#clientEnded || target === null || !target.isUp || target.isEnded) return;
    if (exchange === null || !exchange.isSent || exchange.wantsBody || this.#hasNext) return;
    target.isEnded = true;
    this.#actions.push({ kind: "endTarget" });
  }

  /** True if another whole head is held; after the client's end a partial one never completes. */
  get #hasNext(): boolean {
    if (this.#held.length === 0) return false;
    try {
      const head = new HeadCollector(REQUEST_LIMITS);
      head.take(this.#held);
      return head.isWhole;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return false;
    }
  }

  #takeRequestBody(exchange: Exchange): void {
    const size = exchange.requestBody.take(this.#held, this.#giveTarget);
    this.#held = this.#held.subarray(size);
  }

  #cutShort(): void {
    this.#end(this.#isAnswering ? "reset" : "clean");
  }

  /** Refuses a request that cannot be read: nobody knows where the next one begins. */
  #refuse(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    if (this.#isAnswering) return this.#end("reset");
    const status = error instanceof HttpError ? error.status : 400;
    const isKnown = this.#isProxyClient || isForProxy(this.#requestHead.text());
    this.#reply({ status, words: isKnown ? error.message : REASONS[status] ?? "Error" }, true);
  }

  #demandPassword(head: RequestHead): void {
    const words = "This proxy wants a user and a password.";
    // Browsers come back on this connection, but a body behind this head would be a head to us. A
    // wrong password ends it: whoever guesses needs a new one for each.
    const last = /^(content-length|transfer-encoding|proxy-authorization)$/i;
    const isLast = head.fields.some(({ name }) => last.test(name)) || !this.#isAlone ||
      head.minor === 0 || !isPersistent(head);
    this.#reply({ status: 407, words, fields: [BASIC_CHALLENGE] }, isLast);
  }

  get #isAnswering(): boolean {
    return this.#exchange !== null && this.#exchange.response !== null;
  }

  /** True if nothing of another request has come, and one can come. */
  get #isAlone(): boolean {
    return this.#held.length === 0 && !this.#clientEnded;
  }

  /** Answers in place of the target, which ends the exchange. `type`: error type of RFC 9209. */
  #answer(status: number, words: string, type: string): void {
    const { request, requestBody } = this.#exchange!;
    const isLast = !request.isPersistent || !requestBody.isDone || !this.#isAlone;
    this.#reply({ status, words, fields: [proxyStatus(type)] }, isLast);
  }

  #answerFor(how: TargetEnd, target: string): void {
    if (how === "timeout") {
      this.#answer(504, `${target} did not answer in time.`, "http_response_timeout");
    } else {
      const what = how === "clean" ? "closed" : "reset";
      const words = `The connection to ${target} was ${what} before an answer came.`;
      this.#answer(502, words, "connection_terminated");
    }
  }

  #reply(reply: Reply, isLast: boolean): void {
    this.#toClient(packReply(reply, { ...this.#form, isLast }));
    this.#exchange = null;
    if (isLast) this.#end("clean");
  }

  // The target's side.

  #connecting(): Exchange {
    if (this.#exchange === null || this.#target === null || this.#target.isUp) {
      throw outOfTurn("it has asked for no connection");
    }
    return this.#exchange;
  }

  #connect(exchange: Exchange): void {
    exchange.isSent = exchange.isReused = false;
    this.#target = { at: exchange.request.target, isUp: false, isEnded: false };
    this.#actions.push({ kind: "connect", target: exchange.request.target });
  }

  #send(exchange: Exchange, head: Uint8Array): void {
    exchange.isSent = true;
    this.#actions.push({ kind: "toTarget", bytes: head });
  }

  /** Takes bytes of a head and returns those that are left. */
  #takeResponseHead(exchange: Exchange, bytes: Uint8Array): Uint8Array {
    try {
      const rest = bytes.subarray(exchange.takeHead(bytes));
      const head = exchange.readHead();
      if (head === null) return rest;
      if (head.bytes.length > 0) this.#toClient(head.bytes);
      if (head.kind === "upgrade") this.#goRaw(rest);
      if (exchange.response?.body.isDone) this.#finish(exchange, rest.length > 0);
      return rest;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#closeTarget();
      const target = formatTarget(exchange.request.target);
      const words = `${target} does not answer as HTTP does. ${error.message}`;
      this.#answer(502, words, "http_protocol_error");
      return bytes;
    }
  }

  #takeResponseBody(exchange: Exchange, bytes: Uint8Array): Uint8Array {
    const { body } = exchange.response!;
    try {
      const size = body.take(bytes, this.#giveClient);
      if (body.isDone) this.#finish(exchange, size < bytes.length);
      return bytes.subarray(size);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end("reset");
      return bytes;
    }
  }

  /** Ends an exchange. `isSpoilt`: stray bytes of the target must not answer the next request. */
  #finish(exchange: Exchange, isSpoilt: boolean): void {
    const { body, isLastOfClient, isLastOfTarget } = exchange.response!;
    if (isSpoilt || isLastOfTarget || body.isMended) this.#closeTarget();
    this.#exchange = null;
    if (isLastOfClient) return this.#end("clean");
    this.#useHeld();
    this.#passEnd();
  }

  // Both.

  readonly #giveTarget = (bytes: Uint8Array): void =>
    void this.#actions.push({ kind: "toTarget", bytes });

  readonly #giveClient = (bytes: Uint8Array): void => this.#toClient(bytes);

  #toClient(bytes: Uint8Array): void {
    this.#actions.push({ kind: "toClient", bytes });
  }

  #closeTarget(): void {
    if (this.#target !== null) this.#actions.push({ kind: "closeTarget" });
    this.#target = null;
  }

  #goRaw(toClient: Uint8Array): void {
    const clientEnded = this.#clientEnded;
    this.#actions.push({ kind: "raw", toTarget: this.#held, toClient, clientEnded });
    this.#isRaw = true;
    this.#beOver();
  }

  #end(how: "clean" | "reset"): void {
    this.#closeTarget();
    this.#actions.push({ kind: "endClient", how });
    this.#beOver();
  }

  #beOver(): void {
    this.#isOver = true;
    this.#exchange = null;
    this.#target = null;
    this.#held = new Uint8Array();
  }
}

function outOfTurn(why: string): TtunError {
  return new TtunError("internal", `Cannot go on with the HTTP proxy: ${why}`);
}

/** Returns null for a head that cannot be read. */
function readableHead(text: string): RequestHead | null {
  try {
    return parseRequestHead(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return null;
  }
}

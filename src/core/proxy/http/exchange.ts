import { BodyReader } from "../../http/http1/body.ts";
import { HttpError } from "../../http/error.ts";
import { type Field, listOf } from "../../http/fields.ts";
import { HeadCollector, REQUEST_LIMITS, RESPONSE_LIMITS } from "../../http/http1/head.ts";
import type { ProxyRequest } from "./request.ts";
import { responseFraming } from "../../http/http1/response_framing.ts";
import { parseResponseHead, type ResponseHead } from "../../http/http1/response_head.ts";
import { isPersistent, nextHopOf, upgradeOf } from "../../http/http1/connection_fields.ts";
import { responseForClient } from "./rewrite.ts";

/** A head of the target: one before the response, a change of protocol, or the response's. */
export interface HeadForClient {
  readonly kind: "interim" | "upgrade" | "final";
  /** Bytes for the client; empty where it cannot read such a head. */
  readonly bytes: Uint8Array;
}

export interface Response {
  readonly body: BodyReader;
  /** The client's connection ends behind it. */
  readonly isLastOfClient: boolean;
  /** The target's connection serves no request after this one. */
  readonly isLastOfTarget: boolean;
}

export class Exchange {
  readonly request: ProxyRequest;
  readonly requestBody: BodyReader;
  isSent = false;
  /** True if its connection has served another request, and may be closing. */
  isReused = false;
  /** The response, null until its final head is there. */
  response: Response | null = null;
  #head = new HeadCollector(RESPONSE_LIMITS);

  constructor(request: ProxyRequest) {
    this.request = request;
    const { framing, nextHop } = request;
    this.requestBody = new BodyReader(framing, { limits: REQUEST_LIMITS, nextHop });
  }

  /** True if the target must take the rest of the request's body. */
  get wantsBody(): boolean {
    return this.isSent && !this.requestBody.isDone;
  }

  /** True if it may be repeated: kept connections may close just then (RFC 9112 section 9.3.1). */
  get mayRepeat(): boolean {
    return this.isReused && this.request.isRepeatable && this.#head.isEmpty;
  }

  /** Takes bytes of a response's head; returns how many. */
  takeHead(bytes: Uint8Array): number {
    return this.#head.take(bytes);
  }

  /** Returns the head once it is whole; null before. @throws {HttpError} */
  readHead(): HeadForClient | null {
    if (!this.#head.isWhole) return null;
    const head = parseResponseHead(this.#head.text());
    this.#head = new HeadCollector(RESPONSE_LIMITS);
    this.isReused = false; // it lives: what may end from here on is not an old connection
    if (head.status >= 200) return this.#final(head);
    return head.status === 101 ? this.#upgrade(head) : this.#interim(head);
  }

  /** Handles interim responses (RFC 9110 section 15.2), which HTTP/1.0 does not know. */
  #interim(head: ResponseHead): HeadForClient {
    const { minor } = this.request;
    const bytes = minor === 0
      ? new Uint8Array()
      : responseForClient(head, { minor, upgrade: null, isLast: false });
    return { kind: "interim", bytes };
  }

  #upgrade(head: ResponseHead): HeadForClient {
    const upgrade = upgradeOf(head);
    if (!this.request.upgrades || upgrade === null) {
      throw new HttpError(502, "Cannot change the protocol: nobody asked for it");
    }
    const bytes = responseForClient(head, { minor: 1, upgrade, isLast: false });
    return { kind: "upgrade", bytes };
  }

  #final(head: ResponseHead): HeadForClient {
    const { method, minor, isPersistent: clientStays } = this.request;
    const { framing, fields, isSure } = responseFraming(head, method);
    // HTTP/1.0 has no chunks: its client gets what is in them, up to the connection's end.
    const unchunks = minor === 0 && framing.kind === "chunked";
    if (unchunks && listOf(fields, "transfer-encoding").length > 1) {
      throw new HttpError(502, "Cannot pass it on: HTTP/1.0 has no transfer codings");
    }
    // A client that is answered before its body is through may leave out the rest of it.
    const isLast = !clientStays || !this.requestBody.isDone || framing.kind === "close";
    this.response = {
      body: new BodyReader(framing, {
        limits: RESPONSE_LIMITS,
        mends: true,
        unchunks,
        nextHop: nextHopOf(head),
      }),
      isLastOfClient: isLast,
      isLastOfTarget: isLast || !isPersistent(head) || !isSure || head.isMended,
    };
    // 426 must name what it wants (RFC 9110 section 15.5.22).
    const upgrade = head.status === 426 ? upgradeOf(head) : null;
    const told = { ...head, fields: unchunks ? withoutCodings(fields) : fields };
    return { kind: "final", bytes: responseForClient(told, { minor, upgrade, isLast }) };
  }
}

function withoutCodings(fields: readonly Field[]): Field[] {
  return fields.filter(({ name }) => !/^(transfer-encoding|trailer)$/i.test(name));
}

/** Connections of a load: what is said in lock-step until a target has its request, or has answered. */
import type { HostPort } from "../../../src/base/addr.ts";
import type { Handler, Loop } from "./loop.ts";
import { MESSAGE, TARGET } from "./wire.ts";

/** Something to send, and the answer that must have come before the next one. */
interface Turn {
  send: Uint8Array<ArrayBuffer>;
  answerSize: number;
  check(answer: Uint8Array): void;
}

/** SOCKS5 (RFC 1928): version 5, one method, no authentication. */
const GREETING: Turn = {
  send: new Uint8Array([5, 1, 0]),
  answerSize: 2,
  check: ([, method]) => {
    if (method !== 0) throw new Error(`The proxy wants method ${method}`);
  },
};

/** Version 5, CONNECT, IPv4, the target's address and port; the reply has an IPv4 address as well. */
const CONNECT: Turn = {
  send: new Uint8Array([
    ...[5, 1, 0, 1],
    ...TARGET.host.split(".").map(Number),
    ...[TARGET.port >>> 8, TARGET.port & 0xff],
  ]),
  answerSize: 10,
  check: ([, code, , type]) => {
    if (code !== 0) throw new Error(`The proxy does not connect: code ${code}`);
    if (type !== 1) throw new Error(`The proxy's reply has an address of type ${type}`);
  },
};

export function requestOf(kind: number, answerSize: number): Turn {
  const send = new Uint8Array(MESSAGE);
  send[0] = kind;
  return { send, answerSize, check: () => {} };
}

export interface Dialogue {
  /** Opens a connection; behind the last answer it is `done`'s, or `failed` gets what went wrong. */
  start(done: Handler, failed: (error: unknown) => void): void;
}

/** A port of loopback that leads to the target: at once, or by SOCKS5. */
export interface Way {
  readonly port: number;
  readonly isSocks: boolean;
}

/** Connections by that way with a request of that kind and an answer of that size. */
export function dialogue(
  loop: Loop,
  { port, isSocks }: Way,
  kind: number,
  answerSize: number,
): Dialogue {
  const request = requestOf(kind, answerSize);
  const turns = isSocks ? [GREETING, CONNECT, request] : [request];
  const to = { host: "127.0.0.1", port };
  return { start: (done, failed) => converse(loop, to, turns, done, failed) };
}

function converse(
  loop: Loop,
  to: HostPort,
  turns: readonly Turn[],
  done: Handler,
  failed: (error: unknown) => void,
): void {
  const answer = new Uint8Array(MESSAGE);
  let [at, have, isSent] = [0, 0, false];
  const goOn: Handler = (socket) => {
    for (; at < turns.length; at++, have = 0, isSent = false) {
      const { send, answerSize, check } = turns[at]!;
      if (!isSent) {
        if (socket.send(send) === null) return "wait"; // not connected yet
        isSent = true;
        if (answerSize > 0) return "wait";
      }
      while (have < answerSize) {
        const got = socket.receive(answer.subarray(have, answerSize));
        if (got === null) return "wait";
        if (got === 0) throw new Error("The connection ended before the answer");
        have += got;
      }
      check(answer);
    }
    socket.handler = done;
    return done(socket);
  };
  loop.connect(to, (socket) => {
    try {
      return goOn(socket);
    } catch (error) {
      socket.close();
      failed(error);
      return "wait";
    }
  });
}

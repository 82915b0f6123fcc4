import assert from "node:assert/strict";
import vectors from "../../../../tests/vector/socks.json" with { type: "json" };
import type { HostPort } from "../../../base/addr.ts";
import { concat, fromHex, toHex } from "../../../base/bytes.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import { formatTarget, parseConnectTarget } from "../../../base/target.ts";
import { type Failure, FAILURES } from "../failure.ts";
import { Socks4Server } from "./socks4_server.ts";
import { greeting, greetingAndRequest, request, Socks5Client } from "./socks5_client.ts";
import { type CheckPassword, Socks5Server } from "./socks5_server.ts";
import { told } from "./socks_fixture.ts";

/** A conversation as both data files of SOCKS have it; messages in hex. */
interface Case {
  readonly target?: string;
  readonly bound?: string | null;
  readonly result: string;
  readonly behind?: string;
  readonly password?: string;
}

/** The two ways to give a message: whole, and byte by byte. */
const WAYS = [
  (bytes: Uint8Array) => [bytes],
  (bytes: Uint8Array) => [...bytes].map((byte) => Uint8Array.of(byte)),
];

function check(password: string | undefined): CheckPassword | null {
  if (password === undefined) return null;
  return (user, pass) => `${fromLatin1(user)}:${fromLatin1(pass)}` === password;
}

function boundOf(text: string | null | undefined): HostPort | null {
  if (text === null || text === undefined) return null;
  const { host, port } = parseConnectTarget(text);
  return { host, port };
}

/** Lets a server answer a client's messages: hex of its answers, and what came of it. */
function serve(
  server: Socks5Server | Socks4Server,
  messages: readonly Uint8Array[],
  way: (bytes: Uint8Array) => Uint8Array[],
  c: Case,
) {
  const answers: string[] = [];
  let result = "open";
  let behind = "";
  for (const message of messages) {
    let answer = "";
    for (const piece of way(message)) {
      if (!server.wantsBytes) {
        behind += toHex(piece);
        continue;
      }
      for (const step of server.feed(piece)) {
        if (step.kind === "send") answer += toHex(step.bytes);
        else if (step.kind === "end") result = "ended";
        else {
          assert(step.kind === "connect");
          assert.equal(formatTarget(step.target), c.target);
          result = c.result;
        }
      }
      if (result === c.result && c.target !== undefined) behind += toHex(server.rest);
    }
    if (result === c.result && c.target !== undefined) {
      const bytes = result === "connected"
        ? server.accepted(boundOf(c.bound))
        : server.failed(failure(result));
      answer += toHex(bytes);
    }
    answers.push(answer);
  }
  return { answers, result, behind };
}

function failure(name: string): Failure {
  assert.ok((FAILURES as readonly string[]).includes(name), name);
  return name as Failure;
}

for (const c of vectors.socks5) {
  Deno.test(`SOCKS5, the server's end: ${c.note} (${c.section})`, () => {
    for (const way of WAYS) {
      const server = new Socks5Server({ auth: check(c.password) });
      assert.deepEqual(serve(server, c.client.map(fromHex), way, c), {
        answers: c.server,
        result: c.result,
        behind: c.behind ?? "",
      });
    }
  });
}

for (const c of vectors.socks4) {
  Deno.test(`SOCKS4, the server's end: ${c.note} (${c.section})`, () => {
    for (const way of WAYS) {
      const server = new Socks4Server({ needsAuth: false });
      assert.deepEqual(serve(server, [fromHex(c.client)], way, c), {
        answers: [c.server],
        result: c.result,
        behind: c.behind ?? "",
      });
    }
  });
}

/** Steps of a client for a server's answers, and the bytes that it takes for the target's. */
function hear(answers: readonly Uint8Array[], way: (bytes: Uint8Array) => Uint8Array[]) {
  const client = new Socks5Client();
  const lines: string[] = [];
  let behind = "";
  for (const piece of answers.flatMap(way)) {
    if (!client.wantsBytes) {
      behind += toHex(piece);
      continue;
    }
    lines.push(...client.feed(piece).map(told));
    behind += toHex(client.rest);
  }
  return { lines, behind };
}

/** Conversations that a client without a password could have had. */
const ofClients = vectors.socks5.filter(({ client, target }) =>
  target !== undefined && client.length === 2
);

for (const c of ofClients) {
  Deno.test(`SOCKS5, the client's end: ${c.note} (${c.section})`, () => {
    const [first, second] = c.client.map(fromHex) as [Uint8Array, Uint8Array];
    const asked = second.subarray(0, second.length - (c.behind ?? "").length / 2);
    const target = parseConnectTarget(c.target!);
    assert.deepEqual(greeting(first.subarray(3)), first);
    assert.deepEqual(request(target), asked);
    if (first.length === 3) assert.deepEqual(greetingAndRequest(target), concat(first, asked));
    for (const way of WAYS) {
      const { lines } = hear(c.server.map(fromHex), way);
      const wanted = c.result === "connected" ? "connected" : `failed ${c.result}`;
      assert.deepEqual(lines, ["ask", wanted]);
    }
  });
}

for (const c of vectors.socks5_replies) {
  Deno.test(`SOCKS5, the client's end: ${c.note} (${c.section})`, () => {
    for (const way of WAYS) {
      const { lines, behind } = hear(c.server.map(fromHex), way);
      assert.equal(lines.at(-1), c.hears === "connected" ? c.hears : `failed ${c.hears}`);
      if (c.hears === "connected") assert.equal(behind, c.behind ?? "");
    }
  });
}

/** Requests of the measured stores, as bytes, and how long an answer is. */

import type { Operation } from "./contender.ts";

export type Protocol = "mesh" | "etcd" | "redis";

/** Bytes of a value, as the specification measures with. */
export const VALUE_SIZE = 300;

/** Keys that a run goes through in turn. */
export const KEYS = 256;

const VALUE = "v".repeat(VALUE_SIZE);
const text = new TextEncoder();

/** Returns the bytes of a store's request number `i`. */
export function requestOf(
  { protocol, operation, token }: { protocol: Protocol; operation: Operation; token: string },
  i: number,
): Uint8Array {
  const [promise, verb] = operation.split(" ") as ["soft" | "durable" | "strong", "get" | "put"];
  const n = i % KEYS;
  switch (protocol) {
    case "mesh": {
      // Sixteen buckets, so that there are sixteen places on the ring.
      const start = { soft: "node", durable: "kv", strong: "name" }[promise];
      const path = `/v1/kv/${start}/b${n % 16}/k${n}`;
      const line = verb === "get"
        ? `GET ${path}`
        : `PUT ${path}${promise === "soft" ? "?ttl=1h" : ""}`;
      return http(line, verb === "get" ? "" : VALUE, `authorization: Bearer ${token}\r\n`);
    }
    case "etcd": {
      const key = btoa(`bench/k${n}`);
      const body = verb === "put"
        ? { key, value: btoa(VALUE) }
        : { key, ...(promise === "soft" && { serializable: true }) };
      return http(`POST /v3/kv/${verb === "put" ? "put" : "range"}`, JSON.stringify(body));
    }
    case "redis": {
      const words = verb === "put" ? ["SET", `k${n}`, VALUE] : ["GET", `k${n}`];
      const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
      return text.encode(`*${words.length}\r\n${parts.join("")}`);
    }
  }
}

function http(line: string, body: string, headers = ""): Uint8Array {
  return text.encode(
    `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`,
  );
}

/**
 * Returns how many bytes the answer at the start of `bytes` has; null = it is not whole yet.
 * @throws where the answer is a refusal or has no value
 */
export function answerLength(protocol: Protocol, bytes: string): number | null {
  return protocol === "redis" ? redisLength(bytes) : httpLength(bytes);
}

function httpLength(bytes: string): number | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const status = Number(bytes.slice(9, 12));
  const [, size] = /\r\ncontent-length: *(\d+)/i.exec(bytes.slice(0, end + 2)) ?? [];
  if (status !== 204 && status !== 200) throw new Error(`An answer is no success: ${bytes}`);
  if (size === undefined && status !== 204) throw new Error(`An answer has no length: ${bytes}`);
  const whole = end + 4 + Number(size ?? 0);
  return bytes.length < whole ? null : whole;
}

function redisLength(bytes: string): number | null {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return null;
  if (bytes[0] === "+") return end + 2;
  const size = Number(bytes.slice(1, end));
  if (bytes[0] !== "$" || !(size >= 0)) throw new Error(`An answer is no success: ${bytes}`);
  const whole = end + 2 + size + 2;
  return bytes.length < whole ? null : whole;
}

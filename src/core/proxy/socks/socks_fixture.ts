import { fromHex, toHex } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import type { SocksStep } from "./socks5_server.ts";
import type { SocksClientStep } from "./socks5_client.ts";
import { formatTarget } from "../../../base/target.ts";

/** `hex`, and text in quotes, with space wherever it helps: `05 01 00 03 0b "example.com" 0050`. */
export function bytesOf(text: string): Uint8Array {
  const parts = text.match(/"[^"]*"|[0-9a-f ]+/g) ?? [];
  const hex = parts.map((part) =>
    part.startsWith('"') ? toHex(toLatin1(part.slice(1, -1))) : part.replaceAll(" ", "")
  );
  return fromHex(hex.join(""));
}

/** A step as a line to compare. */
export function told(step: SocksStep | SocksClientStep): string {
  switch (step.kind) {
    case "send":
      return `send ${toHex(step.bytes)}`;
    case "connect":
      return `connect ${formatTarget(step.target)}`;
    case "failed":
      return `failed ${step.failure}`;
    case "associate":
    case "end":
    case "ask":
    case "connected":
      return step.kind;
  }
}

/** Steps of a machine for these pieces while it wants bytes, as text; then the rest. */
export function feedPieces(
  machine: {
    feed(chunk: Uint8Array): (SocksStep | SocksClientStep)[];
    readonly wantsBytes: boolean;
    readonly rest: Uint8Array;
  },
  pieces: readonly Uint8Array[],
): string[] {
  const lines: string[] = [];
  let behind = "";
  let isOpen = true;
  for (const piece of pieces) {
    if (!isOpen) {
      behind += fromLatin1(piece);
      continue;
    }
    const lent = piece.slice();
    lines.push(...machine.feed(lent).map(told));
    lent.fill(0xee); // it was only lent
    isOpen = machine.wantsBytes;
    if (!isOpen) behind += fromLatin1(machine.rest);
  }
  const last = lines.at(-1) ?? "";
  return last.startsWith("connect") && behind !== "" ? [...lines, `rest ${behind}`] : lines;
}

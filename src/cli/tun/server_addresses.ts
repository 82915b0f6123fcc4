import { isIpAddress } from "../../base/addr.ts";
import { readState, writeState } from "../platform/state_file.ts";

/** A file with a line for each server: its token, and the address where it was last. */
const FILE = "server-addresses";
const MOST_BYTES = 1 << 16;
/** Servers beyond that are forgotten, those used last not. */
const MOST_SERVERS = 256;

/** Returns the address where that server was last; null = none is known. */
export function lastAddress(directory: string, token: string): string | null {
  const found = linesIn(directory).findLast((line) => line.startsWith(`${token} `));
  const address = found?.slice(token.length + 1) ?? "";
  return isIpAddress(address) ? address : null;
}

/** Returns why the address cannot be kept, or null. */
export function keepAddress(directory: string, token: string, address: string): string | null {
  const line = `${token} ${address}`;
  const lines = linesIn(directory);
  if (lines.at(-1) === line) return null;
  const others = lines.filter((one) => !one.startsWith(`${token} `)).slice(1 - MOST_SERVERS);
  return writeState(directory, FILE, `${[...others, line].join("\n")}\n`);
}

function linesIn(directory: string): string[] {
  return readState(directory, FILE, MOST_BYTES).split("\n").filter((line) => line !== "");
}

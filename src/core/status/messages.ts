import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { parseDynamicForward, parseLocalForward, parseRemoteForward } from "../forward/parse.ts";
import type { ForwardListen, ForwardProtocol, ForwardSpec } from "../forward/spec.ts";
import { STATUS_VERSION, type StatusReport } from "./report.ts";

/** Bytes of a request, its line end included. */
export const LONGEST_REQUEST = 64 * 1024;

/** Bytes of an answer: some thousand sessions. */
export const LONGEST_ANSWER = 8 * 1024 * 1024;

/**
 * A request and its answer are one line of JSON each; a connection carries one of both. Each is
 * answered with a report, of what is so when it has been done.
 */
export type StatusRequest =
  /** `streams`: they are to be listed one by one. */
  | { readonly request: "status"; readonly streams: boolean }
  | ForwardRequest;

/** Adds a forward of a client, or removes the one that listens there, at the client or the server. */
export type ForwardRequest =
  | { readonly request: "add forward"; readonly spec: ForwardSpec }
  | {
    readonly request: "remove forward" | "remove remote forward";
    readonly listen: ForwardListen;
    readonly protocol: ForwardProtocol;
  };

/** A request as it is written: forwards are in ssh's grammar. */
export type WrittenRequest =
  | { readonly request: "status"; readonly streams?: boolean }
  | {
    readonly request: "add forward";
    readonly option: "-L" | "-D" | "-R";
    readonly forward: string;
  }
  | { readonly request: "remove forward" | "remove remote forward"; readonly listen: string };

export function packRequest(request: WrittenRequest): Uint8Array {
  return packLine({ version: STATUS_VERSION, ...request });
}

/** Reads a line without its end. @throws {TtunError} usage, in words that are for the answer */
export function parseRequest(bytes: Uint8Array): StatusRequest {
  const value = parseObject(bytes);
  if (value === null) throw refusing("it is not one line with an object of JSON");
  if (value["version"] !== STATUS_VERSION) {
    throw refusing(`its version is not ${STATUS_VERSION}; use the ttun of the program's version`);
  }
  const { request, option, forward, listen, streams } = value;
  if (request === "status") return { request, streams: streams === true };
  if (request === "add forward" && typeof forward === "string") {
    if (option === "-L") return { request, spec: parseLocalForward(forward) };
    if (option === "-D") return { request, spec: parseDynamicForward(forward) };
    if (option === "-R") return { request, spec: parseRemoteForward(forward) };
  }
  const isRemoval = request === "remove forward" || request === "remove remote forward";
  if (isRemoval && typeof listen === "string") {
    const [, address, udp] = /^(.*?)(\/udp)?$/s.exec(listen)!;
    const protocol = udp === undefined ? "tcp" : "udp";
    return { request, listen: parseDynamicForward(address!).listen, protocol };
  }
  throw refusing("there is no such request");
}

function refusing(why: string): TtunError {
  return new TtunError("usage", `Cannot answer the request: ${why}`);
}

export function packReport(report: StatusReport): Uint8Array {
  return packLine(report);
}

export function packFailure(error: TtunError): Uint8Array {
  return packLine({ version: STATUS_VERSION, error: error.message });
}

/** Reads an answer with or without its line end. @throws {TtunError} protocol; usage if refused */
export function parseAnswer(bytes: Uint8Array): StatusReport {
  const value = parseObject(bytes);
  if (value === null) throw unreadable("it is not an object of JSON");
  if (value["version"] !== STATUS_VERSION) {
    throw unreadable("its version is another; use the ttun of that program's version");
  }
  if (typeof value["error"] === "string") throw new TtunError("usage", value["error"]);
  const { name, command, pid, seconds } = value;
  const isWhole = typeof name === "string" && typeof command === "string" &&
    typeof pid === "number" && typeof seconds === "number";
  if (!isWhole) throw unreadable("it is not a report");
  return value as unknown as StatusReport;
}

function unreadable(why: string): TtunError {
  return new TtunError("protocol", `Cannot read the answer of the status socket: ${why}`);
}

function packLine(value: object): Uint8Array {
  return utf8(`${JSON.stringify(value)}\n`);
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : null;
  } catch {
    return null; // neither UTF-8 nor JSON
  }
}

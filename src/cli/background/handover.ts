import { Buffer } from "node:buffer";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

/** Values that a process has read or asked for and others must not see, by names of the command. */
export type Secrets = Readonly<Record<string, Uint8Array>>;

export interface Handover {
  readonly secrets: Secrets;
  /** Standard output and error stay the new process's when it is ready. */
  readonly keepsOutput: boolean;
}

/** First bytes on the standard input of a process that another one starts in the background. */
export const HANDOVER_MARK = utf8("ttun background\n");

/** Byte by which the new process says that it is ready. */
export const READY = Uint8Array.of(1);

export function packHandover({ secrets, keepsOutput }: Handover): Uint8Array {
  // All of it must fit into a socket: a key file may be as large as a third of what that takes.
  const texts = Object.entries(secrets).map(([name, bytes]) => [
    name,
    Buffer.from(bytes).toString("base64"), // older runtimes have no toBase64 of Uint8Array
  ]);
  const message = { secrets: Object.fromEntries(texts), keepsOutput };
  return utf8(`${new TextDecoder().decode(HANDOVER_MARK)}${JSON.stringify(message)}`);
}

/** @throws {TtunError} protocol */
export function parseHandover(bytes: Uint8Array): Handover {
  try {
    if (!isHandover(bytes)) throw new Error("no mark");
    const text = new TextDecoder().decode(bytes.subarray(HANDOVER_MARK.length));
    const { secrets, keepsOutput } = JSON.parse(text) as {
      secrets: Record<string, string>;
      keepsOutput: boolean;
    };
    const lists = Object.entries(secrets).map(([name, base64]) => [
      name,
      Uint8Array.from(Buffer.from(base64, "base64")),
    ]);
    return { secrets: Object.fromEntries(lists), keepsOutput };
  } catch (error) {
    const message = "Cannot read what the process in the foreground has handed over";
    throw new TtunError("protocol", message, { cause: error });
  }
}

/** True if the bytes begin with the mark. */
export function isHandover(bytes: Uint8Array): boolean {
  return HANDOVER_MARK.every((byte, at) => bytes[at] === byte);
}

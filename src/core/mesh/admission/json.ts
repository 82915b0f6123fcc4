import { decodeBase64Url } from "../../../base/base64url.ts";
import { ProtocolError } from "../../../base/errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Reads the fields of a JSON object. @throws {ProtocolError} */
export function readFields(bytes: Uint8Array, what: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ProtocolError(`Cannot read ${what}: it is no JSON`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new ProtocolError(`Cannot read ${what}: it is no object`);
}

/** @throws {ProtocolError} */
export function textField(fields: Fields, name: string, what: string, most = 1024): string {
  const value = fields[name];
  if (typeof value === "string" && value.length <= most) return value;
  throw missing(name, what);
}

/** @throws {ProtocolError} */
export function numberField(fields: Fields, name: string, what: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw missing(name, what);
}

/** `size`: bytes; absent = any number up to 8 KiB. @throws {ProtocolError} */
export function bytesField(fields: Fields, name: string, what: string, size?: number): Uint8Array {
  const bytes = decodeBase64Url(textField(fields, name, what, 11_000));
  if (bytes !== null && (size === undefined || bytes.length === size)) return bytes;
  throw missing(name, what);
}

/** @throws {ProtocolError} */
export function listField<T>(
  fields: Fields,
  name: string,
  what: string,
  read: (item: unknown) => T | null,
  most = 256,
): T[] {
  const value = fields[name];
  if (!Array.isArray(value) || value.length > most) throw missing(name, what);
  return value.map((item) => {
    const one = read(item);
    if (one === null) throw missing(name, what);
    return one;
  });
}

function missing(name: string, what: string): ProtocolError {
  return new ProtocolError(`Cannot read ${what}: ${name} is missing or not what it should be`);
}

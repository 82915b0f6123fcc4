import { utf8 } from "../../../base/bytes.ts";
import { decode64, encode64 } from "../base64.ts";

/** A key of etcd, from its JSON: 64-bit integers are texts there, and zeros are left out. */
export interface EtcdEntry {
  key: string;
  value: Uint8Array;
  /** The revision that wrote it last. */
  revision: string;
  /** "0" for none. */
  lease: string;
}

/** Messages of etcd's JSON gateway, as far as they are read here. */
export interface EtcdKv {
  key?: string;
  value?: string;
  mod_revision?: string;
  lease?: string;
}

export interface EtcdHeader {
  header?: { revision?: string };
}

export interface EtcdRange extends EtcdHeader {
  kvs?: EtcdKv[];
  more?: boolean;
}

export interface EtcdTxn extends EtcdHeader {
  succeeded?: boolean;
  responses?: { response_range?: EtcdRange }[];
}

export interface EtcdWatch {
  result?: EtcdHeader & {
    created?: boolean;
    canceled?: boolean;
    compact_revision?: string;
    events?: { type?: "PUT" | "DELETE"; kv?: EtcdKv }[];
  };
}

export interface EtcdLease {
  ID?: string;
  TTL?: string;
}

/** Keys of one user of an etcd that others may use as well: all begin with the same text. */
export class EtcdKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  key(key: string): string {
    return encode64(utf8(`${this.#prefix}k/${key}`));
  }

  /** The end of the range of all keys with a prefix: what comes after the last of them. */
  end(prefix: string): string {
    const bytes = utf8(`${this.#prefix}k/${prefix}`);
    bytes[bytes.length - 1]!++; // no key of ours has a byte of 255
    return encode64(bytes);
  }

  /** The first key that can come after one. */
  after(key: string): string {
    return encode64(utf8(`${this.#prefix}k/${key}\0`));
  }

  /** Remembers that a request was done. */
  marker(key: string, requestId: string): string {
    return encode64(utf8(`${this.#prefix}r/${key} ${requestId}`));
  }

  entry({ key = "", value = "", mod_revision = "0", lease = "0" }: EtcdKv): EtcdEntry {
    const name = new TextDecoder().decode(decode64(key)).slice(`${this.#prefix}k/`.length);
    return { key: name, value: decode64(value), revision: mod_revision, lease };
  }
}

/** Conditions of a transaction. */
export function isAbsent(key: string) {
  return { key, target: "VERSION", result: "EQUAL", version: "0" };
}

export function isOfRevision(key: string, revision: string) {
  return { key, target: "MOD", result: "EQUAL", mod_revision: revision };
}

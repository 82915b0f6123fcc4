import { toHex } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { AdmittedLink, Candidate } from "../link/candidate.ts";
import { addressGroup } from "../net/address_group.ts";

/** One connection of a client with a device. */
export class ServedClient {
  readonly stream: Connection;
  /** Where it has come in; null = a port that hops. */
  readonly listener: Listener | null;
  readonly candidate: Candidate;
  /** The client's address as the log shows it. */
  readonly peer: string;
  /** Of its key, where there are several; else as it calls itself; empty if it does not. */
  readonly name: string;
  readonly key: string;
  readonly instance: string | undefined;
  /** In hex, behind the key's name where there is one; undefined = the client keeps none. */
  readonly identity: string | undefined;
  readonly address: string;
  readonly canBeRefused: boolean;
  link: AdmittedLink | null = null;
  /** Why it has lost its place; null = it has not. */
  evictedFor: string | null = null;

  constructor(stream: Connection, listener: Listener | null, candidate: Candidate) {
    const { identity, instance, key, wire } = candidate;
    this.stream = stream;
    this.listener = listener;
    this.candidate = candidate;
    this.peer = stream.peer;
    this.key = key;
    this.name = key === "" ? identity?.name ?? "" : key;
    this.instance = instance;
    this.identity = identity?.id == null ? undefined : ofKey(key, toHex(identity.id));
    this.address = addressGroup(stream.remote);
    this.canBeRefused = wire === "v2";
  }

  /** Grows with every sign of life. */
  get activity(): number {
    return this.link?.life.activity() ?? 0;
  }

  evict(why: string): void {
    this.evictedFor = why;
    this.stream.reset();
  }
}

/** Tells apart what clients of different keys call themselves. */
export function ofKey(key: string, own: string): string {
  return key === "" ? own : `${key}:${own}`;
}

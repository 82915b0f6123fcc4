import { fromHex, toHex } from "../../base/bytes.ts";
import { derive } from "../link/v2/secrets.ts";
import { readPosition } from "./circle.ts";

/** A node's identifier (32 bytes) in hex digits, which is how it is a key of maps. */
export type NodeKey = string;

/** How many positions a node may choose from. */
export const PLACES = 16;

/** Returns the nodeId of an Ed25519 public key, 32 bytes. */
export function nodeIdOf(publicKey: Uint8Array): Uint8Array {
  return derive(null, "mesh node", publicKey);
}

export function nodeKeyOf(publicKey: Uint8Array): NodeKey {
  return toHex(nodeIdOf(publicKey));
}

/** Returns where a node stands on the ring with its place `j`, 0 to 15. */
export function positionOf(nodeId: Uint8Array, j: number): bigint {
  return readPosition(derive(null, "mesh pos", nodeId, Uint8Array.of(j)));
}

/** Returns the first 8 bytes of a nodeId as a number: the writer in the versions of records. */
export function writerOf(key: NodeKey): bigint {
  return BigInt(`0x${key.slice(0, 16)}`);
}

export function nodeIdOfKey(key: NodeKey): Uint8Array {
  return fromHex(key);
}

import { blake2s } from "@noble/hashes/blake2.js";
import { concat, utf8, writeU32 } from "../../base/bytes.ts";
import { MEETING_ID } from "./messages.ts";

const LABEL = utf8("ttun meeting number\0");

/** Returns the name of the meeting with a number: whoever knows the number can go there. */
export function meetingIdOfNumber(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, number);
  return blake2s(concat(LABEL, bytes)).slice(0, MEETING_ID);
}

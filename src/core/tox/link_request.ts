import { utf8 } from "../../base/bytes.ts";

/**
 * Message of a friend request that asks for streams alone (docs/wire/tuntox.md, 8): the key is
 * proved on each of them, and not told here.
 */
export const LINK_REQUEST: Uint8Array<ArrayBuffer> = utf8("ttun link 2") as Uint8Array<ArrayBuffer>;

export function isLinkRequest(message: Uint8Array): boolean {
  return message.length === LINK_REQUEST.length &&
    LINK_REQUEST.every((byte, i) => message[i] === byte);
}

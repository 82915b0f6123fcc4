import type { Connection } from "../../contract/connection.ts";
import type { Offer } from "../../core/link/v2/setup.ts";
import { Stranger } from "../net/stranger.ts";
import { acceptHello } from "./accept.ts";
import { proveClient } from "./accept_v2.ts";
import type { AdmissionOptions, ProvedClient } from "./candidate.ts";

/**
 * Runs the server's side of the handshake of version 2 up to the client's proof. The handshake is
 * the caller's to dispose of.
 * @throws {Stranger} if the peer must get no answer; {TtunError} auth, lost
 */
export async function acceptCarrier(
  stream: Connection,
  o: Omit<AdmissionOptions, "device" | "offer">,
  offer: Offer,
): Promise<ProvedClient> {
  const first = await acceptHello(stream, o);
  const { padding } = first;
  if (padding === null) throw new Stranger("it speaks version 1, which carries no streams");
  return await proveClient(stream, first, padding, o, offer);
}

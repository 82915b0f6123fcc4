import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Signer } from "../../contract/signature.ts";
import { ENROLL_SERVICE, MAX_AGENT_MESSAGE } from "../../core/gateway/agent_messages.ts";
import {
  type Certified,
  decodeCertified,
  decodeNonce,
} from "../../core/mesh/admission/join_answer.ts";
import {
  encodeRequest,
  type EnrollRequest,
  type RenewAgentRequest,
} from "../../core/mesh/admission/join_request.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import { MessageStream } from "./message_stream.ts";

/** Milliseconds for a request and its answer, which another node may give. */
const ANSWER_MS = 20_000;

/** Asks for a certificate by way of a gateway. @throws {TtunError} */
export async function askForCertificate(
  carrier: V2Carrier,
  request: EnrollRequest | RenewAgentRequest,
  { agent, token, clock }: {
    readonly agent: Signer;
    /** Of the invite; null = there is none. */
    readonly token: Signer | null;
    readonly clock: Clock;
  },
): Promise<Certified> {
  const stream = await carrier.open(ENROLL_SERVICE);
  await using messages = new MessageStream(stream, MAX_AGENT_MESSAGE);
  let isLate = false;
  using _timer = clock.after(ANSWER_MS, () => {
    isLate = true;
    stream.reset();
  });
  try {
    const nonce = decodeNonce(await messages.need());
    await messages.write(encodeRequest(request, nonce, agent, token));
    return decodeCertified(await messages.need());
  } catch (error) {
    if (isLate) throw new TtunError("timeout", "The gateway did not answer in time");
    throw error;
  }
}

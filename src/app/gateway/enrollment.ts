import { FinalError, TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Signer } from "../../contract/signature.ts";
import { ENROLL_SERVICE, MAX_AGENT_MESSAGE } from "../../core/gateway/agent_messages.ts";
import {
  type Certified,
  decodeCertified,
  decodeNonce,
  decodeOpenBits,
} from "../../core/mesh/admission/join_answer.ts";
import {
  encodeRequest,
  type EnrollRequest,
  type RenewAgentRequest,
} from "../../core/mesh/admission/join_request.ts";
import { findWork } from "../../core/mesh/admission/open_work.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import { MessageStream } from "./message_stream.ts";

/** Milliseconds for a request and its answer, which another node may give. */
const ANSWER_MS = 20_000;

/** Asks for a certificate by way of a gateway. @throws {TtunError} */
export function askForCertificate(
  carrier: V2Carrier,
  request: EnrollRequest | RenewAgentRequest,
  { agent, token, clock }: {
    readonly agent: Signer;
    /** Of the invite; null = there is none. */
    readonly token: Signer | null;
    readonly clock: Clock;
  },
): Promise<Certified> {
  return ask(carrier, clock, (first) => {
    return encodeRequest(request, decodeNonce(first), agent, token);
  });
}

/** Does the work for a certificate without an invite, and asks for it. @throws {TtunError} */
export function askWithoutInvite(
  carrier: V2Carrier,
  { agent, clock }: { readonly agent: Signer; readonly clock: Clock },
): Promise<Certified> {
  const { publicKey } = agent;
  return ask(carrier, clock, async (first) => {
    const [nonce, bits] = [decodeNonce(first), decodeOpenBits(first)];
    if (bits === null) {
      throw new FinalError("auth", "Cannot enroll without an invite: the gateway has no --open");
    }
    const steps = findWork({ nonce, publicKey }, bits);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) await clock.turn();
    if (step.value === null) {
      throw new FinalError("protocol", "Cannot enroll: the gateway asks for too much work");
    }
    const request = { kind: "enroll-open", publicKey, work: step.value } as const;
    return encodeRequest(request, nonce, agent, null);
  });
}

/** `answer`: returns the request, of the gateway's first message. */
async function ask(
  carrier: V2Carrier,
  clock: Clock,
  answer: (first: Uint8Array) => Uint8Array | Promise<Uint8Array>,
): Promise<Certified> {
  const stream = await carrier.open(ENROLL_SERVICE);
  await using messages = new MessageStream(stream, MAX_AGENT_MESSAGE);
  let isLate = false;
  using _timer = clock.after(ANSWER_MS, () => {
    isLate = true;
    stream.reset();
  });
  try {
    await messages.write(await answer(await messages.need()));
    return decodeCertified(await messages.need());
  } catch (error) {
    if (isLate) throw new TtunError("timeout", "The gateway did not answer in time");
    throw error;
  }
}

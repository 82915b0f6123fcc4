import { FinalError, TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import {
  AGENT_SERVICE,
  type AgentAnswer,
  type AgentRequest,
  decodeAgentAnswer,
  encodeAgentRequest,
  MAX_AGENT_MESSAGE,
} from "../../core/gateway/agent_messages.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import { MessageStream } from "./message_stream.ts";

/** Milliseconds until a gateway has answered. */
const ANSWER_MS = 20_000;

/** Refusals that stay what they are, however often the agent asks. */
const FINAL: ReadonlySet<string> = new Set(["auth", "usage", "in_use", "exhausted"]);

/** Requests to a gateway, one after the other. */
export class AgentControl implements AsyncDisposable {
  readonly #messages: MessageStream;
  readonly #clock: Clock;
  readonly #giveUp: () => void;

  private constructor(messages: MessageStream, clock: Clock, giveUp: () => void) {
    this.#messages = messages;
    this.#clock = clock;
    this.#giveUp = giveUp;
  }

  /** @throws {TtunError} lost */
  static async open(carrier: V2Carrier, clock: Clock): Promise<AgentControl> {
    const stream = await carrier.open(AGENT_SERVICE);
    const messages = new MessageStream(stream, MAX_AGENT_MESSAGE);
    return new AgentControl(messages, clock, () => stream.reset());
  }

  /** @throws {TtunError} the gateway's refusal: {FinalError} for one that stays */
  async ask(request: AgentRequest): Promise<AgentAnswer> {
    let isLate = false;
    using _timer = this.#clock.after(ANSWER_MS, () => {
      isLate = true;
      this.#giveUp();
    });
    try {
      await this.#messages.write(encodeAgentRequest(request));
      const answer = decodeAgentAnswer(await this.#messages.need());
      if (answer.kind !== "refused") return answer;
      const { kind, message } = answer.error;
      throw FINAL.has(kind) ? new FinalError(kind, message) : answer.error;
    } catch (error) {
      if (isLate) throw new TtunError("timeout", "The gateway did not answer in time");
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#messages[Symbol.asyncDispose]();
  }
}

import { AgentControl } from "../../app/gateway/agent_control.ts";
import { dialAgent } from "../../app/gateway/dial_agent.ts";
import { clientMemory } from "../../app/mux/session_memory.ts";
import { TtunError } from "../../base/errors.ts";
import { proveAgent } from "../../core/gateway/agent_messages.ts";
import { hostOfName, readPublicName } from "../../core/gateway/label.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { agentFolder, authoritiesFile, readAgent } from "./agent_folder.ts";
import { openAgentEnd } from "./open_agent_end.ts";
import type { NamesFlags } from "./options.ts";

/** Lists the names of this machine's agent, or gives one back. @throws {TtunError} */
export async function runNames(
  { words: [verb, name, ...rest], data }: NamesFlags,
  { log, signal }: RunContext,
): Promise<number> {
  const isList = verb === "list" && name === undefined;
  const released = verb === "release" && name !== undefined && rest.length === 0
    ? readPublicName(name)
    : null;
  if (!isList && released === null) {
    throw new TtunError(
      "usage",
      "Cannot do this: write list, or release NAME behind ttun mesh names",
    );
  }
  const folder = agentFolder(data);
  const { seed, certificate, apex, at } = readAgent(folder);
  await using end = openAgentEnd({ at, apex, ca: authoritiesFile(folder) }, log);
  const { clock, secrets } = end;
  const stream = await end.connect(signal);
  using carrier = await dialAgent(stream, { secrets, clock, memory: clientMemory(), signal });
  await using control = await AgentControl.open(carrier, clock);
  const proof = proveAgent(ed25519Signer(seed), carrier.binding);
  await control.ask({ kind: "hello", certificate, proof });
  if (released !== null) {
    await control.ask({ kind: "release", name: released });
    await print(`The name ${released} is nobody's now.\n`, signal);
    return 0;
  }
  const answer = await control.ask({ kind: "names" });
  const names = answer.kind === "names" ? answer.names : [];
  await print(names.map((one) => `${hostOfName(one, apex)}\n`).join(""), signal);
  return 0;
}

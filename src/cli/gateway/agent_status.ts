import { toTtunError, TtunError } from "../../base/errors.ts";
import { withRates } from "../../core/status/rates.ts";
import type { StatusReport } from "../../core/status/report.ts";
import { escapeControls } from "../output/log_writer.ts";
import { ask, findSockets } from "../status/query.ts";
import { statusText } from "../status/text.ts";
import { agentFolder, isAgent } from "./agent_folder.ts";

/**
 * Returns what the agents that run here tell of themselves; null = this machine is no agent.
 * @throws {TtunError} unreachable, if none runs
 */
export async function agentStatus(
  { json }: { readonly json: boolean },
  signal: AbortSignal,
): Promise<string | null> {
  const reports: StatusReport[] = [];
  for (const path of findSockets()) {
    try {
      const report = await ask(path, { request: "status", streams: false }, signal);
      if (report?.agent !== undefined) reports.push(report);
    } catch (thrown) {
      signal.throwIfAborted();
      toTtunError(thrown); // another program that does not answer hides no agent
    }
  }
  if (reports.length > 0) {
    return reports.map((report) =>
      json ? `${escapeControls(JSON.stringify(report))}\n` : statusText(withRates(report, report))
    ).join("\n");
  }
  if (!isOwnAgent()) return null;
  throw new TtunError(
    "unreachable",
    "No agent runs here, so that none of its names is reached: start ttun mesh publish",
  );
}

function isOwnAgent(): boolean {
  try {
    return isAgent(agentFolder(undefined));
  } catch {
    return false; // there is no place for one
  }
}

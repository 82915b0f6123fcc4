/** Of all commands of an agent. */
export const AGENT_DATA = {
  names: ["data"],
  group: "basic",
  kind: "string",
  metavar: "DIR",
  variable: "TTUN_AGENT_DATA",
  defaultText: "agent in the state directory",
  help: "the agent's folder: its key and certificate",
} as const;

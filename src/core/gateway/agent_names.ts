import { isPublicName } from "./label.ts";

/** Most names that an agent may be enrolled for, and most that it may have at a time. */
const MOST_AGENT_NAMES = 32;
const MOST_QUOTA = 1000;

/** Stands for all names that are free. */
export const ANY = "*";

/** Names of an agent's certificate or enrolment: labels and host names, or "*" alone. */
export function areAgentNames(names: readonly string[]): boolean {
  if (names.length === 0 || names.length > MOST_AGENT_NAMES) return false;
  return (names.length === 1 && names[0] === ANY) || names.every(isPublicName);
}

export function isQuota(quota: number): boolean {
  return Number.isInteger(quota) && quota >= 1 && quota <= MOST_QUOTA;
}

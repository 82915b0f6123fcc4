import type { HostPort } from "../../base/addr.ts";
import type { AgentState } from "./agent_folder.ts";

/** A service at a name of a mesh; it crosses to the data plane's Worker, packed. */
export interface MeshServerPlace {
  /** The URL for logs. */
  readonly name: string;
  /** The service's whole name, as gateways are asked for it. */
  readonly host: string;
  /** Where gateways are: one or more. */
  readonly at: readonly HostPort[];
  /**
   * PEM files of the authorities that are trusted, each tried in turn; null = the system's. A mesh may
   * have a certificate of a public authority for visitors, and its own one for agents.
   */
  readonly cas: readonly (string | null)[];
}

/** A name that this machine's agent serves; it holds the agent's key. */
export interface MeshListenPlace {
  /** The URL by which clients reach it. */
  readonly name: string;
  readonly label: string;
  readonly folder: string;
  readonly agent: AgentState;
  /** PEM file of the authorities that gateways are verified by; null = the system's. */
  readonly ca: string | null;
}

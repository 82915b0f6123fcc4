import type { Logger } from "../../base/log.ts";
import type { Endpoint } from "../transport/endpoint.ts";

/** A link names a host with a port or a range of them, without any layer on TCP. */
const LINKED: readonly Endpoint["scheme"][] = ["tcp", "hop"];

/** Says that a command prints links for clients, if they can reach this server by one. */
export function tellOfLinks(listen: readonly Endpoint[], log: Logger): void {
  if (!listen.some(({ scheme }) => LINKED.includes(scheme))) return;
  log.info("ttun share HOST prints a link that has all a client needs");
}

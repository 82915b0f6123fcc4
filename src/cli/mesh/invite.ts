import type { Revoked } from "../../app/mesh/admission/invites.ts";
import { SERVICE_KINDS } from "../../core/gateway/service_kinds.ts";
import { utf8 } from "../../base/bytes.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { apiClient } from "./api_client.ts";
import type { MeshInviteFlags, MeshRevokeFlags } from "./options.ts";

const HOUR = 3600_000;

/** Prints an invite, which a running node makes. @throws {TtunError} */
export async function runMeshInvite(
  options: MeshInviteFlags,
  context: RunContext,
): Promise<number> {
  const { host = "", hours, uses, names, quota, kinds = SERVICE_KINDS } = options;
  const client = await apiClient(options, context);
  const ofAgent = names === undefined ? {} : { agent: { names, quota, kinds } };
  const roles = names === undefined ? options.roles : [];
  const wish = { host, roles, lifetimeMs: hours * HOUR, uses, ...ofAgent };
  const { invite } = await client.json<{ invite: string }>("POST", "/v1/invites", {
    body: utf8(JSON.stringify(wish)),
  });
  await print(`${invite}\n`, context.signal);
  return 0;
}

/** Shuts a node out of the cluster. @throws {TtunError} */
export async function runMeshRevoke(
  options: MeshRevokeFlags,
  context: RunContext,
): Promise<number> {
  const client = await apiClient(options, context);
  const { invited: isWithInvited } = options;
  const query = isWithInvited ? "?invited" : "";
  const path = `/v1/revoke/${encodeURIComponent(options.node)}${query}`;
  const { node, invited } = await client.json<Revoked>("POST", path);
  const others = invited.map((id) => id.slice(0, 12)).join(" ");
  const lines = [`The node ${node.slice(0, 12)} is shut out.`];
  if (others !== "") {
    lines.push(
      isWithInvited
        ? `Those that have come by its invites are shut out too: ${others}`
        : `If it was stolen, shut out those too that have come by its invites: ${others}`,
    );
  }
  await print(`${lines.join("\n")}\n`, context.signal);
  return 0;
}

import type { Descriptor } from "../../../core/mesh/descriptor.ts";
import type { Frame } from "../../../core/mesh/frame.ts";
import type { NodeKey } from "../../../core/mesh/node_id.ts";

/** Links with other nodes of the cluster, which have proved who they are. */
export interface RingLinks {
  /** Sends a frame, over a link that is made if there is none. A frame that cannot be sent is lost. */
  /** `isPatient`: it may wait some milliseconds for others to the same node. */
  send(to: NodeKey, frame: Frame, addresses: readonly string[], isPatient?: boolean): void;
  /** Makes a link with whatever node is at an address, HOST:PORT. */
  dial(address: string): void;
  /** Ends the link with a node that was revoked. */
  close(node: NodeKey): void;
}

/** Incidents of links. */
export interface RingLinkEvents {
  frame(from: NodeKey, frame: Frame): void;
  /** A link has come up. */
  met(descriptor: Descriptor): void;
  /** Nobody listens at a node's address. */
  refused(node: NodeKey): void;
}

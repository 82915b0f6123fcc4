import type { Agreement } from "../../app/transfer/receive_files.ts";
import type { PlainError } from "../../base/errors.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { LogLevel, LogRecord } from "../../base/log.ts";
import type { AclRules } from "../../core/acl/acl.ts";
import type { ListenRule } from "../../core/acl/listen_rule.ts";
import type { LiveSample } from "../../core/status/live_meter.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { TunnelConfig } from "../gateway/plane_config.ts";
import type { Offer } from "../transfer/offer.ts";

export interface WorkerInit<Config> {
  readonly config: Config;
  readonly port: MessagePort;
  readonly logLevel: LogLevel;
}

export interface PlaneHost extends Pick<WorkerInit<unknown>, "port" | "logLevel"> {
  readonly stop: AbortController;
}

/** Rules of a server, which may change while it runs. */
export interface PlaneRules extends AclRules {
  readonly permitListen: readonly ListenRule[];
}

/**
 * From the main thread to the data plane. The usual order:
 *
 *     main                          data plane
 *       (starts the Worker)   ──►
 *                             ◄──   listening (commands are heard from now on)
 *                             ◄──   ready (device and listener are there, if any)
 *       start (a server's     ──►
 *         --up has run)
 *                             ◄──   resolve, log … for as long as it runs
 *                             ◄──   addresses (of a client, at each session)
 *       taken (a client's     ──►
 *         --up has run)
 *                             ◄──   up (of a client)
 *       status                ──►
 *       stop                  ──►   (or it ends by itself)
 *                             ◄──   ended (everything is closed)
 *       (--down runs)
 */
export type PlaneCommand<Start = unknown> =
  | { readonly kind: "start"; readonly with: Start }
  /** `onPurpose`: the user ends ttun; otherwise the main thread has failed. */
  | { readonly kind: "stop"; readonly onPurpose: boolean }
  | { readonly kind: "rules"; readonly rules: PlaneRules }
  | { readonly kind: "keys"; readonly keys: readonly NamedKey[] }
  | { readonly kind: "tunnels"; readonly tunnels: readonly TunnelConfig[] }
  | { readonly kind: "status" }
  /** The data plane answers that it is alive. */
  | { readonly kind: "ask" }
  /** Asks for a sample of the live line. */
  | { readonly kind: "live" }
  | { readonly kind: "resolved"; readonly id: number; readonly addresses: readonly string[] }
  | { readonly kind: "unresolved"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "secret"; readonly id: number; readonly s: Uint8Array }
  | { readonly kind: "noSecret"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "taken"; readonly id: number }
  | { readonly kind: "agreed"; readonly id: number; readonly agreement: Agreement }
  | { readonly kind: "disagreed"; readonly id: number; readonly error: PlainError };

export type PlaneEvent<Facts = unknown> =
  /** A write to this eventfd announces a command; null = messages arrive by themselves. */
  | { readonly kind: "listening"; readonly wakeFd: number | null }
  | { readonly kind: "log"; readonly record: LogRecord }
  | { readonly kind: "ready"; readonly facts: Facts }
  | { readonly kind: "resolve"; readonly id: number; readonly host: string }
  /** The secret of version 2 is to be worked out from a key. */
  | { readonly kind: "derive"; readonly id: number; readonly key: Uint8Array }
  /** A client has this key, of several. */
  | { readonly kind: "keyUsed"; readonly key: Uint8Array }
  /** Addresses of a client's session, whose packets wait until they are `taken`. */
  | { readonly kind: "addresses"; readonly id: number; readonly addresses: readonly string[] }
  /** The user is to be asked for files that a sender offers. */
  | { readonly kind: "offer"; readonly id: number; readonly offer: Offer }
  /** There is nothing more to ask about it. */
  | { readonly kind: "offerOver"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "live"; readonly sample: LiveSample }
  | { readonly kind: "leases"; readonly leases: readonly Lease[] }
  /** Output of the command; progress is replaced by the next line. */
  | { readonly kind: "print"; readonly line: string; readonly isProgress: boolean }
  /** A client's first session is there, and so are the listeners of its forwards. */
  | { readonly kind: "up" }
  /** The answer to `ask`. */
  | { readonly kind: "alive" }
  /** The server has spoken version 2, which is to be remembered. */
  | { readonly kind: "reportV2" }
  /** The server of that name and key is there, which is to be remembered. */
  | { readonly kind: "serverAddress"; readonly address: string }
  /** Last event; null = no failure. */
  | { readonly kind: "ended"; readonly error: PlainError | null };

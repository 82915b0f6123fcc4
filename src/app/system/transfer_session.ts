import { ProtocolError, TtunError } from "../../base/errors.ts";
import { onAbort, scope } from "../../base/scope.ts";
import type { Stream } from "../../contract/stream.ts";
import { packMessage, type Role, VERSION } from "../../core/transfer/messages.ts";
import { write } from "../loop/stream_io.ts";
import { addressGroup } from "../net/address_group.ts";
import { ConnectError } from "../net/connect_error.ts";
import { MessageStream } from "../transfer/message_stream.ts";
import { type LinkClientOptions, openLinkClient } from "./link_client.ts";
import { runServiceServer, type ServiceCall, type ServiceServerOptions } from "./service_server.ts";

/** Name of the service (docs/wire/transfer.md). */
const SERVICE = "transfer";

/** A stream whose ends know their roles. */
export interface TransferStream {
  readonly messages: MessageStream;
  readonly stream: Stream;
  /** Names the other end. */
  readonly peer: string;
  /** Aborts when this end ends, or the peer has begun anew. */
  readonly signal: AbortSignal;
}

export type RunTransfer<T> = (on: TransferStream) => Promise<T>;

export interface TransferOptions<T> {
  readonly role: Role;
  readonly transfer: RunTransfer<T>;
}

/** Runs a transfer with the end that listens. @throws as `openLinkClient` and the transfer */
export async function runTransferClient<T>(
  o: LinkClientOptions & TransferOptions<T> & { readonly peer: string },
): Promise<T> {
  const { role, transfer, signal, peer } = o;
  using stack = new DisposableStack();
  // The other end may come later than this one.
  const client = openLinkClient({ ...o, endsWithSession: true, openWaitMs: Infinity }, stack);
  return await scope(signal, async (tasks) => {
    let isDone = false;
    tasks.spawn(async (signal) => {
      try {
        await client.run(signal);
      } catch (error) {
        if (!isDone) throw error; // the other end has gone, which it may now
      }
    });
    await using stream = await open(client.outbound, tasks.signal);
    await write(stream, packMessage({ kind: "hello", version: VERSION, role }));
    const messages = new MessageStream(stream);
    const result = await transfer({ messages, stream, peer, signal: tasks.signal });
    isDone = true;
    await client.outbound.delivered(tasks.signal);
    tasks.cancel();
    return result;
  });
}

interface Opener {
  openService(service: string, o: { signal: AbortSignal }): Promise<Stream>;
}

async function open(outbound: Opener, signal: AbortSignal): Promise<Stream> {
  try {
    return await outbound.openService(SERVICE, { signal });
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    if (error.failure === "tunnel") await ended(signal);
    const words = "Cannot transfer files: the other end is neither ttun send nor ttun receive";
    throw new TtunError("unreachable", words);
  }
}

/** Waits for what has ended the session: the client's task tells it. @throws the signal's reason */
async function ended(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  using _registration = onAbort(signal, reject);
  return await promise;
}

/** A transfer that is under way. */
interface Active {
  readonly call: ServiceCall;
  /** Aborts when the peer has begun another one. */
  readonly replaced: AbortController;
}

/**
 * Waits for the other end, and ends with its transfer. One that goes away before anything was agreed
 * on is waited for again, and one that has lost its session may begin anew.
 * @throws as `runServiceServer` and the transfer
 */
export async function runTransferServer<T>(
  o: Omit<ServiceServerOptions, "services"> & TransferOptions<T> & {
    /** The receiver has agreed to the transfer that began last. */
    readonly isAgreed: () => boolean;
  },
): Promise<T> {
  let active: Active | null = null;
  let outcome: { readonly result: T } | { readonly error: unknown } | null = null;
  const serve = async (call: ServiceCall): Promise<void> => {
    const { stream, client } = call;
    const messages = new MessageStream(stream);
    await expectRole(messages, o.role);
    if (active?.call.client.isConnected === true) {
      return await refuse(messages, "another transfer is under way");
    }
    if (active !== null) {
      active.replaced.abort(new TtunError("lost", "The other end has begun anew"));
      active.call.stream.reset();
    }
    const replaced = new AbortController();
    const mine: Active = active = { call, replaced };
    using _end = onAbort(call.signal, (reason) => replaced.abort(reason));
    try {
      const { signal } = replaced;
      const peer = peerOf(client);
      outcome = { result: await o.transfer({ messages, stream, peer, signal }) };
      call.end();
    } catch (error) {
      if (replaced.signal.aborted || isGoneBefore(error, o.isAgreed())) throw error;
      outcome = { error };
      call.end();
    } finally {
      if (active === mine) active = null;
    }
  };
  await runServiceServer({ ...o, services: { [SERVICE]: serve } });
  const ended = outcome as { readonly result: T } | { readonly error: unknown } | null;
  if (ended === null) throw new TtunError("lost", "The transfer has ended without a result");
  if ("error" in ended) throw ended.error;
  return ended.result;
}

function isGoneBefore(error: unknown, isAgreed: boolean): boolean {
  return error instanceof TtunError && error.kind === "lost" && !isAgreed;
}

function peerOf({ from, account }: ServiceCall["client"]): string {
  const address = addressGroup(from);
  return account === "" ? address : `${account} (${address})`;
}

/** @throws {TtunError} protocol, usage */
async function expectRole(messages: MessageStream, own: Role): Promise<void> {
  const hello = await messages.expect();
  if (hello.kind !== "hello") {
    throw new ProtocolError("Cannot read a transfer: it has no beginning");
  }
  if (hello.version !== VERSION) {
    await refuse(messages, "this ttun is of another version: update the older one");
    throw new ProtocolError("Cannot transfer files: the other ttun is of another version");
  }
  if (hello.role !== own) return;
  await refuse(messages, own === "sends" ? "both ends send" : "both ends receive");
  throw new TtunError("usage", `Cannot transfer files: the other end ${own} as well`);
}

async function refuse(messages: MessageStream, words: string): Promise<void> {
  await messages.send({ kind: "refuse", words });
  await messages.closeWrite();
  await messages.ended();
}

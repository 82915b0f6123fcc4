import { TtunError } from "../../base/errors.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import type { ForwardTable } from "../../app/system/forward_table.ts";
import type { RemoteForwardTable } from "../../app/system/remote_forwards.ts";
import type { ForwardRequest } from "../../core/status/messages.ts";
import type { EndStatus, ReportWishes } from "../../core/status/report.ts";

/** Forwards that the status socket may change. */
export interface ChangeableForwards {
  readonly forwards: ForwardTable;
  readonly remote: { readonly table: RemoteForwardTable };
}

/** Facts for the status socket, and forwards that it may change; a data plane sets both later. */
export class PlaneStatus {
  #describe: ((wishes: ReportWishes) => EndStatus) | null = null;
  #forwards: ChangeableForwards | undefined;
  readonly #always: () => EndStatus;

  /** `always` tells what all kinds of data planes have. */
  constructor(always: () => EndStatus = () => ({})) {
    this.#always = always;
  }

  set(
    describe: (wishes: ReportWishes) => EndStatus,
    forwards: ChangeableForwards | undefined,
  ): void {
    this.#describe = describe;
    this.#forwards = forwards;
  }

  /** There is something to tell: what is to be open is open. */
  get isSet(): boolean {
    return this.#describe !== null;
  }

  describe(wishes: ReportWishes): EndStatus {
    return { ...this.#always(), ...this.#describe?.(wishes) };
  }

  /** @throws {TtunError} usage, in_use, privilege, unreachable */
  changeForwards(request: ForwardRequest): MaybePromise<void> {
    if (this.#forwards === undefined) {
      throw new TtunError(
        "usage",
        "Cannot change its forwards: it has none; start ttun client with one of -L, -R and -D, or " +
          "with -N",
      );
    }
    const { forwards, remote: { table } } = this.#forwards;
    switch (request.request) {
      case "add forward":
        return request.spec.kind === "remote"
          ? table.add(request.spec)
          : forwards.add(request.spec);
      case "remove forward":
        return forwards.remove(request.listen, request.protocol);
      case "remove remote forward":
        return table.remove(request.listen, request.protocol);
    }
  }
}
